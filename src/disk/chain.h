// A chain of images, top first, and where each byte of the disk comes from (section 13 of the
// format reference).

#ifndef VHDXKIT_DISK_CHAIN_H_
#define VHDXKIT_DISK_CHAIN_H_

#include <vhdxkit/block_device.h>
#include <vhdxkit/disk.h>
#include <vhdxkit/error.h>
#include <vhdxkit/file.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "image/image.h"

namespace vhdx {

class Disk::Chain {
 public:
  /// Opens the whole chain. Errors: those of OpenImage and OpenParent; parent.loop, parent.depth.
  static Result<std::unique_ptr<Chain>> Open(FileSystem& files, const std::string& path,
                                             const OpenOptions& options);

  Image& layer(size_t depth) { return *layers_[depth]; }
  const Image& layer(size_t depth) const { return *layers_[depth]; }
  size_t size() const { return layers_.size(); }

  Result<void> Read(uint64_t disk_offset, MutableByteSpan buffer);
  Result<std::vector<Extent>> Extents(DiskRange range, size_t max_extents);

 private:
  // What stands at a disk offset, from there on, in one piece of one layer.
  struct Piece {
    ExtentKind kind = ExtentKind::kHole;
    uint32_t depth = 0;
    uint64_t length_bytes = 0;
    uint64_t file_offset = 0;  // kData
  };

  explicit Chain(std::vector<std::unique_ptr<Image>> layers) : layers_(std::move(layers)) {}

  // The piece that starts at `offset`, at most `length` bytes of it. `find_blocks(depth, block,
  // max_count)` gives the run of blocks of a layer; how it looks them up is the caller's choice.
  template <typename FindBlocks>
  Result<Piece> Resolve(uint64_t offset, uint64_t length, FindBlocks&& find_blocks);

  Result<void> ReadData(const Piece& piece, MutableByteSpan buffer);

  std::vector<std::unique_ptr<Image>> layers_;
};

}  // namespace vhdx

#endif  // VHDXKIT_DISK_CHAIN_H_

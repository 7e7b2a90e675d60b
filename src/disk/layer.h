// Layer: one member of the stack of files that a disk consists of.
//
// A layer says where each of its bytes is: in its file, nowhere because they are zeros, or in what
// is below it. The stack asks the layers from the top down, and reads from their files. A format
// becomes a layer by an adapter in this directory, and knows nothing of it. Any number of threads
// may use a layer.

#ifndef VHDXKIT_DISK_LAYER_H_
#define VHDXKIT_DISK_LAYER_H_

#include <vhdxkit/block_device.h>
#include <vhdxkit/disk.h>
#include <vhdxkit/error.h>
#include <vhdxkit/file.h>
#include <vhdxkit/image_info.h>

#include <cstdint>
#include <memory>

namespace vhdx {

class Image;

class Layer {
 public:
  /// Where the first bytes of a range are.
  struct Piece {
    enum class Where : uint8_t { kHere, kZero, kBelow };
    Where where = Where::kBelow;
    uint64_t length_bytes = 0;  ///< at least 1
    uint64_t file_offset = 0;   ///< kHere; the others follow the first
  };

  /// Finds pieces in order, without keeping in memory what it read for that. One thread.
  class Walk {
   public:
    Walk() = default;
    Walk(const Walk&) = delete;
    Walk& operator=(const Walk&) = delete;
    virtual ~Walk() = default;
    /// As Layer::Find.
    virtual Result<Piece> Find(DiskRange range) = 0;
  };

  Layer() = default;
  Layer(const Layer&) = delete;
  Layer& operator=(const Layer&) = delete;
  virtual ~Layer() = default;

  /// The piece at the start of a range that is not empty and inside of the layer: at most all of
  /// it. Errors: kIo; kCorrupt with the rule that the place of these bytes breaks.
  virtual Result<Piece> Find(DiskRange range) = 0;
  virtual std::unique_ptr<Walk> NewWalk() = 0;
  /// Whether no two parts of the layer are in the same place of the file. Errors: kCorrupt, kIo.
  virtual Result<void> RefuseSharedSpace() = 0;

  /// What is in the layer, and its lock.
  virtual File& file() = 0;
  /// As it was when it was opened. What is above the layer may be longer than it.
  virtual const ImageInfo& info() const = 0;
  uint64_t size_bytes() const { return info().parameters.virtual_disk_size_bytes; }
  /// Adds what was counted while the layer was written.
  virtual void CountInto(EngineCounters&) const {}
  /// The image that the layer is, if it is one. Only an image can be written; and where its blocks
  /// are, the stack looks up itself if it is the top.
  virtual Image* image() { return nullptr; }
};

}  // namespace vhdx

#endif  // VHDXKIT_DISK_LAYER_H_

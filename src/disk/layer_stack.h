// The layers of a disk, top first, and where each of its bytes comes from (docs/format.md, section
// 13). Only the top one is ever written. Which layers they are never changes: a disk that changes
// its layers, as a snapshot does, gets another stack.

#ifndef VHDXKIT_DISK_LAYER_STACK_H_
#define VHDXKIT_DISK_LAYER_STACK_H_

#include <vhdxkit/block_device.h>
#include <vhdxkit/disk.h>
#include <vhdxkit/error.h>
#include <vhdxkit/file.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "bytes/arithmetic.h"
#include "disk/layer.h"
#include "disk/read_ahead.h"
#include "image/image.h"
#include "image/image_writer.h"
#include "image/write_limits.h"

namespace vhdx {

/// Whether space is given back where a range is made to read as zeros.
enum class ZeroHow : uint8_t { kWriteZeroes, kTrim };

class LayerStack {
 public:
  /// At least one layer, top first.
  explicit LayerStack(std::vector<std::shared_ptr<Layer>> layers);

  /// A stack of the same layers below another one.
  std::unique_ptr<LayerStack> WithChild(std::unique_ptr<Layer> child) const;

  Layer& layer(size_t depth) { return *layers_[depth]; }
  const Layer& layer(size_t depth) const { return *layers_[depth]; }
  size_t size() const { return layers_.size(); }
  uint64_t size_bytes() const { return size_bytes_; }
  /// The top layer of a disk that is written.
  Image& top_image() { return *top_image_; }
  /// Of the top image; null if the disk is not written.
  ImageWriter* writer() { return writer_; }
  const ImageWriter* writer() const { return writer_; }

  /// Makes what is in the parents durable: what is built on must not be lost, and whoever wrote
  /// them may never have synced them. Errors: kIo.
  Result<void> SyncParents();
  /// Makes the top layer, which is an image, ready to be written, before the first request. Errors:
  /// those of Image::EnableWriting.
  Result<void> EnableWriting(FileSystem& files, const WriteLimits& limits, PageCache page_cache);

  /// Most reads are of one block that is in the top image. They take one lookup and one call of the
  /// file, inline: returning from a system call, a processor that guards against speculation
  /// mispredicts every return.
  Result<void> Read(DiskRange range, std::span<const MutableByteSpan> buffers) {
    if (read_ahead_ != nullptr) [[unlikely]]
      StartReadAhead(range);
    if (writer_ == nullptr) {
      const uint64_t place = PlaceIfInOneBlock(range);
      if (place != 0) return top_image_->file().ReadExactAt(place, buffers, range.length_bytes);
    }
    return ReadSlowly(range, buffers);
  }
  // Any offset and length; the top image is writable. Errors: those of ImageWriter and of Read.
  Result<void> Write(DiskRange range, std::span<const ByteSpan> buffers) {
    if (IsAligned(range.disk_offset | range.length_bytes,
                  top_image_->geometry().logical_sector_size())) {
      return writer_->Write(range, buffers);
    }
    return WriteUnaligned(range, buffers);
  }
  Result<void> Zero(DiskRange range, ZeroHow how);
  Result<std::vector<Extent>> Extents(DiskRange range, size_t max_extents);
  // The first offset that may be something else than zeros: holes of the files are skipped.
  Result<uint64_t> NextData(DiskRange range);
  // Shares what is in files, and makes the rest zeros.
  Result<void> CloneTo(DiskRange range, File& target, uint64_t file_offset);

 private:
  // What is at a disk offset, from there on, in one piece of one layer.
  struct Piece {
    ExtentKind kind = ExtentKind::kHole;
    uint32_t depth = 0;
    uint64_t length_bytes = 0;
    uint64_t file_offset = 0;  // kData
  };

  static bool Follows(const Piece& before, const Piece& after);

  // The piece at the start of a range. `find(depth, range)` is the Layer::Find of that layer, or of
  // a walk through it.
  template <typename Find>
  Result<Piece> Resolve(DiskRange range, Find&& find);
  Result<Piece> PieceAt(DiskRange range);

  // Where a range is in the file of the top layer; 0 if it is not in one block that is there,
  // or if telling takes more than one look.
  uint64_t PlaceIfInOneBlock(DiskRange range) {
    if (top_image_ == nullptr) return 0;
    const format::BatGeometry& geometry = top_image_->geometry();
    const uint64_t within = geometry.OffsetInBlock(range.disk_offset);
    if (range.length_bytes == 0 || within + range.length_bytes > geometry.block_size()) return 0;
    const uint64_t block = geometry.BlockOf(range.disk_offset);
    const uint64_t start = top_image_->block_map().OffsetIfPresent(block);
    return start == 0 ? 0 : start + within;
  }
  void StartReadAhead(DiskRange read);
  // Calls `use(part)` for the whole range; or, where the top image is being written, for the part
  // of each block, with a reference to it from `hold(block)`, so that nobody else gets the block's
  // space meanwhile. Ends with kUnsupported if there is no reference.
  template <typename Hold, typename Use>
  Result<void> ForEachPart(DiskRange range, Hold&& hold, Use&& use);
  auto Sharing() {
    return [this](uint64_t block) { return writer_->Share(block); };
  }
  // Calls `use(piece, disk_offset)` for the pieces of a range: those that follow each other in one
  // file, and those of zeros, in one. Says nothing about who may write meanwhile.
  template <typename Use>
  Result<void> ForEachPiece(DiskRange range, Use&& use);
  Result<void> ReadSlowly(DiskRange range, std::span<const MutableByteSpan> buffers);
  Result<void> ReadUnlocked(DiskRange range, std::span<const MutableByteSpan> buffers);
  Result<void> ReadPieces(DiskRange range, std::span<const MutableByteSpan> buffers);

  /// The whole sectors of a range, and what is left of it before and after them.
  struct Sectors {
    DiskRange head;
    DiskRange whole;
    DiskRange tail;
  };
  Sectors Split(DiskRange range) const;
  Result<void> WriteUnaligned(DiskRange range, std::span<const ByteSpan> buffers);
  /// Writes a part of one sector.
  Result<void> WriteEdge(uint64_t disk_offset, std::span<const ByteSpan> buffers);

  const std::vector<std::shared_ptr<Layer>> layers_;
  Image* const top_image_;  // layers_[0], if it is one
  const uint64_t size_bytes_;
  ImageWriter* writer_ = nullptr;          // of the top image
  std::unique_ptr<ReadAhead> read_ahead_;  // null where the host reads ahead
};

}  // namespace vhdx

#endif  // VHDXKIT_DISK_LAYER_STACK_H_

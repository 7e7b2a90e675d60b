// What an image need not store: blocks that read as zeros, space that blocks without data keep, and
// ranges that somebody says are free.

#ifndef VHDXKIT_OPS_GIVE_UP_BLOCKS_H_
#define VHDXKIT_OPS_GIVE_UP_BLOCKS_H_

#include <vhdxkit/block_device.h>
#include <vhdxkit/error.h>
#include <vhdxkit/file.h>
#include <vhdxkit/operation.h>

#include <cstdint>
#include <functional>
#include <set>
#include <span>
#include <vector>

#include "bytes/aligned_buffer.h"
#include "image/bat_scan.h"
#include "image/image.h"

namespace vhdx {

class BlockGiver {
 public:
  /// Whether holes are made in blocks that stay.
  enum class Holes : uint8_t { kMake, kLeave };
  enum class Run : uint8_t { kReal, kDry };
  using OnRead = std::function<void(uint64_t length_bytes)>;

  /// Of a real run a session has begun, and nothing was changed yet; the image is not fixed, and
  /// nobody else uses it. What was freed by GiveUpFree is seen by the next session: the other two
  /// look at the BAT in the file.
  BlockGiver(Image& image, Holes holes, Run run, const OperationControl& control);

  /// Takes the space of blocks that are UNMAPPED or UNDEFINED. What the disk reads stays.
  Result<void> GiveUpAnchors();
  /// Looks for zeros in what is stored. What the disk reads stays.
  Result<void> GiveUpZeros(const OnRead& on_read);
  /// Trims ranges of the disk that are in order and apart.
  Result<void> GiveUpFree(std::span<const DiskRange> ranges);

  const format::BatGeometry& geometry() const { return image_.geometry(); }
  /// Payload blocks that are no longer stored.
  uint64_t freed_blocks() const { return freed_blocks_; }
  /// Whether the block has space, or would have it after a real run. Errors: those of
  /// BlockMap::PayloadBlock.
  Result<bool> IsStored(uint64_t block);

 private:
  Result<void> CheckCancelled() const;
  Result<std::vector<DiskRange>> AnchoredBlocks();
  Result<void> LookForZeros(const ScannedEntry& scanned, const OnRead& on_read);
  Result<void> Trim(DiskRange range);
  void NoteFreed(uint64_t block);
  void Add(std::vector<DiskRange>& blocks, uint64_t block) const;

  Image& image_;
  const Holes holes_;
  const Run run_;
  const OperationControl& control_;
  AlignedBuffer buffer_;
  std::vector<DiskRange> zero_blocks_;
  uint64_t freed_blocks_ = 0;
  std::set<uint64_t> dry_freed_;  // of a dry run: they are still there
};

}  // namespace vhdx

#endif  // VHDXKIT_OPS_GIVE_UP_BLOCKS_H_

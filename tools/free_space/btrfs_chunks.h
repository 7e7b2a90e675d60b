// The chunks of a Btrfs file system: where its logical addresses are on its only device.

#ifndef VHDXKIT_TOOLS_FREE_SPACE_BTRFS_CHUNKS_H_
#define VHDXKIT_TOOLS_FREE_SPACE_BTRFS_CHUNKS_H_

#include <vhdxkit/block_device.h>
#include <vhdxkit/file.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "guest/btrfs_superblock.h"
#include "tools/free_space/found.h"

namespace vhdx::free_space {

/// A range of logical addresses that is on the device once (profile SINGLE) or twice (DUP).
struct BtrfsChunk {
  uint64_t logical = 0;
  uint64_t length_bytes = 0;
  uint64_t type = 0;              ///< what it is for, and the profile
  std::vector<uint64_t> stripes;  ///< where each copy is on the device

  uint64_t logical_end() const { return logical + length_bytes; }
  /// What each copy has of a range of logical addresses that is inside the chunk.
  DiskRange InStripe(uint64_t stripe, DiskRange range) const {
    return {stripe + (range.disk_offset - logical), range.length_bytes};
  }
};

/// The bytes of an item that describes the chunk at that logical address. Left alone: what has
/// another profile, is on another device or outside this one, or contradicts itself.
Found<BtrfsChunk> ParseBtrfsChunk(const guest::BtrfsSuperblock& btrfs, uint64_t logical,
                                  ByteSpan item);

class BtrfsChunks {
 public:
  /// Left alone: chunks that overlap, in logical addresses or on the device.
  static Found<BtrfsChunks> Of(std::vector<BtrfsChunk> chunks);

  /// Those that the superblock lists, without which the chunk tree cannot be read.
  static Found<BtrfsChunks> InSuperblock(const guest::BtrfsSuperblock& btrfs);

  /// By logical address.
  std::span<const BtrfsChunk> chunks() const { return chunks_; }
  /// What they take of the device, in order.
  std::span<const DiskRange> stripes() const { return stripes_; }

  /// The number of the chunk that holds all of a range of logical addresses.
  std::optional<size_t> Find(uint64_t logical, uint64_t length_bytes) const;

 private:
  std::vector<BtrfsChunk> chunks_;
  std::vector<DiskRange> stripes_;
};

}  // namespace vhdx::free_space

#endif  // VHDXKIT_TOOLS_FREE_SPACE_BTRFS_CHUNKS_H_

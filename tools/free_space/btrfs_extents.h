// What the extent tree of a Btrfs file system says is in use of each chunk.

#ifndef VHDXKIT_TOOLS_FREE_SPACE_BTRFS_EXTENTS_H_
#define VHDXKIT_TOOLS_FREE_SPACE_BTRFS_EXTENTS_H_

#include <vhdxkit/block_device.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "guest/btrfs_superblock.h"
#include "tools/free_space/btrfs_chunks.h"
#include "tools/free_space/btrfs_tree.h"
#include "tools/free_space/found.h"

namespace vhdx::free_space {

/// Takes the items of the extent tree, in order, and those of the block groups, which some file
/// systems have in a tree of their own. Between the extents of a chunk it is free.
class BtrfsExtents {
 public:
  /// Both must exist as long as this does.
  BtrfsExtents(const guest::BtrfsSuperblock& btrfs, const BtrfsChunks& chunks)
      : btrfs_(btrfs), chunks_(chunks), usage_(chunks.chunks().size()) {}

  /// An item of the extent tree. Left alone: extents that overlap, or are not all in one chunk;
  /// items that are not known.
  Found<void> Take(const BtrfsItem& item);
  /// An item of the block group tree.
  Found<void> TakeBlockGroup(const BtrfsItem& item);

  /// After all items. Left alone: a chunk without a block group, and block groups or a superblock
  /// that count other bytes in use than the extents have.
  Found<void> Finish();

  /// The free ranges of the device that are in chunks, in no order.
  std::vector<DiskRange> TakeFree() { return std::move(free_); }
  /// What the block groups count as in use, with every copy.
  uint64_t used_on_device() const { return used_on_device_; }

 private:
  struct ChunkUsage {
    uint64_t extent_bytes = 0;
    std::optional<uint64_t> counted_bytes;  ///< by its block group
  };

  Found<void> TakeExtent(uint64_t logical, uint64_t length);
  /// All chunks before this one have no more extents.
  Found<void> GoToChunk(size_t chunk);
  /// The current chunk is free up to here.
  Found<void> AddFreeUpTo(uint64_t logical);

  const guest::BtrfsSuperblock& btrfs_;
  const BtrfsChunks& chunks_;
  std::vector<ChunkUsage> usage_;
  size_t chunk_ = 0;      ///< the current one
  uint64_t reached_ = 0;  ///< in it: its extents so far end there
  bool started_ = false;
  uint64_t used_on_device_ = 0;
  std::vector<DiskRange> free_;
};

}  // namespace vhdx::free_space

#endif  // VHDXKIT_TOOLS_FREE_SPACE_BTRFS_EXTENTS_H_

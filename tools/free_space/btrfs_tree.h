// The trees of Btrfs, read in order and with everything verified that their blocks say.

#ifndef VHDXKIT_TOOLS_FREE_SPACE_BTRFS_TREE_H_
#define VHDXKIT_TOOLS_FREE_SPACE_BTRFS_TREE_H_

#include <vhdxkit/block_device.h>
#include <vhdxkit/file.h>

#include <compare>
#include <cstdint>
#include <functional>
#include <vector>

#include "guest/btrfs_superblock.h"
#include "guest/range_reader.h"
#include "tools/free_space/btrfs_chunks.h"
#include "tools/free_space/found.h"

namespace vhdx::free_space {

struct BtrfsKey {
  uint64_t object_id = 0;
  uint8_t type = 0;
  uint64_t offset = 0;
  friend auto operator<=>(const BtrfsKey&, const BtrfsKey&) = default;
};

struct BtrfsItem {
  BtrfsKey key;
  ByteSpan data;  ///< for the time of the visit
};

/// What is known of a tree before it is read.
struct BtrfsTree {
  uint64_t id = 0;
  uint64_t logical = 0;  ///< of its root
  uint64_t generation = 0;
  uint8_t level = 0;
};

class BtrfsTreeReader {
 public:
  using Visit = std::function<Found<void>(const BtrfsItem& item)>;

  /// All must exist as long as the reader does.
  BtrfsTreeReader(guest::RangeReader& volume, const guest::BtrfsSuperblock& btrfs,
                  const BtrfsChunks& chunks)
      : volume_(volume), btrfs_(btrfs), chunks_(chunks) {}

  /// Visits the items of the tree, whose keys ascend. Ends where a visit fails. A tree that leads
  /// to a block twice is damaged, since its keys cannot ascend, and is left at the next leaf: so no
  /// tree takes longer than its blocks.
  Found<void> Walk(const BtrfsTree& tree, const Visit& visit);

  /// Every copy of the blocks that were read, on the device.
  const std::vector<DiskRange>& blocks() const { return blocks_; }

 private:
  guest::RangeReader& volume_;
  const guest::BtrfsSuperblock& btrfs_;
  const BtrfsChunks& chunks_;
  std::vector<DiskRange> blocks_;

  friend class BtrfsWalk;
};

}  // namespace vhdx::free_space

#endif  // VHDXKIT_TOOLS_FREE_SPACE_BTRFS_TREE_H_

// An allocation group of an XFS: its headers, and its tree of free space.

#ifndef VHDXKIT_TOOLS_FREE_SPACE_XFS_GROUP_H_
#define VHDXKIT_TOOLS_FREE_SPACE_XFS_GROUP_H_

#include <vhdxkit/block_device.h>

#include <cstdint>
#include <vector>

#include "guest/range_reader.h"
#include "guest/xfs.h"
#include "tools/free_space/found.h"
#include "tools/free_space/free_ranges.h"

namespace vhdx::free_space {

/// What the groups read so far have, in blocks where nothing else is said.
struct XfsGroups {
  FreeRanges free;
  std::vector<DiskRange> metadata;
  /// In use by the free list and by the trees of free space and of owners: the superblock counts
  /// them as free.
  uint64_t reserve_blocks = 0;
};

/// Reads the group of that number, which is below group_count, and adds what it has to `groups`.
Found<void> ReadXfsGroup(guest::RangeReader& volume, const guest::XfsSuperblock& xfs,
                         uint32_t number, XfsGroups& groups);

}  // namespace vhdx::free_space

#endif  // VHDXKIT_TOOLS_FREE_SPACE_XFS_GROUP_H_

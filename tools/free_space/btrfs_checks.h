// What the superblock of a Btrfs file system must say for its free space to be read.

#ifndef VHDXKIT_TOOLS_FREE_SPACE_BTRFS_CHECKS_H_
#define VHDXKIT_TOOLS_FREE_SPACE_BTRFS_CHECKS_H_

#include "guest/btrfs_superblock.h"
#include "guest/range_reader.h"
#include "tools/free_space/found.h"

namespace vhdx::free_space {

/// The feature that puts the block groups into a tree of their own.
bool HasBlockGroupTree(const guest::BtrfsSuperblock& btrfs);

/// The superblock at its first place, which is the one that is mounted. Left alone: a file system
/// whose log has to be replayed, of several devices, with features or flags that are not known, or
/// a copy of whose superblock is newer.
Found<guest::BtrfsSuperblock> ReadCleanBtrfsSuperblock(guest::RangeReader& volume);

}  // namespace vhdx::free_space

#endif  // VHDXKIT_TOOLS_FREE_SPACE_BTRFS_CHECKS_H_

// The free space of a Btrfs file system: what of its device no chunk takes, and what of its chunks
// no extent takes. One device; profiles SINGLE and DUP; checksums by CRC-32C.

#ifndef VHDXKIT_TOOLS_FREE_SPACE_BTRFS_H_
#define VHDXKIT_TOOLS_FREE_SPACE_BTRFS_H_

#include <vhdxkit/block_device.h>
#include <vhdxkit/error.h>

#include "tools/free_space/free_space.h"

namespace vhdx::free_space {

/// Left alone is also what was not unmounted (a log to replay, a newer copy of the superblock), is
/// being changed by a tool, or whose own counts differ: of the extents, of each block group, and of
/// the superblock. What is committed but for those is in use as the trees say, however the file
/// system came to be there. Errors: those of Read.
Result<Answer> ReadBtrfsFreeSpace(BlockDevice& volume);

}  // namespace vhdx::free_space

#endif  // VHDXKIT_TOOLS_FREE_SPACE_BTRFS_H_

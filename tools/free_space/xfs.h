// The free space of XFS: the records of each allocation group's B+tree of free space by number
// (bnobt).
//
// XFS logs its metadata: while the log has to be replayed, the trees are old, and what they call
// free may be in use. So everything but a log that ends in an unmount record is left alone, as are
// volumes with a log or data on another device, volumes that need a repair, and unknown features.
// Checksums (version 5) are verified, and so are the counts: the records of a group against its
// header, and all headers against the superblock. ([XFSALGO] "Allocation Groups", "Journaling Log")

#ifndef VHDXKIT_TOOLS_FREE_SPACE_XFS_H_
#define VHDXKIT_TOOLS_FREE_SPACE_XFS_H_

#include <vhdxkit/block_device.h>
#include <vhdxkit/error.h>

#include "tools/free_space/free_space.h"

namespace vhdx::free_space {

/// The count is that of the superblock, without the blocks of trees and of free lists that it
/// includes. Errors: those of BlockDevice::Read.
Result<Answer> ReadXfsFreeSpace(BlockDevice& volume);

}  // namespace vhdx::free_space

#endif  // VHDXKIT_TOOLS_FREE_SPACE_XFS_H_

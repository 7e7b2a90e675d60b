// NTFS, read by libntfs-3g.

#ifndef VHDXKIT_TOOLS_FREE_SPACE_NTFS_H_
#define VHDXKIT_TOOLS_FREE_SPACE_NTFS_H_

#include <vhdxkit/block_device.h>
#include <vhdxkit/error.h>

#include "tools/free_space/free_space.h"

namespace vhdx::free_space {

/// A file system is left alone that is marked as dirty, whose $LogFile is not clean, or that a
/// hibernated Windows uses. NTFS has no count of free clusters besides its map. Errors: those of
/// BlockDevice::Read, kNoMemory.
Result<Answer> ReadNtfsFreeSpace(BlockDevice& volume);

}  // namespace vhdx::free_space

#endif  // VHDXKIT_TOOLS_FREE_SPACE_NTFS_H_

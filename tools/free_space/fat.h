// The free space of FAT12, FAT16 and FAT32: the clusters whose entry in the FAT is zero.
//
// Left alone are volumes whose dirty flags (the second entry of the FAT, or the boot sector) say
// that they were not unmounted or that a write failed, whose FATs differ or are not mirrored, and
// whose FAT contradicts itself: an invalid entry, a cluster in two files, a file that continues in
// a free cluster. ([FATGEN] "FAT Data Structure")

#ifndef VHDXKIT_TOOLS_FREE_SPACE_FAT_H_
#define VHDXKIT_TOOLS_FREE_SPACE_FAT_H_

#include <vhdxkit/block_device.h>
#include <vhdxkit/error.h>

#include "tools/free_space/free_space.h"

namespace vhdx::free_space {

/// The count of a FAT32 is that of its FSInfo sector, where it has one. Errors: those of
/// BlockDevice::Read.
Result<Answer> ReadFatFreeSpace(BlockDevice& volume);

}  // namespace vhdx::free_space

#endif  // VHDXKIT_TOOLS_FREE_SPACE_FAT_H_

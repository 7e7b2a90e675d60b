// The free space of exFAT: the clusters whose bit in the allocation bitmap is clear.
//
// The bitmap is found through the root directory. Left alone are volumes that are marked as dirty
// or as having had disk errors, and those whose bitmap has more free clusters than the boot sector
// says, which counts them in percent. ([EXFAT] "Allocation Bitmap Directory Entry")

#ifndef VHDXKIT_TOOLS_FREE_SPACE_EXFAT_H_
#define VHDXKIT_TOOLS_FREE_SPACE_EXFAT_H_

#include <vhdxkit/block_device.h>
#include <vhdxkit/error.h>

#include "tools/free_space/free_space.h"

namespace vhdx::free_space {

/// Without a count: an exFAT stores only the percentage. Errors: those of BlockDevice::Read.
Result<Answer> ReadExfatFreeSpace(BlockDevice& volume);

}  // namespace vhdx::free_space

#endif  // VHDXKIT_TOOLS_FREE_SPACE_EXFAT_H_

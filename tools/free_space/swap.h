// The free space of Linux swap space: all pages but the first, which is its header, and those that
// are marked as bad. What is in the others ends with the system that wrote it, unless that system
// is hibernated; such swap space is left alone.

#ifndef VHDXKIT_TOOLS_FREE_SPACE_SWAP_H_
#define VHDXKIT_TOOLS_FREE_SPACE_SWAP_H_

#include <vhdxkit/block_device.h>
#include <vhdxkit/error.h>

#include "tools/free_space/free_space.h"

namespace vhdx::free_space {

/// Errors: those of BlockDevice::Read.
Result<Answer> ReadSwapFreeSpace(BlockDevice& volume);

}  // namespace vhdx::free_space

#endif  // VHDXKIT_TOOLS_FREE_SPACE_SWAP_H_

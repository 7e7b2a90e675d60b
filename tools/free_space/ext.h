// ext2, ext3 and ext4, read by libext2fs.

#ifndef VHDXKIT_TOOLS_FREE_SPACE_EXT_H_
#define VHDXKIT_TOOLS_FREE_SPACE_EXT_H_

#include <vhdxkit/block_device.h>
#include <vhdxkit/error.h>

#include "tools/free_space/free_space.h"

namespace vhdx::free_space {

/// A file system is left alone that was not unmounted cleanly, has errors, a journal that has not
/// been replayed, files that have to be removed, or that another host uses; and one whose maps
/// contradict its counts or checksums. Errors: those of BlockDevice::Read, kNoMemory.
Result<Answer> ReadExtFreeSpace(BlockDevice& volume);

}  // namespace vhdx::free_space

#endif  // VHDXKIT_TOOLS_FREE_SPACE_EXT_H_

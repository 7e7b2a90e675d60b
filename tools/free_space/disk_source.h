// The disk that vhdx-free-space reads, from what its parent gave it.

#ifndef VHDXKIT_TOOLS_FREE_SPACE_DISK_SOURCE_H_
#define VHDXKIT_TOOLS_FREE_SPACE_DISK_SOURCE_H_

#include <vhdxkit/block_device.h>
#include <vhdxkit/error.h>

#include <memory>

namespace vhdx::free_space {

/// The disk on a descriptor, which it takes: a regular file or a block device, or a socket on which
/// the parent serves reads (media/read_service.h). Afterwards only system calls that read are
/// needed. Errors: kUnsupported (it is something else), kCorrupt, kIo.
Result<std::unique_ptr<BlockDevice>> OpenDisk(int descriptor);

}  // namespace vhdx::free_space

#endif  // VHDXKIT_TOOLS_FREE_SPACE_DISK_SOURCE_H_

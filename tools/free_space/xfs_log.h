// The end of the log of an XFS: whether the file system was unmounted.

#ifndef VHDXKIT_TOOLS_FREE_SPACE_XFS_LOG_H_
#define VHDXKIT_TOOLS_FREE_SPACE_XFS_LOG_H_

#include <vhdxkit/block_device.h>

#include "guest/range_reader.h"
#include "tools/free_space/found.h"

namespace vhdx::free_space {

/// Leaves the volume alone unless the last record of its log, which is at that range, is that of an
/// unmount. Reads all of the log, which has at most 2 GiB.
Found<void> CheckXfsLog(guest::RangeReader& volume, DiskRange log);

}  // namespace vhdx::free_space

#endif  // VHDXKIT_TOOLS_FREE_SPACE_XFS_LOG_H_

// Before a walk over a whole disk: no two blocks may be in the same space.

#ifndef VHDXKIT_OPS_SHARED_SPACE_H_
#define VHDXKIT_OPS_SHARED_SPACE_H_

#include <vhdxkit/block_device.h>
#include <vhdxkit/disk.h>
#include <vhdxkit/error.h>

namespace vhdx {

/// Disk::RefuseSharedSpace, if the device is a Disk.
inline Result<void> RefuseSharedSpace(BlockDevice& device) {
  auto* const disk = dynamic_cast<Disk*>(&device);
  return disk == nullptr ? Result<void>{} : disk->RefuseSharedSpace();
}

}  // namespace vhdx

#endif  // VHDXKIT_OPS_SHARED_SPACE_H_

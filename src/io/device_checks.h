// What every BlockDevice checks before it does anything.

#ifndef VHDXKIT_IO_DEVICE_CHECKS_H_
#define VHDXKIT_IO_DEVICE_CHECKS_H_

#include <vhdxkit/block_device.h>
#include <vhdxkit/error.h>

#include <cstddef>

namespace vhdx {

/// Errors: kInvalidArgument if the range reaches past the end of the device.
Result<void> CheckInside(const BlockDevice& device, DiskRange range);
/// The same, for a change. Errors: kReadOnly, kInvalidArgument.
Result<void> CheckWrite(const BlockDevice& device, DiskRange range);
/// The same, for BlockDevice::Extents.
Result<void> CheckExtents(const BlockDevice& device, DiskRange range, size_t max_extents);

}  // namespace vhdx

#endif  // VHDXKIT_IO_DEVICE_CHECKS_H_

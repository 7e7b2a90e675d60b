// What every BlockDevice does before it does anything: the gate, and the checks.

#ifndef VHDXKIT_IO_DEVICE_CHECKS_H_
#define VHDXKIT_IO_DEVICE_CHECKS_H_

#include <vhdxkit/block_device.h>
#include <vhdxkit/error.h>

#include <cstddef>

#include "bytes/border.h"
#include "bytes/request_gate.h"

namespace vhdx {

/// Errors: kInvalidArgument if the range reaches past the end of the device.
Result<void> CheckInside(const BlockDevice& device, DiskRange range);
/// The same, for a change. Errors: kReadOnly, kInvalidArgument.
Result<void> CheckWrite(const BlockDevice& device, DiskRange range);
/// The same, for BlockDevice::Extents.
Result<void> CheckExtents(const BlockDevice& device, DiskRange range, size_t max_extents);

/// The error of a request to a device that has been closed.
std::unexpected<Error> IsClosed(const BlockDevice& device);

/// Does the work of one request inside of the gate, and catches what is thrown. Errors:
/// kInvalidArgument if the device has been closed; those of `work`.
template <typename Work>
[[gnu::always_inline]] inline auto DoRequest(RequestGate& gate, const BlockDevice& device,
                                             Work&& work) -> decltype(work()) try {
  const RequestGate::Pass pass = gate.Enter();
  if (!pass) [[unlikely]]
    return IsClosed(device);
  return work();
} catch (...) {
  return CaughtException();
}

/// The same for a request that shares bytes with another device, which may be waiting for this one:
/// it does not wait at the gate. Errors also: kUnsupported if it would have to.
template <typename Work>
auto DoShare(RequestGate& gate, const BlockDevice& device, Work&& work) -> decltype(work()) try {
  const RequestGate::Pass pass = gate.TryEnter();
  if (pass) return work();
  if (gate.is_shut()) return IsClosed(device);
  return Fail(ErrorCode::kUnsupported, "the disk is being changed", device.name());
} catch (...) {
  return CaughtException();
}

}  // namespace vhdx

#endif  // VHDXKIT_IO_DEVICE_CHECKS_H_

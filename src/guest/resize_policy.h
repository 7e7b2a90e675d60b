// Whether a disk may be cut: what is lost with its end.

#ifndef VHDXKIT_GUEST_RESIZE_POLICY_H_
#define VHDXKIT_GUEST_RESIZE_POLICY_H_

#include <vhdxkit/block_device.h>
#include <vhdxkit/error.h>

#include <cstdint>
#include <functional>
#include <string>

#include "guest/disk_contents.h"

namespace vhdx::guest {

enum class CutVerdict : uint8_t {
  kAllowed,
  kUnsafe,  ///< only if the user insists: --allow-unsafe
  kNever,   ///< no disk can have this size
};

struct CutDecision {
  CutVerdict verdict = CutVerdict::kAllowed;
  /// Unless it is allowed, why not: one sentence for users, in lower case and without a full stop.
  /// It names what would be cut, and the smallest size that is allowed, if that is known.
  std::string reason = {};
};

/// Whether the range, which is inside the disk, reads as zeros.
using ReadsAsZerosFunction = std::function<Result<bool>(const DiskRange& range)>;

/// Whether the disk may be cut to `new_size_bytes`, which is at most its size. It may, if
/// everything recognized ends before that, with room for the backup of a GPT, and nothing
/// contradicts that; or if nothing is recognized and the rest of the disk reads as zeros. Only then
/// is `reads_as_zeros` called. Errors: its own.
Result<CutDecision> MayCut(const DiskContents& contents, uint64_t new_size_bytes,
                           const ReadsAsZerosFunction& reads_as_zeros);

/// Whether the range of the disk reads as zeros: what is stored of it is read, up to the first
/// other byte. Errors: those of BlockDevice::Extents and Read.
Result<bool> ReadsAsZeros(BlockDevice& disk, DiskRange range);

}  // namespace vhdx::guest

#endif  // VHDXKIT_GUEST_RESIZE_POLICY_H_

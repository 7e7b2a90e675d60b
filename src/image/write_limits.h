// Limits of the writing engine. Tests make them small, so that rare cases become common.

#ifndef VHDXKIT_IMAGE_WRITE_LIMITS_H_
#define VHDXKIT_IMAGE_WRITE_LIMITS_H_

#include <cstddef>
#include <cstdint>

#include "bytes/arithmetic.h"

namespace vhdx {

struct WriteLimits {
  /// Sectors of the log that are used, from its start; all of them if it has fewer. More than these
  /// 64 MiB make nothing faster, but replay slower.
  uint64_t log_sectors = 64 * kMiB / 4096;
  /// Maximum number of pages in one log entry.
  uint64_t pages_per_entry = 2048;
  /// Maximum number of pages that are only in the log. With one more, all of them are checkpointed.
  size_t pages_in_log_only = 2048;
  /// How far the file is extended ahead of what is needed: an eighth of its length, within these.
  uint64_t least_growth_bytes = 64 * kMiB;
  uint64_t most_growth_bytes = kGiB;
  /// Bytes of blocks that are moved between two flushes: so much the host needs in addition.
  uint64_t moved_bytes = 64 * kMiB;
};

}  // namespace vhdx

#endif  // VHDXKIT_IMAGE_WRITE_LIMITS_H_

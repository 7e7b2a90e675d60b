// Bounds of the writing engine that tests make small, so that what is rare becomes common.

#ifndef VHDXKIT_IMAGE_WRITE_LIMITS_H_
#define VHDXKIT_IMAGE_WRITE_LIMITS_H_

#include <cstddef>
#include <cstdint>

#include "bytes/arithmetic.h"

namespace vhdx {

struct WriteLimits {
  /// Sectors of the log that are used, from its start; all of it if it has fewer. Beyond these 64
  /// MiB a longer log makes nothing faster but replay slower.
  uint64_t log_sectors = 64 * kMiB / 4096;
  /// Pages that one log entry may carry.
  uint64_t pages_per_entry = 2048;
  /// Pages that may stand in the log alone. One more, and all of them are written in place.
  size_t pages_in_log_only = 2048;
  /// How far the file grows ahead of what is needed: an eighth of its length, within these.
  uint64_t least_growth_bytes = 64 * kMiB;
  uint64_t most_growth_bytes = kGiB;
};

}  // namespace vhdx

#endif  // VHDXKIT_IMAGE_WRITE_LIMITS_H_

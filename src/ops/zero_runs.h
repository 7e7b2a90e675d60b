// Bytes split into runs of zeros and of data, so that zeros can become holes.

#ifndef VHDXKIT_OPS_ZERO_RUNS_H_
#define VHDXKIT_OPS_ZERO_RUNS_H_

#include <vhdxkit/error.h>
#include <vhdxkit/file.h>

#include <algorithm>
#include <cstdint>

#include "bytes/arithmetic.h"
#include "bytes/try.h"
#include "bytes/zeros.h"

namespace vhdx {

/// What reads as zeros becomes a hole in units of this, the block of most file systems.
inline constexpr uint64_t kHoleUnit = 4 * kKiB;

/// Some bytes of a disk that are all zeros, or of which no whole unit is.
struct ByteRun {
  uint64_t disk_offset = 0;
  ByteSpan bytes;
  bool is_zero = false;
};

/// As many of the bytes as lie in the unit of the first of them.
inline ByteSpan FirstUnit(uint64_t disk_offset, ByteSpan bytes) {
  const uint64_t to_boundary = kHoleUnit - disk_offset % kHoleUnit;
  return bytes.first(std::min<uint64_t>(to_boundary, bytes.size()));
}

inline ByteRun FirstRun(uint64_t disk_offset, ByteSpan bytes) {
  const bool is_zero = IsAllZero(FirstUnit(disk_offset, bytes));
  uint64_t length = FirstUnit(disk_offset, bytes).size();
  while (length < bytes.size()) {
    const ByteSpan next = FirstUnit(disk_offset + length, bytes.subspan(length));
    if (IsAllZero(next) != is_zero) break;
    length += next.size();
  }
  return {disk_offset, bytes.first(length), is_zero};
}

/// Calls `use(const ByteRun&)`, a Result<void>, for each run in order, until one fails.
template <typename Use>
Result<void> ForEachRun(uint64_t disk_offset, ByteSpan bytes, Use&& use) {
  while (!bytes.empty()) {
    const ByteRun run = FirstRun(disk_offset, bytes);
    VHDX_TRY(use(run));
    disk_offset += run.bytes.size();
    bytes = bytes.subspan(run.bytes.size());
  }
  return {};
}

}  // namespace vhdx

#endif  // VHDXKIT_OPS_ZERO_RUNS_H_

#include "image/space.h"

#include <algorithm>
#include <iterator>
#include <string>
#include <utility>

#include "bytes/arithmetic.h"
#include "bytes/try.h"
#include "format/layout.h"

namespace vhdx {

void FreeRanges::Add(FileRange range) {
  auto after = ranges_.lower_bound(range.file_offset);
  if (after != ranges_.begin()) {
    const auto before = std::prev(after);
    if (before->first + before->second == range.file_offset) {
      range = {before->first, before->second + range.length_bytes};
      ranges_.erase(before);
    }
  }
  if (after != ranges_.end() && after->first == range.file_offset + range.length_bytes) {
    range.length_bytes += after->second;
    ranges_.erase(after);
  }
  ranges_.emplace(range.file_offset, range.length_bytes);
}

std::optional<uint64_t> FreeRanges::Find(uint64_t length_bytes, uint64_t limit) const {
  const auto found = std::ranges::find_if(ranges_, [&](const auto& range) {
    return range.second >= length_bytes || range.first >= limit;
  });
  const bool fits = found != ranges_.end() && found->second >= length_bytes &&
                    FitsInside(found->first, length_bytes, limit);
  return fits ? std::optional(found->first) : std::nullopt;
}

std::optional<uint64_t> FreeRanges::Take(uint64_t length_bytes, uint64_t limit) {
  const auto offset = Find(length_bytes, limit);
  if (!offset) return std::nullopt;
  const auto found = ranges_.find(*offset);
  const uint64_t length = found->second;
  ranges_.erase(found);
  if (length > length_bytes) ranges_.emplace(*offset + length_bytes, length - length_bytes);
  return offset;
}

void Space::Reset(uint64_t end, std::span<const FileRange> free) {
  const MutexLock lock(mutex_);
  end_ = end;
  zeroed_ = {};
  stale_ = {};
  for (const FileRange& range : free) stale_.Add(range);
}

Result<Space::Allocation> Space::Allocate(uint64_t length_bytes) {
  const MutexLock lock(mutex_);
  auto allocation = Find(length_bytes);
  if (allocation) {
    ++allocations_;
    if (allocation->reused) ++reused_;
  }
  return allocation;
}

Result<Space::Allocation> Space::Find(uint64_t length_bytes) {
  if (auto offset = zeroed_.Take(length_bytes)) {
    return Allocation{{*offset, length_bytes}, Contents::kZeroed, true};
  }
  if (auto offset = stale_.Take(length_bytes)) {
    return Allocation{{*offset, length_bytes}, Contents::kStale, true};
  }
  VHDX_TRY(GrowTo(end_ + length_bytes));
  const FileCapabilities& host = file_.capabilities();
  const bool zero = host.extension_reads_zero && !host.block_device;
  const Allocation allocation{
      {end_, length_bytes}, zero ? Contents::kZeroed : Contents::kStale, false};
  end_ += length_bytes;
  return allocation;
}

std::optional<Space::Allocation> Space::AllocateBelow(uint64_t length_bytes, uint64_t limit) {
  const MutexLock lock(mutex_);
  const auto zeroed = zeroed_.Find(length_bytes, limit);
  const auto stale = stale_.Find(length_bytes, limit);
  if (!zeroed && !stale) return std::nullopt;
  const bool is_zeroed = zeroed && (!stale || *zeroed < *stale);
  const auto offset = (is_zeroed ? zeroed_ : stale_).Take(length_bytes, limit);
  ++allocations_;
  ++reused_;
  return Allocation{
      {*offset, length_bytes}, is_zeroed ? Contents::kZeroed : Contents::kStale, true};
}

Result<void> Space::GrowTo(uint64_t needed) {
  const uint64_t length = durability_.length();
  if (needed <= length) return {};
  if (file_.capabilities().block_device) {
    return Fail(
        ErrorCode::kNoSpace,
        "the device has no room for another block: it has " + std::to_string(length) + " bytes",
        file_.name());
  }
  const uint64_t step =
      std::clamp(length / 8, limits_.least_growth_bytes, limits_.most_growth_bytes);
  const uint64_t longer = AlignUp(std::max(needed, length + step), format::kAlignment);
  const bool has_grown_ahead = file_.Resize(longer).has_value();
  // Where so much is not to be had, what is needed may be.
  if (!has_grown_ahead) {
    VHDX_TRY(file_.Resize(needed));
  }
  durability_.NoteLength(has_grown_ahead ? longer : needed);
  ++growth_steps_;
  return {};
}

void Space::Release(FileRange range, Contents contents) {
  const MutexLock lock(mutex_);
  (contents == Contents::kZeroed ? zeroed_ : stale_).Add(range);
}

void Space::CountInto(EngineCounters& counters) const {
  const MutexLock lock(mutex_);
  counters.allocations += allocations_;
  counters.reused_blocks += reused_;
  counters.growth_steps += growth_steps_;
}

}  // namespace vhdx

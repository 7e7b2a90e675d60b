#include "testing/disk_history.h"

#include <algorithm>
#include <utility>

#include "bytes/formatting.h"

namespace vhdx::testing {
namespace {

bool Contains(const DiskRange& range, uint64_t disk_offset) {
  return range.disk_offset <= disk_offset && disk_offset < range.end();
}

std::string Describe(uint64_t disk_offset, GuestValue found,
                     const std::vector<GuestValue>& values) {
  std::string allowed;
  for (const GuestValue value : values) {
    allowed += (allowed.empty() ? "" : " or ") + DescribeValue(value);
  }
  return Format("disk offset {}: holds {}, may hold {}", disk_offset, DescribeValue(found),
                allowed);
}

}  // namespace

std::string AllowedContents::Compare(const DiskContents& contents) const {
  auto part = parts_.begin();
  uint64_t at = 0;
  for (const ContentRun& run : contents) {
    if (run.range.disk_offset != at) return Format("disk offset {}: a gap", at);
    while (at < run.range.end()) {
      while (part != parts_.end() && part->range.end() <= at) ++part;
      if (part == parts_.end()) return Format("disk offset {}: past the end", at);
      if (!std::ranges::binary_search(part->values, run.value)) {
        return Describe(at, run.value, part->values);
      }
      at = std::min(run.range.end(), part->range.end());
    }
  }
  if (!parts_.empty() && parts_.back().range.end() != at) {
    return Format("the disk ends at {}", at);
  }
  return "";
}

DiskHistory::DiskHistory(DiskContents initial, uint64_t first_write)
    : initial_(std::move(initial)), next_write_(first_write) {}

DiskHistory::DiskHistory(DiskHistory&& other) noexcept {
  // Nobody knows this one yet.
  const MutexLock theirs(other.mutex_);
  initial_ = std::move(other.initial_);
  entries_ = std::move(other.entries_);
  next_write_ = other.next_write_;
}

// -- Writing it down --

DiskHistory::Step DiskHistory::Add(StepKind kind, DiskRange range, GuestValue value, size_t mark) {
  entries_.push_back({.kind = kind, .range = range, .value = value, .begin = mark});
  return entries_.size() - 1;
}

DiskHistory::Write DiskHistory::BeginWrite(DiskRange range, size_t mark) {
  const MutexLock lock(mutex_);
  const uint64_t number = next_write_++;
  return {.step = Add(StepKind::kChange, range, number, mark), .number = number};
}

DiskHistory::Step DiskHistory::BeginZeroes(DiskRange range, size_t mark) {
  const MutexLock lock(mutex_);
  return Add(StepKind::kChange, range, kZeroValue, mark);
}

DiskHistory::Step DiskHistory::BeginFlush(size_t mark) {
  const MutexLock lock(mutex_);
  return Add(StepKind::kFlush, {}, {}, mark);
}

void DiskHistory::End(Step step, size_t mark) {
  const MutexLock lock(mutex_);
  entries_[step].end = mark;
}

void DiskHistory::Fail(Step step, size_t mark) {
  const MutexLock lock(mutex_);
  entries_[step].failed = mark;
}

void DiskHistory::Observe(const DiskContents& contents, size_t mark) {
  const MutexLock lock(mutex_);
  for (const ContentRun& run : contents) {
    entries_[Add(StepKind::kChange, run.range, run.value, mark)].end = mark;
  }
}

DiskHistory DiskHistory::Until(size_t index) const {
  const MutexLock lock(mutex_);
  DiskHistory earlier(initial_, next_write_);
  const MutexLock theirs(earlier.mutex_);
  for (Entry entry : entries_) {
    if (entry.begin >= index) continue;
    if (entry.end && *entry.end >= index) entry.end.reset();
    // The last that may have come of it happened just before.
    if (!entry.end) entry.failed = std::min(entry.failed.value_or(index), index - 1);
    earlier.entries_.push_back(entry);
  }
  return earlier;
}

uint64_t DiskHistory::next_write() const {
  const MutexLock lock(mutex_);
  return next_write_;
}

// -- Asking it --

std::optional<size_t> DiskHistory::LastFlushBegin(size_t index) const {
  std::optional<size_t> last;
  for (const Entry& entry : entries_) {
    if (entry.kind != StepKind::kFlush || !entry.end || *entry.end >= index) continue;
    last = std::max(last.value_or(0), entry.begin);
  }
  return last;
}

bool DiskHistory::FlushedAt(size_t index) const {
  const MutexLock lock(mutex_);
  return LastFlushBegin(index).has_value();
}

// Where what may be there changes: at every end of a change, and of a run of the start.
std::vector<uint64_t> DiskHistory::BordersAt(size_t index) const {
  std::vector<uint64_t> borders;
  for (const ContentRun& run : initial_) borders.push_back(run.range.end());
  for (const Entry& entry : entries_) {
    if (entry.kind != StepKind::kChange || entry.begin >= index) continue;
    borders.push_back(entry.range.disk_offset);
    borders.push_back(entry.range.end());
  }
  std::ranges::sort(borders);
  const auto repeated = std::ranges::unique(borders);
  borders.erase(repeated.begin(), repeated.end());
  return borders;
}

// A change is out of the question once another one that began after its end was covered by a flush.
std::vector<GuestValue> DiskHistory::ValuesAt(uint64_t disk_offset, size_t index,
                                              std::optional<size_t> flush_begin,
                                              GuestValue initial) const {
  std::optional<size_t> settled;  // where the last change began that a flush has covered
  for (const Entry& entry : entries_) {
    if (entry.kind != StepKind::kChange || !Contains(entry.range, disk_offset)) continue;
    if (flush_begin && entry.end && *entry.end < *flush_begin) {
      settled = std::max(settled.value_or(0), entry.begin);
    }
  }
  std::vector<GuestValue> values;
  if (!settled) values.push_back(initial);
  for (const Entry& entry : entries_) {
    if (entry.kind != StepKind::kChange || !Contains(entry.range, disk_offset)) continue;
    if (entry.begin >= index) continue;
    const std::optional<size_t> over = entry.end ? entry.end : entry.failed;
    if (!settled || !over || *over >= *settled) values.push_back(entry.value);
  }
  std::ranges::sort(values);
  const auto repeated = std::ranges::unique(values);
  values.erase(repeated.begin(), repeated.end());
  return values;
}

AllowedContents DiskHistory::AllowedAt(size_t index, std::optional<Step> seen_flush) const {
  const MutexLock lock(mutex_);
  std::optional<size_t> flush_begin = LastFlushBegin(index);
  if (seen_flush) flush_begin = std::max(flush_begin.value_or(0), entries_[*seen_flush].begin);
  std::vector<AllowedContents::Part> parts;
  auto run = initial_.begin();
  uint64_t at = 0;
  for (const uint64_t border : BordersAt(index)) {
    if (border == at) continue;
    while (run->range.end() <= at) ++run;
    parts.push_back({{at, border - at}, ValuesAt(at, index, flush_begin, run->value)});
    at = border;
  }
  return AllowedContents(std::move(parts));
}

}  // namespace vhdx::testing

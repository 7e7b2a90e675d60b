#include "image/reserved_ranges.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <utility>

namespace vhdx {

ReservedRanges::ReservedRanges(std::vector<FileRange> ranges) : ranges_(std::move(ranges)) {
  std::ranges::sort(ranges_);
}

bool ReservedRanges::Overlap(FileRange range) const {
  // The last one that starts before the range ends; those before it end before it starts.
  const auto after = std::ranges::lower_bound(ranges_, range.file_offset + range.length_bytes, {},
                                              &FileRange::file_offset);
  if (after == ranges_.begin()) return false;
  const FileRange& last = *std::prev(after);
  return last.file_offset + last.length_bytes > range.file_offset;
}

uint64_t ReservedRanges::FreeFrom(uint64_t file_offset) const {
  const auto next = std::ranges::upper_bound(ranges_, file_offset, {}, &FileRange::file_offset);
  if (next != ranges_.begin()) {
    const FileRange& last = *std::prev(next);
    if (file_offset - last.file_offset < last.length_bytes) return 0;
  }
  return (next == ranges_.end() ? std::numeric_limits<uint64_t>::max() : next->file_offset) -
         file_offset;
}

}  // namespace vhdx

#include "image/reserved_ranges.h"

#include <algorithm>
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

}  // namespace vhdx

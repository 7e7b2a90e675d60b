#include "tools/free_space/disk_ranges.h"

#include <algorithm>
#include <numeric>

namespace vhdx::free_space {

void SortAndJoin(std::vector<DiskRange>& ranges) {
  std::ranges::sort(ranges);
  size_t kept = 0;
  for (const DiskRange& range : ranges) {
    if (range.length_bytes == 0) continue;
    if (kept != 0 && ranges[kept - 1].end() == range.disk_offset) {
      ranges[kept - 1].length_bytes += range.length_bytes;
    } else {
      ranges[kept++] = range;
    }
  }
  ranges.resize(kept);
}

std::vector<DiskRange> Without(std::span<const DiskRange> ranges,
                               std::span<const DiskRange> holes) {
  std::vector<DiskRange> left;
  auto hole = holes.begin();
  for (const DiskRange& range : ranges) {
    uint64_t at = range.disk_offset;
    while (hole != holes.end() && hole->end() <= at) ++hole;
    for (auto next = hole; next != holes.end() && next->disk_offset < range.end(); ++next) {
      if (next->disk_offset > at) left.push_back({at, next->disk_offset - at});
      at = std::max(at, next->end());
    }
    if (at < range.end()) left.push_back({at, range.end() - at});
  }
  return left;
}

bool AnyOverlap(std::span<const DiskRange> ranges) {
  return std::ranges::adjacent_find(ranges, [](const DiskRange& a, const DiskRange& b) {
           return b.disk_offset < a.end();
         }) != ranges.end();
}

uint64_t LengthOf(std::span<const DiskRange> ranges) {
  return std::accumulate(
      ranges.begin(), ranges.end(), uint64_t{0},
      [](uint64_t sum, const DiskRange& range) { return sum + range.length_bytes; });
}

}  // namespace vhdx::free_space

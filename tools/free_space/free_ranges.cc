#include "tools/free_space/free_ranges.h"

namespace vhdx::free_space {

Found<void> FreeRanges::Add(DiskRange range) {
  total_bytes_ += range.length_bytes;
  if (!list_.empty() && list_.back().end() == range.disk_offset) {
    list_.back().length_bytes += range.length_bytes;
    return {};
  }
  if (list_.size() == kMaxFreeRanges) return LeaveAlone("its free space is in too many pieces");
  list_.push_back(range);
  return {};
}

}  // namespace vhdx::free_space

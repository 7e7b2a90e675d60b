// The free ranges of a volume, gathered in the order of their offsets.

#ifndef VHDXKIT_TOOLS_FREE_SPACE_FREE_RANGES_H_
#define VHDXKIT_TOOLS_FREE_SPACE_FREE_RANGES_H_

#include <vhdxkit/block_device.h>

#include <cstdint>
#include <utility>
#include <vector>

#include "tools/free_space/found.h"

namespace vhdx::free_space {

class FreeRanges {
 public:
  /// Adds a range that is not empty and starts at or after the end of the last; one that touches it
  /// becomes a part of it. Leaves the volume alone after kMaxFreeRanges.
  Found<void> Add(DiskRange range);

  uint64_t total_bytes() const { return total_bytes_; }
  const std::vector<DiskRange>& list() const { return list_; }
  std::vector<DiskRange> Take() { return std::exchange(list_, {}); }

 private:
  std::vector<DiskRange> list_;
  uint64_t total_bytes_ = 0;
};

}  // namespace vhdx::free_space

#endif  // VHDXKIT_TOOLS_FREE_SPACE_FREE_RANGES_H_

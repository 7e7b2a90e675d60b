// Lists of ranges of a volume: in order, and what is left of one without another.

#ifndef VHDXKIT_TOOLS_FREE_SPACE_DISK_RANGES_H_
#define VHDXKIT_TOOLS_FREE_SPACE_DISK_RANGES_H_

#include <vhdxkit/block_device.h>

#include <cstdint>
#include <span>
#include <vector>

namespace vhdx::free_space {

/// Sorts them, and joins those that touch. Empty ones vanish. They must not overlap.
void SortAndJoin(std::vector<DiskRange>& ranges);

/// The parts of `ranges` that no range of `holes` has. Both are in order and without overlap.
std::vector<DiskRange> Without(std::span<const DiskRange> ranges, std::span<const DiskRange> holes);

/// Whether two of them overlap; they must be in order.
bool AnyOverlap(std::span<const DiskRange> ranges);

uint64_t LengthOf(std::span<const DiskRange> ranges);

}  // namespace vhdx::free_space

#endif  // VHDXKIT_TOOLS_FREE_SPACE_DISK_RANGES_H_

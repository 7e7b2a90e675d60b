// Free ranges as they come out of an allocation map that has a bit for each unit.

#ifndef VHDXKIT_TOOLS_FREE_SPACE_BITMAP_RANGES_H_
#define VHDXKIT_TOOLS_FREE_SPACE_BITMAP_RANGES_H_

#include <vhdxkit/block_device.h>
#include <vhdxkit/file.h>

#include <cstdint>
#include <utility>
#include <vector>

namespace vhdx::free_space {

class BitmapRanges {
 public:
  /// Adds the units whose bit is 0, of the first `bit_count` bits: bit 0 of byte 0 is the unit at
  /// `disk_offset`, bit 1 the one after it. Maps are added in the order of their units; a range
  /// that touches the one before it is merged with it. The units must end before 2^64. Returns how
  /// many units are free.
  uint64_t AddZeroBits(ByteSpan bitmap, uint64_t bit_count, uint64_t disk_offset,
                       uint64_t unit_bytes);

  /// More than kMaxFreeRanges were found; those after that were dropped.
  bool too_many() const { return too_many_; }
  std::vector<DiskRange> Take() { return std::move(ranges_); }

 private:
  void Add(DiskRange range);

  std::vector<DiskRange> ranges_;
  bool too_many_ = false;
};

/// The same bytes, in order, as few ranges that do not touch.
std::vector<DiskRange> Merged(std::vector<DiskRange> ranges);

}  // namespace vhdx::free_space

#endif  // VHDXKIT_TOOLS_FREE_SPACE_BITMAP_RANGES_H_

#include "image/reserved_ranges.h"

#include <gtest/gtest.h>

namespace vhdx {
namespace {

TEST(ReservedRanges, EveryPositionAgainstEveryRange_IsAsByHand) {
  const std::vector<FileRange> given = {{30, 5}, {0, 10}, {12, 3}, {35, 1}};
  const ReservedRanges reserved(given);
  for (uint64_t start = 0; start < 45; ++start) {
    for (uint64_t length = 1; length < 20; ++length) {
      bool overlaps = false;
      for (const FileRange& range : given) {
        overlaps = overlaps || (start < range.file_offset + range.length_bytes &&
                                range.file_offset < start + length);
      }
      EXPECT_EQ(reserved.Overlap({start, length}), overlaps) << start << " " << length;
    }
  }
}

TEST(ReservedRanges, None_OverlapNothing) { EXPECT_FALSE(ReservedRanges().Overlap({0, 100})); }

}  // namespace
}  // namespace vhdx

#include "image/reserved_ranges.h"

#include <gtest/gtest.h>

#include <limits>
#include <vector>

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

TEST(ReservedRanges, FreeBytesFromEveryPosition_EndWhereARangeBegins) {
  const ReservedRanges reserved({{30, 5}, {0, 10}, {12, 3}, {35, 1}});
  EXPECT_EQ(reserved.end(), 36U);
  for (uint64_t start = 0; start < 36; ++start) {
    uint64_t length = 0;
    while (!reserved.Overlap({start, length + 1})) ++length;
    EXPECT_EQ(reserved.FreeFrom(start), length) << start;
  }
  EXPECT_EQ(reserved.FreeFrom(36), std::numeric_limits<uint64_t>::max() - 36);
}

TEST(ReservedRanges, None_OverlapNothing) {
  EXPECT_FALSE(ReservedRanges().Overlap({0, 100}));
  EXPECT_EQ(ReservedRanges().end(), 0U);
  EXPECT_EQ(ReservedRanges().FreeFrom(0), std::numeric_limits<uint64_t>::max());
}

}  // namespace
}  // namespace vhdx

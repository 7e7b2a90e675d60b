#include "image/space_map.h"

#include <gtest/gtest.h>

#include <random>

#include "bytes/arithmetic.h"

namespace vhdx {
namespace {

// Beyond 256 TiB the map keeps claims and not bits; both must say the same.
class SpaceMapOfEitherKind : public ::testing::TestWithParam<uint64_t> {};

TEST_P(SpaceMapOfEitherKind, GapsBetweenClaims_AreUnclaimed) {
  SpaceMap map(GetParam());
  EXPECT_TRUE(map.Claim({0, kMiB}));
  EXPECT_TRUE(map.Claim({3 * kMiB, 2 * kMiB}));
  EXPECT_TRUE(map.Claim({70 * kMiB, kMiB}));
  const SpaceMap::Summary summary = map.Summarize();
  EXPECT_EQ(summary.end, 71 * kMiB);
  EXPECT_EQ(summary.unclaimed_bytes, 67 * kMiB);
  ASSERT_EQ(summary.unclaimed.size(), 2U);
  EXPECT_EQ(summary.unclaimed[0], (FileRange{kMiB, 2 * kMiB}));
  EXPECT_EQ(summary.unclaimed[1], (FileRange{5 * kMiB, 65 * kMiB}));
  EXPECT_TRUE(map.Overlaps().empty());
}

TEST_P(SpaceMapOfEitherKind, RandomClaims_OverlapIsFound) {
  std::mt19937_64 random(7);
  for (int round = 0; round < 200; ++round) {
    SpaceMap map(GetParam());
    std::vector<int> claims(100);
    bool told = false;
    bool overlap = false;
    for (int i = 0; i < 6; ++i) {
      const uint64_t first = random() % 90;
      const uint64_t count = 1 + random() % 10;
      told = !map.Claim({first * kMiB, count * kMiB}) || told;
      for (uint64_t unit = first; unit < first + count; ++unit)
        overlap = claims[unit]++ > 0 || overlap;
    }
    told = !map.Overlaps().empty() || told;
    EXPECT_EQ(told, overlap) << round;
  }
}

INSTANTIATE_TEST_SUITE_P(Sizes, SpaceMapOfEitherKind,
                         ::testing::Values(uint64_t{100 * kMiB}, 300 * kTiB));

TEST(SpaceMap, ClaimBehindTheEndOfTheFile_IsCut) {
  SpaceMap map(10 * kMiB + 512);
  EXPECT_TRUE(map.Claim({8 * kMiB, 32 * kMiB}));
  EXPECT_TRUE(map.Claim({20 * kMiB, kMiB}));
  EXPECT_EQ(map.Summarize().end, 11 * kMiB);
}

TEST(SpaceMap, Nothing_EndsAtZero) {
  SpaceMap map(5 * kMiB);
  EXPECT_EQ(map.Summarize().end, 0U);
}

TEST(SpaceMap, ReleasedUnits_MayBeClaimedAgain) {
  SpaceMap map(8 * kMiB);
  EXPECT_TRUE(map.Claim({2 * kMiB, 2 * kMiB}));
  EXPECT_TRUE(map.IsClaimed({2 * kMiB, 2 * kMiB}));
  EXPECT_FALSE(map.IsClaimed({2 * kMiB, 3 * kMiB}));
  EXPECT_FALSE(map.Claim({3 * kMiB, kMiB}));
  map.Release({2 * kMiB, 2 * kMiB});
  EXPECT_EQ(map.End(), 0U);
  EXPECT_TRUE(map.Claim({3 * kMiB, kMiB}));
  EXPECT_EQ(map.End(), 4 * kMiB);
}

TEST(SpaceMap, RangeThatIsNotAllFree_IsNotClaimed) {
  SpaceMap map(300 * kMiB);
  EXPECT_TRUE(map.ClaimIfFree({10 * kMiB, 200 * kMiB}));
  EXPECT_FALSE(map.ClaimIfFree({209 * kMiB, 20 * kMiB}));
  EXPECT_EQ(map.End(), 210 * kMiB) << "a part was claimed";
  EXPECT_TRUE(map.ClaimIfFree({210 * kMiB, kMiB}));
  EXPECT_EQ(map.FirstClaimed({0, 300 * kMiB}), 10 * kMiB);
  EXPECT_EQ(map.FirstClaimed({100 * kMiB, kMiB}), 100 * kMiB);
}

// A range of several words of the map, of which the first are free.
TEST(SpaceMap, RangeWhoseEndIsClaimed_IsNotClaimed) {
  SpaceMap map(300 * kMiB);
  EXPECT_TRUE(map.Claim({270 * kMiB, kMiB}));
  EXPECT_FALSE(map.ClaimIfFree({5 * kMiB, 280 * kMiB}));
  EXPECT_EQ(map.FirstClaimed({0, 300 * kMiB}), 270 * kMiB) << "a part was claimed";
  EXPECT_TRUE(map.ClaimIfFree({0, 270 * kMiB}));
  EXPECT_TRUE(map.IsClaimed({0, 271 * kMiB}));
  EXPECT_FALSE(map.IsClaimed({0, 272 * kMiB}));
}

TEST(SpaceMap, Merged_ClaimsWhatBothDoOrNothingMore) {
  SpaceMap map(300 * kMiB);
  SpaceMap other(300 * kMiB);
  map.Claim({0, kMiB});
  other.Claim({kMiB, 80 * kMiB});
  EXPECT_TRUE(map.Merge(other));
  EXPECT_TRUE(map.IsClaimed({0, 81 * kMiB}));
  other.Claim({200 * kMiB, kMiB});
  EXPECT_FALSE(map.Merge(other));
  EXPECT_FALSE(map.IsClaimed({200 * kMiB, kMiB}));
}

TEST(SpaceMap, GrownFile_HasMoreToClaim) {
  SpaceMap map(4 * kMiB);
  map.Grow(100 * kMiB);
  map.Grow(8 * kMiB);  // it does not shrink
  EXPECT_TRUE(map.Claim({99 * kMiB, kMiB}));
  EXPECT_TRUE(map.IsClaimed({99 * kMiB, kMiB}));
  EXPECT_FALSE(map.IsClaimed({100 * kMiB, kMiB}));
  EXPECT_EQ(map.Unclaimed(map.End()), (std::vector<FileRange>{{0, 99 * kMiB}}));
}

}  // namespace
}  // namespace vhdx

#include "bytes/arithmetic.h"

#include <gtest/gtest.h>

#include <limits>

namespace vhdx {
namespace {

constexpr uint64_t kMax = std::numeric_limits<uint64_t>::max();

TEST(CheckedAdd, SumsThatFitAreGiven) {
  EXPECT_EQ(CheckedAdd(0, 0), 0U);
  EXPECT_EQ(CheckedAdd(2, 3), 5U);
  EXPECT_EQ(CheckedAdd(kMax, 0), kMax);
  EXPECT_EQ(CheckedAdd(kMax - 1, 1), kMax);
}

TEST(CheckedAdd, SumsThatOverflowAreNothing) {
  EXPECT_EQ(CheckedAdd(kMax, 1), std::nullopt);
  EXPECT_EQ(CheckedAdd(1, kMax), std::nullopt);
  EXPECT_EQ(CheckedAdd(kMax, kMax), std::nullopt);
}

TEST(CheckedMultiply, ProductsThatFitAreGiven) {
  EXPECT_EQ(CheckedMultiply(0, kMax), 0U);
  EXPECT_EQ(CheckedMultiply(kMax, 1), kMax);
  EXPECT_EQ(CheckedMultiply(uint64_t{1} << 32, (uint64_t{1} << 32) - 1), kMax - 0xFFFFFFFF);
}

TEST(CheckedMultiply, ProductsThatOverflowAreNothing) {
  EXPECT_EQ(CheckedMultiply(uint64_t{1} << 32, uint64_t{1} << 32), std::nullopt);
  EXPECT_EQ(CheckedMultiply(kMax, 2), std::nullopt);
}

TEST(FitsInside, RangeUpToTheLimitFits) {
  EXPECT_TRUE(FitsInside(0, 0, 0));
  EXPECT_TRUE(FitsInside(0, 10, 10));
  EXPECT_TRUE(FitsInside(10, 0, 10));
  EXPECT_TRUE(FitsInside(4, 6, 10));
  EXPECT_TRUE(FitsInside(0, kMax, kMax));
}

TEST(FitsInside, RangePastTheLimitDoesNotFit) {
  EXPECT_FALSE(FitsInside(0, 11, 10));
  EXPECT_FALSE(FitsInside(11, 0, 10));
  EXPECT_FALSE(FitsInside(4, 7, 10));
}

TEST(FitsInside, SumPast64BitsDoesNotFit) {
  EXPECT_FALSE(FitsInside(kMax, 1, kMax));
  EXPECT_FALSE(FitsInside(2, kMax, kMax));
  EXPECT_FALSE(FitsInside(kMax - 1, kMax - 1, kMax));
}

TEST(Align, MultiplesStayAndOthersMove) {
  EXPECT_TRUE(IsAligned(0, kMiB));
  EXPECT_TRUE(IsAligned(3 * kMiB, kMiB));
  EXPECT_FALSE(IsAligned(kMiB + 1, kMiB));
  EXPECT_FALSE(IsAligned(kMiB - 1, kMiB));
  EXPECT_EQ(AlignDown(kMiB, kMiB), kMiB);
  EXPECT_EQ(AlignDown(2 * kMiB - 1, kMiB), kMiB);
  EXPECT_EQ(AlignDown(kMax, kMiB), kMax - (kMiB - 1));
  EXPECT_EQ(AlignUp(0, kMiB), 0U);
  EXPECT_EQ(AlignUp(1, kMiB), kMiB);
  EXPECT_EQ(AlignUp(kMiB, kMiB), kMiB);
  EXPECT_EQ(AlignUp(kMiB + 1, kMiB), 2 * kMiB);
}

TEST(DivideRoundingUp, RestCountsAsOne) {
  EXPECT_EQ(DivideRoundingUp<uint64_t>(0, 8), 0U);
  EXPECT_EQ(DivideRoundingUp<uint64_t>(1, 8), 1U);
  EXPECT_EQ(DivideRoundingUp<uint64_t>(8, 8), 1U);
  EXPECT_EQ(DivideRoundingUp<uint64_t>(9, 8), 2U);
  // No sum is formed on the way, so the largest dividend works too.
  EXPECT_EQ(DivideRoundingUp<uint64_t>(kMax, 2), uint64_t{1} << 63);
  EXPECT_EQ(DivideRoundingUp<uint32_t>(std::numeric_limits<uint32_t>::max(), 4096), 1U << 20);
}

}  // namespace
}  // namespace vhdx

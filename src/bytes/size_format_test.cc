#include "bytes/size_format.h"

#include <gtest/gtest.h>

#include "bytes/arithmetic.h"

namespace vhdx {
namespace {

TEST(FormatSize, WholeUnitsStayWhole) {
  EXPECT_EQ(FormatSize(0), "0 bytes");
  EXPECT_EQ(FormatSize(1), "1 byte");
  EXPECT_EQ(FormatSize(1000), "1000 bytes");
  EXPECT_EQ(FormatSize(kKiB), "1 KiB");
  EXPECT_EQ(FormatSize(127 * kGiB), "127 GiB");
  EXPECT_EQ(FormatSize(64 * kTiB), "64 TiB");
  EXPECT_EQ(FormatSize(5000 * kTiB), "5000 TiB");
}

TEST(FormatSize, ThreeDigitsAreShown) {
  EXPECT_EQ(FormatSize(1536), "1.5 KiB");
  EXPECT_EQ(FormatSize(kMiB + kMiB / 8), "1.12 MiB");
  EXPECT_EQ(FormatSize(99 * kMiB + kMiB / 2), "99.5 MiB");
  EXPECT_EQ(FormatSize(100 * kMiB + kMiB / 4), "100 MiB");
}

TEST(FormatSize, RoundingUpGoesToTheNextUnit) {
  EXPECT_EQ(FormatSize(kMiB - 1), "1 MiB");
  EXPECT_EQ(FormatSize(kGiB - kMiB), "1023 MiB");
}

TEST(FormatSizeExactly, BytesFollowInParentheses) {
  EXPECT_EQ(FormatSizeExactly(127 * kGiB), "127 GiB (136365211648 bytes)");
  EXPECT_EQ(FormatSizeExactly(512), "512 bytes");
}

}  // namespace
}  // namespace vhdx

#include "cli/size_text.h"

#include <gtest/gtest.h>

#include "bytes/arithmetic.h"

namespace vhdx::cli {
namespace {

TEST(ParseSize, PlainBytes) {
  EXPECT_EQ(ParseSize("0"), 0u);
  EXPECT_EQ(ParseSize("512"), 512u);
  EXPECT_EQ(ParseSize("512b"), 512u);
  EXPECT_EQ(ParseSize("18446744073709551615"), UINT64_MAX);
}

TEST(ParseSize, UnitsAreBinaryInEverySpelling) {
  for (const char* text : {"64k", "64K", "64KB", "64kb", "64KiB", "64 KB"}) {
    EXPECT_EQ(ParseSize(text), 64 * kKiB) << text;
  }
  EXPECT_EQ(ParseSize("2M"), 2 * kMiB);
  EXPECT_EQ(ParseSize("2GB"), 2 * kGiB);
  EXPECT_EQ(ParseSize("64T"), 64 * kTiB);
}

TEST(ParseSize, FractionsOfWholeBytes) {
  EXPECT_EQ(ParseSize("1.5G"), 3 * kGiB / 2);
  EXPECT_EQ(ParseSize("0.25k"), 256u);
  EXPECT_EQ(ParseSize("0.1k"), std::nullopt);
  EXPECT_EQ(ParseSize("1."), std::nullopt);
  EXPECT_EQ(ParseSize(".5k"), std::nullopt);
}

TEST(ParseSize, WhatIsNoSizeIsRefused) {
  for (const char* text : {"", "k", "-1", "+1", "1x", "1kk", "1KBs", "0x10", " 1", "1 ", "1e3",
                           "1,5G", "18446744073709551616", "17592186044416M"}) {
    EXPECT_EQ(ParseSize(text), std::nullopt) << text;
  }
}

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
}  // namespace vhdx::cli

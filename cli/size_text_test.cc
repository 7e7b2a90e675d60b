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

TEST(NearestSize, IsAWholeNumberOfTheNextUnit) {
  EXPECT_EQ(NearestSize("10.3G"), "10547M");
  EXPECT_EQ(NearestSize("0.1T"), "102G");
  EXPECT_EQ(NearestSize("0.1k"), "102");
  EXPECT_EQ(NearestSize("1.0001 MB"), "1024k");
  for (const char* text :
       {"", "10G", "1.5G", "1.5", "0.3q", "nan", "inf", "-1.3G", "999999999999999.3T"}) {
    EXPECT_EQ(NearestSize(text), "") << text;
  }
}

TEST(ParseSize, WhatIsNoSizeIsRefused) {
  for (const char* text : {"", "k", "-1", "+1", "1x", "1kk", "1KBs", "0x10", " 1", "1 ", "1e3",
                           "1,5G", "18446744073709551616", "17592186044416M"}) {
    EXPECT_EQ(ParseSize(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace vhdx::cli

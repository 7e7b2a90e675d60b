#include "cli/disk_size.h"

#include <gtest/gtest.h>

#include <string>

#include "bytes/arithmetic.h"

namespace vhdx::cli {
namespace {

TEST(NewDiskSize, SignMakesItRelative) {
  EXPECT_EQ(NewDiskSize::Parse("40G")->Of(20 * kGiB), 40 * kGiB);
  EXPECT_EQ(NewDiskSize::Parse("+1.5G")->Of(20 * kGiB), 21 * kGiB + 512 * kMiB);
  EXPECT_EQ(NewDiskSize::Parse("-512")->Of(20 * kGiB), 20 * kGiB - 512);
  EXPECT_FALSE(NewDiskSize::Parse("40G")->is_relative());
  EXPECT_TRUE(NewDiskSize::Parse("+0")->is_relative());
}

TEST(NewDiskSize, OtherTextIsNotASize) {
  for (const char* text : {"", "+", "-", "+-1G", "--1G", "1X", "+disk", "disk.vhdx", "+ 1G"}) {
    EXPECT_FALSE(NewDiskSize::Parse(text)) << text;
  }
}

TEST(NewDiskSize, WhatNoDiskCanHaveIsRefused) {
  const auto too_small = NewDiskSize::Parse("-20G")->Of(20 * kGiB);
  ASSERT_FALSE(too_small);
  EXPECT_EQ(too_small.error().sentence, "the disk has 20 GiB, from which 20 GiB cannot be cut off");
  const auto too_large = NewDiskSize::Parse("+64T")->Of(20 * kGiB);
  ASSERT_FALSE(too_large);
  EXPECT_EQ(too_large.error().sentence,
            "the disk has 20 GiB, and with 64 TiB more it would be larger than a VHDX can be, 64T");
  EXPECT_FALSE((NewDiskSize{NewDiskSize::Relation::kLarger, UINT64_MAX}.Of(1)));
  EXPECT_EQ(NewDiskSize::Parse("+44T")->Of(20 * kTiB), 64 * kTiB);
}

TEST(CheckDiskSize, SaysTheNextMultiple) {
  EXPECT_TRUE(CheckDiskSize(4096, 4096, "x"));
  EXPECT_FALSE(CheckDiskSize(0, 512, "x"));
  EXPECT_FALSE(CheckDiskSize(64 * kTiB + 512, 512, "x"));
  const auto odd = CheckDiskSize(kMiB + 1, 512, "x");
  ASSERT_FALSE(odd);
  EXPECT_EQ(odd.error().file, "x");
  EXPECT_EQ(odd.error().sentence,
            "SIZE is 1048577 bytes, which is not a multiple of the sector size, 512; the next "
            "multiple is 1049088");
}

}  // namespace
}  // namespace vhdx::cli

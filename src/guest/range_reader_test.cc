#include "guest/range_reader.h"

#include <gtest/gtest.h>

#include "bytes/arithmetic.h"
#include "testing/guest_disk.h"

namespace vhdx::guest {
namespace {

TEST(RangeReader, RangePastTheEndOfTheDisk_EndsWithIt) {
  const auto disk = testing::GuestDisk(kMiB).Open();
  EXPECT_EQ(RangeReader(*disk, {kMiB - 512, UINT64_MAX}).size_bytes(), 512U);
  EXPECT_EQ(RangeReader(*disk, {UINT64_MAX, UINT64_MAX}).size_bytes(), 0U);
}

TEST(RangeReader, ReadThatDoesNotFit_YieldsNothingAndIsNoError) {
  const auto disk = testing::GuestDisk(kMiB).Open();
  RangeReader reader(*disk, {512, 1024});
  EXPECT_TRUE(reader.Read(0, 1024));
  EXPECT_FALSE(reader.Read(1, 1024));
  EXPECT_FALSE(reader.Read(UINT64_MAX, 2));
  EXPECT_EQ(reader.ReadHead(4096).size(), 4096U);
  EXPECT_TRUE(reader.Finish());
}

TEST(RangeReader, OffsetsCountFromTheRange) {
  testing::GuestDisk guest(kMiB);
  const std::byte mark[] = {std::byte{7}};
  guest.Write(1000, mark);
  const auto disk = guest.Open();
  EXPECT_EQ(RangeReader(*disk, {600, 1000}).Load<uint8_t>(400), 7);
}

}  // namespace
}  // namespace vhdx::guest

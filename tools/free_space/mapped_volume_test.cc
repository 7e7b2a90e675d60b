#include "tools/free_space/mapped_volume.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "testing/guest_disk.h"
#include "testing/host_folder.h"
#include "tools/free_space/reader_fixture.h"

namespace vhdx::free_space {
namespace {

constexpr uint64_t kUnit = 4096;

// Three segments: from the middle of the device, from its start, and from its end.
class MappedVolumeTest : public ::testing::Test {
 protected:
  MappedVolumeTest() { disk_.Write(0, testing::PatternBytes(disk_.size_bytes())); }

  std::vector<std::byte> OfDevice(uint64_t offset, uint64_t length) const {
    return disk_.contents()->Bytes({offset, length});
  }
  std::vector<std::byte> OfVolume(uint64_t offset, size_t length) {
    std::vector<std::byte> bytes(length);
    const auto halves = std::span(bytes);
    const std::vector<MutableByteSpan> buffers = {
        halves.first(length / 3), {}, halves.subspan(length / 3)};
    const auto read = volume_.Read(offset, buffers);
    EXPECT_TRUE(read) << ToString(read.error());
    return bytes;
  }

  testing::GuestDisk disk_{16 * kUnit};
  std::unique_ptr<RawDevice> device_ = disk_.Open();
  MappedVolume volume_{
      *device_,
      {{0, 8 * kUnit, 2 * kUnit}, {2 * kUnit, 0, kUnit}, {3 * kUnit, 13 * kUnit, 3 * kUnit}},
      "vg0/root"};
};

TEST_F(MappedVolumeTest, Bytes_AreThoseOfTheSegments) {
  EXPECT_EQ(volume_.size_bytes(), 6 * kUnit);
  EXPECT_EQ(volume_.name(), "vg0/root");
  EXPECT_EQ(OfVolume(100, 200), OfDevice(8 * kUnit + 100, 200));
  std::vector<std::byte> expected = OfDevice(9 * kUnit + 1000, kUnit - 1000);
  for (const auto& part : {OfDevice(0, kUnit), OfDevice(13 * kUnit, 7)}) {
    expected.insert(expected.end(), part.begin(), part.end());
  }
  EXPECT_EQ(OfVolume(kUnit + 1000, 2 * kUnit - 1000 + 7), expected);
  EXPECT_EQ(OfVolume(6 * kUnit - 5, 5), OfDevice(16 * kUnit - 5, 5));
  EXPECT_EQ(OfVolume(6 * kUnit, 0).size(), 0U);
}

TEST_F(MappedVolumeTest, RequestPastTheEnd_IsRefused) {
  std::vector<std::byte> bytes(2);
  for (const uint64_t offset : {6 * kUnit - 1, 6 * kUnit + 1, UINT64_MAX}) {
    const auto read = volume_.Read(offset, bytes);
    ASSERT_FALSE(read);
    EXPECT_EQ(read.error().code, ErrorCode::kInvalidArgument);
    EXPECT_FALSE(volume_.Extents({offset, 2}, 1));
  }
  EXPECT_FALSE(volume_.Extents({0, 1}, 0));
}

TEST_F(MappedVolumeTest, Writes_AreRefused) {
  const std::vector<std::byte> bytes(2);
  EXPECT_FALSE(volume_.writable());
  EXPECT_EQ(volume_.Write(0, bytes).error().code, ErrorCode::kReadOnly);
  EXPECT_EQ(volume_.WriteZeroes({0, 2}).error().code, ErrorCode::kReadOnly);
  EXPECT_EQ(volume_.Trim({0, 2}).error().code, ErrorCode::kReadOnly);
  EXPECT_TRUE(volume_.Flush());
}

TEST_F(MappedVolumeTest, RangesOfTheVolume_AreInOrderOnTheDevice) {
  const std::vector<DiskRange> ranges = {{kUnit, 3 * kUnit}, {5 * kUnit, kUnit}};
  const std::vector<DiskRange> expected = {
      {0, kUnit}, {9 * kUnit, kUnit}, {13 * kUnit, kUnit}, {15 * kUnit, kUnit}};
  EXPECT_EQ(volume_.OnDevice(ranges), expected);
}

TEST_F(MappedVolumeTest, RangesThatTouchOnTheDevice_AreJoined) {
  MappedVolume volume(*device_, {{0, 4 * kUnit, kUnit}, {kUnit, 3 * kUnit, kUnit}}, "v");
  const std::vector<DiskRange> all = {{0, 2 * kUnit}};
  const std::vector<DiskRange> expected = {{3 * kUnit, 2 * kUnit}};
  EXPECT_EQ(volume.OnDevice(all), expected);
}

TEST_F(MappedVolumeTest, FreeSpace_IsThatOfTheDevice) {
  const FreeSpace space{.unit_bytes = 2 * kUnit,
                        .free = {{0, 2 * kUnit}, {4 * kUnit, 2 * kUnit}},
                        .counted_free_bytes = 4 * kUnit,
                        .metadata = {{2 * kUnit, 2 * kUnit}}};
  const FreeSpace mapped = volume_.OnDevice(space);
  EXPECT_EQ(mapped.unit_bytes, kUnit);  // a segment is no multiple of two
  const std::vector<DiskRange> free = {{8 * kUnit, 2 * kUnit}, {14 * kUnit, 2 * kUnit}};
  const std::vector<DiskRange> metadata = {{0, kUnit}, {13 * kUnit, kUnit}};
  EXPECT_EQ(mapped.free, free);
  EXPECT_EQ(mapped.metadata, metadata);
  ExpectSoundAndCounted(mapped, disk_.size_bytes());
}

TEST_F(MappedVolumeTest, Extents_AreThoseOfTheSegments) {
  disk_.contents()->Punch({9 * kUnit, 2 * kUnit});
  const auto extents = volume_.Extents({0, 6 * kUnit}, 100);
  ASSERT_TRUE(extents);
  uint64_t at = 0;
  for (const Extent& extent : *extents) {
    EXPECT_EQ(extent.range.disk_offset, at);
    at = extent.range.end();
  }
  EXPECT_EQ(at, 6 * kUnit);
  ASSERT_EQ(extents->size(), 4U);
  EXPECT_EQ((*extents)[1].kind, ExtentKind::kHole);
  EXPECT_EQ((*extents)[1].range, (DiskRange{kUnit, kUnit}));
  for (size_t count = 1; count < 4; ++count) {
    const auto first = volume_.Extents({0, 6 * kUnit}, count);
    ASSERT_TRUE(first);
    ASSERT_EQ(first->size(), count);
    EXPECT_EQ(first->back().range, (*extents)[count - 1].range);
  }
}

}  // namespace
}  // namespace vhdx::free_space

#include "tools/free_space/mapped_volume.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "testing/guest_disk.h"
#include "testing/host_folder.h"
#include "tools/free_space/reader_fixture.h"

namespace vhdx::free_space {
namespace {

constexpr uint64_t kMappedUnit = 4096;

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

  testing::GuestDisk disk_{16 * kMappedUnit};
  std::unique_ptr<RawDevice> device_ = disk_.Open();
  MappedVolume volume_{*device_,
                       {{0, 8 * kMappedUnit, 2 * kMappedUnit},
                        {2 * kMappedUnit, 0, kMappedUnit},
                        {3 * kMappedUnit, 13 * kMappedUnit, 3 * kMappedUnit}},
                       "vg0/root"};
};

TEST_F(MappedVolumeTest, Bytes_AreThoseOfTheSegments) {
  EXPECT_EQ(volume_.size_bytes(), 6 * kMappedUnit);
  EXPECT_EQ(volume_.name(), "vg0/root");
  EXPECT_EQ(OfVolume(100, 200), OfDevice(8 * kMappedUnit + 100, 200));
  std::vector<std::byte> expected = OfDevice(9 * kMappedUnit + 1000, kMappedUnit - 1000);
  for (const auto& part : {OfDevice(0, kMappedUnit), OfDevice(13 * kMappedUnit, 7)}) {
    expected.insert(expected.end(), part.begin(), part.end());
  }
  EXPECT_EQ(OfVolume(kMappedUnit + 1000, 2 * kMappedUnit - 1000 + 7), expected);
  EXPECT_EQ(OfVolume(6 * kMappedUnit - 5, 5), OfDevice(16 * kMappedUnit - 5, 5));
  EXPECT_EQ(OfVolume(6 * kMappedUnit, 0).size(), 0U);
}

TEST_F(MappedVolumeTest, RequestPastTheEnd_IsRefused) {
  std::vector<std::byte> bytes(2);
  for (const uint64_t offset : {6 * kMappedUnit - 1, 6 * kMappedUnit + 1, UINT64_MAX}) {
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
  const std::vector<DiskRange> ranges = {{kMappedUnit, 3 * kMappedUnit},
                                         {5 * kMappedUnit, kMappedUnit}};
  const std::vector<DiskRange> expected = {{0, kMappedUnit},
                                           {9 * kMappedUnit, kMappedUnit},
                                           {13 * kMappedUnit, kMappedUnit},
                                           {15 * kMappedUnit, kMappedUnit}};
  EXPECT_EQ(volume_.OnDevice(ranges), expected);
}

TEST_F(MappedVolumeTest, RangesThatTouchOnTheDevice_AreJoined) {
  MappedVolume volume(
      *device_, {{0, 4 * kMappedUnit, kMappedUnit}, {kMappedUnit, 3 * kMappedUnit, kMappedUnit}},
      "v");
  const std::vector<DiskRange> all = {{0, 2 * kMappedUnit}};
  const std::vector<DiskRange> expected = {{3 * kMappedUnit, 2 * kMappedUnit}};
  EXPECT_EQ(volume.OnDevice(all), expected);
}

TEST_F(MappedVolumeTest, FreeSpace_IsThatOfTheDevice) {
  const FreeSpace space{.unit_bytes = 2 * kMappedUnit,
                        .free = {{0, 2 * kMappedUnit}, {4 * kMappedUnit, 2 * kMappedUnit}},
                        .counted_free_bytes = 4 * kMappedUnit,
                        .metadata = {{2 * kMappedUnit, 2 * kMappedUnit}}};
  const FreeSpace mapped = volume_.OnDevice(space);
  EXPECT_EQ(mapped.unit_bytes, kMappedUnit);  // a segment is no multiple of two
  const std::vector<DiskRange> free = {{8 * kMappedUnit, 2 * kMappedUnit},
                                       {14 * kMappedUnit, 2 * kMappedUnit}};
  const std::vector<DiskRange> metadata = {{0, kMappedUnit}, {13 * kMappedUnit, kMappedUnit}};
  EXPECT_EQ(mapped.free, free);
  EXPECT_EQ(mapped.metadata, metadata);
  ExpectSoundAndCounted(mapped, disk_.size_bytes());
}

TEST_F(MappedVolumeTest, Extents_AreThoseOfTheSegments) {
  disk_.contents()->Punch({9 * kMappedUnit, 2 * kMappedUnit});
  const auto extents = volume_.Extents({0, 6 * kMappedUnit}, 100);
  ASSERT_TRUE(extents);
  uint64_t at = 0;
  for (const Extent& extent : *extents) {
    EXPECT_EQ(extent.range.disk_offset, at);
    at = extent.range.end();
  }
  EXPECT_EQ(at, 6 * kMappedUnit);
  ASSERT_EQ(extents->size(), 4U);
  EXPECT_EQ((*extents)[1].kind, ExtentKind::kHole);
  EXPECT_EQ((*extents)[1].range, (DiskRange{kMappedUnit, kMappedUnit}));
  for (size_t count = 1; count < 4; ++count) {
    const auto first = volume_.Extents({0, 6 * kMappedUnit}, count);
    ASSERT_TRUE(first);
    ASSERT_EQ(first->size(), count);
    EXPECT_EQ(first->back().range, (*extents)[count - 1].range);
  }
}

}  // namespace
}  // namespace vhdx::free_space

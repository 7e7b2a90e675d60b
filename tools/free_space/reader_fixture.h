// What the tests of the readers have in common: how a reader is called, and what must be true of
// its answer whatever it read.

#ifndef VHDXKIT_TOOLS_FREE_SPACE_READER_FIXTURE_H_
#define VHDXKIT_TOOLS_FREE_SPACE_READER_FIXTURE_H_

#include <gtest/gtest.h>
#include <vhdxkit/block_device.h>
#include <vhdxkit/raw_device.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <ostream>
#include <random>
#include <string>
#include <variant>
#include <vector>

#include "testing/guest_disk.h"
#include "testing/memory_contents.h"
#include "testing/scale.h"
#include "tools/free_space/free_space.h"

namespace vhdx {

// For the messages of GoogleTest.
inline std::ostream& operator<<(std::ostream& out, const DiskRange& range) {
  return out << "[" << range.disk_offset << ", " << range.end() << ")";
}

}  // namespace vhdx

namespace vhdx::free_space {

using FreeSpaceReader = Result<Answer> (*)(BlockDevice& volume);

inline Answer AnswerOf(FreeSpaceReader read, BlockDevice& volume) {
  auto answer = read(volume);
  EXPECT_TRUE(answer) << ToString(answer.error());
  return answer ? *answer : Answer(LeftAlone{"an error"});
}

/// What is free; the test fails if it is left alone.
inline FreeSpace FreeSpaceOf(FreeSpaceReader read, BlockDevice& volume) {
  const Answer answer = AnswerOf(read, volume);
  if (const auto* left = std::get_if<LeftAlone>(&answer)) {
    ADD_FAILURE() << "left alone: " << left->reason;
    return {};
  }
  return std::get<FreeSpace>(answer);
}

/// Why it is left alone, or an empty text.
inline std::string ReasonOf(FreeSpaceReader read, BlockDevice& volume) {
  const Answer answer = AnswerOf(read, volume);
  const auto* left = std::get_if<LeftAlone>(&answer);
  return left != nullptr ? left->reason : "";
}

inline std::string ReasonOf(FreeSpaceReader read, const testing::GuestDisk& disk) {
  return ReasonOf(read, *disk.Open());
}

inline uint64_t TotalBytes(const std::vector<DiskRange>& ranges) {
  uint64_t total = 0;
  for (const DiskRange& range : ranges) total += range.length_bytes;
  return total;
}

/// Whether a range of the list, which is in order, has a byte of `range`.
inline bool Overlaps(const std::vector<DiskRange>& list, DiskRange range) {
  const auto next = std::ranges::upper_bound(list, range.disk_offset, {}, &DiskRange::end);
  return next != list.end() && next->disk_offset < range.end();
}

/// In order, apart from each other, inside the volume, in units.
inline void ExpectSound(const FreeSpace& space, uint64_t volume_bytes) {
  ASSERT_NE(space.unit_bytes, 0U);
  uint64_t end = 0;
  for (const DiskRange& range : space.free) {
    ASSERT_TRUE(range.length_bytes != 0 && range.disk_offset > end);
    ASSERT_EQ(range.length_bytes % space.unit_bytes, 0U);
    ASSERT_LE(range.length_bytes, volume_bytes);
    end = range.end();
  }
  ASSERT_LE(end, volume_bytes);
}

/// And nothing of it is metadata, and it is as much as is counted.
inline void ExpectSoundAndCounted(const FreeSpace& space, uint64_t volume_bytes) {
  ExpectSound(space, volume_bytes);
  EXPECT_EQ(space.counted_free_bytes, TotalBytes(space.free));
  for (const DiskRange& range : space.metadata) {
    EXPECT_LE(range.end(), volume_bytes);
    EXPECT_FALSE(Overlaps(space.free, range)) << range;
  }
}

/// Reads the volume with some bytes changed, many times; `places` are where they are changed, and
/// `repair` runs each time before it is read.
inline void ReadWithChangedBytes(FreeSpaceReader read, const testing::GuestDisk& volume,
                                 const std::vector<DiskRange>& places,
                                 const std::function<void(testing::GuestDisk&)>& repair = {}) {
  std::minstd_rand random(1);
  size_t left_alone = 0;
  const uint64_t rounds = testing::Scaled(4000);
  for (uint64_t round = 0; round < rounds; ++round) {
    SCOPED_TRACE("round " + std::to_string(round));
    testing::GuestDisk disk = volume.Clone();
    for (uint64_t i = 0; i <= round % 3; ++i) {
      const DiskRange place = places[random() % places.size()];
      const uint64_t offset = place.disk_offset + random() % place.length_bytes;
      auto byte = disk.contents()->Bytes({offset, 1});
      byte[0] ^= static_cast<std::byte>(1 + random() % 255);
      disk.Write(offset, byte);
    }
    if (repair) repair(disk);
    const auto device = disk.Open();
    const Answer answer = AnswerOf(read, *device);
    if (const auto* space = std::get_if<FreeSpace>(&answer)) {
      ExpectSound(*space, disk.size_bytes());
    } else {
      ++left_alone;
    }
  }
  EXPECT_GT(left_alone, rounds / 20);
}

}  // namespace vhdx::free_space

#endif  // VHDXKIT_TOOLS_FREE_SPACE_READER_FIXTURE_H_

#include "disk/read_ahead.h"

#include <gtest/gtest.h>

#include <array>
#include <random>
#include <vector>

#include "bytes/arithmetic.h"

namespace vhdx {
namespace {

constexpr uint64_t kDisk = uint64_t{1} << 30;

TEST(ReadAhead, Sequence_IsReadAheadOnceAndWithoutGaps) {
  ReadAhead ahead(kDisk);
  uint64_t asked = 0;  // up to where
  for (uint64_t at = 0; at < 64 * kMiB; at += 4096) {
    const DiskRange range = ahead.Note({at, 4096});
    if (range.length_bytes > 0) {
      EXPECT_TRUE(IsAligned(range.disk_offset | range.length_bytes, ReadAhead::kPiece));
      if (asked > 0) {
        EXPECT_EQ(range.disk_offset, asked);
      }
      asked = range.end();
    }
    if (at < 8 * 4096) continue;
    EXPECT_GT(asked, at + 4096 + ReadAhead::kDistance - 2 * ReadAhead::kPiece) << at;
    EXPECT_LE(asked, at + 4096 + ReadAhead::kDistance) << at;
  }
}

TEST(ReadAhead, FirstReads_AreNoSequenceYet) {
  ReadAhead ahead(kDisk);
  EXPECT_EQ(ahead.Note({0, 4096}).length_bytes, 0U);
  EXPECT_EQ(ahead.Note({4096, 4096}).length_bytes, 0U);
  EXPECT_GT(ahead.Note({8192, 4096}).length_bytes, 0U);
}

TEST(ReadAhead, SameReadAgain_IsNoSequence) {
  ReadAhead ahead(kDisk);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(ahead.Note({kMiB, 4096}).length_bytes, 0U);
}

TEST(ReadAhead, RequestsOutOfOrder_AreOneSequence) {
  ReadAhead ahead(kDisk);
  uint64_t asked = 0;
  for (uint64_t at = 0; at < 8 * kMiB; at += 16 * 4096) {
    for (const uint64_t order :
         std::to_array<uint64_t>({3, 0, 1, 2, 7, 5, 4, 6, 15, 8, 11, 9, 10, 14, 12, 13})) {
      const DiskRange range = ahead.Note({at + order * 4096, 4096});
      if (range.length_bytes > 0) asked = range.end();
    }
  }
  EXPECT_GE(asked, 8 * kMiB + ReadAhead::kDistance - ReadAhead::kPiece);
}

TEST(ReadAhead, FourReaders_AreFollowedAtOnce) {
  ReadAhead ahead(kDisk);
  std::vector<uint64_t> asked(4);
  for (uint64_t at = 0; at < 4 * kMiB; at += 65536) {
    for (uint64_t reader = 0; reader < 4; ++reader) {
      const DiskRange range = ahead.Note({reader * 200 * kMiB + at, 65536});
      asked[reader] += range.length_bytes;
    }
  }
  for (const uint64_t bytes : asked) EXPECT_GE(bytes, 4 * kMiB);
}

TEST(ReadAhead, RandomReads_AreLeftAlone) {
  ReadAhead ahead(kDisk);
  std::mt19937_64 random(1);
  uint64_t asked = 0;
  constexpr int kReads = 100000;
  for (int i = 0; i < kReads; ++i) {
    asked += ahead.Note({random() % (kDisk / 4096) * 4096, 4096}).length_bytes;
  }
  EXPECT_LT(asked, uint64_t{kReads} * 4096 / 100);
}

TEST(ReadAhead, EndOfTheDisk_IsNotPassed) {
  ReadAhead ahead(10 * kMiB + 512);
  uint64_t asked = 0;
  for (uint64_t at = 8 * kMiB; at < 10 * kMiB; at += 4096) {
    const DiskRange range = ahead.Note({at, 4096});
    if (range.length_bytes > 0) asked = range.end();
  }
  EXPECT_EQ(asked, 10 * kMiB + 512);
}

}  // namespace
}  // namespace vhdx

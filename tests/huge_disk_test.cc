// A disk of 64 TiB with every block present: what it costs to open, read, map and check it.

#include <gtest/gtest.h>
#include <vhdxkit/check.h>
#include <vhdxkit/disk.h>

#include <ctime>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "bytes/arithmetic.h"
#include "testing/block_pattern.h"
#include "testing/full_image_file.h"
#include "testing/one_file_system.h"
#include "testing/outcome.h"
#include "testing/scale.h"
#include "tests/allocation_counter.h"

namespace vhdx::tests {
namespace {

using testing::BlockOrder;
using testing::FullImageFile;
using testing::OneFileSystem;
using testing::OutcomeOf;

constexpr uint64_t kSize = 64 * kTiB;
constexpr uint64_t kMaxBytesToOpen = 16 * kMiB;
constexpr uint64_t kMaxBytesToRead = 64 * kMiB;

class FullDisk : public ::testing::TestWithParam<BlockOrder> {
 protected:
  FullDisk()
      : files_("/full.vhdx", [] {
          return std::make_unique<FullImageFile>(
              testing::DiskShape{.disk_size = kSize, .block_size = kMiB}, GetParam());
        }) {}

  std::unique_ptr<Disk> Open() {
    auto disk = Disk::Open(files_, "/full.vhdx");
    EXPECT_EQ(OutcomeOf(disk), "ok");
    return *std::move(disk);
  }

  static void ExpectAtMost(uint64_t bytes, uint64_t start) {
    if (kAllocationsAreCounted) {
      EXPECT_LE(AllocationCounter::PeakSince(start), bytes);
    }
  }

  const testing::BlockPattern pattern_ = testing::ImageSpec{}.pattern;
  OneFileSystem files_;
};

INSTANTIATE_TEST_SUITE_P(Orders, FullDisk,
                         ::testing::Values(BlockOrder::kAscending, BlockOrder::kDescending));

TEST_P(FullDisk, OpensInAFewMiB) {
  const uint64_t start = AllocationCounter::current();
  AllocationCounter::Reset();
  const auto disk = Open();
  EXPECT_EQ(disk->size_bytes(), kSize);
  ExpectAtMost(kMaxBytesToOpen, start);
}

TEST_P(FullDisk, RandomReadsAreRight) {
  const auto disk = Open();
  const uint64_t start = AllocationCounter::current();
  AllocationCounter::Reset();
  std::mt19937_64 random(11);
  std::vector<std::byte> found(8192);
  std::vector<std::byte> expected(found.size());
  for (uint64_t i = 0; i < testing::Scaled(4000); ++i) {
    // Half of them across the end of a block.
    uint64_t offset = random() % (kSize - found.size());
    if (i % 2 == 0) offset = AlignUp(offset, kMiB) - 4096;
    ASSERT_EQ(OutcomeOf(disk->Read(offset, found)), "ok");
    testing::FillPattern(pattern_, offset, expected);
    ASSERT_EQ(found, expected) << offset;
  }
  ExpectAtMost(kMaxBytesToRead, start);
}

// The whole map, as `convert` and `map` walk it: in portions, in bounded memory.
TEST_P(FullDisk, ExtentsOfTheWholeDiskAreWalkedInBoundedMemory) {
  const auto disk = Open();
  const uint64_t start = AllocationCounter::current();
  AllocationCounter::Reset();
  constexpr size_t kPortion = 4096;
  const uint64_t end = AlignDown(kSize / testing::Scale(), kMiB);
  uint64_t extents = 0;
  for (uint64_t offset = 0; offset < end;) {
    const auto portion = disk->Extents({offset, end - offset}, kPortion);
    ASSERT_EQ(OutcomeOf(portion), "ok");
    ASSERT_FALSE(portion->empty());
    for (const Extent& extent : *portion) {
      ASSERT_EQ(extent.range.disk_offset, offset);
      ASSERT_EQ(extent.kind, ExtentKind::kData);
      offset = extent.range.end();
    }
    extents += portion->size();
    if (GetParam() == BlockOrder::kDescending && extents > 1'000'000)
      break;  // it goes on like that
  }
  if (GetParam() == BlockOrder::kAscending) {
    EXPECT_EQ(extents, 1U);
  }
  ExpectAtMost(kMaxBytesToRead, start);
}

// Every entry is looked at and every block held against all others.
TEST_P(FullDisk, CheckKeepsToBoundedMemory) {
  const uint64_t size = AlignDown(kSize / testing::Scale(), kMiB);
  OneFileSystem files("/full.vhdx", [&] {
    return std::make_unique<FullImageFile>(
        testing::DiskShape{.disk_size = size, .block_size = kMiB}, GetParam());
  });
  const uint64_t start = AllocationCounter::current();
  AllocationCounter::Reset();
  const auto report = Check(files, "/full.vhdx");
  ASSERT_EQ(OutcomeOf(report), "ok");
  EXPECT_EQ(OutcomeOf(std::span(report->findings)), "");
  EXPECT_EQ(report->present_blocks, DivideRoundingUp(size, kMiB));
  ExpectAtMost(kMaxBytesToRead, start);
}

}  // namespace
}  // namespace vhdx::tests

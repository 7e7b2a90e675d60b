#include "image/space.h"

#include <gtest/gtest.h>

#include "bytes/arithmetic.h"
#include "testing/memory_file.h"
#include "testing/outcome.h"

namespace vhdx {
namespace {

using testing::MemoryFile;
using testing::OutcomeOf;

TEST(FreeRanges, Neighbours_AreMerged) {
  FreeRanges ranges;
  ranges.Add({4, 2});
  ranges.Add({8, 2});
  EXPECT_EQ(ranges.Take(6), std::nullopt);
  ranges.Add({6, 2});
  EXPECT_EQ(ranges.Take(6), 4U);
  EXPECT_EQ(ranges.Take(1), std::nullopt);
}

TEST(FreeRanges, LowestThatIsLargeEnough_IsTakenFromItsStart) {
  FreeRanges ranges;
  ranges.Add({10, 1});
  ranges.Add({20, 5});
  ranges.Add({40, 5});
  EXPECT_EQ(ranges.Take(3), 20U);
  EXPECT_EQ(ranges.Take(2), 23U);
  EXPECT_EQ(ranges.Take(2), 40U);
}

class SpaceOfAFile : public ::testing::Test {
 protected:
  static constexpr uint64_t kEnd = 4 * kMiB;
  explicit SpaceOfAFile(FileCapabilities capabilities = {.writable = true, .punch_hole = true})
      : file_(std::make_shared<testing::MemoryContents>(), {.capabilities = capabilities}) {
    EXPECT_EQ(OutcomeOf(MemoryFile(file_.contents()).Resize(kEnd)), "ok");
  }
  Space& NewSpace(const std::vector<FileRange>& free = {}) {
    space_.Reset(kEnd, free);
    return space_;
  }
  MemoryFile file_;
  DurableState durability_{file_, kEnd};
  Space space_{file_, durability_, {.least_growth_bytes = 8 * kMiB}};
};

TEST_F(SpaceOfAFile, AppendedSpace_IsZeroedAndTheFileGrowsAhead) {
  Space& space = NewSpace();
  auto allocation = space.Allocate(2 * kMiB);
  ASSERT_TRUE(allocation);
  EXPECT_EQ(allocation->range, (FileRange{kEnd, 2 * kMiB}));
  EXPECT_EQ(allocation->contents, Space::Contents::kZeroed);
  EXPECT_EQ(*file_.Size(), kEnd + 8 * kMiB);
  EXPECT_EQ(durability_.length(), kEnd + 8 * kMiB);
  ASSERT_TRUE(space.Allocate(2 * kMiB));
  EngineCounters counters;
  space.CountInto(counters);
  EXPECT_EQ(counters.growth_steps, 1U);
  EXPECT_EQ(counters.allocations, 2U);
  EXPECT_EQ(space.end(), kEnd + 4 * kMiB);
}

TEST_F(SpaceOfAFile, FreeSpaceOfTheFile_IsStaleAndUsedFirst) {
  Space& space = NewSpace({{2 * kMiB, kMiB}});
  auto allocation = space.Allocate(kMiB);
  ASSERT_TRUE(allocation);
  EXPECT_EQ(allocation->range.file_offset, 2 * kMiB);
  EXPECT_EQ(allocation->contents, Space::Contents::kStale);
  EXPECT_TRUE(allocation->reused);
}

TEST_F(SpaceOfAFile, PunchedSpace_IsPreferredToStaleSpace) {
  Space& space = NewSpace({{2 * kMiB, kMiB}});
  space.Release({3 * kMiB, kMiB}, Space::Contents::kZeroed);
  auto allocation = space.Allocate(kMiB);
  ASSERT_TRUE(allocation);
  EXPECT_EQ(allocation->range.file_offset, 3 * kMiB);
  EXPECT_EQ(allocation->contents, Space::Contents::kZeroed);
}

class SpaceOfADevice : public SpaceOfAFile {
 protected:
  SpaceOfADevice()
      : SpaceOfAFile({.writable = true, .block_device = true, .extension_reads_zero = false}) {}
};

TEST_F(SpaceOfADevice, NothingIsKnownOfIt_AndItEnds) {
  EXPECT_EQ(OutcomeOf(MemoryFile(file_.contents()).Resize(6 * kMiB)), "ok");
  durability_.NoteLength(6 * kMiB);
  Space& space = NewSpace();
  auto allocation = space.Allocate(2 * kMiB);
  ASSERT_TRUE(allocation);
  EXPECT_EQ(allocation->contents, Space::Contents::kStale);
  EXPECT_EQ(OutcomeOf(space.Allocate(kMiB)), "no-space");
}

}  // namespace
}  // namespace vhdx

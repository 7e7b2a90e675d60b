#include "image/bat_scan.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "bytes/arithmetic.h"
#include "bytes/endian.h"
#include "testing/memory_file.h"
#include "testing/outcome.h"

namespace vhdx {
namespace {

using format::BatEntry;
using format::PayloadState;
using testing::OutcomeOf;

constexpr uint64_t kTableStart = 3 * kMiB;
constexpr uint64_t kBlocksStart = 4 * kMiB;
constexpr uint64_t kBlockCount = 150;  // of one chunk, which would have 4096

class BatRuns : public ::testing::Test {
 protected:
  BatRuns() {
    for (uint64_t block = 0; block < kBlockCount; ++block) {
      entries_.push_back(BatEntry(PayloadState::kFullyPresent, kBlocksStart + block * kMiB).raw());
    }
    EXPECT_TRUE(file_.Resize(kTableStart + kMiB));
  }

  // What the runs of the BAT say that each entry is.
  std::map<uint64_t, uint64_t> Scan() {
    std::vector<le64> stored(entries_.begin(), entries_.end());
    EXPECT_TRUE(file_.WriteAt(kTableStart, std::as_bytes(std::span(stored))));
    std::map<uint64_t, uint64_t> found;
    run_count_ = 0;
    const auto scanned =
        ScanBat(file_, rules_, [&](std::span<const EntryRun> runs) -> Result<void> {
          run_count_ += runs.size();
          for (const EntryRun& run : runs) {
            for (uint64_t i = 0; i < run.count; ++i) {
              const ScannedEntry entry = run.At(i, kMiB);
              EXPECT_TRUE(found.emplace(entry.index, entry.entry.raw()).second) << entry.index;
            }
          }
          return {};
        });
    EXPECT_EQ(OutcomeOf(scanned), "ok");
    return found;
  }

  std::map<uint64_t, uint64_t> Stored() const {
    std::map<uint64_t, uint64_t> stored;
    for (uint64_t i = 0; i < entries_.size(); ++i) {
      if (entries_[i] != 0) stored.emplace(i, entries_[i]);
    }
    return stored;
  }

  std::vector<uint64_t> entries_;
  size_t run_count_ = 0;

 private:
  const BatRules rules_{format::BatGeometry({.block_size_bytes = kMiB,
                                             .virtual_disk_size_bytes = kBlockCount * kMiB,
                                             .logical_sector_size = 512,
                                             .physical_sector_size = 512}),
                        false, kTableStart, kTiB,
                        ReservedRanges({{0, kMiB}, {kMiB, kMiB}, {kTableStart, kMiB}})};
  testing::MemoryFile file_;
};

TEST_F(BatRuns, BlocksThatFollowEachOther_AreOneRun) {
  EXPECT_EQ(Scan(), Stored());
  EXPECT_EQ(run_count_, 1U);
}

// Whichever it is: of those that are compared at once, too.
TEST_F(BatRuns, EntryThatDiffersInAnyBit_IsInNoRun) {
  const std::vector<uint64_t> whole = entries_;
  for (uint64_t i = 0; i < kBlockCount; ++i) {
    for (uint64_t bit = 0; bit < 64; ++bit) {
      entries_ = whole;
      entries_[i] ^= uint64_t{1} << bit;
      ASSERT_EQ(Scan(), Stored()) << "entry " << i << ", bit " << bit;
    }
  }
}

TEST_F(BatRuns, BlocksFromAnyOneOnThatAreElsewhere_AreAnotherRun) {
  const std::vector<uint64_t> whole = entries_;
  for (uint64_t first = 1; first < kBlockCount; ++first) {
    entries_ = whole;
    for (uint64_t i = first; i < kBlockCount; ++i) entries_[i] += kMiB;
    ASSERT_EQ(Scan(), Stored()) << "from " << first;
    ASSERT_EQ(run_count_, 2U);
  }
}

}  // namespace
}  // namespace vhdx

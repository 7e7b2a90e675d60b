#include "testing/crash_file.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <thread>

#include "bytes/arithmetic.h"
#include "testing/crash_cursor.h"

namespace vhdx::testing {
namespace {

constexpr uint64_t kSeeds = 400;  // states tried at one point

std::vector<std::byte> Filled(size_t length, int value) {
  return std::vector<std::byte>(length, static_cast<std::byte>(value));
}

class CrashFileTest : public ::testing::Test {
 protected:
  // A file of `size` bytes, all 1.
  void Start(uint64_t size, CrashFileKind kind = CrashFileKind::kFile) {
    PageImage image;
    image.Write(0, Filled(size, 1));
    image.SetSize(size);
    CrashState base(kind);
    base.AddFile("/disk", image);
    Use(std::make_shared<CrashStore>(base, CrashStore::Options{}));
  }
  void Use(std::shared_ptr<CrashStore> store) {
    store_ = std::move(store);
    file_ = std::make_unique<CrashFile>(store_, kFile, "/disk", FileAccess::kReadWrite);
  }
  void Write(uint64_t offset, size_t length, int value) {
    ASSERT_TRUE(file_->WriteAt(offset, ByteSpan(Filled(length, value))));
  }
  int At(const CrashState& state, uint64_t offset) {
    const auto bytes = state.file(kFile).Bytes({offset, 1});
    return bytes.empty() ? -1 : static_cast<int>(bytes[0]);
  }
  /// What power cuts leave when `index` operations have happened.
  std::vector<CrashState> StatesAt(size_t index) {
    record_ = store_->Record();
    CrashCursor cursor(store_->base(), record_);
    cursor.AdvanceTo(index);
    std::vector<CrashState> states;
    for (uint64_t seed = 0; seed < kSeeds; ++seed) states.push_back(cursor.Cut(seed));
    return states;
  }
  std::vector<CrashState> StatesNow() { return StatesAt(store_->RecordLength()); }
  /// The values of the bytes at `offset` in all of them.
  std::set<int> ValuesAt(const std::vector<CrashState>& states, uint64_t offset) {
    std::set<int> values;
    for (const CrashState& state : states) values.insert(At(state, offset));
    return values;
  }
  std::set<uint64_t> SizesOf(const std::vector<CrashState>& states) {
    std::set<uint64_t> sizes;
    for (const CrashState& state : states) sizes.insert(state.file(kFile).size());
    return sizes;
  }

  static constexpr size_t kFile = 0;

  std::shared_ptr<CrashStore> store_;
  std::unique_ptr<CrashFile> file_;
  std::vector<CrashOperation> record_;
};

using Values = std::set<int>;
using Sizes = std::set<uint64_t>;

TEST_F(CrashFileTest, UnsyncedWrite_IsReadAtOnceAndSurvivesOrNot) {
  Start(8192);
  Write(0, 512, 2);
  std::array<std::byte, 1> read;
  ASSERT_EQ(file_->ReadAt(0, read).value(), 1U);
  EXPECT_EQ(read[0], std::byte{2});
  EXPECT_EQ(ValuesAt(StatesNow(), 0), (Values{1, 2}));
  EXPECT_EQ(ValuesAt(StatesNow(), 512), Values{1});
}

TEST_F(CrashFileTest, WriteBeforeASyncThatEnded_Survives) {
  Start(8192);
  Write(0, 512, 2);
  ASSERT_TRUE(file_->Sync());
  Write(0, 512, 3);
  EXPECT_EQ(ValuesAt(StatesNow(), 0), (Values{2, 3}));
  // Before the sync has ended, nothing is sure.
  EXPECT_EQ(ValuesAt(StatesAt(2), 0), (Values{1, 2}));
  EXPECT_EQ(ValuesAt(StatesAt(3), 0), Values{2});
}

TEST_F(CrashFileTest, LargeWrite_IsTornAtSectorsAndAtPages) {
  Start(64 * kKiB);
  Write(0, 64 * kKiB, 2);
  bool torn_in_page = false;
  bool torn_at_pages_only = false;
  for (const CrashState& state : StatesNow()) {
    size_t torn = 0;
    size_t torn_inside = 0;
    for (uint64_t sector = 1; sector < 128; ++sector) {
      // Inside a sector nothing tears.
      ASSERT_EQ(At(state, sector * 512), At(state, sector * 512 + 511));
      if (At(state, sector * 512) == At(state, sector * 512 - 512)) continue;
      ++torn;
      if (sector % 8 != 0) ++torn_inside;
    }
    torn_in_page |= torn_inside > 2;
    torn_at_pages_only |= torn > 2 && torn_inside == 0;
  }
  EXPECT_TRUE(torn_in_page);
  EXPECT_TRUE(torn_at_pages_only);
}

TEST_F(CrashFileTest, WritesOfOneMoment_SurviveInAnyOrder) {
  Start(8192);
  Write(0, 512, 2);
  Write(4096, 512, 2);
  std::set<std::pair<int, int>> pairs;
  for (const CrashState& state : StatesNow()) pairs.emplace(At(state, 0), At(state, 4096));
  EXPECT_EQ(pairs.size(), 4U);
}

TEST_F(CrashFileTest, GrowthAndTruncation_AreLostOrKept) {
  Start(8192);
  ASSERT_TRUE(file_->Resize(100000));
  EXPECT_EQ(SizesOf(StatesNow()), (Sizes{8192, 100000}));
  EXPECT_EQ(ValuesAt(StatesNow(), 9000), (Values{-1, 0}));
  ASSERT_TRUE(file_->Sync());
  ASSERT_TRUE(file_->Resize(4096));
  ASSERT_TRUE(file_->Resize(8192));
  EXPECT_EQ(SizesOf(StatesNow()), (Sizes{4096, 8192, 100000}));
  EXPECT_EQ(ValuesAt(StatesNow(), 5000), (Values{-1, 0, 1}));
}

TEST_F(CrashFileTest, WriteBehindTheEnd_CountsForNothingWhereTheGrowthIsLost) {
  Start(4096);
  Write(8192, 512, 2);
  EXPECT_EQ(file_->Size().value(), 8704U);
  const auto states = StatesNow();
  EXPECT_EQ(SizesOf(states), (Sizes{4096, 8704}));
  EXPECT_EQ(ValuesAt(states, 8192), (Values{-1, 0, 2}));
  for (const CrashState& state : states) {
    EXPECT_LE(state.file(kFile).allocated_bytes(), state.file(kFile).size());
  }
}

TEST_F(CrashFileTest, Hole_IsPunchedInWholeInPartOrNot) {
  Start(64 * kKiB);
  ASSERT_TRUE(file_->PunchHole({0, 64 * kKiB}));
  std::set<ptrdiff_t> zero_sectors;
  for (const CrashState& state : StatesNow()) {
    const auto bytes = state.file(kFile).Bytes({0, 64 * kKiB});
    zero_sectors.insert(std::ranges::count(bytes, std::byte{0}) / 512);
  }
  EXPECT_TRUE(zero_sectors.contains(0));
  EXPECT_TRUE(zero_sectors.contains(128));
  EXPECT_GT(zero_sectors.size(), 10U);
}

TEST_F(CrashFileTest, SyncThatBeganBeforeAWrite_DoesNotCoverIt) {
  Start(8192);
  std::vector<CrashOperation> record(3);
  const auto data = std::make_shared<std::vector<std::byte>>(Filled(512, 2));
  record[0] = {.kind = CrashOperation::Kind::kSyncBegin};
  record[1] = {.kind = CrashOperation::Kind::kWrite, .range = {0, 512}, .data = data};
  record[2] = {.kind = CrashOperation::Kind::kSyncEnd, .sync_begin = 0};
  CrashCursor cursor(store_->base(), record);
  cursor.AdvanceTo(3);
  EXPECT_EQ(At(cursor.durable(), 0), 1);
  EXPECT_EQ(At(cursor.cached(), 0), 2);
  EXPECT_EQ(cursor.pending(), 1U);
}

TEST_F(CrashFileTest, FailedSync_LosesSomeForEver) {
  Start(64 * kKiB);
  for (uint64_t page = 0; page < 16; ++page) Write(page * 4096, 512, 2);
  store_->FailSync(1);
  const auto failed = file_->Sync();
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, ErrorCode::kIo);
  EXPECT_EQ(failed.error().file, "/disk");
  ASSERT_TRUE(file_->Sync());
  const auto states = StatesNow();
  size_t kept = 0;
  for (uint64_t page = 0; page < 16; ++page) {
    const Values values = ValuesAt(states, page * 4096);
    ASSERT_EQ(values.size(), 1U) << "what became of it is settled";
    if (values.contains(2)) ++kept;
  }
  EXPECT_GT(kept, 0U);
  EXPECT_LT(kept, 16U);
}

TEST_F(CrashFileTest, KilledProcess_LeavesItsCacheAndNothingMoreIsDurable) {
  Start(8192);
  Write(0, 512, 2);
  ASSERT_TRUE(file_->Sync());
  Write(0, 512, 3);
  Write(4096, 512, 3);  // never happened: the process is killed before
  Use(store_->AfterKill(store_->RecordLength() - 1));
  EXPECT_EQ(At(store_->Cached(), 0), 3);
  EXPECT_EQ(At(store_->Cached(), 4096), 1);
  EXPECT_EQ(ValuesAt(StatesNow(), 0), (Values{2, 3}));
  ASSERT_TRUE(file_->Sync());
  EXPECT_EQ(ValuesAt(StatesNow(), 0), Values{3});
}

TEST_F(CrashFileTest, GrowthOfAStaleKind_HoldsJunkUntilItIsWritten) {
  Start(4096, CrashFileKind::kStaleGrowth);
  EXPECT_FALSE(file_->capabilities().extension_reads_zero);
  ASSERT_TRUE(file_->Resize(12288));
  EXPECT_EQ(At(store_->Cached(), 4096), 0xA5);
  Write(8192, 512, 2);
  EXPECT_EQ(ValuesAt(StatesNow(), 8192), (Values{-1, 2, 0xA5}));
}

TEST_F(CrashFileTest, BlockDevice_KeepsItsLength) {
  Start(8192, CrashFileKind::kBlockDevice);
  EXPECT_TRUE(file_->capabilities().block_device);
  EXPECT_EQ(file_->Resize(4096).error().code, ErrorCode::kUnsupported);
  EXPECT_EQ(file_->WriteAt(8000, ByteSpan(Filled(512, 2))).error().code, ErrorCode::kNoSpace);
  EXPECT_EQ(file_->ZeroRange({8000, 512}).error().code, ErrorCode::kNoSpace);
  EXPECT_EQ(SizesOf(StatesNow()), Sizes{8192});
}

TEST_F(CrashFileTest, HostWithoutHoles_PunchesNone) {
  CrashState base;
  base.AddFile("/disk");
  Use(std::make_shared<CrashStore>(base, CrashStore::Options{.punch_hole = false}));
  Write(0, 512, 2);
  EXPECT_FALSE(file_->capabilities().punch_hole);
  EXPECT_EQ(file_->PunchHole({0, 512}).error().code, ErrorCode::kUnsupported);
  EXPECT_EQ(At(store_->Cached(), 0), 2);
}

TEST_F(CrashFileTest, ReadOnlyFile_RefusesToChangeAnything) {
  Start(8192);
  CrashFile reader(store_, kFile, "/disk", FileAccess::kReadOnly);
  EXPECT_EQ(reader.WriteAt(0, ByteSpan(Filled(1, 2))).error().code, ErrorCode::kReadOnly);
  EXPECT_EQ(reader.Resize(0).error().code, ErrorCode::kReadOnly);
  EXPECT_EQ(reader.ZeroRange({0, 1}).error().code, ErrorCode::kReadOnly);
  EXPECT_EQ(reader.PunchHole({0, 1}).error().code, ErrorCode::kReadOnly);
  EXPECT_EQ(store_->RecordLength(), 0U);
}

TEST_F(CrashFileTest, SameSeed_MakesTheSameState) {
  Start(64 * kKiB);
  Write(100, 50000, 2);
  ASSERT_TRUE(file_->PunchHole({8192, 8192}));
  const auto first = StatesNow();
  const auto second = StatesNow();
  std::set<uint64_t> hashes;
  for (size_t i = 0; i < first.size(); ++i) {
    ASSERT_EQ(first[i].Hash(), second[i].Hash());
    hashes.insert(first[i].Hash());
  }
  EXPECT_GT(hashes.size(), kSeeds / 4);
}

TEST_F(CrashFileTest, ThreadsThatWriteAtOnce_AreAllRecorded) {
  Start(64 * kKiB);
  {
    std::vector<std::jthread> threads;
    for (int thread = 0; thread < 4; ++thread) {
      threads.emplace_back([&, thread] {
        for (uint64_t i = 0; i < 100; ++i) {
          Write(static_cast<uint64_t>(thread) * 16384 + i * 100, 100, thread + 2);
          if (i % 10 == 0) {
            EXPECT_TRUE(file_->Sync());
          }
        }
      });
    }
  }
  record_ = store_->Record();
  EXPECT_EQ(record_.size(), 400U + 4 * 10 * 2);
  CrashCursor cursor(store_->base(), record_);
  cursor.AdvanceTo(record_.size());
  EXPECT_EQ(cursor.cached().Hash(), store_->Cached().Hash());
}

}  // namespace
}  // namespace vhdx::testing

#include "testing/lossy_file.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <thread>
#include <vector>

#include "testing/memory_file.h"

namespace vhdx::testing {
namespace {

constexpr uint64_t kSectors = 64;
constexpr uint64_t kBytes = kSectors * LossyFile::kSectorBytes;
constexpr uint64_t kRuns = 40;

/// One file whose bytes were all `kOld` when its power was switched on.
class Trial {
 public:
  static constexpr std::byte kOld{1};
  static constexpr std::byte kNew{2};

  explicit Trial(LossyOptions options) {
    contents_->Write(0, std::vector<std::byte>(kBytes, kOld));
    file_ = std::make_unique<LossyFile>(std::make_unique<MemoryFile>(contents_), power_, options);
  }

  LossyFile& file() { return *file_; }
  PowerSwitch& power() { return *power_; }
  std::vector<std::byte> Bytes() const { return contents_->Bytes(); }

  void Write(uint64_t sector, uint64_t count, std::byte value = kNew) {
    const std::vector<std::byte> bytes(count * LossyFile::kSectorBytes, value);
    ASSERT_TRUE(file_->WriteAt(sector * LossyFile::kSectorBytes, ByteSpan(bytes)));
  }
  Loss Cut() { return power_->Cut().value().at(0); }

  /// The value of each sector, which must be all of that value.
  std::vector<std::byte> Sectors() const {
    const std::vector<std::byte> bytes = Bytes();
    std::vector<std::byte> values;
    for (size_t i = 0; i < bytes.size(); i += LossyFile::kSectorBytes) {
      const auto sector = ByteSpan(bytes).subspan(i, LossyFile::kSectorBytes);
      EXPECT_TRUE(std::ranges::all_of(sector, [&](std::byte byte) { return byte == sector[0]; }));
      values.push_back(sector[0]);
    }
    return values;
  }

 private:
  std::shared_ptr<MemoryContents> contents_ = std::make_shared<MemoryContents>();
  std::shared_ptr<PowerSwitch> power_ = std::make_shared<PowerSwitch>();
  std::unique_ptr<LossyFile> file_;
};

TEST(LossyFile, WhatWasSyncedIsThere) {
  for (uint64_t seed = 0; seed < kRuns; ++seed) {
    Trial trial({.seed = seed});
    trial.Write(0, kSectors);
    ASSERT_TRUE(trial.file().Sync());
    const Loss loss = trial.Cut();
    EXPECT_EQ(loss.unsynced_changes, 0U);
    EXPECT_EQ(trial.Bytes(), std::vector<std::byte>(kBytes, Trial::kNew));
  }
}

TEST(LossyFile, AnUnsyncedWriteIsThereOrNotOrTornAtSectors) {
  std::set<uint64_t> lost;
  for (uint64_t seed = 0; seed < kRuns; ++seed) {
    Trial trial({.seed = seed});
    trial.Write(0, kSectors);
    EXPECT_EQ(trial.power().UnsyncedChanges(), 1U);
    const Loss loss = trial.Cut();
    EXPECT_EQ(loss.unsynced_changes, 1U);
    EXPECT_EQ(loss.unsynced_sectors, kSectors);
    EXPECT_EQ(loss.lost_sectors,
              static_cast<uint64_t>(std::ranges::count(trial.Sectors(), Trial::kOld)));
    lost.insert(loss.lost_sectors);
  }
  EXPECT_TRUE(lost.contains(0));
  EXPECT_TRUE(lost.contains(kSectors));
  EXPECT_GT(lost.size(), 4U) << "no write was torn";
}

TEST(LossyFile, ASectorWrittenTwiceHoldsAnyOfItsThreeValues) {
  std::set<std::byte> values;
  for (uint64_t seed = 0; seed < kRuns; ++seed) {
    Trial trial({.seed = seed});
    trial.Write(3, 1, Trial::kNew);
    trial.Write(3, 1, std::byte{9});
    trial.Cut();
    values.insert(trial.Sectors()[3]);
  }
  EXPECT_EQ(values, (std::set{Trial::kOld, Trial::kNew, std::byte{9}}));
}

TEST(LossyFile, ALaterWriteMaySurviveAnEarlierOne) {
  bool reordered = false;
  for (uint64_t seed = 0; seed < kRuns; ++seed) {
    Trial trial({.seed = seed});
    trial.Write(3, 1);
    trial.Write(5, 1);
    trial.Cut();
    const std::vector<std::byte> sectors = trial.Sectors();
    reordered = reordered || (sectors[3] == Trial::kOld && sectors[5] == Trial::kNew);
  }
  EXPECT_TRUE(reordered);
}

TEST(LossyFile, AWriteThatEndsInsideASectorLosesThatSectorWhole) {
  for (uint64_t seed = 0; seed < kRuns; ++seed) {
    Trial trial({.seed = seed});
    const std::vector<std::byte> bytes(100, Trial::kNew);
    ASSERT_TRUE(trial.file().WriteAt(200, ByteSpan(bytes)));
    trial.Cut();
    std::vector<std::byte> written(kBytes, Trial::kOld);
    const std::vector<std::byte> old = written;
    std::ranges::copy(bytes, written.begin() + 200);
    EXPECT_TRUE(trial.Bytes() == old || trial.Bytes() == written);
  }
}

TEST(LossyFile, TheLengthIsOneItHasHad) {
  std::set<uint64_t> lengths;
  for (uint64_t seed = 0; seed < kRuns; ++seed) {
    Trial trial({.seed = seed});
    ASSERT_TRUE(trial.file().Resize(2 * kBytes));
    trial.Write(3 * kSectors - 1, 1);
    const Loss loss = trial.Cut();
    EXPECT_EQ(loss.length_after, trial.Bytes().size());
    lengths.insert(trial.Bytes().size());
  }
  EXPECT_EQ(lengths, (std::set{kBytes, 2 * kBytes, 3 * kBytes}));
}

TEST(LossyFile, BytesOfATailThatWasCutMayComeBack) {
  std::set<std::byte> tails;
  for (uint64_t seed = 0; seed < kRuns; ++seed) {
    Trial trial({.seed = seed});
    ASSERT_TRUE(trial.file().Resize(kBytes / 2));
    ASSERT_TRUE(trial.file().Resize(kBytes));
    trial.Cut();
    for (const std::byte value : trial.Sectors()) tails.insert(value);
  }
  EXPECT_EQ(tails, (std::set{std::byte{0}, Trial::kOld}));
}

TEST(LossyFile, BytesOfAHoleMayComeBack) {
  constexpr FileRange kHole = {.file_offset = 0, .length_bytes = kBytes / 2};
  std::set<std::byte> values;
  for (uint64_t seed = 0; seed < kRuns; ++seed) {
    Trial trial({.seed = seed});
    ASSERT_TRUE(seed % 2 == 0 ? trial.file().PunchHole(kHole) : trial.file().ZeroRange(kHole));
    trial.Cut();
    const std::vector<std::byte> sectors = trial.Sectors();
    values.insert(sectors.begin(), sectors.begin() + kSectors / 2);
    EXPECT_TRUE(std::ranges::all_of(sectors.begin() + kSectors / 2, sectors.end(),
                                    [](std::byte value) { return value == Trial::kOld; }));
  }
  EXPECT_EQ(values, (std::set{std::byte{0}, Trial::kOld}));
}

TEST(LossyFile, AWriteDuringASyncIsNotSynced) {
  bool lost = false;
  for (uint64_t seed = 0; seed < kRuns && !lost; ++seed) {
    Trial trial({.seed = seed, .longest_sync = std::chrono::milliseconds(100)});
    std::thread sync([&] { EXPECT_TRUE(trial.file().Sync()); });
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    trial.Write(0, kSectors);
    sync.join();
    lost = trial.Cut().lost_sectors > 0;
  }
  EXPECT_TRUE(lost);
}

TEST(LossyFile, WithoutPowerEveryChangeFails) {
  Trial trial({});
  trial.Cut();
  const std::vector<std::byte> bytes(10);
  EXPECT_FALSE(trial.file().WriteAt(0, ByteSpan(bytes)));
  EXPECT_FALSE(trial.file().Sync());
  EXPECT_FALSE(trial.file().Resize(0));
  EXPECT_FALSE(trial.file().ZeroRange({0, 10}));
  EXPECT_FALSE(trial.file().PunchHole({0, 10}));
  EXPECT_FALSE(trial.power().Cut());
  EXPECT_EQ(trial.Bytes(), std::vector<std::byte>(kBytes, Trial::kOld));
}

TEST(LossyFile, ASyncThatDoesNothingKeepsNothing) {
  bool lost = false;
  for (uint64_t seed = 0; seed < kRuns; ++seed) {
    Trial trial({.seed = seed, .sync = SyncMode::kDoesNothing});
    trial.Write(0, kSectors);
    ASSERT_TRUE(trial.file().Sync());
    lost = lost || trial.Cut().lost_sectors > 0;
  }
  EXPECT_TRUE(lost);
}

}  // namespace
}  // namespace vhdx::testing

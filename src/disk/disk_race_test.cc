// Requests that race for the same sectors: writes, trims and zeroes of parts of a block and of all
// of it, reads, and flushes. Whatever a read finds in a sector must be what some order of the
// requests leaves there; and flushes of many writers share their syncs.

#include <gtest/gtest.h>
#include <vhdxkit/disk.h>
#include <vhdxkit/forwarding_file.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <barrier>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstring>
#include <iostream>
#include <memory>
#include <mutex>
#include <random>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "bytes/arithmetic.h"
#include "disk/disk_write_fixture.h"
#include "testing/image_builder.h"
#include "testing/outcome.h"
#include "testing/scale.h"

namespace vhdx {
namespace {

// The sectors that are watched: the first, middle and last ones of some blocks.
constexpr uint64_t kWatchedSector = 512;
constexpr uint64_t kRaceBlock = kMiB;
constexpr uint64_t kRaceBlocks = 4;
constexpr uint64_t kSectorsOfAWindow = 8;
constexpr uint64_t kWindow = kSectorsOfAWindow * kWatchedSector;
constexpr std::array<uint64_t, 3> kWindows = {0, kRaceBlock / 2 + kWatchedSector,
                                              kRaceBlock - kWindow};
constexpr uint64_t kWindowCount = kRaceBlocks * kWindows.size();
constexpr uint64_t kWatchedCount = kWindowCount * kSectorsOfAWindow;

uint64_t WindowStart(uint64_t window) {
  return window / kWindows.size() * kRaceBlock + kWindows[window % kWindows.size()];
}
uint64_t PlaceOfWatched(uint64_t sector) {
  return WindowStart(sector / kSectorsOfAWindow) + sector % kSectorsOfAWindow * kWatchedSector;
}

// What a sector was given, or found with, from one moment of a clock that counts to another.
struct Contents {
  uint64_t sector = 0;
  uint64_t begin = 0;
  uint64_t end = 0;
  uint64_t value = 0;
};
constexpr uint64_t kZeros = 0;
constexpr uint64_t kInitial = 1;
constexpr uint64_t kNobodys = UINT64_MAX;

class Race {
 public:
  explicit Race(Disk& disk) : disk_(disk), initial_(kRaceBlocks * kRaceBlock) {
    EXPECT_EQ(testing::OutcomeOf(disk_.Read(0, initial_)), "ok");
  }

  void Run(uint64_t steps) {
    using Step = void (Race::*)(std::mt19937_64&, std::vector<Contents>&);
    constexpr std::array<Step, 8> kThreads = {&Race::Write, &Race::Write, &Race::Write,
                                              &Race::Zero,  &Race::Zero,  &Race::Zero,
                                              &Race::Read,  &Race::Read};
    constexpr uint64_t kStepsOfARound = 8;  // after which the slower ones are awaited
    std::barrier round(kThreads.size());
    std::vector<std::vector<Contents>> of_threads(kThreads.size());
    {
      std::vector<std::jthread> threads;
      for (size_t t = 0; t < kThreads.size(); ++t) {
        threads.emplace_back([&, t] {
          std::mt19937_64 random(t);
          for (uint64_t i = 0; i < steps; ++i) {
            if (i % kStepsOfARound == 0) round.arrive_and_wait();
            (this->*kThreads[t])(random, of_threads[t]);
          }
        });
      }
    }
    EXPECT_EQ(failure_, "");
    for (uint64_t sector = 0; sector < kWatchedCount; ++sector) {
      changes_.push_back({{sector, 0, 0, ValueOf(sector, SectorOf(initial_, sector))}});
    }
    for (size_t t = 0; t < kThreads.size(); ++t) {
      for (const Contents& contents : of_threads[t]) {
        if (kThreads[t] == &Race::Read) {
          seen_.push_back(contents);
        } else {
          changes_[contents.sector].push_back(contents);
        }
      }
    }
  }

  /// What the disk holds now is seen, too.
  void ReadAll(Disk& disk) {
    std::vector<std::byte> bytes(kRaceBlocks * kRaceBlock);
    const uint64_t begin = ++clock_;
    ASSERT_EQ(testing::OutcomeOf(disk.Read(0, bytes)), "ok");
    for (uint64_t sector = 0; sector < kWatchedCount; ++sector) {
      seen_.push_back({sector, begin, begin, ValueOf(sector, SectorOf(bytes, sector))});
    }
  }

  /// How often a sector was seen with what it cannot have had.
  size_t CountWrong() const {
    return static_cast<size_t>(
        std::ranges::count_if(seen_, [this](const Contents& seen) { return !IsAllowed(seen); }));
  }
  size_t seen_count() const { return seen_.size(); }

 private:
  static ByteSpan SectorOf(std::span<const std::byte> disk, uint64_t sector) {
    return disk.subspan(PlaceOfWatched(sector), kWatchedSector);
  }

  // A sector that was written is filled with a word of its number and the moment of the write.
  static uint64_t WordOf(uint64_t sector, uint64_t value) { return value << 8 | sector; }

  uint64_t ValueOf(uint64_t sector, ByteSpan bytes) const {
    std::array<uint64_t, kWatchedSector / sizeof(uint64_t)> words;
    std::memcpy(words.data(), bytes.data(), bytes.size());
    const bool is_uniform = std::ranges::count(words, words[0]) == std::ssize(words);
    if (is_uniform && words[0] == 0) return kZeros;
    if (std::ranges::equal(bytes, SectorOf(initial_, sector))) return kInitial;
    if (!is_uniform) return kNobodys;
    return words[0] == WordOf(sector, words[0] >> 8) ? words[0] >> 8 : kNobodys;
  }

  // One of the changes with that value had begun, and none came between it and the read.
  bool IsAllowed(const Contents& seen) const {
    const std::vector<Contents>& changes = changes_[seen.sector];
    uint64_t latest = 0;
    for (const Contents& change : changes) {
      if (change.end < seen.begin) latest = std::max(latest, change.begin);
    }
    return std::ranges::any_of(changes, [&](const Contents& change) {
      return change.value == seen.value && change.begin <= seen.end && change.end >= latest;
    });
  }

  // Space that was freed is used again after the next flushes.
  template <typename Request>
  void Do(DiskRange range, std::vector<Contents>& done, Request request) {
    const uint64_t begin = ++clock_;
    const uint64_t value = request(begin);
    const uint64_t end = ++clock_;
    if (begin % 8 == 0) Expect(disk_.Flush());
    for (uint64_t sector = 0; sector < kWatchedCount; ++sector) {
      const uint64_t place = PlaceOfWatched(sector);
      if (place >= range.disk_offset && place < range.end()) {
        done.push_back({sector, begin, end, value});
      }
    }
  }
  void Expect(const Result<void>& result) {
    if (result) return;
    const std::lock_guard lock(mutex_);
    if (failure_.empty()) failure_ = ToString(result.error());
  }

  static DiskRange PartOfAWindow(std::mt19937_64& random) {
    const uint64_t first = random() % kSectorsOfAWindow;
    const uint64_t count = 1 + random() % (kSectorsOfAWindow - first);
    return {WindowStart(random() % kWindowCount) + first * kWatchedSector, count * kWatchedSector};
  }

  void Write(std::mt19937_64& random, std::vector<Contents>& done) {
    const DiskRange range = PartOfAWindow(random);
    Do(range, done, [&](uint64_t begin) {
      std::vector<uint64_t> words;
      for (uint64_t sector = 0; sector < kWatchedCount; ++sector) {
        const uint64_t place = PlaceOfWatched(sector);
        if (place < range.disk_offset || place >= range.end()) continue;
        words.insert(words.end(), kWatchedSector / sizeof(uint64_t), WordOf(sector, begin));
      }
      Expect(disk_.Write(range.disk_offset, std::as_bytes(std::span(words))));
      return begin;
    });
  }

  void Zero(std::mt19937_64& random, std::vector<Contents>& done) {
    const uint64_t block = random() % kRaceBlocks;
    const uint64_t blocks = 1 + random() % std::min<uint64_t>(2, kRaceBlocks - block);
    DiskRange range = {block * kRaceBlock, blocks * kRaceBlock};
    if (random() % 2 == 0) range = PartOfAWindow(random);
    Do(range, done, [&](uint64_t) {
      Expect(random() % 3 == 0 ? disk_.WriteZeroes(range) : disk_.Trim(range));
      return kZeros;
    });
  }

  void Read(std::mt19937_64& random, std::vector<Contents>& seen) {
    const uint64_t window = random() % kWindowCount;
    std::array<std::byte, kWindow> bytes;
    const uint64_t begin = ++clock_;
    Expect(disk_.Read(WindowStart(window), bytes));
    const uint64_t end = ++clock_;
    for (uint64_t i = 0; i < kSectorsOfAWindow; ++i) {
      const uint64_t sector = window * kSectorsOfAWindow + i;
      const auto found = std::span(bytes).subspan(i * kWatchedSector, kWatchedSector);
      seen.push_back({sector, begin, end, ValueOf(sector, found)});
    }
  }

  Disk& disk_;
  std::vector<std::byte> initial_;
  std::atomic<uint64_t> clock_ = kInitial;
  std::mutex mutex_;
  std::string failure_;                         // the first
  std::vector<std::vector<Contents>> changes_;  // by sector
  std::vector<Contents> seen_;
};

class DiskRace : public DiskWrite {
 protected:
  static constexpr uint64_t kSteps = 2000;  // of each thread

  void RunRace(const testing::ImageSpec& spec) {
    Put(kPath, spec);
    auto disk = Open({.log_sectors = 16});
    ASSERT_NE(disk, nullptr);
    Race race(*disk);
    race.Run(testing::Scaled(kSteps));
    race.ReadAll(*disk);
    const EngineCounters counters = disk->counters();
    EXPECT_EQ(testing::OutcomeOf(disk->Close()), "ok");
    disk = Open();
    race.ReadAll(*disk);
    disk.reset();
    EXPECT_EQ(race.CountWrong(), 0U) << "of " << race.seen_count();
    ExpectClean();
    if (spec.parameters.leave_blocks_allocated || testing::Scale() > 1) return;
    EXPECT_GT(counters.freed_blocks, 100U);
    EXPECT_GT(counters.reused_blocks, 100U);
    std::cout << race.seen_count() << " sectors seen; " << counters.freed_blocks
              << " blocks freed, " << counters.reused_blocks << " allocations in freed space\n";
  }
};

TEST_F(DiskRace, DynamicDisk_ReadsWhatSomeOrderLeaves) {
  testing::ImageSpec spec =
      testing::DynamicImage({.disk_size = 16 * kMiB, .block_size = kRaceBlock});
  spec.blocks = {testing::FullBlock(1), testing::ZeroBlock(2)};
  RunRace(spec);
}

TEST_F(DiskRace, FixedDisk_ReadsWhatSomeOrderLeaves) {
  testing::ImageSpec spec =
      testing::FixedImage({.disk_size = kRaceBlocks * kRaceBlock, .block_size = kRaceBlock});
  RunRace(spec);
}

TEST_F(DiskRace, Child_ReadsWhatSomeOrderLeaves_AndItsParentNeverAgain) {
  testing::ImageSpec base =
      testing::DynamicImage({.disk_size = 16 * kMiB, .block_size = kRaceBlock});
  base.blocks = testing::FullBlocks(kRaceBlocks);
  Put("/vm/base.vhdx", base);
  testing::ImageSpec child = testing::ChildOf(base, ".\\base.vhdx");
  child.blocks = {testing::PartialBlock(1, {{4, 100}}), testing::FullBlock(2)};
  RunRace(child);
}

// -- Flushes --

// Who is flushing since when, by a clock that counts syncs.
class FlushingWriters {
 public:
  explicit FlushingWriters(size_t count) : since_(count, kNotFlushing) {}

  void BeginFlush(size_t writer) { Set(writer, Now()); }
  void EndFlush(size_t writer) { Set(writer, kNotFlushing); }
  void Leave(size_t writer) { Set(writer, kGone); }

  /// A sync waits until everybody is flushing: those too whom the sync before served, and who then
  /// have written again. Not forever, since a write may wait for this sync.
  void BeginSync() {
    std::unique_lock lock(mutex_);
    const int64_t before = syncs_++;
    changed_.wait_for(lock, std::chrono::milliseconds(50), [&] {
      return std::ranges::all_of(since_, [before](int64_t since) { return since >= before; });
    });
  }

 private:
  static constexpr int64_t kNotFlushing = -1;
  static constexpr int64_t kGone = INT64_MAX;

  int64_t Now() {
    const std::lock_guard lock(mutex_);
    return syncs_;
  }
  void Set(size_t writer, int64_t since) {
    const std::lock_guard lock(mutex_);
    since_[writer] = since;
    changed_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<int64_t> since_;  // the syncs that had begun
  int64_t syncs_ = 0;
};

class SlowSyncFile final : public ForwardingFile {
 public:
  SlowSyncFile(std::unique_ptr<File> base, FlushingWriters& writers)
      : ForwardingFile(std::move(base)), writers_(writers) {}
  Result<void> Sync() override {
    writers_.BeginSync();
    return ForwardingFile::Sync();
  }

 private:
  FlushingWriters& writers_;
};

class SlowSyncHost final : public ForwardingFileSystem {
 public:
  SlowSyncHost(FileSystem& base, FlushingWriters& writers)
      : ForwardingFileSystem(base), writers_(writers) {}
  Result<std::unique_ptr<File>> Open(const std::string& path,
                                     const OpenFileOptions& options) override {
    auto file = ForwardingFileSystem::Open(path, options);
    if (!file) return file;
    return std::make_unique<SlowSyncFile>(*std::move(file), writers_);
  }

 private:
  FlushingWriters& writers_;
};

class SharedFlushes : public DiskWrite, public ::testing::WithParamInterface<bool> {};

// At best all that come while one is syncing are served by the next one: two syncs for sixteen
// flushes, and those with which a session begins.
TEST_P(SharedFlushes, SixteenWriters_NeedFewSyncs) {
  constexpr uint64_t kWriters = 16;
  constexpr uint64_t kRounds = 25;
  const bool new_blocks = GetParam();
  testing::ImageSpec spec = testing::DynamicImage({.disk_size = kGiB, .block_size = kMiB});
  if (!new_blocks) spec.blocks = testing::FullBlocks(kWriters);
  Put(kPath, spec);
  std::atomic<uint64_t> failures = 0;
  FlushingWriters writers(kWriters);
  SlowSyncHost host(files_, writers);
  auto disk = *Disk::Open(host, kPath, {.access = DiskAccess::kReadWrite});
  const auto work = [&](uint64_t writer) {
    for (uint64_t round = 0; round < kRounds; ++round) {
      const uint64_t block = new_blocks ? round * kWriters + writer : writer;
      if (!disk->Write(block * kMiB, ByteSpan(Filled(4096, 1)))) ++failures;
      writers.BeginFlush(writer);
      if (!disk->Flush()) ++failures;
      writers.EndFlush(writer);
    }
    writers.Leave(writer);
  };
  {
    std::vector<std::jthread> threads;
    for (uint64_t writer = 0; writer < kWriters; ++writer) threads.emplace_back(work, writer);
  }
  EXPECT_EQ(failures, 0U);
  const uint64_t syncs = disk->counters().syncs;
  std::cout << syncs << " syncs for " << kWriters * kRounds << " flushes\n";
  EXPECT_LE(syncs * 4, kWriters * kRounds);
  EXPECT_GT(syncs, 0U);
  EXPECT_EQ(testing::OutcomeOf(disk->Close()), "ok");
  ExpectClean();
}

INSTANTIATE_TEST_SUITE_P(Of, SharedFlushes, ::testing::Bool(),
                         [](const auto& row) { return row.param ? "NewBlocks" : "Overwrites"; });

}  // namespace
}  // namespace vhdx

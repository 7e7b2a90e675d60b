// A million random writes, zeroes, trims, reads and flushes, with the disk closed and opened in
// between, against plain bytes: every kind of disk, sector and block size, from one thread and from
// eight. Blocks stand on both sides of the border between two chunks.
//
// VHDXKIT_MODEL_SEED  only this seed, for every shape

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <map>
#include <optional>
#include <stop_token>
#include <thread>

#include "bytes/arithmetic.h"
#include "bytes/same_bytes.h"
#include "testing/scale.h"
#include "tests/model_disk.h"

namespace vhdx::tests {
namespace {

constexpr uint64_t kOperations = 1'000'000;  // by all tests of this file together
constexpr uint64_t kTests = 8;
constexpr uint64_t kOperationsOfALife = 400;
constexpr uint64_t kLongest = 12 * kKiB;
constexpr uint64_t kOftenEnough = 100;
constexpr uint64_t kMostOfWanted = 2;  // times the wanted operations, for transitions that are rare

using Transition = std::pair<unsigned, unsigned>;  // states of a block's entry

struct ModelTally {
  uint64_t operations = 0;
  uint64_t opens = 0;
  std::map<Transition, uint64_t> transitions;
  EngineCounters counters;
};

void FillRandom(std::mt19937_64& random, MutableByteSpan bytes) {
  uint64_t word = random();
  while (!bytes.empty()) {
    const size_t length = std::min(bytes.size(), sizeof(word));
    std::memcpy(bytes.data(), &word, length);
    bytes = bytes.subspan(length);
    word = word * 6364136223846793005 + 1442695040888963407;
  }
}

/// One thread at work.
class ModelGuest {
 public:
  ModelGuest(ModelDisk& disk, unsigned thread, uint64_t seed)
      : disk_(disk), thread_(thread), random_(seed), whole_blocks_(seed % 2 == 0 ? 30 : 8) {}

  /// "" or what went wrong.
  std::string Step() {
    const uint64_t drawn = random_() % 100;
    if (drawn < 8) return Told(disk_.device().Flush());
    ModelBlock& block = *disk_.blocks()[random_() % disk_.blocks().size()];
    if (drawn < 8 + whole_blocks_) return ChangeBlock(block);
    if (drawn < 38 + whole_blocks_) return ReadSlice(block);
    return ChangeSlice(block);
  }

 private:
  static std::string Told(const Result<void>& result) {
    return result ? "" : ToString(result.error());
  }

  uint64_t SliceStart(const ModelBlock& block) const {
    return thread_ == 0 ? 0 : block.slice_ends[thread_ - 1];
  }

  // In this thread's slice of the block, near its ends more often than not.
  DiskRange RandomRange(const ModelBlock& block) {
    const uint64_t slice_start = block.range.disk_offset + SliceStart(block);
    const uint64_t slice_end = block.range.disk_offset + block.slice_ends[thread_];
    const uint64_t size = slice_end - slice_start;
    uint64_t at = slice_start + random_() % std::min(size, 8 * kKiB);
    const uint64_t where = random_() % 3;
    if (where == 0) at = slice_start + random_() % size;
    if (where == 1) at = slice_end - 1 - random_() % std::min(size, 8 * kKiB);
    uint64_t end = at + 1 + random_() % kLongest;
    if (random_() % 2 == 0) {
      at = std::max(AlignDown(at, disk_.shape().sector_size), slice_start);
      end = AlignUp(end, disk_.shape().sector_size);
    }
    return {at, std::min(end, slice_end) - at};
  }

  std::string ReadSlice(ModelBlock& block) {
    const DiskRange range = RandomRange(block);
    const std::shared_lock lock(block.mutex);
    std::vector<std::byte> found(range.length_bytes);
    if (auto read = disk_.device().Read(range.disk_offset, found); !read) return Told(read);
    if (SameBytes(found, ModelDisk::Expected(block, thread_, range))) return "";
    return "read at " + std::to_string(range.disk_offset) + ": wrong bytes";
  }

  std::string ChangeSlice(ModelBlock& block) {
    const DiskRange range = RandomRange(block);
    const std::shared_lock lock(block.mutex);
    const uint64_t in_slice = range.disk_offset - block.range.disk_offset - SliceStart(block);
    testing::PageImage& slice = block.slices[thread_];
    if (random_() % 4 == 0) {
      slice.Zero({in_slice, range.length_bytes});
      return Told(Zero(range));
    }
    std::vector<std::byte> bytes(range.length_bytes);
    FillRandom(random_, bytes);
    slice.Write(in_slice, bytes);
    return Told(disk_.device().Write(range.disk_offset, bytes));
  }

  Result<void> Zero(DiskRange range) {
    return random_() % 2 == 0 ? disk_.device().Trim(range) : disk_.device().WriteZeroes(range);
  }

  std::string ChangeBlock(ModelBlock& block) {
    const std::unique_lock lock(block.mutex);
    // Large ones cost as much as a thousand others.
    const bool writes = random_() % (disk_.shape().block_size > 4 * kMiB ? 64 : 2) == 0;
    if (!writes) {
      for (testing::PageImage& slice : block.slices) slice.Zero({0, slice.size()});
      return Told(Zero(block.range));
    }
    std::vector<std::byte> bytes(block.range.length_bytes);
    FillRandom(random_, bytes);
    uint64_t start = 0;
    for (size_t i = 0; i < block.slices.size(); ++i) {
      block.slices[i].Write(0, ByteSpan(bytes).subspan(start, block.slice_ends[i] - start));
      start = block.slice_ends[i];
    }
    return Told(disk_.device().Write(block.range.disk_offset, bytes));
  }

  ModelDisk& disk_;
  const unsigned thread_;
  std::mt19937_64 random_;
  const uint64_t whole_blocks_;  // of 100 steps
};

/// A disk from its making to the end of its second session.
class ModelLife {
 public:
  ModelLife(const ModelShape& shape, uint64_t seed, ModelTally& tally)
      : random_(seed), disk_(shape, seed), tally_(tally) {}

  /// "" or what went wrong.
  std::string Live() {
    for (int session = 0; session < 2; ++session) {
      if (auto opened = disk_.Open(); !opened) return ToString(opened.error());
      ++tally_.opens;
      if (std::string wrong = disk_.CompareAll(random_); !wrong.empty()) return "opened: " + wrong;
      if (std::string wrong = Work(); !wrong.empty()) return wrong;
      if (std::string wrong = disk_.CompareAll(random_); !wrong.empty()) return "at end: " + wrong;
      AddCounters();
      const auto closed = session == 0 ? disk_.CloseAndChangeStates(random_) : disk_.Close();
      if (!closed) return ToString(closed.error());
      if (std::string found = disk_.Check(); !found.empty()) return "check finds " + found;
    }
    return "";
  }

 private:
  std::string Work() {
    const unsigned threads = disk_.shape().threads;
    const uint64_t steps = kOperationsOfALife / 2 / threads;
    tally_.operations += steps * threads;
    const uint64_t seed = random_();
    if (threads == 1) return WorkAlone(steps, seed);
    std::vector<std::string> wrong(threads);
    {
      std::vector<std::jthread> workers;
      for (unsigned thread = 0; thread < threads; ++thread) {
        workers.emplace_back([&, thread] {
          ModelGuest guest(disk_, thread, seed + thread);
          for (uint64_t i = 0; i < steps && wrong[thread].empty(); ++i)
            wrong[thread] = guest.Step();
        });
      }
    }
    const auto first = std::ranges::find_if_not(wrong, &std::string::empty);
    return first == wrong.end() ? "" : *first;
  }

  // After a flush the states of all blocks stand in the file.
  std::string WorkAlone(uint64_t steps, uint64_t seed) {
    ModelGuest guest(disk_, 0, seed);
    std::map<const ModelBlock*, unsigned> states = States();
    for (uint64_t i = 0; i < steps; ++i) {
      if (std::string wrong = guest.Step(); !wrong.empty()) return wrong;
      if (random_() % 4 != 0) continue;
      if (auto flushed = disk_.device().Flush(); !flushed) return ToString(flushed.error());
      for (const auto& [block, state] : States()) {
        ++tally_.transitions[{states[block], state}];
        states[block] = state;
      }
    }
    return "";
  }

  std::map<const ModelBlock*, unsigned> States() {
    std::map<const ModelBlock*, unsigned> states;
    for (const auto& block : disk_.blocks()) states[block.get()] = disk_.EntryInFile(*block) & 7;
    return states;
  }

  void AddCounters() {
    const EngineCounters counters = disk_.device().counters();
    tally_.counters.log_restarts += counters.log_restarts;
    tally_.counters.reused_blocks += counters.reused_blocks;
    tally_.counters.freed_blocks += counters.freed_blocks;
    tally_.counters.stalls += counters.stalls;
  }

  std::mt19937_64 random_;
  ModelDisk disk_;
  ModelTally& tally_;
};

struct ModelCase {
  const char* name;
  Subformat subformat;
  unsigned chain_length;
  unsigned threads;
};

const ModelCase kCases[] = {
    {"Dynamic", Subformat::kDynamic, 1, 1},
    {"Fixed", Subformat::kFixed, 1, 1},
    {"ChainOfThree", Subformat::kDifferencing, 3, 1},
    {"ChainOfFive", Subformat::kDifferencing, 5, 1},
    {"DynamicWithEightThreads", Subformat::kDynamic, 1, 8},
    {"FixedWithEightThreads", Subformat::kFixed, 1, 8},
    {"ChainOfThreeWithEightThreads", Subformat::kDifferencing, 3, 8},
    {"ChainOfFiveWithEightThreads", Subformat::kDifferencing, 5, 8},
};
static_assert(std::size(kCases) == kTests);

class DiskWriteModel : public ::testing::TestWithParam<ModelCase> {
 protected:
  static std::vector<ModelShape> Shapes() {
    std::vector<ModelShape> shapes;
    for (const uint32_t sector_size : {512U, 4096U}) {
      for (const uint64_t block_mib : {uint64_t{1}, uint64_t{2}, uint64_t{32}}) {
        shapes.push_back({.subformat = GetParam().subformat,
                          .chain_length = GetParam().chain_length,
                          .sector_size = sector_size,
                          .block_size = block_mib * kMiB,
                          .threads = GetParam().threads});
      }
    }
    return shapes;
  }

  // What a writer has to be able to do with a block (docs/format.md, section 9.5).
  static std::vector<Transition> Wanted() {
    if (GetParam().threads > 1 || GetParam().subformat == Subformat::kFixed) return {};
    if (GetParam().chain_length == 1) return {{0, 6}, {1, 6}, {2, 6}, {3, 6}, {6, 2}, {6, 3}};
    return {{0, 6}, {0, 7}, {1, 6}, {2, 6}, {3, 6}, {7, 7}, {7, 6}, {6, 2}, {7, 2}};
  }

  static uint64_t TimesSeen(const ModelTally& tally, const Transition& transition) {
    const auto found = tally.transitions.find(transition);
    return found == tally.transitions.end() ? 0 : found->second;
  }

  static bool SawAllTransitions(const ModelTally& tally) {
    return std::ranges::all_of(Wanted(), [&](const Transition& wanted) {
      return TimesSeen(tally, wanted) >= testing::Scaled(kOftenEnough);
    });
  }

  static void Expect(const ModelTally& tally) {
    const uint64_t enough = testing::Scaled(kOftenEnough);
    for (const Transition& wanted : Wanted()) {
      EXPECT_GE(TimesSeen(tally, wanted), enough)
          << "state " << wanted.first << " to " << wanted.second;
    }
    if (GetParam().subformat == Subformat::kFixed) return;
    EXPECT_GE(tally.counters.log_restarts, enough);
    EXPECT_GE(tally.counters.reused_blocks, enough);
    EXPECT_GE(tally.counters.freed_blocks, enough);
  }

  static void Print(const ModelTally& tally) {
    std::cout << tally.operations << " operations, " << tally.opens << " sessions, "
              << tally.counters.log_restarts << " restarted logs, " << tally.counters.reused_blocks
              << " reused blocks, " << tally.counters.freed_blocks << " freed, "
              << tally.counters.stalls << " stalls; states:";
    for (const auto& [transition, count] : tally.transitions) {
      if (transition.first == transition.second && transition.first != 7) continue;
      std::cout << " " << transition.first << "-" << transition.second << ": " << count;
    }
    std::cout << "\n";
  }
};

TEST_P(DiskWriteModel, RandomOperations_LeaveWhatPlainBytesHave) {
  const char* only = std::getenv("VHDXKIT_MODEL_SEED");
  const uint64_t wanted = testing::Scaled(kOperations / kTests);
  ModelTally tally;
  uint64_t seed = only == nullptr ? 1 : std::strtoull(only, nullptr, 10);
  do {
    for (const ModelShape& shape : Shapes()) {
      ASSERT_EQ(ModelLife(shape, seed, tally).Live(), "")
          << "seed " << seed << ", " << Describe(shape);
    }
    ++seed;
    // Which states a block goes through depends on when a group commit ends.
  } while (only == nullptr &&
           (tally.operations < wanted ||
            (!SawAllTransitions(tally) && tally.operations < kMostOfWanted * wanted)));
  Print(tally);
  if (only == nullptr) Expect(tally);
}

INSTANTIATE_TEST_SUITE_P(Disks, DiskWriteModel, ::testing::ValuesIn(kCases),
                         [](const auto& row) { return std::string(row.param.name); });

// A write of a part of a sector reads the rest and writes it back: what another thread wrote there
// in between must not be lost.
TEST(DiskWriteModel, PartOfASectorWhileAllOfItIsWritten_LosesNothing) {
  ModelDisk disk({.sector_size = 4096}, 1);
  ASSERT_TRUE(disk.Open());
  const uint64_t wanted = testing::Scaled(50000);  // of each thread's writes
  std::atomic<uint64_t> parts = 0;
  const std::jthread other([&](const std::stop_token& stop) {
    std::array<std::byte, 512> part = {};
    for (; !stop.stop_requested(); ++parts) EXPECT_TRUE(disk.device().Write(512, part));
  });
  for (uint64_t i = 0; i < wanted || parts < wanted; ++i) {
    std::array<std::byte, 4096> whole;
    whole.fill(static_cast<std::byte>(i));
    ASSERT_TRUE(disk.device().Write(0, whole));
    std::array<std::byte, 4096> found;
    ASSERT_TRUE(disk.device().Read(0, found));
    // Nobody else writes there.
    ASSERT_EQ(found[0], whole[0]) << "round " << i;
    ASSERT_EQ(found[4095], whole[4095]) << "round " << i;
  }
}

}  // namespace
}  // namespace vhdx::tests

// Disks that become larger or smaller, and the power cut at every point.
//
// After a cut anywhere the disk opens and has the old size or the new one, or, while it becomes
// smaller, one in between; it holds what it held, and zeros past the end that it had; `check` finds
// nothing; and the same operation, cut again on its way or not, brings it to the new size. Blocks
// and chunks are cut in the middle, tables move, entries past the end of the disk hold leavings,
// parents are larger and smaller than their child, and the image may be that of a killed guest.

#include <gtest/gtest.h>
#include <vhdxkit/check.h>
#include <vhdxkit/disk.h>

#include <algorithm>
#include <array>
#include <iostream>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "bytes/arithmetic.h"
#include "bytes/formatting.h"
#include "disk/open_disk.h"
#include "image/resizer.h"
#include "operation_cuts.h"
#include "testing/crash_file_system.h"
#include "testing/crash_state.h"
#include "testing/crash_store.h"
#include "testing/disk_contents.h"
#include "testing/disk_model.h"
#include "testing/image_builder.h"
#include "testing/memory_file.h"
#include "testing/page_image.h"
#include "testing/scale.h"

namespace vhdx::tests {
namespace {

using format::PayloadState;
using testing::CrashFileSystem;
using testing::CrashState;
using testing::CrashStore;
using testing::DiskContents;
using testing::ImageSpec;
using testing::PageImage;

constexpr uint64_t kStates = 2000;
constexpr uint64_t kBlock = kMiB;
constexpr uint64_t kChunk = 4 * kGiB;
// A BAT of 1 MiB has entries for so much.
constexpr uint64_t kFullTable = 31 * kChunk;
const std::string kPath = "/vm/disk.vhdx";
const std::string kParent = "/vm/parent.vhdx";

struct Scenario {
  Subformat subformat = Subformat::kDynamic;
  uint64_t old_size = 0;
  uint64_t new_size = 0;
  uint64_t parent_size = 0;  // 0: none
  WriteLimits limits = {};
  CrashState state;
  DiskContents contents;  // of the disk
  PageImage initial;
};

class ScenarioMaker {
 public:
  explicit ScenarioMaker(uint64_t seed) : seed_(seed), random_(seed) {}

  Scenario Make() {
    Scenario scenario;
    scenario.subformat =
        std::array{Subformat::kDynamic, Subformat::kFixed, Subformat::kDifferencing}[random_() % 3];
    const bool is_fixed = scenario.subformat == Subformat::kFixed;
    scenario.old_size = is_fixed ? SmallSize() : AnySize();
    do {
      scenario.new_size = is_fixed ? SmallSize() : AnySize();
    } while (scenario.new_size == scenario.old_size);
    if (scenario.subformat == Subformat::kDifferencing) scenario.parent_size = AnySize();
    scenario.limits = {.log_sectors = random_() % 2 == 0 ? 24U : 200U,
                       .pages_per_entry = 4 + random_() % 8,
                       .least_growth_bytes = 2 * kMiB};
    Build(scenario);
    return scenario;
  }

 private:
  uint64_t SmallSize() { return (1 + random_() % 6) * kBlock - random_() % 2 * 3 * 512; }
  // Around what matters: a block, a chunk, the end of a table.
  uint64_t AnySize() {
    const uint64_t around = std::array{uint64_t{0}, kChunk, 2 * kChunk, kFullTable}[random_() % 4];
    const uint64_t small = SmallSize();
    return random_() % 2 == 0 || around < small ? around + small : around - small;
  }

  void Build(Scenario& scenario) {
    std::vector<ImageSpec> chain;
    const testing::DiskShape shape = {.disk_size = scenario.old_size, .block_size = kBlock};
    if (scenario.parent_size != 0) {
      ImageSpec parent =
          testing::DynamicImage({.disk_size = scenario.parent_size, .block_size = kBlock});
      parent.blocks = SomeBlocks(scenario.parent_size, Subformat::kDynamic);
      chain = {testing::ChildOf(parent, "parent.vhdx", {.disk_size = scenario.old_size}), parent};
      Add(scenario.state, kParent, parent);
    } else {
      chain = {scenario.subformat == Subformat::kFixed ? testing::FixedImage(shape)
                                                       : testing::DynamicImage(shape)};
    }
    if (scenario.subformat != Subformat::kFixed) {
      chain[0].blocks = SomeBlocks(scenario.old_size, scenario.subformat);
    }
    DirtyPadding(chain[0]);
    Add(scenario.state, kPath, chain[0]);
    scenario.initial = testing::InitialBytes(testing::DiskModel(chain));
    Use(scenario);
  }

  // At both ends.
  std::vector<testing::BlockSpec> SomeBlocks(uint64_t disk_size, Subformat subformat) {
    const uint64_t count = DivideRoundingUp(disk_size, kBlock);
    std::vector<testing::BlockSpec> blocks;
    for (uint64_t block = 0; block < count; ++block) {
      if (block == 4 && count > 12) block = count - 6;
      const uint64_t choice = random_() % 8;
      if (choice < 2) blocks.push_back(testing::FullBlock(block));
      if (choice == 2) blocks.push_back(testing::ZeroBlock(block));
      if (choice == 3) blocks.push_back(testing::StateBlock(block, PayloadState::kUnmapped));
      if (choice > 5 && subformat == Subformat::kDifferencing) {
        blocks.push_back(testing::PartialBlock(block, {{1, 3}, {2040, 8}}));
      }
    }
    return blocks;
  }

  // What another program, or an operation that was interrupted, left after the last entry.
  void DirtyPadding(ImageSpec& spec) {
    if (random_() % 3 != 0) return;
    const format::BatGeometry geometry(spec.parameters);
    const uint64_t first = geometry.PayloadIndex(geometry.payload_block_count());
    const uint64_t bitmap = geometry.BitmapIndex(geometry.chunk_count() - 1);
    for (const uint64_t distance : std::array<uint64_t, 4>{0, 1, 600, 4096}) {
      const uint64_t index = first + distance;
      if (index == bitmap || index >= kMiB / format::kBatEntrySize) continue;
      spec.bat_entries.push_back({.index = index, .raw = 9 * kMiB + 6});
    }
  }

  static void Add(CrashState& state, const std::string& path, const ImageSpec& spec) {
    testing::MemoryFile file;
    EXPECT_TRUE(testing::Build(spec, file));
    state.AddFile(path, *PageImage::Load(file));
  }

  // A guest has written to it, and was perhaps killed.
  void Use(Scenario& scenario) {
    const auto store = std::make_shared<CrashStore>(scenario.state, CrashStore::Options{});
    CrashFileSystem files(store, seed_);
    if (random_() % 2 == 0) {
      auto disk = OpenDisk(files, kPath, {.access = DiskAccess::kReadWrite}, scenario.limits);
      ASSERT_TRUE(disk) << ToString(disk.error());
      for (uint64_t number = 1; number < 6; ++number) {
        const uint64_t offset =
            AlignDown(random_() % 2 == 0 ? random_() % std::min(scenario.old_size, 4 * kBlock)
                                         : scenario.old_size - 1 - random_() % (kBlock / 2),
                      512);
        std::vector<std::byte> bytes(512);
        testing::FillGuestPattern(number, offset, bytes);
        ASSERT_TRUE((*disk)->Write(offset, bytes));
      }
      ASSERT_TRUE((*disk)->Flush());
      scenario.state = store->Cached();  // while it is open: its log is not empty
    }
    const auto disk = Disk::Open(files, kPath, {});
    ASSERT_TRUE(disk) << ToString(disk.error());
    scenario.contents = *testing::ReadContents(**disk, scenario.initial);
  }

  const uint64_t seed_;
  std::mt19937_64 random_;
};

// What the disk holds if it has that size.
DiskContents ContentsAt(const Scenario& scenario, uint64_t size) {
  DiskContents contents;
  for (const testing::ContentRun& run : scenario.contents) {
    if (run.range.disk_offset >= size) break;
    const uint64_t length = std::min(run.range.length_bytes, size - run.range.disk_offset);
    testing::AppendRun(contents, {run.range.disk_offset, length}, run.value);
  }
  if (size > scenario.old_size) {
    testing::AppendRun(contents, {scenario.old_size, size - scenario.old_size},
                       testing::kZeroValue);
  }
  return contents;
}

OperationCuts::Operation ResizeOf(const Scenario& scenario) {
  return [&scenario](const std::shared_ptr<CrashStore>& store, uint64_t seed) {
    CrashFileSystem files(store, seed);
    ImageOpener opener(
        files, [&] { return files.Open(kPath, {.access = FileAccess::kReadWrite}); },
        SessionIdentity::kNew, scenario.limits);
    return Resizer(opener, scenario.parent_size).Resize(scenario.new_size);
  };
}

class Judge {
 public:
  Judge(const Scenario& scenario, const CrashState& state)
      : scenario_(scenario), files_(std::make_shared<CrashStore>(state, CrashStore::Options{})) {}

  // What is wrong, or nothing.
  std::string Look() {
    const auto disk = Disk::Open(files_, kPath, {});
    if (!disk) return "it cannot be opened: " + ToString(disk.error());
    size_ = (*disk)->size_bytes();
    const auto [smaller, larger] = std::minmax(scenario_.old_size, scenario_.new_size);
    const bool may_be_between = scenario_.new_size < scenario_.old_size;
    const bool is_right = size_ == scenario_.old_size || size_ == scenario_.new_size ||
                          (may_be_between && size_ > smaller && size_ < larger);
    if (!is_right) return Format("it has {} bytes", size_);
    const auto contents = testing::ReadContents(**disk, scenario_.initial);
    if (!contents) return "it cannot be read: " + ToString(contents.error());
    if (*contents != ContentsAt(scenario_, size_)) return Difference(*contents);
    const auto report = Check(files_, kPath);
    if (!report) return "it cannot be checked: " + ToString(report.error());
    if (report->verdict == CheckVerdict::kClean) return "";
    std::string findings = "check:";
    for (const Finding& finding : report->findings) findings += " " + finding.sentence;
    return findings;
  }
  uint64_t size() const { return size_; }

 private:
  std::string Difference(const DiskContents& found) const {
    const DiskContents expected = ContentsAt(scenario_, size_);
    const auto [a, b] = std::ranges::mismatch(found, expected);
    if (a == found.end() || b == expected.end()) return "another number of runs";
    return Format("of {} bytes, at {}: {} for {} bytes; expected {} at {} for {}", size_,
                  a->range.disk_offset, testing::DescribeValue(a->value), a->range.length_bytes,
                  testing::DescribeValue(b->value), b->range.disk_offset, b->range.length_bytes);
  }

  const Scenario& scenario_;
  CrashFileSystem files_;
  uint64_t size_ = 0;
};

TEST(ResizeCrash, PowerCutAnywhere_LeavesTheOldSizeOrTheNewOne) {
  const uint64_t wanted = testing::Scaled(kStates);
  OperationCuts cuts;
  uint64_t grown = 0;
  uint64_t shrunk = 0;
  uint64_t between = 0;
  for (uint64_t seed = 1; cuts.states() < wanted && !::testing::Test::HasFailure(); ++seed) {
    const Scenario scenario = ScenarioMaker(seed).Make();
    ++(scenario.new_size > scenario.old_size ? grown : shrunk);
    const auto look = [&](const CrashState& state, bool is_done) -> std::string {
      Judge judge(scenario, state);
      std::string wrong = judge.Look();
      if (!wrong.empty()) return wrong;
      const uint64_t size = judge.size();
      if (size != scenario.old_size && size != scenario.new_size) ++between;
      return is_done && size != scenario.new_size ? "it has not the new size" : "";
    };
    EXPECT_EQ(cuts.Run(scenario.state, seed, ResizeOf(scenario), look), "")
        << Format("from {} to {}", scenario.old_size, scenario.new_size);
  }
  std::cout << Format(
      "{} distinct states; {} growths, {} shrinks, {} sizes in between, {} runs "
      "repeated\n",
      cuts.states(), grown, shrunk, between, cuts.repeated());
  EXPECT_GT(grown, 0U);
  EXPECT_GT(shrunk, 0U);
  EXPECT_GT(between, 0U);
  EXPECT_GT(cuts.repeated(), 0U);
}

}  // namespace
}  // namespace vhdx::tests

// Images that are compacted, and the power cut at every point.
//
// After a cut anywhere the disk opens and reads what it read, except where something was said to be
// free: there it may read zeros; `check` finds nothing; the children of an image of which nothing
// was said to be free stay its children; and the same operation once more, cut again on its way or
// not, leaves a file without free space. Payload blocks, sector bitmaps, the BAT and the metadata
// are scattered over the file.

#include <gtest/gtest.h>
#include <vhdxkit/check.h>
#include <vhdxkit/compact.h>
#include <vhdxkit/disk.h>

#include <algorithm>
#include <array>
#include <iostream>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "bytes/arithmetic.h"
#include "bytes/formatting.h"
#include "bytes/try.h"
#include "disk/open_disk.h"
#include "image/claims.h"
#include "image/image.h"
#include "operation_cuts.h"
#include "ops/compact_held.h"
#include "ops/held_image.h"
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
using testing::ContentRun;
using testing::CrashFileSystem;
using testing::CrashState;
using testing::CrashStore;
using testing::DiskContents;
using testing::ImageSpec;
using testing::PageImage;

constexpr uint64_t kStates = 2000;
constexpr uint64_t kUnit = 4 * kKiB;
const std::string kPath = "/vm/disk.vhdx";
const std::string kParent = "/vm/parent.vhdx";
const std::string kChild = "/vm/child.avhdx";

struct Scenario {
  Subformat subformat = Subformat::kDynamic;
  uint64_t block_size = kMiB;
  uint64_t disk_size = 0;
  std::vector<DiskRange> free;  // what a file system says
  bool has_child = false;
  CompactMode mode = CompactMode::kFull;
  CrashState state;
  DiskContents contents;
  DiskContents child_contents;
  PageImage initial;
};

DiskContents ContentsOf(FileSystem& files, const std::string& path, const PageImage& initial) {
  const auto disk = Disk::Open(files, path, {});
  EXPECT_TRUE(disk) << ToString(disk.error());
  return disk ? *testing::ReadContents(**disk, initial) : DiskContents{};
}

class ScenarioMaker {
 public:
  explicit ScenarioMaker(uint64_t seed) : seed_(seed), random_(seed) {}

  Scenario Make() {
    Scenario scenario;
    scenario.subformat =
        std::array{Subformat::kDynamic, Subformat::kFixed, Subformat::kDifferencing}[random_() % 3];
    scenario.block_size = std::array{kMiB, 2 * kMiB, 4 * kMiB}[random_() % 3];
    const uint64_t blocks = 3 + random_() % 8;
    scenario.disk_size = blocks * scenario.block_size - random_() % 2 * 512;
    // Another chunk, with a bitmap of its own.
    if (scenario.subformat == Subformat::kDifferencing) scenario.disk_size += 4 * kGiB;
    scenario.has_child = random_() % 3 == 0;
    if (!scenario.has_child && random_() % 2 == 0) scenario.free = SomeRanges(scenario);
    scenario.mode = std::array{CompactMode::kFull, CompactMode::kFull, CompactMode::kQuick,
                               CompactMode::kPrezeroed}[random_() % 4];
    Build(scenario);
    return scenario;
  }

 private:
  std::vector<DiskRange> SomeRanges(const Scenario& scenario) {
    std::vector<DiskRange> ranges;
    uint64_t at = random_() % 4 * kUnit;
    while (ranges.size() < 6 && at < scenario.disk_size) {
      const uint64_t length = random_() % 2 == 0 ? scenario.block_size * (1 + random_() % 3)
                                                 : kUnit * (1 + random_() % 500);
      ranges.push_back({at, std::min(length, scenario.disk_size - at)});
      at = ranges.back().end() + kUnit * (1 + random_() % 300);
    }
    return ranges;
  }

  void Build(Scenario& scenario) {
    const testing::DiskShape shape = {.disk_size = scenario.disk_size,
                                      .block_size = scenario.block_size};
    std::vector<ImageSpec> chain;
    if (scenario.subformat == Subformat::kDifferencing) {
      ImageSpec parent = testing::DynamicImage(shape);
      parent.blocks = testing::FullBlocks(10);
      Add(scenario.state, kParent, parent);
      chain = {testing::ChildOf(parent, "parent.vhdx"), parent};
    } else {
      chain = {scenario.subformat == Subformat::kFixed ? testing::FixedImage(shape)
                                                       : testing::DynamicImage(shape)};
    }
    Scatter(chain[0], scenario);
    Add(scenario.state, kPath, chain[0]);
    if (scenario.has_child) {
      ImageSpec child = testing::ChildOf(chain[0], "disk.vhdx");
      child.blocks = {testing::FullBlock(1)};
      Add(scenario.state, kChild, child);
    }
    scenario.initial = testing::InitialBytes(testing::DiskModel(chain));
    Use(scenario);
  }

  // In an order of its own, with gaps; the regions may lie among the blocks.
  void Scatter(ImageSpec& spec, const Scenario& scenario) {
    const uint64_t block_count = DivideRoundingUp(scenario.disk_size, scenario.block_size);
    std::vector<uint64_t> places;
    uint64_t end = 4 * kMiB;
    for (uint64_t i = 0; i < std::min<uint64_t>(block_count, 12); ++i) {
      end += random_() % 3 * kMiB;
      places.push_back(end);
      end += scenario.block_size;
    }
    std::ranges::shuffle(places, random_);
    if (scenario.subformat == Subformat::kFixed) spec.blocks.clear();
    for (uint64_t i = 0; i < places.size(); ++i) {
      const bool is_last_chunk = i > 8 && block_count > 12;
      const uint64_t block = is_last_chunk ? block_count - 1 - (i - 9) : i;
      AddBlock(spec, scenario, block, places[i]);
    }
    for (RegionAt region : {RegionAt{0}, RegionAt{1}}) {
      if (random_() % 2 == 0) continue;
      spec.regions[region.index].file_offset = end + random_() % 3 * kMiB;
      end = *spec.regions[region.index].file_offset + 2 * kMiB;
    }
    if (scenario.subformat == Subformat::kDifferencing) {
      spec.bitmaps.push_back({.chunk = 0, .file_offset = end + kMiB});
      end += 2 * kMiB;
    }
    // The space of blocks without data, too.
    spec.file_size = end + 2 * kMiB;
  }
  struct RegionAt {
    size_t index;
  };

  void AddBlock(ImageSpec& spec, const Scenario& scenario, uint64_t block, uint64_t place) {
    const uint64_t choice = scenario.subformat == Subformat::kFixed ? 0 : random_() % 8;
    testing::BlockSpec full = testing::FullBlock(block, place);
    if (choice == 3) full.content = testing::BlockContent::kZeros;
    if (choice == 4) full = testing::StateBlock(block, PayloadState::kUnmapped, place);
    if (choice == 5) full = testing::ZeroBlock(block);
    if (choice > 5 && scenario.subformat == Subformat::kDifferencing) {
      full = testing::PartialBlock(block, {{1, 3}, {512, 8}});
      full.file_offset = place;
      // Zeros over what the parent has.
      if (choice == 7) full.content = testing::BlockContent::kZeros;
    }
    spec.blocks.push_back(full);
  }

  static void Add(CrashState& state, const std::string& path, const ImageSpec& spec) {
    testing::MemoryFile file;
    EXPECT_TRUE(testing::Build(spec, file)) << path;
    FillFreeSpace(spec, file);
    state.AddFile(path, *PageImage::Load(file));
  }

  // With what was there before.
  static void FillFreeSpace(const ImageSpec& spec, File& file) {
    auto copy = std::make_unique<testing::MemoryFile>();
    ASSERT_TRUE(testing::Build(spec, *copy));
    Findings findings;
    const auto image = Image::Open(std::move(copy), findings);
    ASSERT_TRUE(image);
    const auto claims = ScanClaims((*image)->file(), (*image)->block_map().rules(), findings);
    ASSERT_TRUE(claims);
    for (const FileRange& range : claims->space.Unclaimed(*file.Size())) {
      const std::vector<std::byte> junk(range.length_bytes, std::byte{0x5A});
      ASSERT_TRUE(file.WriteAt(range.file_offset, junk));
    }
  }

  // A guest has written to it, and was perhaps killed. A parent is not written.
  void Use(Scenario& scenario) {
    const auto store = std::make_shared<CrashStore>(scenario.state, CrashStore::Options{});
    CrashFileSystem files(store, seed_);
    if (!scenario.has_child && random_() % 2 == 0) {
      auto disk = OpenDisk(files, kPath, {.access = DiskAccess::kReadWrite}, {.log_sectors = 200});
      ASSERT_TRUE(disk) << ToString(disk.error());
      for (uint64_t number = 1; number < 6; ++number) {
        const uint64_t offset = random_() % (3 * scenario.block_size) / 512 * 512;
        std::vector<std::byte> bytes(512);
        testing::FillGuestPattern(number, offset, bytes);
        ASSERT_TRUE((*disk)->Write(offset, bytes));
      }
      ASSERT_TRUE((*disk)->Flush());
      scenario.state = store->Cached();  // while it is open: its log is not empty
    }
    scenario.contents = ContentsOf(files, kPath, scenario.initial);
    if (scenario.has_child) scenario.child_contents = ContentsOf(files, kChild, scenario.initial);
  }

  const uint64_t seed_;
  std::mt19937_64 random_;
};

struct Work {
  uint64_t moved = 0;
  uint64_t freed = 0;
};

OperationCuts::Operation CompactionOf(const Scenario& scenario, Work& work) {
  return [&](const std::shared_ptr<CrashStore>& store, uint64_t seed) -> Result<void> {
    CrashFileSystem files(store, seed);
    const auto ask = [&](BlockDevice&,
                         const std::vector<DiskVolume>&) -> Result<std::vector<VolumeFreeSpace>> {
      std::vector<VolumeFreeSpace> said(1);
      said[0].free = scenario.free;
      return said;
    };
    const WriteLimits limits{.log_sectors = 200,
                             .pages_per_entry = 8,
                             .least_growth_bytes = 2 * kMiB,
                             .moved_bytes = 3 * kMiB};
    const auto image = VHDX_TRY(HeldImage::Open(files, kPath, {.limits = limits}));
    const auto done =
        CompactHeld(*image, {.mode = scenario.mode, .ask_free_space = ask}, OperationControl{});
    if (!done) return std::unexpected(done.error());
    work.moved += done->moved_blocks;
    work.freed += done->freed_blocks;
    return {};
  };
}

class Judge {
 public:
  Judge(const Scenario& scenario, const CrashState& state)
      : scenario_(scenario), files_(std::make_shared<CrashStore>(state, CrashStore::Options{})) {}

  // What is wrong, or nothing.
  std::string Look(bool is_done) {
    auto wrong = Compare();
    if (wrong.empty() && scenario_.has_child) wrong = CompareChild();
    if (wrong.empty()) wrong = LookAtCheck(is_done);
    return wrong;
  }

 private:
  bool IsFree(DiskRange range) const {
    return std::ranges::any_of(scenario_.free, [&](const DiskRange& free) {
      return free.disk_offset <= range.disk_offset && range.end() <= free.end();
    });
  }

  // Run by run: where both say the same, or zeros are allowed.
  std::string Compare() {
    const auto disk = Disk::Open(files_, kPath, {});
    if (!disk) return "it cannot be opened: " + ToString(disk.error());
    const auto found = testing::ReadContents(**disk, scenario_.initial);
    if (!found) return "it cannot be read: " + ToString(found.error());
    size_t old = 0;
    for (const ContentRun& run : *found) {
      for (uint64_t at = run.range.disk_offset; at < run.range.end();) {
        while (scenario_.contents[old].range.end() <= at) ++old;
        const ContentRun& before = scenario_.contents[old];
        uint64_t end = std::min(run.range.end(), before.range.end());
        if (before.value != run.value) end = std::min(end, at + 512);
        const bool is_right = before.value == run.value ||
                              (run.value == testing::kZeroValue && IsFree({at, end - at}));
        if (!is_right) {
          return Format("at {}: {} instead of {}", at, testing::DescribeValue(run.value),
                        testing::DescribeValue(before.value));
        }
        at = end;
      }
    }
    return {};
  }

  std::string CompareChild() {
    const auto disk = Disk::Open(files_, kChild, {});
    if (!disk) return "its child cannot be opened: " + ToString(disk.error());
    const auto found = testing::ReadContents(**disk, scenario_.initial);
    const bool is_same = found && *found == scenario_.child_contents;
    return is_same ? "" : "its child reads something else";
  }

  std::string LookAtCheck(bool is_done) {
    const auto report = Check(files_, kPath);
    if (!report) return "it cannot be checked: " + ToString(report.error());
    std::string findings = "check:";
    for (const Finding& finding : report->findings) findings += " " + finding.sentence;
    if (report->verdict != CheckVerdict::kClean) return findings;
    // Blocks of several MiB may leave gaps where sector bitmaps were, or before a region.
    const bool has_gaps = report->free_bytes >= scenario_.block_size;
    return is_done && has_gaps ? "free space is left; " + findings : "";
  }

  const Scenario& scenario_;
  CrashFileSystem files_;
};

TEST(CompactCrash, PowerCutAnywhere_LeavesWhatTheDiskRead) {
  const uint64_t wanted = testing::Scaled(kStates);
  OperationCuts cuts;
  Work work;
  uint64_t seed = 1;
  for (; cuts.states() < wanted && !::testing::Test::HasFailure(); ++seed) {
    const Scenario scenario = ScenarioMaker(seed).Make();
    const auto look = [&](const CrashState& state, bool is_done) {
      return Judge(scenario, state).Look(is_done);
    };
    EXPECT_EQ(cuts.Run(scenario.state, seed, CompactionOf(scenario, work), look), "");
  }
  std::cout << Format(
      "{} distinct states of {} compactions, {} runs repeated, {} blocks moved, "
      "{} freed\n",
      cuts.states(), seed - 1, cuts.repeated(), work.moved, work.freed);
  EXPECT_GT(work.moved, 0U);
  EXPECT_GT(work.freed, 0U);
  EXPECT_GT(cuts.repeated(), 0U);
}

}  // namespace
}  // namespace vhdx::tests

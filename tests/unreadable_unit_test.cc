// A disk of which one unit of 4 KiB cannot be read: what each operation still does. Every unit of
// the file is tried, and all units of one structure must give the same row of the table.

#include <gtest/gtest.h>
#include <vhdxkit/check.h>
#include <vhdxkit/compare.h>
#include <vhdxkit/convert.h>
#include <vhdxkit/disk.h>
#include <vhdxkit/dump.h>
#include <vhdxkit/inspect.h>
#include <vhdxkit/raw_device.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "bytes/arithmetic.h"
#include "format/layout.h"
#include "format/metadata.h"
#include "format/region_table.h"
#include "testing/fault_file.h"
#include "testing/image_builder.h"
#include "testing/memory_file.h"
#include "testing/memory_file_system.h"
#include "testing/outcome.h"
#include "testing/scale.h"

namespace vhdx {
namespace {

using testing::MemoryFileSystem;

constexpr uint64_t kUnit = 4096;
const std::string kBase = "/vm/base.vhdx";
const std::string kDisk = "/vm/disk.vhdx";
const std::string kTwin = "/vm/twin/disk.vhdx";

// "ok": as if nothing were wrong; "warns": done, with a warning; "partly": everything but what the
// unit belongs to; "fails".
struct Row {
  std::string_view unit;
  std::string_view info;
  std::string_view check;  ///< its verdict
  std::string_view map;
  std::string_view dump;
  std::string_view convert;  ///< and compare, which reads the whole disk, too
  std::string_view read;     ///< of another block
  std::string_view write;    ///< to a new block, with a flush
};

// clang-format off
constexpr Row kTable[] = {
  // unit            info     check         map      dump     convert  read     write
  {"identifier",    "fails", "incomplete", "fails", "partly", "fails", "fails", "fails"},
  {"header",        "warns", "warnings",   "ok",    "ok",    "ok",    "ok",    "ok"},
  {"region table",  "warns", "warnings",   "ok",    "ok",    "ok",    "ok",    "ok"},
  {"log",           "ok",    "incomplete", "ok",    "partly", "ok",    "ok",    "ok"},
  {"metadata",      "fails", "incomplete", "fails", "partly", "fails", "fails", "fails"},
  {"BAT, its entry", "ok",    "incomplete", "fails", "partly", "fails", "fails", "fails"},
  {"BAT, others",   "ok",    "incomplete", "fails", "partly", "fails", "ok",    "fails"},
  {"sector bitmap", "ok",    "incomplete", "fails", "partly", "fails", "ok",    "fails"},
  {"payload",       "ok",    "clean",      "ok",    "ok",    "fails", "ok",    "ok"},
  {"nothing",       "ok",    "clean",      "ok",    "ok",    "ok",    "ok",    "ok"},
};
// clang-format on

std::string Print(const Row& row) {
  std::string text = "|";
  for (const std::string_view cell :
       {row.unit, row.info, row.check, row.map, row.dump, row.convert, row.read, row.write}) {
    text += " " + std::string(cell) + " |";
  }
  return text;
}

std::string_view WordFor(bool done) { return done ? "ok" : "fails"; }

class UnreadableUnit : public ::testing::Test {
 protected:
  UnreadableUnit() {
    testing::ImageSpec base = testing::DynamicImage({.disk_size = 16 * kMiB, .block_size = kMiB});
    base.blocks = {testing::FullBlock(0)};
    testing::ImageSpec child = testing::ChildOf(base, ".\\base.vhdx");
    child.blocks = {testing::FullBlock(1), testing::PartialBlock(2, {{8, 8}})};
    for (const std::string& path : {kBase, std::string("/vm/twin/base.vhdx")}) {
      EXPECT_TRUE(testing::BuildAt(base, files_, path));
    }
    EXPECT_TRUE(testing::BuildAt(child, files_, kTwin));
    layout_ = *testing::BuildAt(child, files_, kDisk);
    original_ = files_.Contents(kDisk)->Copy();
  }

  // The structure that needs the unit, by the row of the table.
  std::string_view UnitAt(uint64_t offset) const {
    const auto in = [&](uint64_t start, uint64_t length_bytes) {
      return offset >= start && offset < start + length_bytes;
    };
    if (offset == format::kFileIdentifierOffset) return "identifier";
    if (std::ranges::find(format::kHeaderOffsets, offset) != format::kHeaderOffsets.end()) {
      return "header";
    }
    for (const uint64_t table : format::kRegionTableOffsets) {
      if (in(table, format::kRegionTableSize)) return "region table";
    }
    if (in(layout_.log.file_offset, layout_.log.length_bytes)) return "log";
    if (in(layout_.metadata.file_offset, format::kMetadataTableSize)) return "metadata";
    for (const testing::PlacedItem& item : layout_.items) {
      const uint64_t start = layout_.metadata.file_offset + item.offset;
      if (in(AlignDown(start, kUnit), AlignUp(start % kUnit + item.length, kUnit))) {
        return "metadata";
      }
    }
    if (offset == layout_.bat.file_offset) return "BAT, its entry";
    const uint64_t bitmap_entry = AlignDown(layout_.BitmapEntryOffset(0), kUnit);
    if (offset == bitmap_entry) return "BAT, others";
    // Between them is padding, which some operations read.
    if (in(layout_.bat.file_offset, bitmap_entry - layout_.bat.file_offset)) return "";
    if (offset == layout_.bitmap_offsets.at(0)) return "sector bitmap";
    if (in(layout_.block_offsets.at(1), kMiB)) return "payload";
    if (offset == layout_.block_offsets.at(2) + 8 * 512) return "payload";
    return "nothing";
  }

  void MakeUnreadable(uint64_t offset) {
    plan_->Add({.call = testing::FileCall::kRead,
                .range = FileRange{offset, kUnit},
                .name_ends_with = kDisk,
                .length = testing::FaultLength::kFromThen});
  }

  // The operations, with the unit at this offset unreadable.
  std::vector<std::string_view> Outcomes(uint64_t offset) {
    files_.AddFile(kDisk, original_->Copy());
    plan_->Clear();
    MakeUnreadable(offset);
    FileSystem& files = failing_;
    std::vector<std::string_view> outcomes;
    const auto inspection = Inspect(files, kDisk);
    outcomes.push_back(!inspection ? "fails" : inspection->image.findings.empty() ? "ok" : "warns");
    outcomes.push_back(VerdictOf(Check(files, kDisk)));
    {
      const auto disk = Disk::Open(files, kDisk);
      const uint64_t size = disk ? (*disk)->size_bytes() : 0;
      const auto extents = disk ? (*disk)->Extents({0, size}, 1000) : std::unexpected(disk.error());
      outcomes.push_back(WordFor(extents && extents->back().range.end() == size));
    }
    outcomes.push_back(DumpOf(files));
    outcomes.push_back(WholeDisk(files));
    outcomes.push_back(WordFor(CanReadFirstBlock(files)));
    outcomes.push_back(WordFor(CanWriteNewBlock(files)));
    return outcomes;
  }

  static std::string_view VerdictOf(const Result<CheckReport>& report) {
    if (!report) return "fails";
    switch (report->verdict) {
      case CheckVerdict::kClean:
        return "clean";
      case CheckVerdict::kWarnings:
        return "warnings";
      case CheckVerdict::kIncomplete:
        return "incomplete";
      default:
        return "error";
    }
  }

  static std::string_view DumpOf(FileSystem& files) {
    const auto dump = ImageDump::Open(files, kDisk);
    if (!dump) return "fails";
    bool bitmaps_are_whole = true;
    const bool is_whole = !(*dump)->structures().error &&
                          (*dump)->VisitLog([](const LogEntryDump&) { return Result<void>{}; }) &&
                          (*dump)->VisitBat([](const BatEntryInfo&) { return Result<void>{}; }) &&
                          (*dump)->VisitBitmaps([&](const BitmapDump& bitmap) {
                            bitmaps_are_whole = bitmaps_are_whole && !bitmap.error;
                            return Result<void>{};
                          });
    return is_whole && bitmaps_are_whole ? "ok" : "partly";
  }

  // Conversion and comparison agree, or the word says that they do not.
  static std::string_view WholeDisk(FileSystem& files) {
    const auto disk = Disk::Open(files, kDisk);
    if (!disk) return "fails";
    const auto twin = Disk::Open(files, kTwin);
    testing::MemoryFile target;
    if (!target.Resize((*disk)->size_bytes())) return "no target";
    const auto raw = RawDevice::OnFile(target);
    const bool converted = CopyContents(**disk, **raw, {}).has_value();
    const auto compared = Compare(**disk, **twin, {});
    if (compared && !compared->identical) return "differs";
    if (converted != compared.has_value()) return "partly";
    return WordFor(converted);
  }

  static bool CanReadFirstBlock(FileSystem& files) {
    const auto disk = Disk::Open(files, kDisk);
    std::vector<std::byte> bytes(kMiB);
    return disk && (*disk)->Read(0, bytes);
  }

  static bool CanWriteNewBlock(FileSystem& files) {
    const auto disk = Disk::Open(files, kDisk, {.access = DiskAccess::kReadWrite});
    const std::vector<std::byte> bytes(kUnit, std::byte{7});
    return disk && (*disk)->Write(5 * kMiB, bytes) && (*disk)->Flush() && (*disk)->Close();
  }

  MemoryFileSystem files_;
  std::shared_ptr<testing::FaultPlan> plan_ = std::make_shared<testing::FaultPlan>();
  testing::FaultFileSystem failing_{files_, plan_};
  testing::ImageLayout layout_;
  std::shared_ptr<testing::MemoryContents> original_;
};

TEST_F(UnreadableUnit, EachOperationDoesWhatTheTableSays) {
  std::set<std::string> seen;
  std::set<std::string> expected;
  for (const Row& row : kTable) expected.insert(Print(row));
  const uint64_t size = original_->size();
  for (uint64_t offset = 0; offset < size; offset += kUnit) {
    const std::string_view unit = UnitAt(offset);
    if (unit.empty()) continue;
    // Of the units that are alike, some.
    const bool is_many = unit == "nothing" || unit == "payload" || unit == "log";
    if (is_many && offset / kUnit % (5 + 2 * testing::Scale()) != 0 && seen.size() > 8) continue;
    const auto words = Outcomes(offset);
    const std::string row =
        Print({unit, words[0], words[1], words[2], words[3], words[4], words[5], words[6]});
    seen.insert(row);
    EXPECT_TRUE(expected.contains(row)) << "the unit at " << offset << ": " << row;
    if (HasFailure()) return;
  }
  EXPECT_EQ(seen, expected);
}

// One error is what opening fails with; a check finds the others, too.
TEST_F(UnreadableUnit, CheckReportsEveryStructureThatCannotBeRead) {
  MakeUnreadable(format::kFileIdentifierOffset);
  MakeUnreadable(layout_.metadata.file_offset);
  const auto report = Check(failing_, kDisk);
  ASSERT_TRUE(report) << ToString(report.error());
  EXPECT_EQ(report->verdict, CheckVerdict::kIncomplete);
  EXPECT_EQ(report->unchecked_count, 2U);
  EXPECT_EQ(report->corruption_count, 0U);
  EXPECT_EQ(testing::OutcomeOf(report->findings),
            "file.unreadable@0 file.unreadable@" + std::to_string(layout_.metadata.file_offset));
}

TEST_F(UnreadableUnit, DamageElsewhereIsWorseThanWhatCannotBeRead) {
  MakeUnreadable(format::kFileIdentifierOffset);
  const uint64_t entry = layout_.PayloadEntryOffset(1);
  auto file = *files_.Open(kDisk, {.access = FileAccess::kReadWrite});
  ASSERT_TRUE(file->WriteAt(entry, std::vector(1, std::byte{4})));  // a state that does not exist
  const auto report = Check(failing_, kDisk);
  ASSERT_TRUE(report) << ToString(report.error());
  EXPECT_EQ(report->verdict, CheckVerdict::kCorrupt);
  EXPECT_EQ(testing::OutcomeOf(report->findings),
            "file.unreadable@0 bat.entry.state@" + std::to_string(entry));
}

TEST_F(UnreadableUnit, ParentThatCannotBeRead_IsNotChecked) {
  plan_->Add({.call = testing::FileCall::kRead,
              .range = FileRange{layout_.metadata.file_offset, kUnit},
              .name_ends_with = kBase,
              .length = testing::FaultLength::kFromThen});
  const auto report = Check(failing_, kDisk);
  ASSERT_TRUE(report) << ToString(report.error());
  EXPECT_EQ(report->verdict, CheckVerdict::kIncomplete);
  ASSERT_FALSE(report->findings.empty());
  EXPECT_EQ(report->findings.back().rule->id, "file.unreadable");
  EXPECT_EQ(report->findings.back().file, kBase);
}

}  // namespace
}  // namespace vhdx

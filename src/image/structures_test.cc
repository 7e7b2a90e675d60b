#include "image/structures.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <vector>

#include "bytes/arithmetic.h"
#include "format/layout.h"
#include "format/metadata.h"
#include "testing/fault_file.h"
#include "testing/image_builder.h"
#include "testing/memory_file_system.h"
#include "testing/outcome.h"

namespace vhdx {
namespace {

using testing::FaultPlan;
using testing::ImageSpec;
using testing::OutcomeOf;
using testing::PatchFill;

constexpr uint64_t kHeader1 = 0x10000;
constexpr uint64_t kHeader2 = 0x20000;
constexpr uint64_t kTable1 = 0x30000;
constexpr uint64_t kTable2 = 0x40000;
const std::string kFile = "/vm/disk.vhdx";

ImageSpec Base() {
  ImageSpec spec = testing::DynamicImage({.disk_size = 8 * kMiB, .block_size = kMiB});
  spec.blocks = {testing::FullBlock(0), testing::FullBlock(2)};
  return spec;
}

ImageSpec Child() {
  ImageSpec spec = testing::ChildOf(Base(), ".\\base.vhdx");
  spec.blocks = {testing::PartialBlock(0, {{0, 1}})};
  return spec;
}

std::string ErrorOf(const StructureVerdict& verdict) {
  return verdict.error ? OutcomeOf(*verdict.error) : "";
}
std::string FindingsOf(const StructureVerdict& verdict) {
  return OutcomeOf(std::span(verdict.findings));
}

class ReadingStructures : public ::testing::Test {
 protected:
  Structures Read(const ImageSpec& spec, LogUse log_use = LogUse::kReplay) {
    EXPECT_TRUE(testing::BuildAt(spec, files_, kFile));
    layout_ = testing::PlanLayout(spec);
    return ReadFile(log_use);
  }
  Structures ReadFile(LogUse log_use = LogUse::kReplay) {
    return ReadStructures(OpenFile(), log_use);
  }
  std::unique_ptr<File> OpenFile() {
    testing::FaultFileSystem failing(files_, plan_);
    return *failing.Open(kFile, {});
  }
  // From now on this part of the file cannot be read.
  void MakeUnreadable(uint64_t offset, uint64_t length) {
    plan_->Add({.call = testing::FileCall::kRead,
                .range = FileRange{offset, length},
                .length = testing::FaultLength::kFromThen});
  }
  // Everything that is not in a verdict of these is as in the sound image.
  static void ExpectRestIsSound(const Structures& structures) {
    const ImageStructures& found = structures.found;
    EXPECT_TRUE(found.identifier.creator.has_value());
    EXPECT_TRUE(found.metadata.sound);
    EXPECT_TRUE(found.bat.geometry_known);
    EXPECT_TRUE(structures.bat_rules.has_value());
  }

  testing::MemoryFileSystem files_;
  std::shared_ptr<FaultPlan> plan_ = std::make_shared<FaultPlan>();
  testing::ImageLayout layout_;
};

TEST_F(ReadingStructures, SoundImageHasNothingToSay) {
  const Structures structures = Read(Base());
  const ImageStructures& found = structures.found;
  EXPECT_FALSE(found.error.has_value());
  EXPECT_TRUE(found.findings.empty());
  ExpectRestIsSound(structures);
  EXPECT_EQ(found.current_header, 1U);
  EXPECT_EQ(found.headers[0].file_offset, kHeader1);
  EXPECT_EQ(found.region_tables[1].file_offset, kTable2);
  EXPECT_EQ(found.region_tables[0].regions.size(), 2U);
  EXPECT_EQ(found.log.state, LogState::kClean);
  EXPECT_EQ(found.log.range->file_offset, layout_.log.file_offset);
  EXPECT_EQ(found.metadata.region->file_offset, layout_.metadata.file_offset);
  EXPECT_EQ(found.metadata.items.size(), 5U);
  EXPECT_EQ(found.metadata.parameters.virtual_disk_size_bytes, 8 * kMiB);
  EXPECT_FALSE(found.locator.file_offset.has_value());
  EXPECT_EQ(found.bat.region->file_offset, layout_.bat.file_offset);
}

TEST_F(ReadingStructures, InvalidCopyIsShownWithItsFields) {
  ImageSpec spec = Base();
  spec.late_patches = {PatchFill(kHeader1 + 4095, 1, std::byte{1}),
                       PatchFill(kTable1 + 0xFFFF, 1, std::byte{1})};
  const Structures structures = Read(spec);
  const ImageStructures& found = structures.found;
  EXPECT_FALSE(found.error.has_value());
  ExpectRestIsSound(structures);
  EXPECT_FALSE(found.headers[0].valid);
  ASSERT_TRUE(found.headers[0].fields.has_value());
  EXPECT_EQ(found.headers[0].fields->log_offset, found.headers[1].fields->log_offset);
  EXPECT_EQ(FindingsOf(found.headers[0].verdict), "header.checksum@65540");
  EXPECT_EQ(ErrorOf(found.headers[0].verdict), "");
  EXPECT_FALSE(found.region_tables[0].valid);
  EXPECT_EQ(found.region_tables[0].regions.size(), 2U);
  EXPECT_EQ(FindingsOf(found.region_tables[0].verdict), "region.checksum@196612");
  EXPECT_EQ(found.current_region_table, 1U);
}

TEST_F(ReadingStructures, WithoutAHeaderTheRestIsRead) {
  ImageSpec spec = Base();
  spec.late_patches = {PatchFill(kHeader1, 1, std::byte{0}),
                       PatchFill(kHeader2 + 4095, 1, std::byte{1})};
  const Structures structures = Read(spec);
  const ImageStructures& found = structures.found;
  EXPECT_EQ(OutcomeOf(*found.error), "header.none@65536");
  EXPECT_EQ(ErrorOf(found.header_pair), "header.none@65536");
  EXPECT_FALSE(found.current_header.has_value());
  EXPECT_FALSE(found.headers[0].fields.has_value());
  // The log is where the second one says. Whether it must be replayed is not known.
  EXPECT_EQ(found.log.state, LogState::kUnknown);
  ASSERT_TRUE(found.log.range.has_value());
  EXPECT_EQ(ErrorOf(found.log.verdict), "header.none@65536");
  ExpectRestIsSound(structures);
}

TEST_F(ReadingStructures, LogThatCannotBeReplayedLeavesTheFileAsItIs) {
  ImageSpec spec = Base();
  spec.log.log_guid = testing::TestGuid(9);
  spec.log.entries = {
      {.writes = {testing::MovedPage(testing::PlanLayout(spec).metadata.file_offset)},
       .checksum_xor = 1}};
  const Structures structures = Read(spec);
  const ImageStructures& found = structures.found;
  EXPECT_EQ(ErrorOf(found.log.verdict), "log.sequence-none@1048576");
  EXPECT_EQ(found.log.state, LogState::kNotReplayed);
  EXPECT_EQ(structures.overlay, nullptr);
  // The page that the log holds is not in place.
  EXPECT_EQ(ErrorOf(found.metadata.verdict),
            "metadata.signature@" + std::to_string(layout_.metadata.file_offset));
  EXPECT_EQ(OutcomeOf(*found.error), "log.sequence-none@1048576");
}

TEST_F(ReadingStructures, LogIsReplayedUnlessItIsIgnored) {
  ImageSpec spec = Base();
  spec.log.log_guid = testing::TestGuid(9);
  spec.log.entries = {
      {.writes = {testing::MovedPage(testing::PlanLayout(spec).metadata.file_offset)}}};
  const Structures replayed = Read(spec);
  EXPECT_FALSE(replayed.found.error.has_value());
  EXPECT_EQ(replayed.found.log.state, LogState::kReplayed);
  EXPECT_EQ(replayed.found.log.sequence.size(), 1U);
  ExpectRestIsSound(replayed);
  const Structures ignored = ReadFile(LogUse::kIgnore);
  EXPECT_EQ(ignored.found.log.state, LogState::kIgnored);
  EXPECT_EQ(FindingsOf(ignored.found.log.verdict), "log.ignored@1048576");
  EXPECT_FALSE(ignored.found.metadata.sound);
}

TEST_F(ReadingStructures, TablesThatAreNotValidAreAGuess) {
  ImageSpec spec = Base();
  spec.late_patches = {PatchFill(kTable1 + 0xFFFF, 1, std::byte{1}),
                       PatchFill(kTable2 + 0xFFFF, 1, std::byte{1}),
                       PatchFill(testing::PlanLayout(spec).ItemOffset(format::kVirtualDiskSizeGuid),
                                 8, std::byte{0})};
  const Structures structures = Read(spec);
  const ImageStructures& found = structures.found;
  EXPECT_EQ(ErrorOf(found.region_table_pair), "region.none@196608");
  EXPECT_EQ(found.current_region_table, 0U);
  ASSERT_EQ(found.metadata.items.size(), 5U);
  const auto* size = format::FindItem(found.metadata.items, format::kVirtualDiskSizeGuid);
  EXPECT_TRUE(size->verdict.error.has_value());
  // What is wrong where a guess says that it is was not found in the image.
  EXPECT_EQ(OutcomeOf(*found.error), "region.none@196608");
  EXPECT_EQ(OutcomeOf(structures.problems.findings()),
            "region.checksum@196612 region.checksum@262148");
}

TEST_F(ReadingStructures, RegionsThatOverlapAreReadAllTheSame) {
  ImageSpec spec = Base();
  spec.first_block_offset = 16 * kMiB;
  spec.regions[0].file_offset = 3 * kMiB;  // the BAT
  spec.regions[1].file_offset = 2 * kMiB;
  spec.regions.push_back({.guid = testing::TestGuid(70), .file_offset = 3 * kMiB, .required = 0});
  const Structures structures = Read(spec);
  const ImageStructures& found = structures.found;
  ASSERT_TRUE(found.error.has_value());
  EXPECT_EQ(found.error->rule, "region.overlap");
  EXPECT_EQ(ErrorOf(found.bat.verdict), OutcomeOf(*found.error));
  EXPECT_EQ(ErrorOf(found.metadata.verdict), "");
  ExpectRestIsSound(structures);
}

// Each of what is needed in turn: the others are read, and the error is its own.
TEST_F(ReadingStructures, UnreadableStructureSaysNothingAboutTheOthers) {
  ASSERT_TRUE(Read(Base()).found.metadata.sound);
  const uint64_t item = layout_.ItemOffset(format::kVirtualDiskIdGuid);
  struct Row {
    uint64_t offset, length;
    const StructureVerdict& (*verdict)(const ImageStructures& found);
  };
  const Row rows[] = {
      {0, 8, [](const ImageStructures& found) -> const auto& { return found.identifier.verdict; }},
      {kHeader1, kHeader2 + 4096 - kHeader1,
       [](const ImageStructures& found) -> const auto& { return found.header_pair; }},
      {kTable1, kTable2 + 1 - kTable1,
       [](const ImageStructures& found) -> const auto& { return found.region_table_pair; }},
      {layout_.metadata.file_offset, 8,
       [](const ImageStructures& found) -> const auto& { return found.metadata.verdict; }},
      {item, 16, [](const ImageStructures& found) -> const auto& {
         return format::FindItem(found.metadata.items, format::kVirtualDiskIdGuid)->verdict;
       }}};
  for (const Row& row : rows) {
    SCOPED_TRACE(row.offset);
    plan_->Clear();
    MakeUnreadable(row.offset, row.length);
    const Structures structures = ReadFile();
    const ImageStructures& found = structures.found;
    ASSERT_TRUE(found.error.has_value());
    EXPECT_EQ(OutcomeOf(*found.error), "io");
    EXPECT_EQ(ErrorOf(row.verdict(found)), "io");
    EXPECT_EQ(found.identifier.creator.has_value(), row.offset != 0);
    EXPECT_EQ(found.current_header.has_value(), row.offset != kHeader1);
    EXPECT_EQ(found.current_region_table.has_value(), row.offset != kTable1);
    EXPECT_EQ(found.metadata.items.empty(),
              row.offset == kTable1 || row.offset == layout_.metadata.file_offset);
    const bool reaches_metadata = row.offset < kTable1;
    EXPECT_EQ(found.metadata.sound, reaches_metadata);
    EXPECT_EQ(found.bat.region.has_value(), row.offset != kTable1);
    EXPECT_EQ(found.bat.geometry_known, reaches_metadata);
  }
}

TEST_F(ReadingStructures, UnreadableStructureAfterAnError_IsAFinding) {
  ASSERT_TRUE(Read(Base()).found.metadata.sound);
  const uint64_t metadata = layout_.metadata.file_offset;
  MakeUnreadable(0, 8);
  MakeUnreadable(metadata, 8);
  const Structures structures = ReadFile();
  const ImageStructures& found = structures.found;
  ASSERT_TRUE(found.error.has_value());
  EXPECT_EQ(found.error->file_offset, 0U);
  const std::string expected = "file.unreadable@" + std::to_string(metadata);
  EXPECT_EQ(OutcomeOf(std::span(found.findings)), expected);
  EXPECT_EQ(OutcomeOf(structures.problems.findings()), expected);
  EXPECT_EQ(ErrorOf(found.metadata.verdict), "io");
}

// That memory ran out is not the verdict of a structure, even after another error.
TEST_F(ReadingStructures, NoMemoryEndsReading) {
  ImageSpec spec = Base();
  spec.late_patches = {PatchFill(kHeader1, 1, std::byte{0}), PatchFill(kHeader2, 1, std::byte{0})};
  ASSERT_TRUE(Read(spec).found.error.has_value());
  for (const uint64_t offset : {kHeader1, kTable1, layout_.metadata.file_offset}) {
    SCOPED_TRACE(offset);
    plan_->Clear();
    plan_->Add({.call = testing::FileCall::kRead,
                .range = FileRange{offset, 8},
                .code = ErrorCode::kNoMemory});
    EXPECT_THROW(ReadFile(), std::bad_alloc);
  }
}

TEST_F(ReadingStructures, CutFileIsReadUpToItsEnd) {
  ASSERT_TRUE(Read(Base()).found.metadata.sound);
  files_.Contents(kFile)->Resize(kTable1 + 100);
  const Structures structures = ReadFile();
  const ImageStructures& found = structures.found;
  EXPECT_EQ(OutcomeOf(*found.error), "file.truncated@" + std::to_string(kTable1 + 100));
  EXPECT_TRUE(found.identifier.creator.has_value());
  EXPECT_TRUE(found.headers[1].valid);
  EXPECT_EQ(found.current_header, 1U);
  EXPECT_TRUE(ErrorOf(found.headers[1].verdict).starts_with("header.log-range"));
  EXPECT_TRUE(ErrorOf(found.region_tables[0].verdict).starts_with("file.truncated"));
}

TEST_F(ReadingStructures, FileWithoutAnySignatureIsForeign) {
  ImageSpec spec = Base();
  spec.late_patches = {PatchFill(0, 8, std::byte{0})};
  const Structures damaged = Read(spec);
  EXPECT_FALSE(damaged.is_foreign);
  EXPECT_EQ(OutcomeOf(*damaged.found.error), "file.signature@0");
  EXPECT_TRUE(damaged.found.metadata.sound);

  files_.AddFile(kFile, std::vector<std::byte>(2 * kMiB, std::byte{7}));
  const Structures foreign = ReadFile();
  EXPECT_TRUE(foreign.is_foreign);
  EXPECT_EQ(OutcomeOf(*foreign.found.error), "file.signature@0");
  EXPECT_EQ(OutcomeOf(foreign.problems.findings()), "");
}

// For a folder of thousands of files.
TEST_F(ReadingStructures, IdentityTakesThreeReadsAndALocatorAFewMore) {
  ImageSpec spec = Child();
  spec.log.log_guid = testing::TestGuid(9);
  spec.log.entries = {{}};
  EXPECT_FALSE(Read(spec).found.error.has_value());
  const auto reads = [&] { return plan_->Seen(testing::FileCall::kRead); };
  auto file = OpenFile();
  uint64_t before = reads();
  const auto header = ReadCurrentHeader(*file);
  ASSERT_TRUE(header.has_value());
  EXPECT_EQ(reads() - before, 3U);
  before = reads();
  const auto locator = ReadLocatorInPlace(*file, *header);
  ASSERT_TRUE(locator.has_value() && locator->has_value());
  EXPECT_EQ((*locator)->parent_linkage, Base().data_write_guid);
  EXPECT_EQ(reads() - before, 2 + 1 + 5 + 1U);

  files_.AddFile(kFile, std::vector<std::byte>(2 * kMiB, std::byte{7}));
  file = OpenFile();
  before = reads();
  EXPECT_EQ(OutcomeOf(ReadCurrentHeader(*file)), "file.signature@0");
  EXPECT_EQ(reads() - before, 1U);
}

}  // namespace
}  // namespace vhdx

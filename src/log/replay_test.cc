#include "log/replay.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "bytes/arithmetic.h"
#include "format/layout.h"
#include "testing/image_builder.h"
#include "testing/memory_file.h"
#include "testing/outcome.h"
#include "testing/sha256.h"

namespace vhdx::log {
namespace {

using testing::DataWrite;
using testing::LogEntrySpec;
using testing::MemoryContents;
using testing::MemoryFile;
using testing::OutcomeOf;
using testing::SectorOf;
using testing::TestGuid;
using testing::ZeroWrite;

constexpr uint64_t kLogSector = 4096;
constexpr uint64_t kTargetSize = 8 * kMiB;

class Replay : public ::testing::Test {
 protected:
  Replay() {
    MemoryFile file(contents_);
    EXPECT_TRUE(file.Resize(kTargetSize));
  }

  Result<ReplayedFile> Run(std::vector<LogEntrySpec> entries) {
    MemoryFile file(contents_);
    EXPECT_TRUE(
        testing::WriteLog({.log_guid = header_.log_guid, .entries = std::move(entries)}, file));
    return RunAgain();
  }

  // With what is in the log.
  Result<ReplayedFile> RunAgain() {
    ReplayedFile replayed =
        ReplayInMemory(std::make_unique<MemoryFile>(contents_), header_, findings_);
    if (replayed.error) return std::unexpected(*std::move(replayed.error));
    return replayed;
  }

  static std::vector<std::byte> ReadSector(File& file, uint64_t file_offset) {
    std::vector<std::byte> bytes(kLogSector);
    EXPECT_TRUE(file.ReadExactAt(file_offset, bytes)) << file_offset;
    return bytes;
  }

  std::shared_ptr<MemoryContents> contents_ = std::make_shared<MemoryContents>();
  HeaderInfo header_{
      .log_guid = TestGuid(5), .version = 1, .log_length_bytes = kMiB, .log_offset = kMiB};
  Findings findings_;
};

TEST_F(Replay, LaterEntries_WinOverEarlierOnes) {
  auto replayed = Run(
      {{.writes = {DataWrite(3 * kMiB, SectorOf(1)), DataWrite(4 * kMiB, SectorOf(2))}, .tail = 0},
       {.writes = {DataWrite(3 * kMiB, SectorOf(3))}, .tail = 0},
       {.writes = {ZeroWrite({4 * kMiB, kLogSector})}, .tail = 0}});
  ASSERT_TRUE(replayed) << replayed.error().sentence;
  EXPECT_EQ(replayed->sequence.size(), 3U);
  EXPECT_EQ(ReadSector(*replayed->file, 3 * kMiB), SectorOf(3));
  EXPECT_EQ(ReadSector(*replayed->file, 4 * kMiB), SectorOf(0));
}

TEST_F(Replay, TheFileItself_DoesNotChange) {
  MemoryFile before(contents_);
  auto replayed = Run({{.writes = {DataWrite(3 * kMiB, SectorOf(1))}}});
  ASSERT_TRUE(replayed);
  EXPECT_EQ(ReadSector(before, 3 * kMiB), SectorOf(0));
  EXPECT_EQ(*before.Size(), kTargetSize);
}

// Section 18.7 (d): QEMU does not do this.
TEST_F(Replay, LastFileOffsetBehindTheEnd_ExtendsTheFile) {
  auto replayed = Run({{.last_file_offset = 20 * kMiB}});
  ASSERT_TRUE(replayed);
  EXPECT_EQ(*replayed->file->Size(), 20 * kMiB);
  EXPECT_EQ(ReadSector(*replayed->file, 20 * kMiB - kLogSector), SectorOf(0));
}

TEST_F(Replay, LastFileOffsetInsideTheFile_ShrinksNothing) {
  auto replayed = Run({{.last_file_offset = 4 * kMiB}});
  ASSERT_TRUE(replayed);
  EXPECT_EQ(*replayed->file->Size(), kTargetSize);
}

TEST_F(Replay, UpdateBehindTheEnd_ExtendsTheFile) {
  auto replayed = Run({{.writes = {DataWrite(30 * kMiB, SectorOf(7))}}});
  ASSERT_TRUE(replayed);
  EXPECT_EQ(*replayed->file->Size(), 30 * kMiB + kLogSector);
  EXPECT_EQ(ReadSector(*replayed->file, 30 * kMiB), SectorOf(7));
}

TEST_F(Replay, ZerosOfNoLengthBehindTheEnd_ChangeNothing) {
  auto replayed = Run({{.writes = {ZeroWrite({30 * kMiB, 0})}}});
  ASSERT_TRUE(replayed);
  EXPECT_EQ(*replayed->file->Size(), kTargetSize);
  ASSERT_TRUE(replayed->overlay->PutInPlace());
  EXPECT_EQ(*MemoryFile(contents_).Size(), kTargetSize);
}

TEST_F(Replay, FileShorterThanTheHeadSaysItWas_IsRefused) {
  EXPECT_EQ(OutcomeOf(Run({{.flushed_file_offset = 9 * kMiB}})), "log.file-truncated@1048576");
}

TEST_F(Replay, OnlyTheHeadsFlushedSize_Counts) {
  EXPECT_EQ(OutcomeOf(Run({{.tail = 0, .flushed_file_offset = 90 * kMiB},
                           {.tail = 0, .flushed_file_offset = kTargetSize}})),
            "ok");
}

TEST_F(Replay, SizesThatAreNoMultiples_AreRoundedUpAndTold) {
  auto replayed = Run({{.last_file_offset = 9 * kMiB + 1}});
  ASSERT_TRUE(replayed);
  EXPECT_EQ(*replayed->file->Size(), 10 * kMiB);
  EXPECT_EQ(OutcomeOf(findings_), "log.size-field@1048576 log.dirty@1048576");
}

TEST_F(Replay, SizesThatNoFileCanHave_AreRefused) {
  EXPECT_EQ(OutcomeOf(Run({{.last_file_offset = uint64_t{1} << 63}})), "log.last-offset@1048576");
  EXPECT_EQ(OutcomeOf(Run({{.writes = {ZeroWrite({3 * kMiB, uint64_t{1} << 63})}}})),
            "log.last-offset@1048576");
}

TEST_F(Replay, LogWithoutAnyEntryOfItsSession_WasNeverBegun) {
  auto replayed = Run({});
  ASSERT_TRUE(replayed) << ToString(replayed.error());
  EXPECT_EQ(replayed->overlay, nullptr);
  EXPECT_EQ(OutcomeOf(findings_), "log.never-begun@1048576");
}

// A QEMU that was killed while it wrote its first entry: header and descriptors are there.
TEST_F(Replay, FirstEntryWhoseDataWasNeverWritten_ChangedNothing) {
  auto replayed =
      Run({{.writes = {DataWrite(3 * kMiB, SectorOf(1)), DataWrite(4 * kMiB, SectorOf(2))},
            .torn_sectors = {2}}});
  ASSERT_TRUE(replayed) << ToString(replayed.error());
  EXPECT_EQ(replayed->overlay, nullptr);
  EXPECT_EQ(ReadSector(*replayed->file, 3 * kMiB), SectorOf(0));
  EXPECT_EQ(OutcomeOf(findings_), "log.never-begun@1048576");
}

// The same after the log has wrapped: where its data belongs, there is still that of an older
// entry.
TEST_F(Replay, FirstEntryWithTheDataOfAnOlderOne_ChangedNothing) {
  ASSERT_TRUE(Run({{.writes = {DataWrite(3 * kMiB, SectorOf(1))}, .sequence_number = 77}}));
  findings_ = {};
  auto replayed = Run({{.writes = {DataWrite(3 * kMiB, SectorOf(2))},
                        .sequence_number = 205,
                        .torn_sectors = {1}}});
  ASSERT_TRUE(replayed) << ToString(replayed.error());
  EXPECT_EQ(ReadSector(*replayed->file, 3 * kMiB), SectorOf(0));
  EXPECT_EQ(OutcomeOf(findings_), "log.never-begun@1048576");
}

// Data of an earlier session, or damage: nobody can tell.
TEST_F(Replay, FirstEntryWithOtherDataOfItsNumber_IsRefused) {
  ASSERT_TRUE(Run({{.writes = {DataWrite(3 * kMiB, SectorOf(1))}}}));
  EXPECT_EQ(OutcomeOf(Run({{.writes = {DataWrite(3 * kMiB, SectorOf(2))}, .torn_sectors = {1}}})),
            "log.sequence-none@1048576");
}

TEST_F(Replay, FirstEntryWithoutTheEndOfItsData_IsRefused) {
  ASSERT_TRUE(Run({{.writes = {DataWrite(3 * kMiB, SectorOf(1))}}}));
  MemoryFile file(contents_);
  const std::vector<std::byte> zeros(2048);
  ASSERT_TRUE(file.WriteAt(kMiB + kLogSector + 2048, zeros));
  EXPECT_EQ(OutcomeOf(RunAgain()), "log.sequence-none@1048576");
}

TEST_F(Replay, FirstEntryWithDamagedData_IsRefused) {
  ASSERT_TRUE(Run({{.writes = {DataWrite(3 * kMiB, SectorOf(1))}}}));
  MemoryFile file(contents_);
  std::vector<std::byte> sector = ReadSector(file, kMiB + kLogSector);
  std::fill(sector.begin(), sector.begin() + 2048, std::byte{});  // the number is at its end
  ASSERT_TRUE(file.WriteAt(kMiB + kLogSector, sector));
  EXPECT_EQ(OutcomeOf(RunAgain()), "log.sequence-none@1048576");
}

// What other entries did may be in place already.
TEST_F(Replay, EntryWithoutDataBehindATornOne_IsRefused) {
  ASSERT_TRUE(Run({{.writes = {}}, {.writes = {DataWrite(3 * kMiB, SectorOf(1))}, .tail = 4096}}));
  MemoryFile file(contents_);
  std::vector<std::byte> torn = ReadSector(file, kMiB);
  torn[100] ^= std::byte{1};
  ASSERT_TRUE(file.WriteAt(kMiB, torn));
  ASSERT_TRUE(file.WriteAt(kMiB + 2 * kLogSector, std::vector<std::byte>(kLogSector)));
  EXPECT_EQ(OutcomeOf(RunAgain()), "log.sequence-none@1048576");
}

// A torn entry is a trace: what it would have changed may be in place already.
TEST_F(Replay, NoValidSequence_IsRefused) {
  EXPECT_EQ(OutcomeOf(Run({{.checksum_xor = 1}})), "log.sequence-none@1048576");
}

// Somebody may want to look at it all the same.
TEST_F(Replay, FileThatCannotBeReplayed_ReadsAsItIs) {
  ASSERT_FALSE(Run({{.writes = {DataWrite(3 * kMiB, SectorOf(1))},
                     .last_file_offset = std::numeric_limits<uint64_t>::max()}}));
  const ReplayedFile replayed =
      ReplayInMemory(std::make_unique<MemoryFile>(contents_), header_, findings_);
  ASSERT_TRUE(replayed.error.has_value());
  EXPECT_EQ(OutcomeOf(*replayed.error), "log.last-offset@1048576");
  EXPECT_EQ(replayed.overlay, nullptr);
  EXPECT_EQ(replayed.sequence.size(), 1U);
  EXPECT_EQ(ReadSector(*replayed.file, 3 * kMiB), SectorOf(0));
  EXPECT_EQ(*replayed.file->Size(), kTargetSize);
}

TEST_F(Replay, EntryWithAForbiddenTarget_IsToldAndDoesNotCount) {
  EXPECT_EQ(OutcomeOf(Run({{}, {.writes = {DataWrite(0x10000, SectorOf(1))}}})), "ok");
  EXPECT_EQ(OutcomeOf(findings_), "log.target@1052672 log.dirty@1048576");
}

// Section 18.6, recipe B: the hash of what comes after the headers, after replay.
TEST_F(Replay, RecipeB_GivesThePublishedHash) {
  auto contents = std::make_shared<MemoryContents>();
  MemoryFile file(contents);
  ASSERT_TRUE(testing::Build(testing::RecipeB(), file));
  header_.log_guid = *Guid::Parse("11223344-5566-7788-99aa-bbccddeeff00");
  auto replayed = ReplayInMemory(std::make_unique<MemoryFile>(contents), header_, findings_);
  ASSERT_FALSE(replayed.error) << replayed.error->sentence;
  std::vector<std::byte> bytes(*replayed.file->Size() - format::kFirstLoggableOffset);
  ASSERT_TRUE(replayed.file->ReadExactAt(format::kFirstLoggableOffset, bytes));
  EXPECT_EQ(testing::Sha256Of(bytes),
            "7c7af6bf6410c1e8f5b9e699b64e1d161276c1466bdaf8f34c56047ac207ce43");
}

}  // namespace
}  // namespace vhdx::log

#include "cli/compact_document.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "bytes/arithmetic.h"
#include "cli/commands_fixture.h"

namespace vhdx::cli {
namespace {

CompactOutcome Compacted() {
  CompactOutcome outcome;
  outcome.report = {
      .filename = "disk.vhdx",
      .block_size_bytes = 32 * kMiB,
      .old_file_size_bytes = 20 * kGiB,
      .new_file_size_bytes = 2 * kGiB,
      .old_allocated_bytes = 10 * kGiB,
      .new_allocated_bytes = kGiB,
      .moved_blocks = 12,
      .freed_blocks = 300,
      .partly_used_bytes = kGiB,
      .volumes = {{.volume = {.range = {kMiB, 10 * kGiB}, .partition = 1, .type = "ext4"},
                   .free_bytes = 9 * kGiB,
                   .given_back_bytes = 8 * kGiB,
                   .kept_bytes = kGiB},
                  {.volume = {.range = {10 * kGiB + kMiB, kGiB}, .partition = 2, .type = "NTFS"},
                   .skipped_because = "it was not unmounted cleanly"}}};
  outcome.better_block_sizes = {2 * kMiB, 0};
  return outcome;
}

TEST(CompactDocument, JsonHasTheKeysThatScriptsRelyOn) {
  const Json json = CompactToJson(Compacted());
  EXPECT_EQ(KeysOf(json), (Keys{"filename", "mode", "old-file-size", "new-file-size",
                                "old-actual-size", "new-actual-size", "blocks-moved",
                                "blocks-freed", "partly-used", "unreferenced", "filesystems"}));
  EXPECT_EQ(json["mode"], "full");
  EXPECT_EQ(json["old-actual-size"], 10 * kGiB);
  EXPECT_EQ(json["blocks-moved"], 12);
  const Json& first = json["filesystems"][0];
  EXPECT_EQ(KeysOf(first), (Keys{"partition", "type", "free", "given-back", "kept", "skipped"}));
  EXPECT_EQ(first["partition"], 1);
  EXPECT_EQ(first["given-back"], 8 * kGiB);
  EXPECT_EQ(first["skipped"], nullptr);
  const Json& second = json["filesystems"][1];
  EXPECT_EQ(second["free"], nullptr);
  EXPECT_EQ(second["skipped"], "it was not unmounted cleanly");
}

TEST(CompactDocument, JsonOfADryRun_SaysSo) {
  CompactOutcome outcome = Compacted();
  outcome.dry_run = true;
  EXPECT_EQ(CompactToJson(outcome)["dry-run"], true);
}

TEST(CompactDocument, Text_HasALineForEachFileSystem) {
  EXPECT_EQ(
      CompactToText(Compacted()),
      "disk.vhdx: 9 GiB were given back to the host\n"
      "  partition 1 (ext4)  9 GiB free, 8 GiB given back, 1 GiB kept in blocks that are partly "
      "used (a copy with blocks of 2 MiB would keep less)\n"
      "  partition 2 (NTFS)  left alone: it was not unmounted cleanly\n"
      "  blocks              300 blocks freed, 12 moved\n"
      "  file size           20 GiB before, 2 GiB after\n"
      "  on the host         10 GiB before, 1 GiB after\n"
      "  holes               1 GiB of the file, in blocks that are partly used\n"
      "`vhdx convert --block-size SIZE` makes a copy with smaller blocks.\n");
}

TEST(CompactDocument, TextOfADryRun_SaysWhatWouldBe) {
  CompactOutcome outcome = Compacted();
  outcome.dry_run = true;
  outcome.report.volumes.resize(1);
  outcome.report.volumes[0].volume.partition.reset();
  outcome.report.volumes[0].kept_bytes = 0;
  outcome.report.partly_used_bytes = 0;
  outcome.better_block_sizes = {0};
  EXPECT_EQ(CompactToText(outcome),
            "disk.vhdx: 9 GiB would be given back to the host\n"
            "  whole disk (ext4)  9 GiB free, 8 GiB would be given back\n"
            "  blocks             300 blocks would be freed, 12 would be moved\n"
            "  file size          20 GiB before, 2 GiB after\n"
            "  on the host        10 GiB before, 1 GiB after\n"
            "Nothing was written, because of --dry-run.\n");
}

TEST(CompactDocument, ImageThatStaysAsItIs_GaveNothingBack) {
  CompactOutcome outcome = Compacted();
  outcome.report.new_allocated_bytes = outcome.report.old_allocated_bytes + kMiB;
  outcome.report.new_file_size_bytes = outcome.report.old_file_size_bytes;
  EXPECT_TRUE(CompactToText(outcome).starts_with("disk.vhdx: nothing was given back\n"));
  EXPECT_EQ(SavedBytes(outcome.report), 0U);
}

TEST(CompactDocument, RowOfManyFiles_SaysWhatWasLeftAlone) {
  const BatchRow row = CompactToRow(Compacted());
  EXPECT_EQ(row.cells, (std::vector<std::string>{"10 GiB", "1 GiB", "9 GiB"}));
  EXPECT_EQ(row.remark, "partition 2 (NTFS) was left alone: it was not unmounted cleanly");
}

TEST(CompactDocument, WhatTheDiskSays_IsSafeForATerminal) {
  CompactOutcome outcome = Compacted();
  outcome.report.volumes[1].skipped_because = "\x1B[2J";
  outcome.notes = {"\x1B[2J"};
  EXPECT_EQ(CompactToText(outcome).find('\x1B'), std::string::npos);
}

TEST(SharedFreeSpace, HolesOfOneMiB_NeedBlocksOfOneMiB) {
  std::vector<DiskRange> free;
  for (uint64_t i = 0; i < 64; ++i) free.push_back({2 * i * kMiB, kMiB});
  EXPECT_EQ(SharedFreeSpace(free).BetterBlockSize(32 * kMiB), kMiB);
  EXPECT_EQ(SharedFreeSpace(free).BetterBlockSize(2 * kMiB), kMiB);
}

TEST(SharedFreeSpace, LargeHoles_NeedNoSmallerBlocksThanHelp) {
  std::vector<DiskRange> free;
  for (uint64_t i = 0; i < 16; ++i) free.push_back({i * 32 * kMiB + kMiB, 24 * kMiB});
  EXPECT_EQ(SharedFreeSpace(free).BetterBlockSize(32 * kMiB), 4 * kMiB);
  free.clear();
  for (uint64_t i = 0; i < 16; ++i) free.push_back({i * 32 * kMiB, 24 * kMiB});
  EXPECT_EQ(SharedFreeSpace(free).BetterBlockSize(32 * kMiB), 8 * kMiB);
}

TEST(SharedFreeSpace, CrumbsAndWholeBlocks_AreHelpedByNoBlockSize) {
  std::vector<DiskRange> crumbs;
  for (uint64_t i = 0; i < 64; ++i) crumbs.push_back({i * kMiB, 4096});
  EXPECT_EQ(SharedFreeSpace(crumbs).BetterBlockSize(32 * kMiB), 0U);
  EXPECT_EQ(SharedFreeSpace(std::vector<DiskRange>{{0, 64 * kMiB}}).BetterBlockSize(32 * kMiB), 0U);
  EXPECT_EQ(SharedFreeSpace(std::vector<DiskRange>{}).BetterBlockSize(32 * kMiB), 0U);
  EXPECT_EQ(SharedFreeSpace(crumbs).BetterBlockSize(kMiB), 0U);
}

}  // namespace
}  // namespace vhdx::cli

#include "cli/resize_document.h"

#include <gtest/gtest.h>

#include <string>

#include "bytes/arithmetic.h"
#include "cli/commands_fixture.h"

namespace vhdx::cli {
namespace {

ResizeOutcome Grown() {
  ResizeOutcome outcome;
  outcome.report = {.filename = "disk.vhdx",
                    .old_size_bytes = 20 * kGiB,
                    .new_size_bytes = 40 * kGiB,
                    .old_file_size_bytes = 8 * kMiB,
                    .new_file_size_bytes = 9 * kMiB,
                    .bat_moved = true,
                    .host_space_needed_bytes = kMiB,
                    .backup_gpt_moved = true,
                    .next_commands = {"growpart /dev/sdX 2", "resize2fs /dev/sdX2"}};
  return outcome;
}

ResizeOutcome Shrunk() {
  ResizeOutcome outcome;
  outcome.report = {.filename = "child.avhdx",
                    .old_size_bytes = 40 * kGiB,
                    .new_size_bytes = 20 * kGiB,
                    .old_file_size_bytes = 8 * kMiB,
                    .new_file_size_bytes = 8 * kMiB,
                    .cut_blocks = 3,
                    .hidden_parent_bytes = 20 * kGiB,
                    .backup_gpt_stays_because = "partition 2 reaches past the end of the disk"};
  return outcome;
}

TEST(ResizeDocument, JsonHasTheKeysThatScriptsRelyOn) {
  ResizeOutcome outcome;
  outcome.report.filename = "disk.vhdx";
  const Keys always = {"filename",      "old-size",  "new-size",          "old-file-size",
                       "new-file-size", "bat-moved", "host-space-needed", "dry-run"};
  EXPECT_EQ(KeysOf(ResizeToJson(outcome)), always);
  const Json grown = ResizeToJson(Grown());
  EXPECT_EQ(grown["old-size"], 20 * kGiB);
  EXPECT_EQ(grown["new-size"], 40 * kGiB);
  EXPECT_EQ(grown["bat-moved"], true);
  EXPECT_EQ(grown["host-space-needed"], kMiB);
  EXPECT_EQ(grown["dry-run"], false);
  EXPECT_EQ(grown["next-commands"][1], "resize2fs /dev/sdX2");
  const Json shrunk = ResizeToJson(Shrunk());
  EXPECT_EQ(shrunk["blocks-freed"], 3);
  EXPECT_EQ(shrunk["parent-hidden"], 20 * kGiB);
  EXPECT_EQ(shrunk["backup-gpt-stays"], "partition 2 reaches past the end of the disk");
}

TEST(ResizeDocument, TextOfALargerDisk_SaysWhatTheGuestHasToDo) {
  EXPECT_EQ(ResizeToText(Grown()),
            "disk.vhdx: the disk grew from 20 GiB to 40 GiB\n"
            "  the block allocation table was moved to a larger region of the file\n"
            "  the backup of the GUID partition table was moved to the new end of the disk\n"
            "  the file changed from 8 MiB to 9 MiB\n"
            "To use the new space, run in the guest:\n"
            "  growpart /dev/sdX 2\n"
            "  resize2fs /dev/sdX2\n");
}

TEST(ResizeDocument, TextOfADryRun_SaysWhatWouldBe) {
  ResizeOutcome outcome = Grown();
  outcome.dry_run = true;
  EXPECT_EQ(ResizeToText(outcome),
            "disk.vhdx: the disk would grow from 20 GiB to 40 GiB\n"
            "  the block allocation table would be moved to a larger region of the file\n"
            "  the backup of the GUID partition table would be moved to the new end of the disk\n"
            "  the file would change from 8 MiB to 9 MiB\n"
            "  the host needs 1 MiB of free space\n"
            "Nothing was written, because of --dry-run.\n");
}

TEST(ResizeDocument, TextOfASmallerDisk_SaysWhatIsGone) {
  EXPECT_EQ(ResizeToText(Shrunk()),
            "child.avhdx: the disk shrank from 40 GiB to 20 GiB\n"
            "  3 blocks past the new end were freed\n"
            "  20 GiB of the parent is past the new end: it is no longer accessible through this "
            "image; the parent itself is unchanged\n"
            "  the backup of the GUID partition table stays where it is: partition 2 reaches past "
            "the end of the disk\n");
}

TEST(ResizeDocument, SizesThatLookTheSame_AreInBytes) {
  ResizeOutcome outcome;
  outcome.report = {
      .filename = "d", .old_size_bytes = 20 * kGiB, .new_size_bytes = 20 * kGiB + 512};
  EXPECT_EQ(ResizeToText(outcome), "d: the disk grew from 21474836480 to 21474836992 bytes\n");
  outcome.report.new_size_bytes = 20 * kGiB;
  EXPECT_EQ(ResizeToText(outcome), "d: the size is 20 GiB (21474836480 bytes) already\n");
}

TEST(ResizeDocument, WhatTheDiskSays_IsSafeForATerminal) {
  ResizeOutcome outcome = Shrunk();
  outcome.report.filename = "\x1B[2J";
  outcome.report.backup_gpt_stays_because = "\x1B[2J";
  EXPECT_EQ(ResizeToText(outcome).find('\x1B'), std::string::npos);
}

}  // namespace
}  // namespace vhdx::cli

#include <gtest/gtest.h>
#include <vhdxkit/check.h>
#include <vhdxkit/create.h>
#include <vhdxkit/disk.h>
#include <vhdxkit/inspect.h>
#include <vhdxkit/resize.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "bytes/arithmetic.h"
#include "guest/partition_table.h"
#include "testing/guest_disk.h"
#include "testing/memory_file_system.h"
#include "testing/outcome.h"

namespace vhdx {
namespace {

using testing::OutcomeOf;

const std::string kImage = "/vm/disk.vhdx";
const std::string kBase = "/vm/base.vhdx";

class ResizeTest : public ::testing::Test {
 protected:
  void Make(const std::string& path, const CreateOptions& options) {
    const auto made = Create(files_, path, options);
    ASSERT_TRUE(made) << ToString(made.error());
  }

  std::unique_ptr<Disk> Open(DiskAccess access = DiskAccess::kReadOnly) {
    auto disk = Disk::Open(files_, kImage, {.access = access});
    EXPECT_TRUE(disk) << ToString(disk.error());
    return *std::move(disk);
  }
  void Write(uint64_t disk_offset, uint8_t value) {
    const auto disk = Open(DiskAccess::kReadWrite);
    const std::vector<std::byte> bytes(4096, std::byte{value});
    ASSERT_EQ(OutcomeOf(disk->Write(disk_offset, ByteSpan(bytes))), "ok");
    ASSERT_EQ(OutcomeOf(disk->Close()), "ok");
  }
  // The value of 4096 bytes, or -1 if they differ.
  int At(uint64_t disk_offset) {
    std::vector<std::byte> bytes(4096);
    EXPECT_EQ(OutcomeOf(Open()->Read(disk_offset, bytes)), "ok");
    const bool is_one = bytes == std::vector<std::byte>(4096, bytes[0]);
    return is_one ? static_cast<int>(bytes[0]) : -1;
  }

  ResizeReport MustResize(const ResizeOptions& options) {
    auto report = Resize(files_, kImage, options);
    EXPECT_TRUE(report) << ToString(report.error());
    const auto checked = Check(files_, kImage);
    EXPECT_TRUE(checked && checked->verdict == CheckVerdict::kClean);
    return report ? *std::move(report) : ResizeReport{};
  }
  std::string Refusal(const ResizeOptions& options) {
    const std::vector<std::byte> before = files_.Contents(kImage)->Bytes();
    const auto report = Resize(files_, kImage, options);
    EXPECT_FALSE(report);
    EXPECT_EQ(files_.Contents(kImage)->Bytes(), before) << "it was changed";
    return report
               ? ""
               : std::string(ErrorCodeName(report.error().code)) + ": " + report.error().sentence;
  }

  testing::MemoryFileSystem files_;
};

TEST_F(ResizeTest, DynamicDisk_GrowsAndShrinksAndKeepsItsContents) {
  Make(kImage, {.size_bytes = 16 * kMiB, .block_size_bytes = kMiB});
  Write(0, 1);
  Write(15 * kMiB, 2);
  ResizeReport report = MustResize({.size_bytes = 100 * kMiB});
  EXPECT_EQ(report.old_size_bytes, 16 * kMiB);
  EXPECT_EQ(report.new_size_bytes, 100 * kMiB);
  EXPECT_EQ(Open()->size_bytes(), 100 * kMiB);
  EXPECT_EQ(At(15 * kMiB), 2);
  EXPECT_EQ(At(16 * kMiB), 0);
  report = MustResize({.size_bytes = 15 * kMiB, .allow_unsafe = true});
  EXPECT_EQ(report.cut_blocks, 1U);
  EXPECT_LT(report.new_file_size_bytes, report.old_file_size_bytes);
  EXPECT_EQ(At(0), 1);
  // What was cut does not come back.
  MustResize({.size_bytes = 16 * kMiB});
  EXPECT_EQ(At(15 * kMiB), 0);
}

TEST_F(ResizeTest, FixedDisk_HasSpaceForEveryBlock) {
  Make(kImage, {.subformat = Subformat::kFixed, .size_bytes = 4 * kMiB, .block_size_bytes = kMiB});
  const ResizeReport larger = MustResize({.size_bytes = 9 * kMiB});
  EXPECT_EQ(larger.host_space_needed_bytes, 5 * kMiB);
  EXPECT_EQ(larger.new_file_size_bytes, larger.old_file_size_bytes + 5 * kMiB);
  for (const auto& extent : *Open()->Extents({0, 9 * kMiB}, 100)) {
    EXPECT_EQ(extent.kind, ExtentKind::kData);
  }
  const ResizeReport smaller = MustResize({.size_bytes = 2 * kMiB});
  EXPECT_EQ(smaller.new_file_size_bytes, larger.new_file_size_bytes - 7 * kMiB);
}

TEST_F(ResizeTest, TableThatDoesNotFitAnyMore_Moves) {
  Make(kImage, {.size_bytes = kGiB, .block_size_bytes = kMiB});
  Write(kGiB - 4096, 3);
  const ResizeReport report = MustResize({.size_bytes = kTiB});
  EXPECT_TRUE(report.bat_moved);
  EXPECT_EQ(report.host_space_needed_bytes, 9 * kMiB);  // 8 MiB, and entries for bitmaps
  EXPECT_EQ(At(kGiB - 4096), 3);
  Write(kTiB - 4096, 4);
  EXPECT_EQ(At(kTiB - 4096), 4);
}

TEST_F(ResizeTest, LargerChildOfALargerParent_DoesNotShowIt) {
  Make(kBase, {.size_bytes = 8 * kMiB, .block_size_bytes = kMiB});
  {
    const auto base = Disk::Open(files_, kBase, {.access = DiskAccess::kReadWrite});
    ASSERT_TRUE(base);
    const std::vector<std::byte> bytes(8 * kMiB, std::byte{7});
    ASSERT_EQ(OutcomeOf((*base)->Write(0, ByteSpan(bytes))), "ok");
    ASSERT_EQ(OutcomeOf((*base)->Close()), "ok");
  }
  Make(kImage, {.subformat = Subformat::kDifferencing, .parent_path = kBase});
  const ResizeReport smaller =
      MustResize({.size_bytes = 3 * kMiB + 512 * kKiB, .allow_unsafe = true});
  EXPECT_EQ(smaller.hidden_parent_bytes, 4 * kMiB + 512 * kKiB);
  MustResize({.size_bytes = 12 * kMiB});
  EXPECT_EQ(At(3 * kMiB + 508 * kKiB), 7);
  for (uint64_t at = 3 * kMiB + 512 * kKiB; at < 12 * kMiB; at += 256 * kKiB) EXPECT_EQ(At(at), 0);
}

TEST_F(ResizeTest, ParentIsNotResized) {
  Make(kImage, {.size_bytes = 8 * kMiB});
  Make("/vm/child.avhdx", {.subformat = Subformat::kDifferencing, .parent_path = kImage});
  const std::string refusal = Refusal({.size_bytes = 16 * kMiB});
  EXPECT_TRUE(refusal.starts_with("busy: ")) << refusal;
  EXPECT_EQ(MustResize({.size_bytes = 16 * kMiB, .orphan_children = true}).new_size_bytes,
            16 * kMiB);
}

TEST_F(ResizeTest, DataThatNobodyKnows_IsNotCut) {
  Make(kImage, {.size_bytes = 8 * kMiB, .block_size_bytes = kMiB});
  Write(6 * kMiB, 1);
  EXPECT_TRUE(Refusal({.size_bytes = 6 * kMiB}).ends_with("--allow-unsafe cuts the disk anyway"));
  EXPECT_EQ(MustResize({.size_bytes = 7 * kMiB}).new_size_bytes, 7 * kMiB) << "zeros can be cut";
}

TEST_F(ResizeTest, SizesThatNoDiskCanHave) {
  Make(kImage, {.size_bytes = 8 * kMiB});
  for (const uint64_t size : {uint64_t{0}, uint64_t{1000}, 65 * kTiB}) {
    EXPECT_TRUE(Refusal({.size_bytes = size}).starts_with("invalid-argument: ")) << size;
  }
  EXPECT_EQ(Refusal({.to_minimum = true}).find("the smallest possible size is not known"),
            std::string("invalid-argument: ").size());
}

TEST_F(ResizeTest, DryRun_SaysWhatItWouldDoAndWritesNothing) {
  Make(kImage, {.size_bytes = kGiB, .block_size_bytes = kMiB});
  Write(0, 1);
  const std::vector<std::byte> before = files_.Contents(kImage)->Bytes();
  const auto report = Resize(files_, kImage, {.size_bytes = kTiB, .dry_run = true});
  ASSERT_TRUE(report);
  EXPECT_TRUE(report->bat_moved);
  EXPECT_EQ(report->new_size_bytes, kTiB);
  EXPECT_EQ(files_.Contents(kImage)->Bytes(), before);
}

TEST_F(ResizeTest, SameSize_IsNothingToDo) {
  Make(kImage, {.size_bytes = 8 * kMiB});
  const std::vector<std::byte> before = files_.Contents(kImage)->Bytes();
  MustResize({.size_bytes = 8 * kMiB});
  EXPECT_EQ(files_.Contents(kImage)->Bytes(), before);
}

TEST_F(ResizeTest, TrackingFilesOfHyperV_AreNamed) {
  Make(kImage, {.size_bytes = 8 * kMiB});
  files_.AddFile(kImage + ".rct");
  EXPECT_EQ(MustResize({.size_bytes = 16 * kMiB}).change_tracking_files,
            std::vector<std::string>{kImage + ".rct"});
}

// The backup of its GPT is at the end of the disk, whatever its size.
TEST_F(ResizeTest, BackupOfAGpt_MovesWithTheEnd) {
  constexpr uint64_t kSize = 16 * kMiB;
  testing::GuestDisk guest(kSize);
  guest.WriteGpt({.partitions = {{.first = 2048, .last = 8191, .name = "data"}}});
  Make(kImage, {.size_bytes = kSize, .block_size_bytes = kMiB});
  {
    const auto disk = Open(DiskAccess::kReadWrite);
    std::vector<std::byte> bytes(kSize);
    ASSERT_EQ(OutcomeOf(guest.Open()->Read(0, bytes)), "ok");
    ASSERT_EQ(OutcomeOf(disk->Write(0, ByteSpan(bytes))), "ok");
    ASSERT_EQ(OutcomeOf(disk->Close()), "ok");
  }
  for (const uint64_t size : {64 * kMiB, 5 * kMiB, 20 * kMiB}) {
    const ResizeReport report = MustResize({.size_bytes = size});
    EXPECT_TRUE(report.backup_gpt_moved);
    const auto table = guest::ReadPartitionTable(*Open());
    ASSERT_TRUE(table && table->gpt);
    EXPECT_TRUE(table->gpt->primary_valid && table->gpt->backup_valid);
    EXPECT_EQ(table->gpt->backup_header.end(), size);
    EXPECT_EQ(table->partitions.size(), 1U);
    EXPECT_TRUE(table->contradictions.empty());
  }
  EXPECT_TRUE(Refusal({.size_bytes = 4 * kMiB}).starts_with("invalid-argument: "));
  const ResizeReport smallest = MustResize({.to_minimum = true});
  EXPECT_EQ(smallest.new_size_bytes, 4 * kMiB + 33 * 512);
}

}  // namespace
}  // namespace vhdx

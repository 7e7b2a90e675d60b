#include <gtest/gtest.h>
#include <vhdxkit/check.h>
#include <vhdxkit/compact.h>
#include <vhdxkit/create.h>
#include <vhdxkit/disk.h>

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "bytes/arithmetic.h"
#include "testing/memory_file_system.h"
#include "testing/outcome.h"

namespace vhdx {
namespace {

using testing::OutcomeOf;

const std::string kCompacted = "/vm/disk.vhdx";
constexpr uint64_t kBlocks = 10;
constexpr uint64_t kBlock = 2 * kMiB;
// What a new image has before its first block.
constexpr uint64_t kStructures = 11 * kMiB;

class CompactTest : public ::testing::Test {
 protected:
  void Make(const CreateOptions& options = {.size_bytes = kBlocks * kBlock,
                                            .block_size_bytes = kBlock}) {
    const auto made = Create(files_, kCompacted, options);
    ASSERT_TRUE(made) << ToString(made.error());
  }
  std::unique_ptr<Disk> Open(DiskAccess access = DiskAccess::kReadOnly) {
    auto disk = Disk::Open(files_, kCompacted, {.access = access});
    EXPECT_TRUE(disk) << ToString(disk.error());
    return *std::move(disk);
  }
  void Fill(uint64_t first_block, uint64_t count, uint8_t value) {
    const auto disk = Open(DiskAccess::kReadWrite);
    const std::vector<std::byte> bytes(count * kBlock, std::byte{value});
    ASSERT_EQ(OutcomeOf(disk->Write(first_block * kBlock, ByteSpan(bytes))), "ok");
    ASSERT_EQ(OutcomeOf(disk->Close()), "ok");
  }
  int At(uint64_t disk_offset) {
    std::vector<std::byte> bytes(512);
    EXPECT_EQ(OutcomeOf(Open()->Read(disk_offset, bytes)), "ok");
    return static_cast<int>(bytes[0]);
  }
  uint64_t FileSize() { return files_.Contents(kCompacted)->size(); }

  CompactReport MustCompact(const CompactOptions& options) {
    auto report = Compact(files_, kCompacted, options);
    EXPECT_TRUE(report) << ToString(report.error());
    const auto checked = Check(files_, kCompacted);
    EXPECT_TRUE(checked && checked->verdict == CheckVerdict::kClean);
    return report ? *std::move(report) : CompactReport{};
  }
  static AskFreeSpace Says(std::vector<DiskRange> free) {
    return [free](BlockDevice&,
                  const std::vector<DiskVolume>&) -> Result<std::vector<VolumeFreeSpace>> {
      std::vector<VolumeFreeSpace> said(1);
      said[0].volume.type = "ext4";
      said[0].free = free;
      return said;
    };
  }

  testing::MemoryFileSystem files_;
};

TEST_F(CompactTest, ZerosAtTheStart_LetTheRestMoveDown) {
  Make();
  Fill(0, 5, 0xAA);
  Fill(0, 2, 0);
  Fill(5, 5, 0xBB);
  const CompactReport report = MustCompact({.mode = CompactMode::kPrezeroed});
  EXPECT_EQ(report.freed_blocks, 2U);
  EXPECT_EQ(report.moved_blocks, 2U);
  EXPECT_EQ(report.old_file_size_bytes - report.new_file_size_bytes, 2 * kBlock);
  EXPECT_EQ(report.new_file_size_bytes, kStructures + 8 * kBlock);
  EXPECT_EQ(report.unreferenced_bytes, 0U);
  EXPECT_EQ(At(0), 0);
  EXPECT_EQ(At(4 * kBlock), 0xAA);
  EXPECT_EQ(At(9 * kBlock), 0xBB);
  EXPECT_EQ(MustCompact({}).moved_blocks, 0U) << "nothing is left to do";
}

TEST_F(CompactTest, WhatAFileSystemSaysIsFree_IsGivenBack) {
  Make();
  Fill(0, kBlocks, 0xAA);
  // Four whole blocks and two halves.
  const DiskRange free{kBlock + kMiB, 5 * kBlock};
  const CompactReport report = MustCompact({.ask_free_space = Says({free})});
  EXPECT_EQ(report.freed_blocks, 4U);
  EXPECT_EQ(report.new_file_size_bytes, kStructures + 6 * kBlock);
  ASSERT_EQ(report.volumes.size(), 1U);
  EXPECT_EQ(report.volumes[0].free_bytes, 5 * kBlock);
  EXPECT_EQ(report.volumes[0].given_back_bytes, 4 * kBlock);
  EXPECT_EQ(report.volumes[0].kept_bytes, kBlock);
  EXPECT_EQ(At(kBlock), 0xAA);
  EXPECT_EQ(At(6 * kBlock + kMiB), 0xAA);
  EXPECT_LE(report.new_allocated_bytes, report.old_allocated_bytes - 5 * kBlock) << "no holes";
}

TEST_F(CompactTest, WithoutHoles_PartsOfBlocksStay) {
  Make();
  Fill(0, kBlocks, 0xAA);
  const CompactReport report =
      MustCompact({.ask_free_space = Says({{kMiB, 3 * kMiB}}), .no_holes = true});
  EXPECT_EQ(report.freed_blocks, 1U);
  EXPECT_EQ(report.old_allocated_bytes - report.new_allocated_bytes, kBlock);
}

TEST_F(CompactTest, QuickMode_DoesNotLookForZeros) {
  Make();
  Fill(0, 4, 0xAA);
  Fill(0, 2, 0);
  EXPECT_EQ(MustCompact({.mode = CompactMode::kQuick}).freed_blocks, 0U);
  EXPECT_EQ(MustCompact({.mode = CompactMode::kPretrimmed}).freed_blocks, 0U);
}

TEST_F(CompactTest, RetrimMode_MovesNothing) {
  Make();
  Fill(0, kBlocks, 0xAA);
  const CompactReport report =
      MustCompact({.mode = CompactMode::kRetrim, .ask_free_space = Says({{0, 2 * kBlock}})});
  EXPECT_EQ(report.freed_blocks, 2U);
  EXPECT_EQ(report.moved_blocks, 0U);
  EXPECT_EQ(report.new_file_size_bytes, report.old_file_size_bytes);
  EXPECT_EQ(report.new_allocated_bytes, report.old_allocated_bytes - 2 * kBlock);
}

TEST_F(CompactTest, Parent_KeepsItsChildrenUnlessItsContentsChange) {
  Make();
  Fill(0, 4, 0xAA);
  Fill(0, 2, 0);
  const std::string child = "/vm/child.avhdx";
  ASSERT_TRUE(
      Create(files_, child, {.subformat = Subformat::kDifferencing, .parent_path = kCompacted}));
  EXPECT_EQ(MustCompact({}).freed_blocks, 2U);
  EXPECT_TRUE(Disk::Open(files_, child, {}));
  const auto refused = Compact(files_, kCompacted, {.ask_free_space = Says({{0, kBlock}})});
  EXPECT_EQ(OutcomeOf(refused), "busy");
}

TEST_F(CompactTest, FixedDisk_KeepsItsBlocks) {
  Make({.subformat = Subformat::kFixed, .size_bytes = 4 * kMiB, .block_size_bytes = kMiB});
  const CompactReport report = MustCompact({.ask_free_space = Says({{0, 4 * kMiB}})});
  EXPECT_EQ(report.freed_blocks, 0U);
  EXPECT_EQ(report.new_file_size_bytes, report.old_file_size_bytes);
}

TEST_F(CompactTest, DryRun_SaysWhatItWouldDoAndWritesNothing) {
  Make();
  Fill(0, 6, 0xAA);
  Fill(0, 2, 0);
  const std::vector<std::byte> before = files_.Contents(kCompacted)->Bytes();
  const auto dry = Compact(files_, kCompacted,
                           {.ask_free_space = Says({{3 * kBlock, kBlock}}), .dry_run = true});
  ASSERT_TRUE(dry);
  EXPECT_EQ(files_.Contents(kCompacted)->Bytes(), before);
  const CompactReport real = MustCompact({.ask_free_space = Says({{3 * kBlock, kBlock}})});
  EXPECT_EQ(dry->freed_blocks, real.freed_blocks);
  EXPECT_EQ(dry->new_file_size_bytes, real.new_file_size_bytes);
  EXPECT_EQ(dry->volumes[0].given_back_bytes, real.volumes[0].given_back_bytes);
}

TEST_F(CompactTest, CancelledInTheMiddle_LeavesAWholeImage) {
  Make();
  Fill(0, 8, 0xAA);
  Fill(0, 3, 0);
  std::atomic<bool> cancel = false;
  OperationControl control{.on_progress = [&](uint64_t, uint64_t) { cancel = true; },
                           .cancel = &cancel};
  EXPECT_EQ(OutcomeOf(Compact(files_, kCompacted, {}, control)), "cancelled");
  const auto checked = Check(files_, kCompacted);
  EXPECT_TRUE(checked && checked->verdict == CheckVerdict::kClean);
  EXPECT_EQ(At(7 * kBlock), 0xAA);
  EXPECT_EQ(MustCompact({}).new_file_size_bytes, kStructures + 5 * kBlock);
}

TEST_F(CompactTest, ErrorOfWhoeverIsAsked_EndsTheOperation) {
  Make();
  const auto failed =
      Compact(files_, kCompacted,
              {.ask_free_space = [](BlockDevice&, const std::vector<DiskVolume>&)
                   -> Result<std::vector<VolumeFreeSpace>> { return Fail(ErrorCode::kIo, "no"); }});
  EXPECT_EQ(OutcomeOf(failed), "io");
}

}  // namespace
}  // namespace vhdx

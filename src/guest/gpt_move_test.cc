#include "guest/gpt_move.h"

#include <gtest/gtest.h>
#include <vhdxkit/error.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "bytes/arithmetic.h"
#include "bytes/endian.h"
#include "bytes/zeros.h"
#include "guest/partition_table.h"
#include "testing/guest_disk.h"
#include "testing/guest_volumes.h"
#include "testing/scale.h"

namespace vhdx::guest {
namespace {

using testing::GptSpec;
using testing::GuestDisk;

constexpr uint64_t kDiskSize = 64 * kMiB;
constexpr uint64_t k512 = 512;
constexpr uint64_t kBackup = kDiskSize - k512;

PartitionTable TableOn(const GuestDisk& guest) {
  const auto disk = guest.Open();
  return *ReadPartitionTable(*disk);
}

Result<GptPlan> PlanFor(const GuestDisk& guest, uint64_t new_size) {
  const auto disk = guest.Open();
  const auto contents = ReadDiskContents(*disk);
  const auto gpt = ReadGptOnDisk(*disk);
  if (!contents || !gpt) return Fail(ErrorCode::kIo, "the disk cannot be read");
  return PlanGptMove(*contents, *gpt, new_size);
}

GptPlan MustPlan(const GuestDisk& guest, uint64_t new_size) {
  auto plan = PlanFor(guest, new_size);
  EXPECT_TRUE(plan) << ToString(plan.error());
  return plan ? *std::move(plan) : GptPlan{};
}

std::string WhyRefused(const GuestDisk& guest, uint64_t new_size) {
  const auto plan = PlanFor(guest, new_size);
  return plan ? "" : plan.error().sentence;
}

void CarryOutOn(const GuestDisk& guest, std::span<const GptStep> steps) {
  const auto disk = guest.Open();
  const auto done = CarryOut(steps, *disk);
  EXPECT_TRUE(done) << ToString(done.error());
}

// In the order that the header demands.
void ResizeWithGpt(GuestDisk& guest, uint64_t new_size) {
  const GptPlan plan = MustPlan(guest, new_size);
  CarryOutOn(guest, plan.repair);
  if (new_size > guest.size_bytes()) guest.Resize(new_size);
  CarryOutOn(guest, plan.move);
  guest.Resize(new_size);
}

std::vector<std::string> PurposesOf(std::span<const GptStep> steps) {
  std::vector<std::string> purposes;
  for (const GptStep& step : steps) purposes.push_back(step.purpose);
  return purposes;
}

void ExpectSamePartitions(const PartitionTable& table, const PartitionTable& before) {
  ASSERT_EQ(table.partitions.size(), before.partitions.size());
  for (size_t i = 0; i < table.partitions.size(); ++i) {
    EXPECT_EQ(table.partitions[i].number, before.partitions[i].number);
    EXPECT_EQ(table.partitions[i].range, before.partitions[i].range);
    EXPECT_EQ(table.partitions[i].type_guid, before.partitions[i].type_guid);
    EXPECT_EQ(table.partitions[i].name, before.partitions[i].name);
  }
}

void ExpectBackupAtTheEnd(const GuestDisk& guest) {
  const PartitionTable table = TableOn(guest);
  ASSERT_TRUE(table.gpt);
  EXPECT_TRUE(table.gpt->primary_valid);
  EXPECT_TRUE(table.gpt->backup_valid);
  EXPECT_EQ(table.gpt->backup_header.end(), guest.size_bytes());
  EXPECT_TRUE(MustPlan(guest, guest.size_bytes()).empty());
}

// The disk in each state that a power cut can leave while the steps are carried out: the steps
// before it, and any subset of the writes of one.
void ForEachCut(const GuestDisk& guest, std::span<const GptStep> steps,
                const std::function<void(const GuestDisk&)>& check) {
  GuestDisk done = guest.Copy();
  for (const GptStep& step : steps) {
    for (size_t subset = 0; subset < size_t{1} << step.writes.size(); ++subset) {
      GuestDisk cut = done.Copy();
      for (size_t i = 0; i < step.writes.size(); ++i) {
        if ((subset >> i & 1) == 0) continue;
        cut.Write(step.writes[i].disk_offset, step.writes[i].bytes);
      }
      check(cut);
    }
    for (const GptWrite& write : step.writes) done.Write(write.disk_offset, write.bytes);
  }
  check(done);
}

// At every cut: a valid primary copy, a valid backup where it says, the same partitions, and a plan
// that does the rest.
void ExpectMoveSurvivesCuts(const GuestDisk& guest, const GptPlan& plan, uint64_t new_size) {
  const PartitionTable before = TableOn(guest);
  ForEachCut(guest, plan.move, [&](const GuestDisk& cut) {
    const PartitionTable table = TableOn(cut);
    ASSERT_TRUE(table.gpt);
    EXPECT_TRUE(table.gpt->primary_valid);
    EXPECT_TRUE(table.gpt->backup_valid);
    ExpectSamePartitions(table, before);
    GuestDisk resumed = cut.Copy();
    ResizeWithGpt(resumed, new_size);
    ExpectBackupAtTheEnd(resumed);
    ExpectSamePartitions(TableOn(resumed), before);
  });
}

TEST(GptMove, DiskWithoutAGpt_NeedsNoPlan) {
  GuestDisk guest(kDiskSize);
  EXPECT_TRUE(MustPlan(guest, 32 * kMiB).empty());
  guest.WriteMbr({{.first = 2048, .count = 2048}});
  EXPECT_TRUE(MustPlan(guest, 32 * kMiB).empty());
}

TEST(GptMove, BackupInItsPlace_NeedsNoPlan) {
  for (const uint32_t sector_size : {512U, 4096U}) {
    GuestDisk guest(kDiskSize, sector_size);
    guest.WriteGpt({.partitions = {{256, 511}, {}, {1024, 4095}}});
    EXPECT_TRUE(MustPlan(guest, kDiskSize).empty());
  }
}

TEST(GptMove, LeftoverUnderAFileSystem_NeedsNoPlan) {
  GuestDisk guest(kDiskSize);
  WriteVolume(testing::GuestVolumeNamed("ext4"), guest);
  guest.WriteMbr({{.type = 0xEE, .first = 1, .count = 1000}});
  EXPECT_TRUE(MustPlan(guest, 32 * kMiB).empty());
}

class GptOfEachSectorSize : public ::testing::TestWithParam<uint32_t> {
 protected:
  GptOfEachSectorSize() { guest_.WriteGpt(spec_); }

  uint64_t sector() const { return GetParam(); }

  GptSpec spec_ = {.partitions = {{256, 511, "EFI"}, {}, {1024, 4095, "data"}},
                   .protected_sectors = static_cast<uint32_t>(kDiskSize / GetParam() - 1)};
  GuestDisk guest_{kDiskSize, GetParam()};
};

TEST_P(GptOfEachSectorSize, DiskThatGrows_GetsItsBackupAtTheEnd) {
  const PartitionTable before = TableOn(guest_);
  const GptPlan plan = MustPlan(guest_, 2 * kDiskSize);
  EXPECT_EQ(PurposesOf(plan.move),
            (std::vector<std::string>{"write the backup GPT to the end of the disk",
                                      "update the header of the primary GPT",
                                      "update the protective MBR and wipe the old backup"}));
  EXPECT_TRUE(plan.repair.empty());
  EXPECT_EQ(plan.rebuilt, "");
  EXPECT_EQ(plan.move[1].writes.size(), 1U);
  EXPECT_EQ(plan.move[1].writes[0].bytes.size(), sector());
  ResizeWithGpt(guest_, 2 * kDiskSize);
  ExpectBackupAtTheEnd(guest_);
  ExpectSamePartitions(TableOn(guest_), before);
  const DiskRange old{kDiskSize - 33 * sector(), 33 * sector()};
  EXPECT_TRUE(IsAllZero(guest_.contents()->Bytes({old.disk_offset, old.length_bytes})));
}

TEST_P(GptOfEachSectorSize, DiskThatIsCut_GetsItsBackupBefore) {
  const PartitionTable before = TableOn(guest_);
  const uint64_t minimum = 4096 * sector() + 33 * sector();
  const GptPlan plan = MustPlan(guest_, minimum);
  for (const GptStep& step : plan.move) {
    for (const GptWrite& write : step.writes) {
      EXPECT_LE(write.disk_offset + write.bytes.size(), minimum);
    }
  }
  ResizeWithGpt(guest_, minimum);
  ExpectBackupAtTheEnd(guest_);
  ExpectSamePartitions(TableOn(guest_), before);
}

TEST_P(GptOfEachSectorSize, PowerCutAtAnyWrite_LeavesBothCopiesValid) {
  for (const uint64_t new_size : {2 * kDiskSize, kDiskSize / 2, kDiskSize + sector(),
                                  kDiskSize - sector(), kDiskSize + 5 * sector()}) {
    SCOPED_TRACE(new_size);
    GuestDisk guest = guest_.Copy();
    const GptPlan plan = MustPlan(guest, new_size);
    guest.Resize(std::max(new_size, kDiskSize));
    ExpectMoveSurvivesCuts(guest, plan, new_size);
  }
}

TEST_P(GptOfEachSectorSize, ProtectiveMbr_CoversTheDisk) {
  const auto protected_sectors = [&] {
    return uint32_t{LoadFrom<le32>(guest_.contents()->Bytes({446 + 12, 4}))};
  };
  ResizeWithGpt(guest_, 2 * kDiskSize);
  EXPECT_EQ(protected_sectors(), 2 * kDiskSize / sector() - 1);
  ResizeWithGpt(guest_, 64 * kTiB);
  EXPECT_EQ(protected_sectors(), 0xFFFFFFFF);
  ExpectBackupAtTheEnd(guest_);
  // Which covers a smaller disk, too.
  ResizeWithGpt(guest_, kDiskSize);
  EXPECT_EQ(protected_sectors(), 0xFFFFFFFF);
  ExpectBackupAtTheEnd(guest_);
}

TEST_P(GptOfEachSectorSize, WhatNobodyKnows_IsKept) {
  spec_.header_size = 200;
  spec_.entry_size = 256;
  spec_.entries_sector = 40;
  guest_.WriteGpt(spec_);
  const uint64_t array = 128 * 256;
  const auto entries = guest_.contents()->Bytes({40 * sector(), array});
  const auto tail = guest_.contents()->Bytes({sector() + 92, sector() - 92});
  ResizeWithGpt(guest_, 100 * kMiB);
  ExpectBackupAtTheEnd(guest_);
  EXPECT_EQ(guest_.contents()->Bytes({40 * sector(), array}), entries);
  EXPECT_EQ(guest_.contents()->Bytes({sector() + 92, sector() - 92}), tail);
  const DiskRange backup = TableOn(guest_).gpt->backup_entries;
  EXPECT_EQ(guest_.contents()->Bytes({backup.disk_offset, array}), entries);
  EXPECT_EQ(guest_.contents()->Bytes({100 * kMiB - sector() + 92, sector() - 92}), tail);
}

TEST_P(GptOfEachSectorSize, DamagedPrimary_IsRebuiltBeforeTheSizeChanges) {
  const PartitionTable before = TableOn(guest_);
  for (const uint64_t new_size : {kDiskSize, 2 * kDiskSize, kDiskSize / 2}) {
    SCOPED_TRACE(new_size);
    GuestDisk guest = guest_.Copy();
    guest.Break(sector() + 40);
    guest.Break(2 * sector() + 40);
    const GptPlan plan = MustPlan(guest, new_size);
    EXPECT_EQ(plan.rebuilt, "the primary GPT is damaged and is rebuilt from its backup");
    EXPECT_EQ(plan.repair.size(), 2U);
    ForEachCut(guest, plan.repair, [&](const GuestDisk& cut) {
      const PartitionTable table = TableOn(cut);
      ASSERT_TRUE(table.gpt);
      EXPECT_TRUE(table.gpt->backup_valid);
      ExpectSamePartitions(table, before);
    });
    CarryOutOn(guest, plan.repair);
    EXPECT_TRUE(TableOn(guest).gpt->primary_valid);
    ResizeWithGpt(guest, new_size);
    ExpectBackupAtTheEnd(guest);
  }
}

TEST_P(GptOfEachSectorSize, DamagedBackup_IsWrittenAnew) {
  for (const uint64_t new_size : {kDiskSize, 2 * kDiskSize, kDiskSize / 2}) {
    SCOPED_TRACE(new_size);
    GuestDisk guest = guest_.Copy();
    guest.Break(kDiskSize - sector());
    const GptPlan plan = MustPlan(guest, new_size);
    EXPECT_EQ(plan.rebuilt, "the backup GPT is missing or damaged and is written anew");
    EXPECT_TRUE(plan.repair.empty());
    ResizeWithGpt(guest, new_size);
    ExpectBackupAtTheEnd(guest);
  }
}

INSTANTIATE_TEST_SUITE_P(Sectors, GptOfEachSectorSize, ::testing::Values(512U, 4096U),
                         ::testing::PrintToStringParamName());

class GptToMove : public ::testing::Test {
 protected:
  GptToMove() { guest_.WriteGpt(spec_); }

  GptSpec spec_ = {.partitions = {{2048, 4095}, {8192, 10239}}};
  GuestDisk guest_{kDiskSize};
};

TEST_F(GptToMove, NewPlaceOverTheOldOne_IsReachedThroughAGap) {
  const GptPlan plan = MustPlan(guest_, kDiskSize + k512);
  EXPECT_EQ(
      PurposesOf(plan.move),
      (std::vector<std::string>{"write a backup GPT to a gap between partitions",
                                "update the header of the primary GPT",
                                "write the backup GPT to the end of the disk",
                                "update the header of the primary GPT", "wipe the old backup"}));
  // The first gap that reads as zeros.
  EXPECT_EQ(plan.move[0].writes[0].disk_offset, 34 * k512);
  guest_.Break(40 * k512);
  EXPECT_EQ(MustPlan(guest_, kDiskSize + k512).move[0].writes[0].disk_offset, 4096 * k512);
}

TEST_F(GptToMove, OnlyGapOfTheDisk_IsUsedAgainAfterAPowerCut) {
  spec_.partitions = {{34 + 33, kDiskSize / k512 - 36}};
  guest_.WriteGpt(spec_);
  const GptPlan plan = MustPlan(guest_, kDiskSize - k512);
  EXPECT_EQ(plan.move[0].writes[0].disk_offset, 34 * k512);
  ExpectMoveSurvivesCuts(guest_, plan, kDiskSize - k512);
}

TEST_F(GptToMove, NewPlaceOverTheOldOneWithoutAGap_IsRefused) {
  spec_.partitions = {{34, 60000}, {60001, kDiskSize / k512 - 34}};
  guest_.WriteGpt(spec_);
  const uint64_t grown = kDiskSize + k512;
  EXPECT_NE(WhyRefused(guest_, grown).find("there is no gap to move it through"),
            std::string::npos);
  EXPECT_EQ(WhyRefused(guest_, kDiskSize + 33 * k512), "");
}

TEST_F(GptToMove, OldBackupInsideAPartition_IsNotWiped) {
  spec_.backup_sector = 10000;
  guest_.WriteGpt(spec_);
  const auto partition = guest_.contents()->Bytes({8192 * k512, 2048 * k512});
  ResizeWithGpt(guest_, 2 * kDiskSize);
  ExpectBackupAtTheEnd(guest_);
  EXPECT_EQ(guest_.contents()->Bytes({8192 * k512, 2048 * k512}), partition);
}

TEST_F(GptToMove, BackupThatSharesTheEntriesOfThePrimary_IsNotWiped) {
  const auto disk = guest_.Open();
  const GptOnDisk gpt = *ReadGptOnDisk(*disk);
  const uint64_t last = kBackup / k512;
  guest_.Write(kBackup, EncodeGptHeader(*gpt.copies.backup, {.own_sector = last,
                                                             .other_sector = 1,
                                                             .last_usable = last - 33,
                                                             .entries_sector = 2}));
  EXPECT_TRUE(TableOn(guest_).gpt->backup_valid);
  ResizeWithGpt(guest_, 2 * kDiskSize);
  ExpectBackupAtTheEnd(guest_);
}

TEST_F(GptToMove, HybridMbr_IsKept) {
  guest_.WriteMbr({{.type = 0xEE, .first = 1, .count = 2047},
                   {.first = 2048, .count = 2048},
                   {.first = 20000, .count = 100}});
  const auto mbr = guest_.contents()->Bytes({0, k512});
  ResizeWithGpt(guest_, 2 * kDiskSize);
  EXPECT_EQ(guest_.contents()->Bytes({0, k512}), mbr);
  EXPECT_EQ(TableOn(guest_).gpt->backup_header.end(), 2 * kDiskSize);
  // What only the MBR knows is a partition, too.
  EXPECT_NE(WhyRefused(guest_, 20050 * k512), "");
}

TEST_F(GptToMove, SmallArray_HasAsMuchReservedAsAnyWhereThereIsRoom) {
  spec_.entry_count = 4;
  spec_.partitions = {{2048, kDiskSize / k512 - 3}};
  guest_.WriteGpt(spec_);
  const uint64_t tight = kDiskSize + 4 * k512;
  ResizeWithGpt(guest_, tight);
  EXPECT_EQ(TableOn(guest_).gpt->backup_entries.disk_offset, tight - 2 * k512);
  ResizeWithGpt(guest_, 2 * kDiskSize);
  EXPECT_EQ(TableOn(guest_).gpt->backup_entries.disk_offset, 2 * kDiskSize - 33 * k512);
  ExpectBackupAtTheEnd(guest_);
}

TEST_F(GptToMove, ArrayWithoutEntries_HasOnlyHeadersToWrite) {
  guest_.WriteGpt({.partitions = {}, .entry_count = 0});
  guest_.Break(k512);
  EXPECT_EQ(PurposesOf(MustPlan(guest_, kDiskSize).repair),
            (std::vector<std::string>{"write the header of the primary GPT"}));
  ResizeWithGpt(guest_, 2 * kDiskSize);
  ExpectBackupAtTheEnd(guest_);
}

TEST_F(GptToMove, SizeWithoutRoom_IsRefused) {
  EXPECT_EQ(WhyRefused(guest_, 10000 * k512),
            "partition 2 ends at byte 5242880, past the new end of the disk at 5120000");
  EXPECT_EQ(WhyRefused(guest_, 10272 * k512),
            "partition 2 ends at byte 5242880, and the backup of the GPT, of 16896 bytes, does not "
            "fit between it and the new end of the disk at 5259264");
  EXPECT_EQ(WhyRefused(guest_, 10273 * k512), "");
  EXPECT_EQ(WhyRefused(guest_, kDiskSize + 1),
            "67108865 is not a multiple of the logical sector size, 512 bytes");
  spec_.partitions = {};
  guest_.WriteGpt(spec_);
  for (const uint64_t sectors : {0U, 1U, 33U, 67U}) {
    EXPECT_NE(WhyRefused(guest_, sectors * k512).find("has no room for the backup"),
              std::string::npos);
  }
  EXPECT_EQ(WhyRefused(guest_, 68 * k512), "");
}

TEST_F(GptToMove, TableThatCannotBe_IsRefused) {
  const auto refusal = [&](const std::vector<testing::GptPartitionSpec>& partitions) {
    spec_.partitions = partitions;
    guest_.WriteGpt(spec_);
    return WhyRefused(guest_, 2 * kDiskSize);
  };
  EXPECT_EQ(refusal({{4096, 2048}}), "partition 1 has the sectors 4096 to 2048");
  EXPECT_EQ(refusal({{2048, 4095}, {4095, 5000}}), "partition 1 and partition 2 overlap");
  EXPECT_EQ(refusal({{33, 100}}), "the partition table and partition 1 overlap");
}

TEST_F(GptToMove, ContentsThatContradict_AreRefused) {
  GuestDisk guest = guest_.Copy();
  guest.Write(0, std::vector<std::byte>(k512));
  EXPECT_EQ(WhyRefused(guest, 2 * kDiskSize), "there is a GPT, but no MBR that protects it");
  guest = guest_.Copy();
  guest.Break(k512);
  guest.Break(kBackup);
  EXPECT_NE(WhyRefused(guest, 2 * kDiskSize).find("neither copy"), std::string::npos);
  GuestDisk other(kDiskSize);
  other.WriteGpt({.partitions = {{2048, 4096}}});
  guest = guest_.Copy();
  guest.Write(kBackup - 32 * k512, other.contents()->Bytes({kBackup - 32 * k512, 33 * k512}));
  EXPECT_EQ(WhyRefused(guest, 2 * kDiskSize), "the GPT and its backup differ");
  spec_.sector_size = 4096;
  guest = GuestDisk(kDiskSize);
  guest.WriteGpt(spec_);
  EXPECT_NE(WhyRefused(guest, 2 * kDiskSize).find("written for sectors of 4096 bytes"),
            std::string::npos);
}

TEST_F(GptToMove, DamagedPrimaryWithoutRoom_IsRefused) {
  spec_.entries_sector = 1;  // which makes the first usable sector 33
  guest_.WriteGpt(spec_);
  guest_.Break(k512);
  EXPECT_EQ(WhyRefused(guest_, 2 * kDiskSize),
            "the primary GPT is damaged, and there is no room to rebuild it");
}

}  // namespace
}  // namespace vhdx::guest

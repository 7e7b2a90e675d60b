#include "guest/partition_table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <span>
#include <string>
#include <vector>

#include "bytes/arithmetic.h"
#include "bytes/endian.h"
#include "testing/guest_disk.h"

namespace vhdx::guest {
namespace {

using testing::GuestDisk;
using testing::MbrPartitionSpec;

constexpr uint32_t kSector = 512;

PartitionTable TableOf(const GuestDisk& guest) {
  const auto disk = guest.Open();
  auto table = ReadPartitionTable(*disk);
  EXPECT_TRUE(table) << ToString(table.error());
  return *table;
}

bool Contradicts(const PartitionTable& table, const std::string& words) {
  return std::ranges::any_of(table.contradictions.sentences(), [&](const std::string& sentence) {
    return sentence.find(words) != std::string::npos;
  });
}

std::string AllOf(const Contradictions& contradictions) {
  std::string text;
  for (const std::string& sentence : contradictions.sentences()) text += sentence + "\n";
  return text;
}

std::vector<uint32_t> NumbersOf(const PartitionTable& table) {
  std::vector<uint32_t> numbers;
  for (const Partition& partition : table.partitions) numbers.push_back(partition.number);
  return numbers;
}

DiskRange Sectors(uint64_t first, uint64_t count, uint32_t sector_size = kSector) {
  return {first * sector_size, count * sector_size};
}

TEST(PartitionTable, DiskOfZeros_HasNone) {
  for (const uint64_t size : {uint64_t{0}, uint64_t{512}, uint64_t{1024}, kMiB}) {
    const PartitionTable table = TableOf(GuestDisk(size));
    EXPECT_EQ(table.kind, PartitionTableKind::kNone) << size;
    EXPECT_EQ(AllOf(table.contradictions), "") << size;
    EXPECT_EQ(table.structures_end, 0U) << size;
  }
}

TEST(PartitionTable, MbrWithoutPartitions_IsNone) {
  GuestDisk guest(kMiB);
  guest.WriteMbr({});
  EXPECT_EQ(TableOf(guest).kind, PartitionTableKind::kNone);
}

TEST(PartitionTable, PrimaryPartitions_AreCountedInSectorsOfTheDisk) {
  for (const uint32_t sector_size : {512U, 4096U}) {
    GuestDisk guest(64 * kMiB, sector_size);
    guest.WriteMbr({{.type = 7, .first = 256, .count = 1000, .status = 0x80},
                    {},
                    {.type = 0x83, .first = 2048, .count = 4096}});
    const PartitionTable table = TableOf(guest);
    EXPECT_EQ(table.kind, PartitionTableKind::kMbr);
    EXPECT_EQ(table.sector_size, sector_size);
    EXPECT_EQ(table.structures_end, sector_size);
    ASSERT_EQ(NumbersOf(table), (std::vector<uint32_t>{1, 3}));
    EXPECT_EQ(table.partitions[0].range, Sectors(256, 1000, sector_size));
    EXPECT_EQ(table.partitions[0].mbr_type, 7);
    EXPECT_EQ(table.partitions[1].range, Sectors(2048, 4096, sector_size));
    EXPECT_EQ(AllOf(table.contradictions), "");
  }
}

TEST(PartitionTable, CodeInThePlaceOfTheTable_IsNone) {
  GuestDisk guest(64 * kMiB);
  guest.WriteMbr({{.type = 0xC0, .first = 2048, .count = 2048, .status = 0x33},
                  {.type = 7, .first = 8192, .count = 4096}});
  EXPECT_EQ(TableOf(guest).kind, PartitionTableKind::kNone);
}

TEST(PartitionTable, PartitionPastTheEndOfTheDisk_Contradicts) {
  GuestDisk guest(kMiB);
  guest.WriteMbr({{.first = 63, .count = 0xFFFFFFFF}});
  const PartitionTable table = TableOf(guest);
  EXPECT_EQ(table.partitions[0].range, Sectors(63, 0xFFFFFFFF));
  EXPECT_TRUE(Contradicts(table, "partition 1 ends at byte 2199023287296, past the end"));
}

TEST(PartitionTable, PartitionsThatOverlap_Contradict) {
  GuestDisk guest(64 * kMiB);
  // The first reaches over the second to the third.
  guest.WriteMbr({{.first = 2048, .count = 8000},
                  {.first = 4096, .count = 100},
                  {.first = 10000, .count = 100}});
  const PartitionTable table = TableOf(guest);
  EXPECT_TRUE(Contradicts(table, "partition 1 and partition 2 overlap"));
  EXPECT_TRUE(Contradicts(table, "partition 1 and partition 3 overlap"));
}

TEST(PartitionTable, PartitionOnTopOfTheTable_Contradicts) {
  GuestDisk guest(kMiB);
  guest.WriteMbr({{.first = 0, .count = 1024}});
  EXPECT_TRUE(Contradicts(TableOf(guest), "overlap"));
}

TEST(PartitionTable, DynamicDiskOfWindows_Contradicts) {
  GuestDisk guest(64 * kMiB);
  guest.WriteMbr({{.type = 0x42, .first = 63, .count = 1000}});
  EXPECT_TRUE(Contradicts(TableOf(guest), "dynamic disk"));
}

// An extended partition of 10000 sectors from 2048 on, as entry 2, of that type.
class ExtendedPartition : public ::testing::Test {
 protected:
  static constexpr uint32_t kStart = 2048;
  static constexpr uint32_t kCount = 10000;

  explicit ExtendedPartition() { WriteExtended(0x05); }
  void WriteExtended(uint8_t type) {
    guest_.WriteMbr(
        {{.first = 100, .count = 1000}, {.type = type, .first = kStart, .count = kCount}});
  }
  // The record in that sector of the extended partition: its own partition counts from it, the next
  // record from the start.
  void WriteRecord(uint32_t sector, MbrPartitionSpec logical, std::optional<uint32_t> next) {
    std::vector<MbrPartitionSpec> entries = {logical};
    if (next) entries.push_back({.type = 0x05, .first = *next, .count = 1000});
    guest_.WriteMbr(entries, uint64_t{kStart + sector} * kSector);
  }

  GuestDisk guest_{64 * kMiB};
};

TEST_F(ExtendedPartition, LogicalPartitionsFollowItsChain) {
  for (const uint8_t type : {uint8_t{0x05}, uint8_t{0x0F}, uint8_t{0x85}}) {
    WriteExtended(type);
    WriteRecord(0, {.first = 63, .count = 900}, 2000);
    WriteRecord(2000, {.type = 0x82, .first = 10, .count = 500}, 1000);
    WriteRecord(1000, {.first = 1, .count = 999}, std::nullopt);
    const PartitionTable table = TableOf(guest_);
    ASSERT_EQ(NumbersOf(table), (std::vector<uint32_t>{1, 2, 5, 6, 7}));
    EXPECT_EQ(table.partitions[1].role, Partition::Role::kExtended);
    EXPECT_EQ(table.partitions[1].range, Sectors(kStart, kCount));
    EXPECT_EQ(table.partitions[2].range, Sectors(kStart + 63, 900));
    EXPECT_EQ(table.partitions[2].role, Partition::Role::kLogical);
    EXPECT_EQ(table.partitions[3].range, Sectors(kStart + 2000 + 10, 500));
    EXPECT_EQ(table.partitions[3].mbr_type, 0x82);
    EXPECT_EQ(table.partitions[4].range, Sectors(kStart + 1000 + 1, 999));
    EXPECT_EQ(AllOf(table.contradictions), "");
  }
}

TEST_F(ExtendedPartition, EmptyOneIsValid) {
  WriteRecord(0, {.type = 0}, std::nullopt);
  const PartitionTable table = TableOf(guest_);
  EXPECT_EQ(NumbersOf(table), (std::vector<uint32_t>{1, 2}));
  EXPECT_EQ(AllOf(table.contradictions), "");
}

TEST_F(ExtendedPartition, ChainThatComesBack_EndsAndContradicts) {
  WriteRecord(0, {.first = 10, .count = 100}, 1000);
  WriteRecord(1000, {.first = 10, .count = 100}, 0);
  const PartitionTable table = TableOf(guest_);
  EXPECT_EQ(NumbersOf(table), (std::vector<uint32_t>{1, 2, 5, 6}));
  EXPECT_TRUE(Contradicts(table, "comes back to byte 1048576"));
}

TEST_F(ExtendedPartition, EndlessChain_EndsAndContradicts) {
  for (uint32_t i = 0; i < 2 * kMaxLogicalPartitions; ++i) {
    WriteRecord(10 * i, {.first = 1, .count = 5}, 10 * (i + 1));
  }
  const PartitionTable table = TableOf(guest_);
  EXPECT_EQ(table.partitions.size(), 2 + kMaxLogicalPartitions);
  EXPECT_TRUE(Contradicts(table, "more than 256 logical partitions"));
}

TEST_F(ExtendedPartition, RecordThatIsMissing_Contradicts) {
  EXPECT_TRUE(Contradicts(TableOf(guest_), "no extended boot record at byte 1048576"));
  WriteRecord(0, {.first = 10, .count = 100}, 500);
  EXPECT_TRUE(Contradicts(TableOf(guest_), "no extended boot record at byte 1304576"));
}

TEST_F(ExtendedPartition, WhatReachesOutOfIt_Contradicts) {
  WriteRecord(0, {.first = 10, .count = kCount}, std::nullopt);
  EXPECT_TRUE(Contradicts(TableOf(guest_), "past the end of its extended partition"));
  WriteRecord(0, {.first = 10, .count = 10}, kCount);
  EXPECT_TRUE(Contradicts(TableOf(guest_), "outside its extended partition"));
}

TEST_F(ExtendedPartition, LogicalPartitionsThatOverlap_Contradict) {
  WriteRecord(0, {.first = 10, .count = 2000}, 1000);
  WriteRecord(1000, {.first = 10, .count = 100}, std::nullopt);
  EXPECT_TRUE(Contradicts(TableOf(guest_), "partition 5 and partition 6 overlap"));
}

TEST(PartitionTable, Gpt_IsReadWithBothCopiesAtBothSectorSizes) {
  for (const uint32_t sector_size : {512U, 4096U}) {
    GuestDisk guest(64 * kMiB, sector_size);
    guest.WriteGpt({.partitions = {{256, 511, "EFI \u00E4"}, {}, {1024, 4095}}});
    const PartitionTable table = TableOf(guest);
    EXPECT_EQ(table.kind, PartitionTableKind::kGpt);
    EXPECT_EQ(table.sector_size, sector_size);
    ASSERT_EQ(NumbersOf(table), (std::vector<uint32_t>{1, 3}));
    EXPECT_EQ(AllOf(table.contradictions), "");
    EXPECT_EQ(table.partitions.front().range, Sectors(256, 256, sector_size));
    EXPECT_EQ(table.partitions.front().name, "EFI \u00E4");
    EXPECT_EQ(table.partitions.front().type_guid, GuestDisk::kPartitionType);
    EXPECT_EQ(table.partitions.back().range, Sectors(1024, 3072, sector_size));
    ASSERT_TRUE(table.gpt);
    EXPECT_TRUE(table.gpt->primary_valid);
    EXPECT_TRUE(table.gpt->backup_valid);
    const uint64_t array = 128 * 128;
    EXPECT_EQ(table.gpt->primary_entries, (DiskRange{2 * sector_size, array}));
    EXPECT_EQ(table.gpt->backup_header, (DiskRange{guest.size_bytes() - sector_size, sector_size}));
    EXPECT_EQ(table.gpt->backup_entries.end(), table.gpt->backup_header.disk_offset);
    EXPECT_EQ(table.gpt->backup_bytes, array + sector_size);
    EXPECT_EQ(table.structures_end, 2 * sector_size + array);
  }
}

class GuidTable : public ::testing::Test {
 protected:
  GuidTable() { Write(); }
  void Write() { guest_.WriteGpt(spec_); }
  uint64_t backup() const { return guest_.size_bytes() - kSector; }

  testing::GptSpec spec_ = {.partitions = {{2048, 4095}, {8192, 10239}}};
  GuestDisk guest_{64 * kMiB};
};

TEST_F(GuidTable, WholeOne_HasNoContradiction) {
  EXPECT_EQ(AllOf(TableOf(guest_).contradictions), "");
}

TEST_F(GuidTable, DamagedPrimary_IsReadFromItsBackup) {
  for (const uint64_t offset : {kSector + 0, kSector + 60, 2 * kSector + 1000}) {
    Write();
    guest_.Break(offset);
    const PartitionTable table = TableOf(guest_);
    EXPECT_EQ(table.kind, PartitionTableKind::kGpt) << offset;
    EXPECT_EQ(table.partitions.size(), 2U) << offset;
    EXPECT_FALSE(table.gpt->primary_valid) << offset;
    EXPECT_TRUE(table.gpt->backup_valid) << offset;
    EXPECT_TRUE(Contradicts(table, "only its backup is valid")) << offset;
  }
}

TEST_F(GuidTable, DamagedBackup_IsSaidAndContradictsNothing) {
  guest_.Break(backup() + 60);
  const PartitionTable table = TableOf(guest_);
  EXPECT_TRUE(table.gpt->primary_valid);
  EXPECT_FALSE(table.gpt->backup_valid);
  EXPECT_EQ(AllOf(table.contradictions), "");
}

TEST_F(GuidTable, BackupOfADiskThatGrew_IsWhereThePrimarySays) {
  const uint64_t where = backup();
  guest_.Resize(200 * kMiB);
  const PartitionTable table = TableOf(guest_);
  EXPECT_TRUE(table.gpt->backup_valid);
  EXPECT_EQ(table.gpt->backup_header.disk_offset, where);
}

TEST_F(GuidTable, DiskThatWasCut_HasNoBackup) {
  guest_.Resize(10240 * kSector);
  PartitionTable table = TableOf(guest_);
  EXPECT_FALSE(table.gpt->backup_valid);
  EXPECT_EQ(AllOf(table.contradictions), "");
  guest_.Resize(10000 * kSector);
  table = TableOf(guest_);
  EXPECT_TRUE(Contradicts(table, "partition 2 ends at byte 5242880, past the end"));
}

TEST_F(GuidTable, CopiesThatDiffer_Contradict) {
  GuestDisk other(64 * kMiB);
  other.WriteGpt({.partitions = {{2048, 4096}}});
  const uint64_t array = backup() - 32 * kSector;
  guest_.Write(array, other.contents()->Bytes({array, 33 * kSector}));
  EXPECT_TRUE(Contradicts(TableOf(guest_), "the GPT and its backup differ"));
}

TEST_F(GuidTable, BothCopiesDamaged_IsLost) {
  guest_.Break(kSector);
  guest_.Break(backup());
  const PartitionTable table = TableOf(guest_);
  EXPECT_EQ(table.kind, PartitionTableKind::kGptLost);
  EXPECT_TRUE(Contradicts(table, "neither copy of it is valid"));
}

TEST_F(GuidTable, WrittenForTheOtherSectorSize_IsRecognized) {
  for (const uint32_t sector_size : {512U, 4096U}) {
    const uint32_t other = sector_size == 512 ? 4096 : 512;
    GuestDisk guest(64 * kMiB, sector_size);
    guest.WriteGpt({.partitions = {{2048, 4095}}, .sector_size = other});
    const PartitionTable table = TableOf(guest);
    EXPECT_EQ(table.kind, PartitionTableKind::kGptOfOtherSectorSize);
    EXPECT_EQ(table.sector_size, other);
    ASSERT_EQ(table.partitions.size(), 1U);
    EXPECT_EQ(table.partitions[0].range, Sectors(2048, 2048, other));
    EXPECT_TRUE(Contradicts(table, "was written for sectors of " + std::to_string(other)));
  }
}

TEST_F(GuidTable, HybridMbr_Contradicts) {
  guest_.WriteMbr({{.type = 0xEE, .first = 1, .count = 2047}, {.first = 2048, .count = 2048}});
  const PartitionTable table = TableOf(guest_);
  EXPECT_EQ(table.kind, PartitionTableKind::kGpt);
  EXPECT_TRUE(Contradicts(table, "hybrid"));
}

TEST_F(GuidTable, UnderAnMbrThatDoesNotProtectIt_Contradicts) {
  guest_.WriteMbr({{.first = 2048, .count = 2048}});
  PartitionTable table = TableOf(guest_);
  EXPECT_EQ(table.kind, PartitionTableKind::kMbr);
  EXPECT_TRUE(Contradicts(table, "no MBR that protects it"));
  guest_.Write(0, std::vector<std::byte>(kSector));
  table = TableOf(guest_);
  EXPECT_EQ(table.kind, PartitionTableKind::kGpt);
  EXPECT_TRUE(Contradicts(table, "no MBR that protects it"));
}

TEST_F(GuidTable, BackupAloneWithoutAnMbr_IsALeftover) {
  guest_.Write(0, std::vector<std::byte>(2 * kSector));
  const PartitionTable table = TableOf(guest_);
  EXPECT_EQ(table.kind, PartitionTableKind::kNone);
  EXPECT_EQ(AllOf(table.contradictions), "");
}

TEST_F(GuidTable, PartitionOnTopOfTheTableOrItsBackup_Contradicts) {
  spec_.partitions = {{33, 100}};
  Write();
  EXPECT_TRUE(Contradicts(TableOf(guest_), "the entries of the GPT and partition 1 overlap"));
  spec_.partitions = {{2048, guest_.size_bytes() / kSector - 1}};
  Write();
  EXPECT_TRUE(Contradicts(TableOf(guest_), "partition 1 and the header of the backup GPT overlap"));
}

TEST_F(GuidTable, SectorsThatCannotBe_LeaveThePartitionOut) {
  spec_.partitions = {{4096, 2048}, {1, UINT64_MAX}, {UINT64_MAX / 512, UINT64_MAX - 1}};
  Write();
  const PartitionTable table = TableOf(guest_);
  EXPECT_TRUE(table.partitions.empty());
  EXPECT_TRUE(Contradicts(table, "partition 1 has the sectors 4096 to 2048"));
  EXPECT_TRUE(Contradicts(table, "partition 2 has"));
  EXPECT_TRUE(Contradicts(table, "partition 3 has"));
}

// The header with that change, and a checksum that is right.
void RewriteHeader(GuestDisk& guest, size_t offset, std::span<const std::byte> bytes) {
  auto header = guest.contents()->Bytes({kSector, 92});
  std::ranges::copy(bytes, header.begin() + static_cast<ptrdiff_t>(offset));
  StoreTo(std::span(header).subspan(16), le32(0));
  uint32_t crc = 0xFFFFFFFF;
  for (const std::byte byte : header) {
    crc ^= static_cast<uint32_t>(byte);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0xEDB88320 : 0);
  }
  StoreTo(std::span(header).subspan(16), le32(~crc));
  guest.Write(kSector, header);
}

TEST_F(GuidTable, HostileHeaders_AreNotValid) {
  struct Change {
    size_t offset;
    uint64_t value;
    size_t length;
  };
  const std::vector<Change> changes = {
      {12, 91, 4},      {12, 513, 4},        {12, UINT32_MAX, 4}, {24, 2, 8}, {72, UINT64_MAX, 8},
      {72, 1 << 20, 8}, {80, UINT32_MAX, 4}, {80, 2049, 4},       {84, 0, 4}, {84, 64, 4},
      {84, 129, 4},     {84, 8192, 4},       {84, UINT32_MAX, 4},
  };
  for (const Change& change : changes) {
    Write();
    guest_.Break(backup());
    const le64 value = change.value;
    RewriteHeader(guest_, change.offset, std::as_bytes(std::span(&value, 1)).first(change.length));
    EXPECT_EQ(TableOf(guest_).kind, PartitionTableKind::kGptLost)
        << change.offset << " " << change.value;
  }
}

TEST_F(GuidTable, BackupThatIsThePrimary_IsNoBackup) {
  const le64 sector = 1;
  RewriteHeader(guest_, 32, std::as_bytes(std::span(&sector, 1)));
  const PartitionTable table = TableOf(guest_);
  EXPECT_TRUE(table.gpt->primary_valid);
  EXPECT_FALSE(table.gpt->backup_valid);
}

TEST_F(GuidTable, ArrayAboveTheLimit_IsNotRead) {
  spec_.entry_count = 2048;
  Write();
  EXPECT_EQ(TableOf(guest_).kind, PartitionTableKind::kGpt);
  spec_.entry_count = 2049;
  Write();
  EXPECT_EQ(TableOf(guest_).kind, PartitionTableKind::kGptLost);
}

TEST_F(GuidTable, LargeEntries_AreReadUpToTheLimit) {
  spec_.entry_count = 4;
  spec_.entry_size = 64 << 10;
  Write();
  EXPECT_EQ(NumbersOf(TableOf(guest_)), (std::vector<uint32_t>{1, 2}));
  spec_.entry_size *= 2;
  spec_.partitions = {{4096, 8191}};
  Write();
  EXPECT_EQ(TableOf(guest_).kind, PartitionTableKind::kGptLost);
}

TEST_F(GuidTable, ThousandsOfOverlaps_AreSaidSixteenTimes) {
  spec_.entry_count = 2048;
  spec_.partitions.assign(2048, {2048, 4095});
  Write();
  const PartitionTable table = TableOf(guest_);
  EXPECT_EQ(table.partitions.size(), 2048U);
  EXPECT_EQ(table.contradictions.sentences().size(), Contradictions::kMost);
}

}  // namespace
}  // namespace vhdx::guest

#include "guest/disk_contents.h"

#include <gtest/gtest.h>
#include <vhdxkit/statistics.h>

#include <algorithm>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "bytes/arithmetic.h"
#include "testing/fault_file.h"
#include "testing/guest_disk.h"
#include "testing/guest_volumes.h"
#include "testing/memory_file.h"

namespace vhdx::guest {
namespace {

using testing::GuestDisk;
using testing::GuestVolumeNamed;

constexpr uint64_t kDiskBytes = 64 * kMiB;

DiskContents ContentsOf(const GuestDisk& guest) {
  const auto disk = guest.Open();
  auto contents = ReadDiskContents(*disk);
  EXPECT_TRUE(contents) << ToString(contents.error());
  const DiskMinimum minimum = *MinimumSize(*disk);
  EXPECT_EQ(minimum.size_bytes, contents->MinimumSize().size_bytes);
  EXPECT_EQ(minimum.unknown_because, contents->MinimumSize().unknown_because);
  EXPECT_EQ(minimum.size_bytes.has_value(), minimum.unknown_because.empty());
  return *contents;
}

std::optional<uint64_t> MinimumOf(const GuestDisk& guest) {
  return ContentsOf(guest).MinimumSize().size_bytes;
}

std::string WhyUnknown(const GuestDisk& guest) {
  return ContentsOf(guest).MinimumSize().unknown_because;
}

std::string FirstContradiction(const DiskContents& contents) {
  const auto& sentences = contents.contradictions.sentences();
  return sentences.empty() ? "" : sentences.front();
}

bool IsOccupied(const DiskContents& contents, DiskRange range) {
  const auto ranges = contents.OccupiedRanges();
  return std::ranges::find(ranges, range) != ranges.end();
}

// Its first 1024 bytes are not the file system's: what was there before stays.
void WriteExt4WithoutItsBootBlock(GuestDisk& guest) {
  const auto ext4 = GuestVolumeNamed("ext4");
  guest.Write(1024, std::span(ext4.bytes).subspan(1024));
}

TEST(DiskContents, NothingRecognized_HasNoMinimum) {
  const DiskContents contents = ContentsOf(GuestDisk(kDiskBytes));
  EXPECT_EQ(contents.MinimumSize().size_bytes, std::nullopt);
  EXPECT_EQ(contents.MinimumSize().unknown_because, "nothing is recognized on the disk");
  EXPECT_TRUE(contents.OccupiedRanges().empty());
  EXPECT_EQ(FirstContradiction(contents), "");
}

TEST(DiskContents, LastPartitionOfAnMbr_IsTheMinimum) {
  GuestDisk guest(kDiskBytes);
  guest.WriteMbr({{.first = 2048, .count = 2048, .status = 0x80},
                  {},
                  {.type = 7, .first = 8192, .count = 4096}});
  const DiskContents contents = ContentsOf(guest);
  EXPECT_EQ(contents.MinimumSize().size_bytes, (8192 + 4096) * 512);
  EXPECT_TRUE(IsOccupied(contents, {0, 512}));
  EXPECT_TRUE(IsOccupied(contents, {8192 * 512, 4096 * 512}));
}

TEST(DiskContents, ExtendedPartition_CountsAsAWhole) {
  GuestDisk guest(kDiskBytes);
  guest.WriteMbr({{.type = 5, .first = 2048, .count = 10000}});
  guest.WriteMbr({{.first = 63, .count = 100}}, 2048 * 512);
  EXPECT_EQ(MinimumOf(guest), (2048 + 10000) * 512);
}

TEST(DiskContents, Gpt_NeedsRoomForItsBackup) {
  for (const uint32_t sector_size : {512U, 4096U}) {
    GuestDisk guest(kDiskBytes, sector_size);
    guest.WriteGpt({.partitions = {{2048, 8191}, {1024, 2047}}});
    const DiskContents contents = ContentsOf(guest);
    EXPECT_EQ(contents.MinimumSize().size_bytes, (8192 + 33) * sector_size);
    EXPECT_TRUE(IsOccupied(contents, contents.table.gpt->backup_header));
    EXPECT_TRUE(IsOccupied(contents, contents.table.gpt->backup_entries));
  }
}

TEST(DiskContents, LargerGpt_NeedsMoreRoom) {
  GuestDisk guest(kDiskBytes);
  guest.WriteGpt({.partitions = {{2048, 8191}}, .entry_count = 256, .entry_size = 256});
  EXPECT_EQ(MinimumOf(guest), (8192 + 128 + 1) * 512);
}

TEST(DiskContents, GptWithoutPartitions_NeedsItsTwoCopies) {
  GuestDisk guest(kDiskBytes);
  guest.WriteGpt({});
  EXPECT_EQ(MinimumOf(guest), (34 + 33) * 512);
}

TEST(DiskContents, DiskCutRightAfterItsLastPartition_IsAsSmallAsItCanBe) {
  GuestDisk guest(kDiskBytes);
  guest.WriteGpt({.partitions = {{2048, 8191}}});
  guest.Resize(8192 * 512);
  EXPECT_EQ(MinimumOf(guest), 8192 * 512);
}

TEST(DiskContents, Contradictions_LeaveTheMinimumUnknown) {
  GuestDisk guest(kDiskBytes);
  guest.WriteMbr({{.first = 2048, .count = 1 << 20}});
  DiskContents contents = ContentsOf(guest);
  EXPECT_EQ(contents.MinimumSize().size_bytes, std::nullopt);
  EXPECT_EQ(FirstContradiction(contents),
            "partition 1 ends at byte 537919488, past the end of the disk at 67108864");
  EXPECT_EQ(contents.MinimumSize().unknown_because, FirstContradiction(contents));
  guest.WriteGpt({.partitions = {{2048, 8191}}, .sector_size = 4096});
  EXPECT_EQ(MinimumOf(guest), std::nullopt);
  guest.WriteMbr({{.type = 0xEE, .first = 1, .count = 20480}});
  guest.Break(4096);
  guest.Break(kDiskBytes - 4096);
  contents = ContentsOf(guest);
  EXPECT_EQ(contents.table.kind, PartitionTableKind::kGptLost);
  EXPECT_EQ(contents.MinimumSize().size_bytes, std::nullopt);
}

TEST(DiskContents, VolumesInPartitions_AreFoundThere) {
  GuestDisk guest(kDiskBytes);
  guest.WriteMbr({{.first = 2048, .count = 32768},
                  {.type = 5, .first = 65536, .count = 40000},
                  {.first = 40000, .count = 2048}});
  guest.WriteMbr({{.first = 2048, .count = 32768}}, 65536 * 512);
  guest.Write(2048 * 512, GuestVolumeNamed("ext4").bytes);
  guest.Write((65536 + 2048) * 512, GuestVolumeNamed("xfs").bytes);
  const DiskContents contents = ContentsOf(guest);
  ASSERT_EQ(contents.volumes.size(), 2U);
  EXPECT_EQ(contents.volumes[0].partition_number, 1U);
  EXPECT_EQ(contents.volumes[0].range, (DiskRange{kMiB, 16 * kMiB}));
  EXPECT_EQ(contents.volumes[0].superblock.kind, VolumeKind::kExt4);
  EXPECT_EQ(contents.volumes[1].partition_number, 5U);
  EXPECT_EQ(contents.MinimumSize().size_bytes, (65536 + 40000) * 512);
}

TEST(DiskContents, VolumeLargerThanItsPartition_Contradicts) {
  GuestDisk guest(kDiskBytes);
  guest.WriteMbr({{.first = 2048, .count = 32767}});
  guest.Write(2048 * 512, GuestVolumeNamed("ext4").bytes);
  const DiskContents contents = ContentsOf(guest);
  EXPECT_EQ(FirstContradiction(contents),
            "partition 1 has 16776704 bytes, and the ext4 in it 16777216");
  EXPECT_EQ(contents.MinimumSize().size_bytes, std::nullopt);
}

TEST(DiskContents, VolumeOnTheWholeDisk_IsTheMinimum) {
  for (const auto& volume : testing::GuestVolumes()) {
    GuestDisk guest(volume.tail.empty() ? kDiskBytes : testing::kGuestVolumeBytes);
    WriteVolume(volume, guest);
    const DiskContents contents = ContentsOf(guest);
    EXPECT_EQ(contents.MinimumSize().size_bytes, volume.superblock.size_bytes) << volume.name;
    EXPECT_TRUE(
        IsOccupied(contents, {0, volume.superblock.size_bytes.value_or(guest.size_bytes())}))
        << volume.name;
    EXPECT_EQ(FirstContradiction(contents), "") << volume.name;
  }
}

TEST(DiskContents, VolumeWithoutASize_SaysWhy) {
  const std::vector<std::pair<std::string, std::string>> reasons = {
      {"luks1", "LUKS1 on the whole disk extends to the end of the disk"},
      {"luks2", "LUKS2 on the whole disk extends to the end of the disk"},
      {"bitlocker", "BitLocker on the whole disk does not say where it ends"},
      {"refs", "ReFS on the whole disk does not say where the copy of its boot sector is"},
      {"md-raid-0-90", "Linux RAID on the whole disk has its superblock at the end of the disk"},
      {"md-raid-1-0", "Linux RAID on the whole disk has its superblock at the end of the disk"},
      {"md-raid-reshaping", "Linux RAID on the whole disk is being reshaped"},
      {"zfs", "ZFS on the whole disk has labels at the end of the disk"}};
  for (const auto& [name, reason] : reasons) {
    GuestDisk guest(testing::kGuestVolumeBytes);
    WriteVolume(GuestVolumeNamed(name), guest);
    EXPECT_EQ(WhyUnknown(guest), reason);
  }
}

// Members of a RAID 1 of version 0.90 or 1.0 begin as the file system does that the RAID contains.
TEST(DiskContents, FileSystemInARaid_IsNotWhereTheDiskEnds) {
  for (const char* name : {"md-raid-0-90", "md-raid-1-0"}) {
    GuestDisk guest(testing::kGuestVolumeBytes);
    auto ext4 = GuestVolumeNamed("ext2-small");
    WriteVolume(ext4, guest);
    EXPECT_EQ(MinimumOf(guest), ext4.superblock.size_bytes);
    WriteVolume(GuestVolumeNamed(name), guest);
    const DiskContents contents = ContentsOf(guest);
    ASSERT_EQ(contents.volumes.size(), 1U);
    EXPECT_EQ(contents.volumes[0].superblock.kind, VolumeKind::kMdRaid);
    EXPECT_EQ(FirstContradiction(contents), "");
    EXPECT_EQ(contents.MinimumSize().size_bytes, std::nullopt);
  }
}

TEST(DiskContents, TableInARaid_IsNotWhereTheDiskEnds) {
  GuestDisk guest(testing::kGuestVolumeBytes);
  WriteVolume(GuestVolumeNamed("md-raid-1-0"), guest);
  guest.WriteMbr({{.first = 2048, .count = 8192}});
  EXPECT_EQ(WhyUnknown(guest),
            "Linux RAID on the whole disk has its superblock at the end of the disk");
}

// The superblock is at the same byte, whether it is looked for from the end of the disk or of the
// partition.
TEST(DiskContents, RaidInAPartitionThatEndsWithTheDisk_IsNotOnTheWholeDisk) {
  GuestDisk guest(kMiB + testing::kGuestVolumeBytes + 5 * kKiB);
  guest.WriteMbr({{.type = 0xFD, .first = 2048, .count = 32768 + 8}});
  WriteVolume(GuestVolumeNamed("md-raid-0-90"), guest, kMiB);
  const DiskContents contents = ContentsOf(guest);
  ASSERT_EQ(contents.volumes.size(), 1U);
  EXPECT_EQ(contents.volumes[0].partition_number, 1U);
  EXPECT_EQ(contents.MinimumSize().size_bytes, kMiB + testing::kGuestVolumeBytes + 4 * kKiB);
}

// A partition counts with all of its length, so what is at its end is not lost.
TEST(DiskContents, VolumesWithoutASizeInPartitions_LeaveTheMinimumKnown) {
  for (const char* name : {"md-raid-0-90", "md-raid-1-0", "zfs", "bitlocker", "luks2", "refs"}) {
    GuestDisk guest(kDiskBytes);
    guest.WriteMbr({{.first = 2048, .count = 32768}});
    WriteVolume(GuestVolumeNamed(name), guest, kMiB);
    EXPECT_EQ(MinimumOf(guest), 17 * kMiB) << name;
  }
}

TEST(DiskContents, LabelsOfZfsThatWereNotWiped_Contradict) {
  GuestDisk guest(testing::kGuestVolumeBytes);
  WriteVolume(GuestVolumeNamed("ext4"), guest);
  WriteVolume(GuestVolumeNamed("zfs-only-at-the-end"), guest);
  const DiskContents contents = ContentsOf(guest);
  EXPECT_EQ(FirstContradiction(contents), "the whole disk looks like both ext4 and ZFS");
  EXPECT_EQ(contents.MinimumSize().size_bytes, std::nullopt);
}

TEST(DiskContents, MinimumIsAMultipleOfTheSectorSize) {
  GuestDisk guest(kDiskBytes, 4096);
  auto volume = GuestVolumeNamed("ntfs");
  volume.bytes[40] = std::byte{0};  // 32512 sectors of 512 bytes, and the backup of the first
  guest.Write(0, volume.bytes);
  const auto minimum = MinimumOf(guest);
  ASSERT_TRUE(minimum);
  EXPECT_EQ(*minimum % 4096, 0U);
}

// A disk of WSL has its file system on the whole disk, and may have the table of an earlier life.
TEST(DiskContents, TableUnderAFileSystem_IsALeftover) {
  for (const bool past_the_end : {false, true}) {
    GuestDisk guest(kDiskBytes);
    WriteExt4WithoutItsBootBlock(guest);
    guest.WriteMbr({{.first = 2048, .count = past_the_end ? 1U << 24 : 100000U}});
    const DiskContents contents = ContentsOf(guest);
    EXPECT_TRUE(contents.table_is_leftover);
    EXPECT_EQ(contents.MinimumSize().size_bytes, 16 * kMiB);
    EXPECT_FALSE(IsOccupied(contents, {0, 512}));
  }
}

TEST(DiskContents, PartitionThatIsTheWholeDisk_IsTheFileSystemItself) {
  GuestDisk guest(kDiskBytes);
  auto fat = GuestVolumeNamed("fat32");
  guest.WriteMbr({{.type = 0x0C, .first = 0, .count = 32768, .status = 0x80}});
  const auto entries = guest.contents()->Bytes({446, 64});
  std::ranges::copy(entries, fat.bytes.begin() + 446);
  guest.Write(0, fat.bytes);
  const DiskContents contents = ContentsOf(guest);
  EXPECT_EQ(contents.table.kind, PartitionTableKind::kMbr);
  EXPECT_EQ(contents.MinimumSize().size_bytes, 16 * kMiB);
}

TEST(DiskContents, TableWithAPartitionPastTheFileSystem_Contradicts) {
  GuestDisk guest(kDiskBytes);
  WriteExt4WithoutItsBootBlock(guest);
  guest.WriteMbr({{.first = 2048, .count = 2048}, {.first = 40000, .count = 2048}});
  const DiskContents contents = ContentsOf(guest);
  EXPECT_FALSE(contents.table_is_leftover);
  EXPECT_EQ(FirstContradiction(contents), "there are a partition table and ext4 on the whole disk");
  EXPECT_EQ(contents.MinimumSize().size_bytes, std::nullopt);
}

TEST(DiskContents, TableWithAVolumeInAPartition_AndOneOnTheWholeDisk_Contradict) {
  GuestDisk guest(kDiskBytes);
  WriteExt4WithoutItsBootBlock(guest);
  guest.WriteMbr({{.first = 2048, .count = 32768}});
  guest.Write(2048 * 512, GuestVolumeNamed("xfs").bytes);
  EXPECT_EQ(MinimumOf(guest), std::nullopt);
}

TEST(DiskContents, GptUnderAFileSystem_Contradicts) {
  GuestDisk guest(kDiskBytes);
  const auto btrfs = GuestVolumeNamed("btrfs");
  guest.Write(0, btrfs.bytes);
  guest.WriteGpt({.partitions = {{2048, 4095}}});
  EXPECT_EQ(MinimumOf(guest), std::nullopt);
}

TEST(DiskContents, TwoVolumesInOnePlace_Contradict) {
  GuestDisk guest(kDiskBytes);
  guest.Write(0, GuestVolumeNamed("ext4").bytes);
  guest.Write(0, GuestVolumeNamed("xfs").bytes);
  const DiskContents contents = ContentsOf(guest);
  EXPECT_EQ(FirstContradiction(contents), "the whole disk looks like both ext4 and XFS");
  EXPECT_EQ(contents.MinimumSize().size_bytes, std::nullopt);
}

// Every read of the file may be the one that fails.
TEST(DiskContents, ReadThatFails_IsTheError) {
  GuestDisk guest(kDiskBytes);
  guest.WriteGpt({.partitions = {{2048, 4095}, {8192, 10239}}});
  guest.Write(2048 * 512, GuestVolumeNamed("ntfs").bytes);
  uint64_t reads = 0;
  for (uint64_t nth = 1; reads == 0; ++nth) {
    auto plan = std::make_shared<testing::FaultPlan>();
    plan->Add({.call = testing::FileCall::kRead, .nth = nth});
    auto disk = *RawDevice::Open(std::make_unique<testing::FaultFile>(
        std::make_unique<testing::MemoryFile>(guest.contents()), plan));
    const auto contents = ReadDiskContents(*disk);
    if (plan->fired() == 0) {
      reads = nth - 1;
      EXPECT_TRUE(contents);
    } else {
      ASSERT_FALSE(contents) << nth;
      EXPECT_EQ(contents.error().code, ErrorCode::kIo);
    }
  }
  EXPECT_GE(reads, 8U);
}

}  // namespace
}  // namespace vhdx::guest

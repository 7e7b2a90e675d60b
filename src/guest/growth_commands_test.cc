#include "guest/growth_commands.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "bytes/arithmetic.h"
#include "testing/guest_disk.h"
#include "testing/guest_volumes.h"

namespace vhdx::guest {
namespace {

using testing::GuestDisk;
using testing::GuestVolumeNamed;
using Commands = std::vector<std::string>;

constexpr uint64_t kGrownBytes = 64 * kMiB;
constexpr const char* kResizePartition =
    "Windows: Resize-Partition -DriveLetter LETTER -Size "
    "(Get-PartitionSupportedSize -DriveLetter LETTER).SizeMax";

Commands CommandsFor(const GuestDisk& guest) {
  const auto disk = guest.Open();
  return GrowthCommands(*ReadDiskContents(*disk));
}

Commands OnTheWholeDisk(const std::string& volume) {
  const testing::GuestVolume named = GuestVolumeNamed(volume);
  // What is found from the end of the disk is lost when it grows, until its own program moves it.
  GuestDisk guest(named.tail.empty() ? kGrownBytes : testing::kGuestVolumeBytes);
  WriteVolume(named, guest);
  return CommandsFor(guest);
}

Commands InTheLastPartition(const std::string& volume) {
  GuestDisk guest(kGrownBytes);
  guest.WriteGpt({.partitions = {{2048, 4095}, {}, {8192, 8192 + 32767}}});
  WriteVolume(GuestVolumeNamed(volume), guest, 4 * kMiB);
  return CommandsFor(guest);
}

TEST(GrowthCommands, NothingRecognized_HasNone) {
  EXPECT_EQ(CommandsFor(GuestDisk(kGrownBytes)), Commands{});
}

TEST(GrowthCommands, FileSystemOnTheWholeDisk_GrowsAlone) {
  EXPECT_EQ(
      OnTheWholeDisk("ext4"),
      (Commands{"resize2fs /dev/sdX", "WSL: wsl -d DISTRIBUTION -u root resize2fs /dev/sdX"}));
  EXPECT_EQ(OnTheWholeDisk("ext3"), Commands{"resize2fs /dev/sdX"});
  EXPECT_EQ(OnTheWholeDisk("xfs"), Commands{"xfs_growfs MOUNTPOINT"});
  EXPECT_EQ(OnTheWholeDisk("btrfs"), Commands{"btrfs filesystem resize max MOUNTPOINT"});
  EXPECT_EQ(OnTheWholeDisk("ntfs"), Commands{"ntfsresize /dev/sdX"});
  EXPECT_EQ(OnTheWholeDisk("lvm"),
            (Commands{"pvresize /dev/sdX", "lvextend -r -l +100%FREE GROUP/VOLUME"}));
  EXPECT_EQ(OnTheWholeDisk("luks1"), Commands{"cryptsetup resize NAME"});
  EXPECT_EQ(OnTheWholeDisk("swap"),
            (Commands{"swapoff /dev/sdX",
                      std::string("mkswap -U ") + testing::kGuestUuidText + " -L swap /dev/sdX",
                      "swapon /dev/sdX"}));
  EXPECT_EQ(OnTheWholeDisk("md-raid-1-2"), Commands{"mdadm --grow /dev/mdX --size=max"});
  EXPECT_EQ(OnTheWholeDisk("zfs"), Commands{"zpool online -e POOL /dev/sdX"});
}

TEST(GrowthCommands, WhatCannotGrow_HasNone) {
  for (const char* volume : {"fat12", "fat16", "fat32", "exfat"}) {
    EXPECT_EQ(OnTheWholeDisk(volume), Commands{}) << volume;
  }
}

TEST(GrowthCommands, LastPartition_GrowsBeforeWhatIsInIt) {
  EXPECT_EQ(InTheLastPartition("ext4"), (Commands{"growpart /dev/sdX 3", "resize2fs /dev/sdX3"}));
  EXPECT_EQ(InTheLastPartition("lvm"), (Commands{"growpart /dev/sdX 3", "pvresize /dev/sdX3",
                                                 "lvextend -r -l +100%FREE GROUP/VOLUME"}));
  EXPECT_EQ(InTheLastPartition("luks2"),
            (Commands{"growpart /dev/sdX 3", "cryptsetup resize NAME"}));
  for (const char* volume : {"ntfs", "refs", "bitlocker"}) {
    EXPECT_EQ(InTheLastPartition(volume), Commands{kResizePartition}) << volume;
  }
}

TEST(GrowthCommands, LastPartition_IsTheOneThatEndsLast) {
  GuestDisk guest(kGrownBytes);
  guest.WriteGpt({.partitions = {{8192, 9000}, {2048, 4095}}});
  EXPECT_EQ(CommandsFor(guest), Commands{"growpart /dev/sdX 1"});
}

TEST(GrowthCommands, LogicalPartition_GrowsAfterItsExtendedOne) {
  GuestDisk guest(kGrownBytes);
  guest.WriteMbr({{.first = 64, .count = 1000}, {.type = 5, .first = 2048, .count = 60000}});
  EXPECT_EQ(CommandsFor(guest), Commands{});  // there is no extended boot record
  guest.WriteMbr({{.first = 2048, .count = 40000}}, kMiB);
  WriteVolume(GuestVolumeNamed("xfs"), guest, 2 * kMiB);
  EXPECT_EQ(CommandsFor(guest),
            (Commands{"parted /dev/sdX resizepart 2 100%", "parted /dev/sdX resizepart 5 100%",
                      "xfs_growfs MOUNTPOINT"}));
}

TEST(GrowthCommands, RecoveryPartitionOfWindows_IsInTheWay) {
  GuestDisk guest(kGrownBytes);
  guest.WriteMbr(
      {{.type = 7, .first = 2048, .count = 4096}, {.type = 0x27, .first = 8192, .count = 4096}});
  EXPECT_EQ(
      CommandsFor(guest),
      Commands{"Windows: move or delete recovery partition 2 (reagentc /disable), then extend "
               "partition 1"});
}

TEST(GrowthCommands, DiskLargerThanAnMbrCanUse_IsSaid) {
  GuestDisk guest(3 * kTiB);
  guest.WriteMbr({{.first = 2048, .count = 4096}});
  EXPECT_EQ(CommandsFor(guest),
            (Commands{"an MBR can use only the first 2 TiB of the disk; more needs a GPT",
                      "growpart /dev/sdX 1"}));
}

TEST(GrowthCommands, Contradictions_HaveNone) {
  GuestDisk guest(kGrownBytes);
  guest.WriteMbr({{.first = 2048, .count = 4096}, {.first = 4096, .count = 4096}});
  EXPECT_EQ(CommandsFor(guest), Commands{});
}

}  // namespace
}  // namespace vhdx::guest

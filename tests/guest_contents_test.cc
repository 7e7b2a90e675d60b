// What others put on a disk, and what we recognize of it: each file system and partition table is
// made by its own program on a sparse file. Kind and size are known from the arguments.

#include <gtest/gtest.h>
#include <vhdxkit/raw_device.h>

#include <algorithm>
#include <fstream>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "bytes/arithmetic.h"
#include "command.h"
#include "guest/disk_contents.h"
#include "testing/guest_disk.h"
#include "testing/guest_volumes.h"
#include "testing/host_folder.h"
#include "testing/memory_file.h"

namespace vhdx::tests {
namespace {

using guest::DiskContents;
using guest::Partition;
using guest::PartitionTableKind;
using guest::VolumeKind;

class GuestContents : public testing::HostFolderTest {
 protected:
  void MakeDisk(uint64_t size_bytes) {
    auto file = New("disk");
    ASSERT_TRUE(file->Resize(size_bytes));
  }

  // Runs the program with the disk in the place of "DISK", and a file of eight bytes in that of
  // "KEY".
  void Run(std::vector<std::string> arguments) {
    std::ofstream(PathOf("key")) << "password";
    std::ranges::replace(arguments, "DISK", PathOf("disk"));
    std::ranges::replace(arguments, "KEY", PathOf("key"));
    const CommandResult made = RunCommand(arguments);
    ASSERT_EQ(made.exit_status, 0) << made.out << made.err;
  }

  DiskContents Contents() {
    auto disk = RawDevice::Open(Open("disk"));
    EXPECT_TRUE(disk) << ToString(disk.error());
    return ContentsOf(**disk);
  }

  // The disk as one of sectors of 4096 bytes.
  DiskContents ContentsWithLargeSectors() {
    const auto bytes = testing::ReadAll(*Open("disk"));
    auto disk = RawDevice::Open(std::make_unique<testing::MemoryFile>(
        std::make_shared<testing::MemoryContents>(bytes),
        testing::MemoryFileOptions{.capabilities = {.sector_size = 4096}}));
    EXPECT_TRUE(disk) << ToString(disk.error());
    return ContentsOf(**disk);
  }

 private:
  static DiskContents ContentsOf(BlockDevice& disk) {
    auto contents = guest::ReadDiskContents(disk);
    EXPECT_TRUE(contents) << ToString(contents.error());
    for (const std::string& sentence : contents->contradictions.sentences()) {
      ADD_FAILURE() << sentence;
    }
    return *std::move(contents);
  }
};

struct VolumeCase {
  std::string name;
  std::vector<std::string> command;
  VolumeKind kind;
  std::optional<uint64_t> size_bytes;
  std::string label = {};
};

std::ostream& operator<<(std::ostream& out, const VolumeCase& c) { return out << c.name; }

constexpr uint64_t kVolumeDiskBytes = 512 * kMiB;

// mkfs.fat rounds down to whole tracks, of 63 sectors.
std::vector<VolumeCase> VolumeCases() {
  return {
      {"Ext2",
       {"mkfs.ext2", "-qF", "-b", "1024", "-L", "small", "DISK", "50001"},
       VolumeKind::kExt2,
       50001 * kKiB,
       "small"},
      {"Ext3",
       {"mkfs.ext3", "-qF", "-b", "4096", "DISK", "20000"},
       VolumeKind::kExt3,
       20000 * 4 * kKiB},
      {"Ext4",
       {"mkfs.ext4", "-qF", "-b", "4096", "-L", "a root", "DISK", "70001"},
       VolumeKind::kExt4,
       70001 * 4 * kKiB,
       "a root"},
      {"Ext4Small",
       {"mkfs.ext4", "-qF", "-b", "1024", "DISK", "100000"},
       VolumeKind::kExt4,
       100000 * kKiB},
      {"Ext4WithoutChecksums",
       {"mkfs.ext4", "-qF", "-b", "4096", "-O", "^metadata_csum,^has_journal,^64bit", "DISK",
        "50000"},
       VolumeKind::kExt4,
       50000 * 4 * kKiB},
      {"Ext4Bigalloc",
       {"mkfs.ext4", "-qF", "-b", "4096", "-O", "bigalloc", "-C", "65536", "DISK", "80000"},
       VolumeKind::kExt4,
       80000 * 4 * kKiB},
      {"Ext4MetaBg",
       {"mkfs.ext4", "-qF", "-b", "1024", "-O", "meta_bg,^resize_inode", "DISK", "60000"},
       VolumeKind::kExt4,
       60000 * kKiB},
      {"Xfs",
       {"mkfs.xfs", "-qf", "-L", "data", "-d", "size=320m", "DISK"},
       VolumeKind::kXfs,
       320 * kMiB,
       "data"},
      {"XfsWithoutChecksums",
       {"mkfs.xfs", "-qf", "-m", "crc=0", "-d", "size=320m", "DISK"},
       VolumeKind::kXfs,
       320 * kMiB},
      {"XfsLargeSectors",
       {"mkfs.xfs", "-qf", "-s", "size=4096", "-b", "size=4096", "-d", "size=320m", "DISK"},
       VolumeKind::kXfs,
       320 * kMiB},
      {"Btrfs",
       {"mkfs.btrfs", "-qf", "-b", "200M", "-L", "pool", "DISK"},
       VolumeKind::kBtrfs,
       200 * kMiB,
       "pool"},
      {"BtrfsWithXxhash",
       {"mkfs.btrfs", "-qf", "--csum", "xxhash", "-b", "200M", "DISK"},
       VolumeKind::kBtrfs,
       200 * kMiB},
      {"Ntfs",
       {"mkntfs", "-qfF", "-s", "512", "-p", "0", "-H", "16", "-S", "63", "DISK", "200001"},
       VolumeKind::kNtfs,
       uint64_t{200001} * 512},
      {"NtfsLargeClusters",
       {"mkntfs", "-qfF", "-s", "512", "-c", "65536", "-p", "0", "-H", "16", "-S", "63", "DISK"},
       VolumeKind::kNtfs,
       kVolumeDiskBytes},
      {"NtfsLargeSectors",
       {"mkntfs", "-qfF", "-s", "4096", "-p", "0", "-H", "16", "-S", "63", "DISK"},
       VolumeKind::kNtfs,
       kVolumeDiskBytes},
      {"Exfat", {"mkfs.exfat", "DISK"}, VolumeKind::kExfat, kVolumeDiskBytes},
      {"Fat12",
       {"mkfs.fat", "-F", "12", "-n", "FLOPPY", "DISK", "8001"},
       VolumeKind::kFat12,
       8001 * kKiB,
       "FLOPPY"},
      {"Fat16", {"mkfs.fat", "-F", "16", "DISK", "60039"}, VolumeKind::kFat16, 60039 * kKiB},
      {"Fat32",
       {"mkfs.fat", "-F", "32", "-n", "STICK", "DISK", "300069"},
       VolumeKind::kFat32,
       300069 * kKiB,
       "STICK"},
      {"Fat32LargeSectors",
       {"mkfs.fat", "-F", "32", "-S", "4096", "DISK"},
       VolumeKind::kFat32,
       kVolumeDiskBytes},
      {"Swap", {"mkswap", "-L", "swap", "DISK", "40000"}, VolumeKind::kSwap, 40000 * kKiB, "swap"},
      {"SwapLargePages", {"mkswap", "-p", "65536", "DISK"}, VolumeKind::kSwap, kVolumeDiskBytes},
      {"Luks1",
       {"cryptsetup", "luksFormat", "-q", "--type", "luks1", "--pbkdf-force-iterations", "1000",
        "--key-file", "KEY", "DISK"},
       VolumeKind::kLuks1,
       std::nullopt},
      {"Luks2",
       {"cryptsetup", "luksFormat", "-q", "--type", "luks2", "--pbkdf", "pbkdf2",
        "--pbkdf-force-iterations", "1000", "--label", "vault", "--key-file", "KEY", "DISK"},
       VolumeKind::kLuks2,
       std::nullopt,
       "vault"},
  };
}

class VolumesOfOthers : public GuestContents, public ::testing::WithParamInterface<VolumeCase> {};

TEST_P(VolumesOfOthers, AreRecognizedWithTheirSize) {
  const VolumeCase& c = GetParam();
  if (!HasProgram(c.command.front())) GTEST_SKIP() << "no " << c.command.front();
  MakeDisk(kVolumeDiskBytes);
  Run(c.command);
  const DiskContents contents = Contents();
  EXPECT_EQ(contents.table.kind, PartitionTableKind::kNone);
  ASSERT_EQ(contents.volumes.size(), 1U);
  const guest::Superblock& superblock = contents.volumes.front().superblock;
  EXPECT_EQ(VolumeKindName(superblock.kind), VolumeKindName(c.kind));
  EXPECT_EQ(superblock.size_bytes, c.size_bytes);
  EXPECT_EQ(superblock.label, c.label);
  EXPECT_EQ(contents.MinimumSize().size_bytes, c.size_bytes);
  if (!HasProgram("blkid")) return;
  const CommandResult uuid =
      RunCommand({"blkid", "-p", "-s", "UUID", "-o", "value", PathOf("disk")});
  EXPECT_EQ(uuid.out, superblock.uuid + "\n");
}

INSTANTIATE_TEST_SUITE_P(Programs, VolumesOfOthers, ::testing::ValuesIn(VolumeCases()),
                         [](const ::testing::TestParamInfo<VolumeCase>& tested) {
                           return tested.param.name;
                         });

// What no program at hand makes is written by the test kit, and named by blkid.
TEST_F(GuestContents, VolumesOfTheKit_AreWhatBlkidSays) {
  if (!HasProgram("blkid")) GTEST_SKIP() << "no blkid";
  const std::vector<std::pair<std::string, std::string>> types = {
      {"md-raid-0-90", "linux_raid_member"},
      {"md-raid-1-0", "linux_raid_member"},
      {"md-raid-1-1", "linux_raid_member"},
      {"md-raid-1-2", "linux_raid_member"},
      {"zfs", "zfs_member"},
      {"refs", "ReFS"}};
  for (const auto& [name, type] : types) {
    SCOPED_TRACE(name);
    // blkid looks for ZFS from 64 MiB on, for which the labels at the start are enough.
    constexpr uint64_t kLeastZfsBytes = 64 * kMiB;
    testing::GuestDisk disk(name == "zfs" ? kLeastZfsBytes : testing::kGuestVolumeBytes);
    const testing::GuestVolume volume = testing::GuestVolumeNamed(name);
    WriteVolume(volume, disk);
    const auto bytes = disk.contents()->Bytes({0, disk.size_bytes()});
    std::ofstream(PathOf("disk"), std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
    const auto value = [&](const std::string& key) {
      return RunCommand({"blkid", "-p", "-s", key, "-o", "value", PathOf("disk")}).out;
    };
    EXPECT_EQ(value("TYPE"), type + "\n");
    if (type == "ReFS") continue;  // whose serial number it does not read
    EXPECT_EQ(value("UUID"), volume.superblock.uuid + "\n");
    EXPECT_EQ(value("LABEL"),
              volume.superblock.label.empty() ? "" : volume.superblock.label + "\n");
  }
}

class TablesOfOthers : public GuestContents {
 protected:
  // Runs the program on the disk with that text on its standard input.
  void RunWithInput(const std::string& text, const std::string& command) {
    std::ofstream(PathOf("input")) << text;
    const CommandResult made = RunCommand(
        {"sh", "-c", command + " \"$1\" < \"$2\"", "sh", PathOf("disk"), PathOf("input")});
    ASSERT_EQ(made.exit_status, 0) << made.out << made.err;
  }
};

TEST_F(TablesOfOthers, GptOfSgdisk) {
  if (!HasProgram("sgdisk")) GTEST_SKIP() << "no sgdisk";
  MakeDisk(100 * kMiB);
  Run({"sgdisk", "-a", "1", "-n", "2:40960:81919", "-n", "1:2048:40959", "-c", "2:Daten \u00FC",
       "-t", "1:ef00", "DISK"});
  const DiskContents contents = Contents();
  EXPECT_EQ(contents.table.kind, PartitionTableKind::kGpt);
  ASSERT_EQ(contents.table.partitions.size(), 2U);
  const Partition& first = contents.table.partitions[0];
  const Partition& second = contents.table.partitions[1];
  EXPECT_EQ(first.range, (DiskRange{kMiB, 19 * kMiB}));
  EXPECT_EQ(first.type_guid.ToString(), "c12a7328-f81f-11d2-ba4b-00a0c93ec93b");
  EXPECT_EQ(second.range, (DiskRange{20 * kMiB, 20 * kMiB}));
  EXPECT_EQ(second.name, "Daten \u00FC");
  EXPECT_TRUE(contents.table.gpt->primary_valid && contents.table.gpt->backup_valid);
  EXPECT_EQ(contents.table.gpt->backup_header.end(), 100 * kMiB);
  EXPECT_EQ(contents.MinimumSize().size_bytes, 40 * kMiB + uint64_t{33} * 512);
}

TEST_F(TablesOfOthers, LargerGptOfSgdisk) {
  if (!HasProgram("sgdisk")) GTEST_SKIP() << "no sgdisk";
  MakeDisk(100 * kMiB);
  Run({"sgdisk", "-S", "512", "-n", "512:4096:8191", "DISK"});
  const DiskContents contents = Contents();
  ASSERT_EQ(contents.table.partitions.size(), 1U);
  EXPECT_EQ(contents.table.partitions[0].number, 512U);
  EXPECT_EQ(contents.MinimumSize().size_bytes, 4 * kMiB + uint64_t{129} * 512);
}

TEST_F(TablesOfOthers, MbrWithLogicalPartitionsOfSfdisk) {
  if (!HasProgram("sfdisk")) GTEST_SKIP() << "no sfdisk";
  MakeDisk(100 * kMiB);
  RunWithInput(
      "label: dos\nstart=2048,size=2048,type=83,bootable\nstart=8192,size=100000,type=5\n"
      "start=10240,size=4096,type=82\nstart=20480,size=8192,type=7\n",
      "sfdisk -q --no-reread");
  const DiskContents contents = Contents();
  EXPECT_EQ(contents.table.kind, PartitionTableKind::kMbr);
  std::vector<uint32_t> numbers;
  for (const Partition& partition : contents.table.partitions) numbers.push_back(partition.number);
  EXPECT_EQ(numbers, (std::vector<uint32_t>{1, 2, 5, 6}));
  EXPECT_EQ(contents.MinimumSize().size_bytes, uint64_t{108192} * 512);
}

// For Windows, which wants a table on a disk that is not removable.
TEST_F(TablesOfOthers, MbrOfMkfsAroundItsOwnFat) {
  if (!HasProgram("mkfs.fat")) GTEST_SKIP() << "no mkfs.fat";
  MakeDisk(100 * kMiB);
  Run({"mkfs.fat", "-F", "32", "--mbr=y", "DISK", "100000"});
  const DiskContents contents = Contents();
  EXPECT_EQ(contents.table.kind, PartitionTableKind::kMbr);
  EXPECT_TRUE(contents.table_is_leftover);
  EXPECT_EQ(contents.MinimumSize().size_bytes, 100000 * kKiB);
}

TEST_F(TablesOfOthers, GptOfFdiskForLargeSectors) {
  if (!HasProgram("fdisk")) GTEST_SKIP() << "no fdisk";
  MakeDisk(100 * kMiB);
  RunWithInput("g\nn\n1\n256\n1279\nn\n2\n2048\n4095\nw\n", "fdisk -b 4096");
  const DiskContents contents = ContentsWithLargeSectors();
  EXPECT_EQ(contents.table.kind, PartitionTableKind::kGpt);
  ASSERT_EQ(contents.table.partitions.size(), 2U);
  EXPECT_EQ(contents.table.partitions[1].range, (DiskRange{8 * kMiB, 8 * kMiB}));
  EXPECT_EQ(contents.MinimumSize().size_bytes, 16 * kMiB + uint64_t{33} * 4096);
}

}  // namespace
}  // namespace vhdx::tests

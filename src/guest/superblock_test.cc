#include "guest/superblock.h"

#include <gtest/gtest.h>

#include <random>
#include <span>
#include <string>
#include <vector>

#include "bytes/arithmetic.h"
#include "bytes/endian.h"
#include "guest/crc32.h"
#include "testing/guest_disk.h"
#include "testing/guest_pool_members.h"
#include "testing/guest_volumes.h"
#include "testing/scale.h"

namespace vhdx::guest {
namespace {

using testing::GuestDisk;
using testing::GuestVolume;
using testing::GuestVolumes;

constexpr uint64_t kRangeOffset = kMiB;
constexpr DiskRange kRange = {kRangeOffset, 16 * kMiB};

std::vector<Superblock> SuperblocksOf(const GuestDisk& guest, DiskRange range = kRange) {
  const auto disk = guest.Open();
  auto found = ReadSuperblocks(*disk, range);
  EXPECT_TRUE(found) << ToString(found.error());
  return *found;
}

std::string Names(const std::vector<Superblock>& superblocks) {
  std::string names;
  for (const Superblock& superblock : superblocks) {
    names += std::string(VolumeKindName(superblock.kind)) + ";";
  }
  return names;
}

GuestDisk DiskWith(const GuestVolume& volume) {
  GuestDisk guest(32 * kMiB);
  WriteVolume(volume, guest, kRangeOffset);
  return guest;
}

TEST(Superblock, EachKind_IsRecognizedAlone) {
  for (const GuestVolume& volume : GuestVolumes()) {
    SCOPED_TRACE(volume.name);
    const auto found = SuperblocksOf(DiskWith(volume));
    ASSERT_EQ(found.size(), 1U) << Names(found);
    EXPECT_EQ(VolumeKindName(found[0].kind), VolumeKindName(volume.superblock.kind));
    EXPECT_EQ(found[0].size_bytes, volume.superblock.size_bytes);
    EXPECT_EQ(found[0].label, volume.superblock.label);
    EXPECT_EQ(found[0].uuid, volume.superblock.uuid);
    EXPECT_EQ(found[0].trailer_offset, volume.superblock.trailer_offset);
    EXPECT_EQ(found[0].size_bytes.has_value(), found[0].no_size_because.empty());
  }
}

TEST(Superblock, ChangedByteThatMatters_IsNotRecognized) {
  for (const GuestVolume& volume : GuestVolumes()) {
    for (const size_t offset : volume.vital) {
      GuestDisk guest = DiskWith(volume);
      guest.Break(kRangeOffset + offset);
      EXPECT_EQ(Names(SuperblocksOf(guest)), "") << volume.name << " at " << offset;
    }
  }
}

TEST(Superblock, RangeThatEndsAnywhere_IsReadWithoutAnError) {
  for (const GuestVolume& volume : GuestVolumes()) {
    const GuestDisk guest = DiskWith(volume);
    for (uint64_t length = 0; length <= volume.bytes.size(); length += 509) {
      EXPECT_LE(SuperblocksOf(guest, {kRangeOffset, length}).size(), 1U) << volume.name;
    }
    EXPECT_EQ(Names(SuperblocksOf(guest, {64 * kMiB, kMiB})), "");
    EXPECT_EQ(Names(SuperblocksOf(guest, {UINT64_MAX, UINT64_MAX})), "");
  }
}

// Signatures where they belong, each alone, in noise and in zeros.
TEST(Superblock, SignaturesAlone_AreNotRecognized) {
  const std::vector<std::pair<size_t, std::string>> signatures = {
      {1080, "\x53\xEF"},
      {0, "XFSB"},
      {65600, "_BHRfS_M"},
      {3, "NTFS    "},
      {3, "EXFAT   "},
      {54, "FAT16   "},
      {82, "FAT32   "},
      {3, std::string("ReFS\0\0\0\0\0\0\0\0\0FSRS", 17)},
      {0, "LUKS\xBA\xBE"},
      {512, "LABELONE"},
      {4086, "SWAPSPACE2"},
      {0, "\xFC\x4E\x2B\xA9\x01"},
      {4096, "\xFC\x4E\x2B\xA9\x01"}};
  std::mt19937_64 random(1);
  const uint64_t runs = testing::Scaled(200);
  for (uint64_t run = 0; run <= runs; ++run) {
    std::vector<std::byte> noise(72 * kKiB);
    if (run != 0) {
      for (std::byte& byte : noise) byte = static_cast<std::byte>(random());
    }
    noise[510] = std::byte{0x55};
    noise[511] = std::byte{0xAA};
    for (const auto& [offset, text] : signatures) {
      GuestDisk guest(2 * kMiB);
      guest.Write(kRangeOffset, noise);
      guest.Write(kRangeOffset + offset, std::as_bytes(std::span(text)));
      EXPECT_EQ(Names(SuperblocksOf(guest)), "") << "run " << run << " at " << offset;
    }
  }
}

TEST(Superblock, TwoOfThem_AreBothReported) {
  GuestDisk guest = DiskWith(testing::GuestVolumeNamed("ext4"));
  const GuestVolume xfs = testing::GuestVolumeNamed("xfs");
  guest.Write(kRangeOffset, xfs.bytes);
  EXPECT_EQ(Names(SuperblocksOf(guest)), "ext4;XFS;");
}

// The volume with a little-endian number changed.
template <OnDisk T>
std::vector<Superblock> Changed(const std::string& name, size_t offset, T value) {
  GuestDisk guest = DiskWith(testing::GuestVolumeNamed(name));
  guest.Write(kRangeOffset + offset, std::as_bytes(std::span(&value, 1)));
  return SuperblocksOf(guest);
}

TEST(Superblock, SizesThatOverflow_AreNotRecognized) {
  EXPECT_EQ(Names(Changed("ntfs", 40, le64(UINT64_MAX))), "");
  EXPECT_EQ(Names(Changed("ntfs", 40, le64(UINT64_MAX - 1))), "");
  EXPECT_EQ(Names(Changed("xfs-4", 8, le64(UINT64_MAX))), "");
}

TEST(Superblock, SizeBeyondTheRange_IsWhatItSays) {
  const auto ntfs = Changed("ntfs", 40, le64(uint64_t{1} << 40));
  ASSERT_EQ(Names(ntfs), "NTFS;");
  EXPECT_EQ(ntfs[0].size_bytes, ((uint64_t{1} << 40) + 1) * 512);
}

TEST(Superblock, CopyOfAnExtSuperblockInALaterGroup_IsNotOne) {
  EXPECT_EQ(Names(Changed("ext2", 1024 + 90, le16(1))), "");
}

TEST(Superblock, NtfsWhoseMftIsOutsideTheRange_IsRecognized) {
  GuestDisk guest = DiskWith(testing::GuestVolumeNamed("ntfs"));
  EXPECT_EQ(Names(SuperblocksOf(guest, {kRangeOffset, 4096})), "NTFS;");
}

TEST(Superblock, LvmThatSaysNoSize_TakesTheRange) {
  GuestVolume lvm = testing::GuestVolumeNamed("lvm");
  const auto sector = std::span(lvm.bytes).subspan(512);
  StoreTo(sector.subspan(64), le64(0));
  StoreTo(sector.subspan(16), le32(Crc32Register(0xF597A6CF, sector.subspan(20))));
  const auto found = SuperblocksOf(DiskWith(lvm));
  ASSERT_EQ(Names(found), "LVM;");
  EXPECT_EQ(found[0].size_bytes, std::nullopt);
}

TEST(Superblock, RaidThatIsReshaped_HasNoSize) {
  const auto found = SuperblocksOf(DiskWith(testing::GuestVolumeNamed("md-raid-reshaping")));
  ASSERT_EQ(Names(found), "Linux RAID;");
  EXPECT_EQ(found[0].no_size_because, "is being reshaped");
}

// A field of the superblock that starts 4 KiB into the member, with a checksum that is right.
std::vector<Superblock> ChangedRaid(size_t field, uint32_t value) {
  GuestVolume volume = testing::GuestVolumeNamed("md-raid-1-2");
  const auto md = std::span(volume.bytes).subspan(4 * kKiB);
  StoreTo(md.subspan(field), le32(value));
  StoreTo(md.subspan(216), le32(0));
  StoreTo(md.subspan(216), le32(testing::MdChecksum(md)));
  return SuperblocksOf(DiskWith(volume));
}

TEST(Superblock, RaidOfHostileFields_IsNotRecognized) {
  EXPECT_EQ(Names(ChangedRaid(12, 1)), "Linux RAID;");  // the checksum is right
  EXPECT_EQ(Names(ChangedRaid(4, 2)), "");
  EXPECT_EQ(Names(ChangedRaid(144, 9)), "");  // says that it is elsewhere
  EXPECT_EQ(Names(ChangedRaid(220, 1921)), "");
  EXPECT_EQ(Names(ChangedRaid(220, UINT32_MAX)), "");
  EXPECT_EQ(Names(ChangedRaid(132, UINT32_MAX)), "");
  EXPECT_EQ(Names(ChangedRaid(140, 0x00800000)), "");
}

TEST(Superblock, RaidWithoutData_TakesItsSuperblock) {
  GuestVolume volume = testing::GuestVolumeNamed("md-raid-1-2");
  EXPECT_EQ(volume.superblock.size_bytes, testing::kGuestVolumeBytes);
  const auto found = ChangedRaid(136, 0);
  ASSERT_EQ(Names(found), "Linux RAID;");
  EXPECT_EQ(found[0].size_bytes, kMiB);
}

// A superblock at the end is found from the end of the range, wherever that is.
TEST(Superblock, RaidWhoseRangeChangedItsSize_IsNotRecognized) {
  for (const char* name : {"md-raid-0-90", "md-raid-1-0"}) {
    const GuestDisk guest = DiskWith(testing::GuestVolumeNamed(name));
    EXPECT_EQ(Names(SuperblocksOf(guest, {kRangeOffset, kRange.length_bytes + 64 * kKiB})), "");
    EXPECT_EQ(Names(SuperblocksOf(guest, {kRangeOffset, kRange.length_bytes - 64 * kKiB})), "");
  }
}

TEST(Superblock, RangeWithoutRoomForASuperblockAtItsEnd_IsReadWithoutAnError) {
  for (const uint64_t size : {0U, 1U, 4096U, 8191U, 8192U, 65535U, 65536U, (1U << 20) - 1}) {
    GuestDisk guest(size);
    EXPECT_EQ(Names(SuperblocksOf(guest, {0, size})), "") << size;
  }
}

TEST(Superblock, EachLabelOfZfs_IsEnough) {
  constexpr size_t kLabel = 256 * kKiB;
  constexpr uint64_t kEnd = kRangeOffset + testing::kGuestVolumeBytes;
  const GuestVolume zfs = testing::GuestVolumeNamed("zfs");
  const auto label = std::span(zfs.bytes).first(kLabel);
  for (const uint64_t offset :
       {kRangeOffset, kRangeOffset + kLabel, kEnd - 2 * kLabel, kEnd - kLabel}) {
    GuestDisk guest(32 * kMiB);
    guest.Write(offset, label);
    const auto found = SuperblocksOf(guest);
    ASSERT_EQ(Names(found), "ZFS;") << offset;
    EXPECT_EQ(found[0].label, "tank");
    EXPECT_EQ(found[0].trailer_offset.has_value(), offset > kRangeOffset + kLabel);
  }
}

// The first name of a label is "version", after twelve bytes and the sizes of the pair.
TEST(Superblock, LabelOfZfsThatIsNotAList_IsNotRecognized) {
  constexpr size_t kList = 16 * kKiB;
  for (const size_t offset : {kList + 0, kList + 4, kList + 8, kList + 12, kList + 20, kList + 24,
                              kList + 32, kList + 36, 128 * kKiB - 40}) {
    GuestVolume zfs = testing::GuestVolumeNamed("zfs");
    GuestDisk guest(32 * kMiB);
    guest.Write(kRangeOffset, std::span(zfs.bytes).first(256 * kKiB));
    guest.Break(kRangeOffset + offset);
    EXPECT_EQ(Names(SuperblocksOf(guest)), "") << offset;
  }
}

TEST(Superblock, LabelThatIsNotUtf8_IsEmpty) {
  const auto found = Changed("ext2", 1024 + 120, le32(0xFFFFFFFF));
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].label, "");
}

}  // namespace
}  // namespace vhdx::guest

#include "testing/guest_volumes.h"

#include <algorithm>
#include <array>
#include <bit>
#include <iterator>
#include <span>
#include <stdexcept>
#include <utility>

#include "bytes/arithmetic.h"
#include "bytes/crc32c.h"
#include "bytes/endian.h"
#include "guest/crc32.h"
#include "testing/byte_writer.h"
#include "testing/guest_pool_members.h"

namespace vhdx::testing {
namespace {

using guest::VolumeKind;

constexpr uint64_t kVolumeBytes = kGuestVolumeBytes;

void PutBigEndian32(ByteWriter& writer, size_t offset, uint32_t value) {
  writer.Put(offset, le32(std::byteswap(value)));
}
void PutBigEndian16(ByteWriter& writer, size_t offset, uint16_t value) {
  writer.Put(offset, le16(std::byteswap(value)));
}
void PutBigEndian64(ByteWriter& writer, size_t offset, uint64_t value) {
  writer.Put(offset, le64(std::byteswap(value)));
}

struct ExtForm {
  uint32_t revision = 1;
  uint32_t log_block_size = 0;
  uint32_t log_cluster_ratio = 0;
  uint32_t compatible = 0;
  uint32_t incompatible = 0;
  uint32_t read_only_compatible = 0;
  uint64_t size_bytes = kVolumeBytes;
};

GuestVolume Ext(std::string name, VolumeKind kind, const ExtForm& form) {
  constexpr size_t kStart = 1024;
  const uint32_t block = 1024U << form.log_block_size;
  std::vector<std::byte> bytes(2 * kStart);
  ByteWriter writer{std::span(bytes).subspan(kStart)};
  const auto blocks = static_cast<uint32_t>(form.size_bytes / block);
  const uint32_t first = block == 1024 ? 1 : 0;
  const uint32_t per_group = 8 * block << form.log_cluster_ratio;
  writer.Put(0, le32(64 * DivideRoundingUp(blocks - first, per_group)));
  writer.Put(4, le32(blocks));
  writer.Put(20, le32(first));
  writer.Put(24, le32(form.log_block_size));
  writer.Put(28, le32(form.log_block_size + form.log_cluster_ratio));
  writer.Put(32, le32(per_group));
  writer.Put(36, le32(8 * block));
  writer.Put(40, le32(64));
  writer.Put(56, le16(0xEF53));
  writer.Put(76, le32(form.revision));
  writer.Put(88, le16(256));
  writer.Put(92, le32(form.compatible));
  writer.Put(96, le32(form.incompatible));
  writer.Put(100, le32(form.read_only_compatible));
  writer.Put(104, kGuestUuid);
  writer.PutText(120, "root");
  std::vector<size_t> vital = {kStart, kStart + 40, kStart + 56};
  if ((form.read_only_compatible & 0x400) != 0) {
    writer.Put(373, uint8_t{1});
    writer.Put(1020, le32(~Crc32c(std::span(bytes).subspan(kStart, 1020))));
    vital.push_back(kStart + 500);
  }
  return {.name = std::move(name),
          .superblock = {.kind = kind,
                         .size_bytes = form.size_bytes,
                         .label = "root",
                         .uuid = kGuestUuidText},
          .bytes = std::move(bytes),
          .vital = std::move(vital)};
}

GuestVolume Xfs(std::string name, uint16_t version) {
  std::vector<std::byte> bytes(512);
  ByteWriter writer(bytes);
  writer.PutText(0, "XFSB");
  PutBigEndian32(writer, 4, 4096);
  PutBigEndian64(writer, 8, kVolumeBytes / 4096);
  writer.Put(32, kGuestUuid);
  PutBigEndian32(writer, 84, 1025);
  PutBigEndian32(writer, 88, 4);
  PutBigEndian16(writer, 100, static_cast<uint16_t>(0xB4A0 | version));
  PutBigEndian16(writer, 102, 512);
  writer.PutText(108, "data");
  writer.Put(120, uint8_t{12});
  if (version == 5) writer.Put(224, le32(Crc32c(bytes)));
  std::vector<size_t> vital = {0, 4, 10, 88, 102, 120, 126};
  if (version == 5) vital.push_back(400);
  return {.name = std::move(name),
          .superblock = {.kind = VolumeKind::kXfs,
                         .size_bytes = kVolumeBytes,
                         .label = "data",
                         .uuid = kGuestUuidText},
          .bytes = std::move(bytes),
          .vital = std::move(vital)};
}

GuestVolume Btrfs(std::string name, uint16_t checksum_type) {
  constexpr size_t kStart = 64 * kKiB;
  std::vector<std::byte> bytes(kStart + 4096);
  const auto block = std::span(bytes).subspan(kStart);
  ByteWriter writer(block);
  writer.Put(32, kGuestUuid);
  writer.Put(48, le64(kStart));
  writer.PutText(64, "_BHRfS_M");
  writer.Put(112, le64(3 * kVolumeBytes));
  writer.Put(136, le64(2));
  writer.Put(144, le32(4096));
  writer.Put(148, le32(16384));
  writer.Put(196, le16(checksum_type));
  writer.Put(201 + 8, le64(kVolumeBytes));
  writer.PutText(299, "pool");
  if (checksum_type == 0) writer.Put(0, le32(Crc32c(block.subspan(32))));
  std::vector<size_t> vital = {kStart + 64, kStart + 48, kStart + 144, kStart + 148};
  if (checksum_type == 0) vital.push_back(kStart + 2000);
  return {.name = std::move(name),
          .superblock = {.kind = VolumeKind::kBtrfs,
                         .size_bytes = kVolumeBytes,
                         .label = "pool",
                         .uuid = kGuestUuidText},
          .bytes = std::move(bytes),
          .vital = std::move(vital)};
}

GuestVolume Swap(std::string name, size_t page, std::string_view signature) {
  std::vector<std::byte> bytes(page);
  ByteWriter writer(bytes);
  writer.Put(1024, le32(1));
  writer.Put(1028, le32(static_cast<uint32_t>(kVolumeBytes / page - 1)));
  writer.Put(1036, kGuestUuid);
  writer.PutText(1052, "swap");
  writer.PutText(page - 10, signature);
  return {.name = std::move(name),
          .superblock = {.kind = VolumeKind::kSwap,
                         .size_bytes = kVolumeBytes,
                         .label = "swap",
                         .uuid = kGuestUuidText},
          .bytes = std::move(bytes),
          .vital = {1024, page - 10, page - 8}};
}

// Of a machine with the other byte order.
GuestVolume BigEndianSwap() {
  constexpr size_t kPage = 16 * kKiB;
  GuestVolume volume = Swap("swap-big-endian", kPage, "SWAPSPACE2");
  ByteWriter writer(volume.bytes);
  PutBigEndian32(writer, 1024, 1);
  PutBigEndian32(writer, 1028, kVolumeBytes / kPage - 1);
  return volume;
}

GuestVolume Lvm() {
  std::vector<std::byte> bytes(1024);
  ByteWriter writer{std::span(bytes).subspan(512)};
  writer.PutText(0, "LABELONE");
  writer.Put(8, le64(1));
  writer.Put(20, le32(32));
  writer.PutText(24, "LVM2 001");
  writer.PutText(32, "abcdefghijklmnopqrstuvwxyz012345");
  writer.Put(64, le64(kVolumeBytes));
  writer.Put(16, le32(guest::Crc32Register(0xF597A6CF, std::span(bytes).subspan(512 + 20))));
  return {.name = "lvm",
          .superblock = {.kind = VolumeKind::kLvm,
                         .size_bytes = kVolumeBytes,
                         .uuid = "abcdef-ghij-klmn-opqr-stuv-wxyz-012345"},
          .bytes = std::move(bytes),
          .vital = {512, 520, 528, 532, 536, 576, 1000}};
}

GuestVolume Luks1() {
  std::vector<std::byte> bytes(592);
  ByteWriter writer(bytes);
  writer.PutText(0, "LUKS\xBA\xBE");
  PutBigEndian16(writer, 6, 1);
  writer.PutText(8, "aes");
  PutBigEndian32(writer, 104, 4096);
  PutBigEndian32(writer, 108, 64);
  writer.PutText(168, kGuestUuidText);
  for (size_t slot = 0; slot < 8; ++slot) {
    PutBigEndian32(writer, 208 + slot * 48, slot == 0 ? 0x00AC71F3 : 0x0000DEAD);
  }
  return {.name = "luks1",
          .superblock = {.kind = VolumeKind::kLuks1, .uuid = kGuestUuidText},
          .bytes = std::move(bytes),
          .vital = {0, 5, 6, 7, 208, 208 + 7 * 48 + 3}};
}

GuestVolume Luks2() {
  std::vector<std::byte> bytes(4096);
  ByteWriter writer(bytes);
  writer.PutText(0, "LUKS\xBA\xBE");
  PutBigEndian16(writer, 6, 2);
  PutBigEndian64(writer, 8, 16 * kKiB);
  writer.PutText(24, "secret");
  writer.PutText(72, "sha256");
  writer.PutText(168, kGuestUuidText);
  return {.name = "luks2",
          .superblock = {.kind = VolumeKind::kLuks2, .label = "secret", .uuid = kGuestUuidText},
          .bytes = std::move(bytes),
          .vital = {0, 5, 6, 7, 8, 14, 256}};
}

// The fields that FAT and NTFS share.
ByteWriter BootSector(std::vector<std::byte>& bytes, std::string_view oem_name) {
  ByteWriter writer(bytes);
  writer.Put(0, std::array<uint8_t, 3>{0xEB, 0x52, 0x90});
  writer.PutText(3, oem_name);
  writer.Put(11, le16(512));
  writer.Put(13, uint8_t{8});
  writer.Put(21, uint8_t{0xF8});
  writer.Put(510, le16(0xAA55));
  return writer;
}

GuestVolume Ntfs(std::string name, uint8_t sectors_per_cluster, uint64_t cluster_bytes) {
  std::vector<std::byte> bytes(2 * cluster_bytes + 4);
  ByteWriter writer = BootSector(bytes, "NTFS    ");
  writer.Put(13, sectors_per_cluster);
  writer.Put(40, le64(kVolumeBytes / 512 - 1));
  writer.Put(48, le64(2));
  writer.Put(56, le64(2));
  writer.Put(72, le64(0x0123456789ABCDEF));
  writer.PutText(2 * cluster_bytes, "FILE");
  return {.name = std::move(name),
          .superblock = {.kind = VolumeKind::kNtfs,
                         .size_bytes = kVolumeBytes,
                         .uuid = "0123456789ABCDEF"},
          .bytes = std::move(bytes),
          .vital = {3, 11, 16, 510, 2 * cluster_bytes}};
}

GuestVolume Exfat(std::string name, uint8_t sector_shift) {
  const size_t sector = size_t{1} << sector_shift;
  std::vector<std::byte> bytes(12 * sector);
  ByteWriter writer(bytes);
  writer.Put(0, std::array<uint8_t, 3>{0xEB, 0x76, 0x90});
  writer.PutText(3, "EXFAT   ");
  writer.Put(72, le64(kVolumeBytes / sector));
  writer.Put(80, le32(128));
  writer.Put(84, le32(64));
  writer.Put(88, le32(256));
  writer.Put(92, le32(static_cast<uint32_t>((kVolumeBytes / sector - 256) / 8)));
  writer.Put(100, le32(0x12345678));
  writer.Put(108, sector_shift);
  writer.Put(109, uint8_t{3});
  writer.Put(110, uint8_t{1});
  writer.Put(510, le16(0xAA55));
  uint32_t sum = 0;
  for (size_t i = 0; i < 11 * sector; ++i) {
    if (i == 106 || i == 107 || i == 112) continue;
    sum = ((sum << 31) | (sum >> 1)) + static_cast<uint32_t>(bytes[i]);
  }
  for (size_t i = 0; i < sector; i += 4) writer.Put(11 * sector + i, le32(sum));
  return {
      .name = std::move(name),
      .superblock = {.kind = VolumeKind::kExfat, .size_bytes = kVolumeBytes, .uuid = "1234-5678"},
      .bytes = std::move(bytes),
      .vital = {3, 20, 72, 109, 510, 3000, 11 * sector}};
}

struct FatForm {
  VolumeKind kind;
  uint8_t sectors_per_cluster;
  uint32_t fat_sectors;
  size_t serial_offset;
};

GuestVolume Fat(std::string name, const FatForm& form) {
  constexpr uint32_t kReserved = 32;
  const bool fat32 = form.kind == VolumeKind::kFat32;
  std::vector<std::byte> bytes((kReserved + 1) * 512);
  ByteWriter writer = BootSector(bytes, "anything");
  writer.Put(13, form.sectors_per_cluster);
  writer.Put(14, le16(kReserved));
  writer.Put(16, uint8_t{2});
  if (fat32) {
    writer.Put(36, le32(form.fat_sectors));
  } else {
    writer.Put(17, le16(512));
    writer.Put(22, le16(static_cast<uint16_t>(form.fat_sectors)));
  }
  writer.Put(32, le32(kVolumeBytes / 512));
  writer.Put(form.serial_offset, le32(0xCAFE0123));
  writer.PutText(form.serial_offset + 4, "STICK      ");
  writer.Put(size_t{kReserved} * 512, std::array<uint8_t, 4>{0xF8, 0xFF, 0xFF, 0x0F});
  return {.name = std::move(name),
          .superblock = {.kind = form.kind,
                         .size_bytes = kVolumeBytes,
                         .label = "STICK",
                         .uuid = "CAFE-0123"},
          .bytes = std::move(bytes),
          .vital = {0, 11, 12, 16, 21, 510, size_t{kReserved} * 512}};
}

GuestVolume BitLocker() {
  std::vector<std::byte> bytes(512);
  BootSector(bytes, "-FVE-FS-");
  return {.name = "bitlocker",
          .superblock = {.kind = VolumeKind::kBitLocker},
          .bytes = std::move(bytes),
          .vital = {3, 11, 510}};
}

// It has a FAT32 boot sector, with which systems that do not know it show instructions.
GuestVolume BitLockerToGo() {
  GuestVolume volume = Fat("bitlocker-to-go", {VolumeKind::kFat32, 8, 64, 67});
  ByteWriter(volume.bytes)
      .Put(424, std::array<uint8_t, 16>{0x3B, 0xD6, 0x67, 0x49, 0x29, 0x2E, 0xD8, 0x4A, 0x83, 0x99,
                                        0xF6, 0xA3, 0x39, 0xE3, 0xD0, 0x01});
  volume.superblock = {.kind = VolumeKind::kBitLocker};
  volume.vital = {510};
  return volume;
}

GuestVolume Refs() {
  std::vector<std::byte> bytes(512);
  ByteWriter writer(bytes);
  writer.PutText(3, "ReFS");
  writer.PutText(16, "FSRS");
  writer.Put(20, le16(512));
  writer.Put(24, le64(kVolumeBytes / 512));
  writer.Put(32, le32(512));
  writer.Put(36, le32(8));
  writer.Put(40, std::array<uint8_t, 2>{3, 4});
  writer.Put(56, le64(0x0123456789ABCDEF));
  uint16_t sum = 0;
  for (size_t i = 3; i < bytes.size(); ++i) {
    if (i == 22 || i == 23) continue;
    sum = static_cast<uint16_t>(((sum & 1) << 15) + (sum >> 1) + static_cast<uint8_t>(bytes[i]));
  }
  writer.Put(22, le16(sum));
  return {.name = "refs",
          .superblock = {.kind = VolumeKind::kRefs, .uuid = "0123456789ABCDEF"},
          .bytes = std::move(bytes),
          .vital = {3, 7, 16, 20, 22, 24, 33, 37, 300}};
}

}  // namespace

std::vector<GuestVolume> GuestVolumes() {
  std::vector<GuestVolume> volumes = {
      Ext("ext2", VolumeKind::kExt2, {}),
      Ext("ext2-revision-0", VolumeKind::kExt2, {.revision = 0}),
      Ext("ext2-small", VolumeKind::kExt2, {.size_bytes = 8 * kMiB}),
      Ext("ext3", VolumeKind::kExt3, {.log_block_size = 1, .compatible = 0x4}),
      Ext("ext4", VolumeKind::kExt4,
          {.log_block_size = 2,
           .compatible = 0x4,
           .incompatible = 0x40 | 0x80,
           .read_only_compatible = 0x400}),
      Ext("ext4-bigalloc", VolumeKind::kExt4,
          {.log_block_size = 2,
           .log_cluster_ratio = 4,
           .incompatible = 0x40,
           .read_only_compatible = 0x200}),
      Xfs("xfs", 5),
      Xfs("xfs-4", 4),
      Btrfs("btrfs", 0),
      Btrfs("btrfs-other-checksum", 2),
      Ntfs("ntfs", 8, 4 * kKiB),
      Ntfs("ntfs-large-clusters", 0xF6, 512 * kKiB),
      Exfat("exfat", 9),
      Exfat("exfat-large-sectors", 12),
      Fat("fat12", {VolumeKind::kFat12, 16, 8, 39}),
      Fat("fat16", {VolumeKind::kFat16, 4, 64, 39}),
      Fat("fat32", {VolumeKind::kFat32, 8, 64, 67}),
      BitLocker(),
      BitLockerToGo(),
      Refs(),
      Luks1(),
      Luks2(),
      Lvm(),
      Swap("swap", 4 * kKiB, "SWAPSPACE2"),
      Swap("swap-large-pages", 64 * kKiB, "SWAPSPACE2"),
      BigEndianSwap(),
      Swap("swap-hibernated", 4 * kKiB, std::string_view("S1SUSPEND\0", 10)),
      Swap("swap-hibernated-by-uswsusp", 4 * kKiB, std::string_view("ULSUSPEND\0", 10)),
  };
  std::ranges::move(GuestPoolMembers(), std::back_inserter(volumes));
  return volumes;
}

GuestVolume GuestVolumeNamed(const std::string& name) {
  for (GuestVolume& volume : GuestVolumes()) {
    if (volume.name == name) return std::move(volume);
  }
  throw std::invalid_argument("there is no volume " + name);
}

void WriteVolume(const GuestVolume& volume, GuestDisk& disk, uint64_t disk_offset) {
  disk.Write(disk_offset, volume.bytes);
  disk.Write(disk_offset + kGuestVolumeBytes - volume.tail.size(), volume.tail);
}

}  // namespace vhdx::testing

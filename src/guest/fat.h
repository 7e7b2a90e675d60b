// The boot sector of FAT12, FAT16 and FAT32.

#ifndef VHDXKIT_GUEST_FAT_H_
#define VHDXKIT_GUEST_FAT_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "bytes/endian.h"
#include "guest/boot_sector.h"
#include "guest/superblock.h"
#include "guest/volume_parsers.h"

namespace vhdx::guest {

/// What follows BiosParameters in FAT12 and FAT16.
struct Fat16Tail {
  static constexpr uint8_t kDirty = 1;
  static constexpr uint8_t kNeedsSurfaceTest = 2;

  uint8_t drive;
  uint8_t state;
  uint8_t boot_signature;
  le32 serial;
  std::array<std::byte, 11> label;
};
static_assert(sizeof(Fat16Tail) == 18);

/// What follows BiosParameters in FAT32.
struct Fat32Tail {
  static constexpr uint16_t kNotMirrored = 0x80;

  le32 fat_sectors_32;
  le16 mirroring;  ///< kNotMirrored: only the FAT that the low four bits name is used
  le16 version;
  le32 root_cluster;
  le16 info_sector;
  le16 backup_sector;
  std::array<std::byte, 12> reserved;
  Fat16Tail rest;
};
static_assert(sizeof(Fat32Tail) == 46);

/// What the boot sector of a FAT says; offsets and lengths in sectors.
struct FatLayout {
  BiosParameters bios = {};
  Fat16Tail common = {};
  Fat32Tail fat32 = {};  ///< if it is one
  bool is_fat32 = false;
  uint64_t fat_sectors = 0;  ///< of one copy
  uint64_t total_sectors = 0;
  uint64_t first_data_sector = 0;
  uint64_t cluster_count = 0;

  VolumeKind kind() const {
    if (is_fat32) return VolumeKind::kFat32;
    return cluster_count < 4085 ? VolumeKind::kFat12 : VolumeKind::kFat16;
  }
  uint64_t bits_per_cluster() const {
    return is_fat32 ? 32 : kind() == VolumeKind::kFat12 ? 12 : 16;
  }
  uint64_t size_bytes() const { return total_sectors * bios.bytes_per_sector; }
};

/// Nothing if the range is not a FAT. The FAT has an entry for each cluster.
std::optional<FatLayout> ReadFatLayout(const RangeStart& start);

}  // namespace vhdx::guest

#endif  // VHDXKIT_GUEST_FAT_H_

// The boot sector that FAT, NTFS and BitLocker have in common.

#ifndef VHDXKIT_GUEST_BOOT_SECTOR_H_
#define VHDXKIT_GUEST_BOOT_SECTOR_H_

#include <array>
#include <cstddef>
#include <cstdint>

#include "bytes/endian.h"
#include "guest/superblock_fields.h"
#include "guest/volume_parsers.h"

namespace vhdx::guest {

/// The start of the boot sector of a FAT, which NTFS shares and exFAT leaves empty.
struct BiosParameters {
  std::array<std::byte, 3> jump;
  std::array<char, 8> oem_name;
  le16 bytes_per_sector;
  uint8_t sectors_per_cluster;
  le16 reserved_sectors;
  uint8_t fat_count;
  le16 root_entries;
  le16 total_sectors_16;
  uint8_t media;
  le16 fat_sectors_16;  ///< 0: FAT32, or NTFS
  std::array<std::byte, 8> geometry;
  le32 total_sectors_32;
};
static_assert(sizeof(BiosParameters) == 36);

inline bool HasBootSignature(const RangeStart& start) {
  constexpr size_t kOffset = 510;
  return start.At<le16>(kOffset) == 0xAA55;
}

inline bool IsSectorSize(uint64_t bytes) { return IsPowerOfTwoWithin(bytes, 512, 4096); }

/// Whether the boot sector is that of BitLocker To Go: of a FAT32 whose files say how to unlock it.
bool IsBitLockerToGo(const RangeStart& start);

}  // namespace vhdx::guest

#endif  // VHDXKIT_GUEST_BOOT_SECTOR_H_

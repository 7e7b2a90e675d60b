// The boot sector of exFAT.

#ifndef VHDXKIT_GUEST_EXFAT_H_
#define VHDXKIT_GUEST_EXFAT_H_

#include <cstddef>
#include <cstdint>
#include <optional>

#include "bytes/endian.h"
#include "guest/volume_parsers.h"

namespace vhdx::guest {

/// The boot sector of an exFAT, from byte 64.
struct ExfatBoot {
  static constexpr size_t kOffset = 64;
  static constexpr uint16_t kActiveFat = 1;  ///< the second FAT and allocation bitmap are used
  static constexpr uint16_t kVolumeDirty = 2;
  static constexpr uint16_t kMediaFailure = 4;
  static constexpr uint8_t kPercentUnknown = 0xFF;

  le64 partition_sector;
  le64 volume_sectors;
  le32 fat_sector;
  le32 fat_sectors;
  le32 heap_sector;  ///< of the first cluster, which has number 2
  le32 cluster_count;
  le32 root_cluster;
  le32 serial;
  le16 revision;
  le16 flags;
  uint8_t sector_shift;   ///< 9 to 12
  uint8_t cluster_shift;  ///< sectors in a cluster
  uint8_t fat_count;
  uint8_t drive;
  uint8_t percent_in_use;  ///< of the clusters, rounded down

  uint64_t size_bytes() const { return volume_sectors << sector_shift; }
};
static_assert(sizeof(ExfatBoot) == 49);

/// Nothing if the range is not an exFAT. The clusters are inside the volume, whose size fits into
/// 64 bits.
std::optional<ExfatBoot> ReadExfatBoot(const RangeStart& start);

}  // namespace vhdx::guest

#endif  // VHDXKIT_GUEST_EXFAT_H_

// The superblock of Btrfs.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "bytes/arithmetic.h"
#include "bytes/crc32c.h"
#include "bytes/endian.h"
#include "guest/btrfs_superblock.h"
#include "guest/superblock_fields.h"
#include "guest/volume_parsers.h"

namespace vhdx::guest {

bool IsBtrfsSuperblock(const BtrfsSuperblock& btrfs, uint64_t offset) {
  if (!FieldIs(btrfs.magic, "_BHRfS_M") || btrfs.own_offset != offset) return false;
  if (!IsPowerOfTwoWithin(btrfs.sector_size, 512, 64 * kKiB) ||
      !IsPowerOfTwoWithin(btrfs.node_size, btrfs.sector_size, 64 * kKiB) ||
      btrfs.device_count == 0 || btrfs.device.total_bytes == 0 || btrfs.checksum_type > 3) {
    return false;
  }
  if (btrfs.checksum_type != BtrfsSuperblock::kCrc32c) return true;
  const auto covered = std::as_bytes(std::span(&btrfs, 1)).subspan(sizeof(btrfs.checksum));
  return Crc32c(covered) == LoadFrom<le32>(btrfs.checksum);
}

std::optional<Superblock> ParseBtrfs(const RangeStart& start) {
  const auto btrfs = start.At<BtrfsSuperblock>(BtrfsSuperblock::kOffset);
  if (!IsBtrfsSuperblock(btrfs, BtrfsSuperblock::kOffset)) return std::nullopt;
  return Superblock{.kind = VolumeKind::kBtrfs,
                    .size_bytes = btrfs.device.total_bytes,
                    .label = FieldText(btrfs.label),
                    .uuid = UuidText(btrfs.uuid)};
}

}  // namespace vhdx::guest

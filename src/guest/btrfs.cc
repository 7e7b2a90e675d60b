// The superblock of Btrfs.

#include <array>
#include <cstddef>

#include "bytes/arithmetic.h"
#include "bytes/crc32c.h"
#include "guest/superblock_fields.h"
#include "guest/volume_parsers.h"

namespace vhdx::guest {
namespace {

/// Btrfs: the first superblock, at 64 KiB.
struct BtrfsSuperblock {
  static constexpr size_t kOffset = 64 * kKiB;
  static constexpr size_t kBytes = 4096;

  std::array<std::byte, 32> checksum;  ///< of all that follows
  Uuid uuid;
  le64 own_offset;
  le64 flags;
  std::array<char, 8> magic;  ///< "_BHRfS_M"
  std::array<std::byte, 40> trees;
  le64 total_bytes;  ///< of all devices
  le64 used_bytes;
  le64 root_directory;
  le64 device_count;
  le32 sector_size;
  le32 node_size;
  std::array<std::byte, 44> sizes_and_flags;
  le16 checksum_type;  ///< 0: CRC-32C
  std::array<std::byte, 3> levels;
  le64 device_id;           ///< of this device
  le64 device_total_bytes;  ///< of this device that the file system uses
  std::array<std::byte, 82> device;
  std::array<std::byte, 256> label;
};
static_assert(offsetof(BtrfsSuperblock, magic) == 64);
static_assert(offsetof(BtrfsSuperblock, checksum_type) == 196);
static_assert(offsetof(BtrfsSuperblock, device_id) == 201);
static_assert(offsetof(BtrfsSuperblock, label) == 299);

bool BtrfsIsPlausible(const BtrfsSuperblock& btrfs, ByteSpan bytes) {
  if (!FieldIs(btrfs.magic, "_BHRfS_M") || btrfs.own_offset != BtrfsSuperblock::kOffset)
    return false;
  if (!IsPowerOfTwoWithin(btrfs.sector_size, 512, 64 * kKiB) ||
      !IsPowerOfTwoWithin(btrfs.node_size, btrfs.sector_size, 64 * kKiB) ||
      btrfs.device_count == 0 || btrfs.device_total_bytes == 0 || btrfs.checksum_type > 3) {
    return false;
  }
  const auto covered = bytes.subspan(sizeof(BtrfsSuperblock::checksum));
  return btrfs.checksum_type != 0 || Crc32c(covered) == LoadFrom<le32>(btrfs.checksum);
}

}  // namespace

std::optional<Superblock> ParseBtrfs(const RangeStart& start) {
  const auto btrfs = start.At<BtrfsSuperblock>(BtrfsSuperblock::kOffset);
  if (!BtrfsIsPlausible(btrfs,
                        start.head.subspan(BtrfsSuperblock::kOffset, BtrfsSuperblock::kBytes))) {
    return std::nullopt;
  }
  return Superblock{.kind = VolumeKind::kBtrfs,
                    .size_bytes = btrfs.device_total_bytes,
                    .label = FieldText(btrfs.label),
                    .uuid = UuidText(btrfs.uuid)};
}

}  // namespace vhdx::guest

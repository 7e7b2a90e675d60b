// The boot sector of NTFS.

#include <array>
#include <bit>
#include <cstddef>

#include "bytes/arithmetic.h"
#include "bytes/formatting.h"
#include "guest/boot_sector.h"
#include "guest/volume_parsers.h"

namespace vhdx::guest {
namespace {

/// What follows in NTFS.
struct NtfsTail {
  std::array<std::byte, 4> drive;
  le64 total_sectors;  ///< without the backup boot sector, which is after them
  le64 mft_cluster;
  le64 mft_mirror_cluster;
  std::array<std::byte, 8> record_sizes;
  le64 serial;
};
static_assert(sizeof(NtfsTail) == 44);

// Above 128 it is a negative power of two.
std::optional<uint64_t> NtfsClusterBytes(const BiosParameters& bios) {
  const uint8_t sectors = bios.sectors_per_cluster;
  const uint64_t sector_bytes = bios.bytes_per_sector;
  if (sectors > 0x80) {
    const int shift = 0x100 - sectors;
    return shift <= 12 ? std::optional(sector_bytes << shift) : std::nullopt;
  }
  return std::has_single_bit(sectors) ? std::optional(sectors * sector_bytes) : std::nullopt;
}

// Whether the first record of the MFT, or of the copy of its start, is one, or neither is inside
// the range.
bool HasMft(const RangeStart& start, const NtfsTail& ntfs, uint64_t cluster_bytes) {
  bool outside = true;
  for (const uint64_t cluster : {ntfs.mft_cluster, ntfs.mft_mirror_cluster}) {
    const auto offset = CheckedMultiply(cluster, cluster_bytes);
    const auto magic = offset ? start.range.Load<std::array<char, 4>>(*offset) : std::nullopt;
    if (!magic) continue;
    if (*magic == std::array{'F', 'I', 'L', 'E'}) return true;
    outside = false;
  }
  return outside;
}

}  // namespace

std::optional<Superblock> ParseNtfs(const RangeStart& start) {
  const auto bios = start.At<BiosParameters>(0);
  const auto ntfs = start.At<NtfsTail>(sizeof(BiosParameters));
  if (!FieldIs(bios.oem_name, "NTFS    ") || !HasBootSignature(start) ||
      !IsSectorSize(bios.bytes_per_sector) || bios.fat_count != 0 || bios.root_entries != 0 ||
      ntfs.total_sectors == 0) {
    return std::nullopt;
  }
  const auto cluster_bytes = NtfsClusterBytes(bios);
  if (!cluster_bytes || !HasMft(start, ntfs, *cluster_bytes)) return std::nullopt;
  const auto sectors = CheckedAdd(ntfs.total_sectors, 1);
  const auto size = sectors ? CheckedMultiply(*sectors, bios.bytes_per_sector) : std::nullopt;
  if (!size) return std::nullopt;
  return Superblock{.kind = VolumeKind::kNtfs,
                    .size_bytes = size,
                    .uuid = Format("{:016X}", uint64_t{ntfs.serial})};
}

}  // namespace vhdx::guest

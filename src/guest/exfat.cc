#include "guest/exfat.h"

#include <bit>
#include <cstddef>

#include "bytes/arithmetic.h"
#include "bytes/formatting.h"
#include "bytes/zeros.h"
#include "guest/boot_sector.h"
#include "guest/superblock_fields.h"

namespace vhdx::guest {
namespace {

// The checksum of the first eleven sectors, without the fields that change while it is mounted.
uint32_t ExfatChecksum(ByteSpan sectors) {
  uint32_t sum = 0;
  for (size_t i = 0; i < sectors.size(); ++i) {
    if (i == 106 || i == 107 || i == 112) continue;
    sum = std::rotr(sum, 1) + std::to_integer<uint32_t>(sectors[i]);
  }
  return sum;
}

bool ExfatIsPlausible(const RangeStart& start, const ExfatBoot& exfat) {
  if (exfat.sector_shift < 9 || exfat.sector_shift > 12 || exfat.cluster_shift > 25 ||
      exfat.fat_count < 1 || exfat.fat_count > 2) {
    return false;
  }
  const size_t boot_bytes = size_t{11} << exfat.sector_shift;
  if (ExfatChecksum(start.head.first(boot_bytes)) != start.At<le32>(boot_bytes)) return false;
  const uint64_t heap_sectors = uint64_t{exfat.cluster_count} << exfat.cluster_shift;
  return FitsInside(exfat.heap_sector, heap_sectors, exfat.volume_sectors);
}

}  // namespace

std::optional<ExfatBoot> ReadExfatBoot(const RangeStart& start) {
  const auto bios = start.At<BiosParameters>(0);
  const auto exfat = start.At<ExfatBoot>(ExfatBoot::kOffset);
  if (!FieldIs(bios.oem_name, "EXFAT   ") || !HasBootSignature(start) ||
      !IsAllZero(start.head.subspan(11, ExfatBoot::kOffset - 11)) ||
      !ExfatIsPlausible(start, exfat) ||
      !CheckedMultiply(exfat.volume_sectors, uint64_t{1} << exfat.sector_shift)) {
    return std::nullopt;
  }
  return exfat;
}

std::optional<Superblock> ParseExfat(const RangeStart& start) {
  const auto exfat = ReadExfatBoot(start);
  if (!exfat) return std::nullopt;
  const uint32_t serial = exfat->serial;
  return Superblock{.kind = VolumeKind::kExfat,
                    .size_bytes = exfat->size_bytes(),
                    .uuid = Format("{:04X}-{:04X}", serial >> 16, serial & 0xFFFF)};
}

}  // namespace vhdx::guest

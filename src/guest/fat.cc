#include "guest/fat.h"

#include <array>
#include <bit>
#include <string>

#include "bytes/arithmetic.h"
#include "bytes/formatting.h"
#include "guest/superblock_fields.h"

namespace vhdx::guest {
namespace {

bool BiosIsPlausible(const BiosParameters& bios) {
  const bool jumps = bios.jump[0] == std::byte{0xEB} || bios.jump[0] == std::byte{0xE9};
  return jumps && IsSectorSize(bios.bytes_per_sector) &&
         std::has_single_bit(bios.sectors_per_cluster) && bios.reserved_sectors != 0 &&
         (bios.fat_count == 1 || bios.fat_count == 2) && (bios.media == 0xF0 || bios.media >= 0xF8);
}

std::optional<FatLayout> LayoutOf(const RangeStart& start) {
  const auto bios = start.At<BiosParameters>(0);
  const auto tail = start.At<Fat32Tail>(sizeof(BiosParameters));
  if (!BiosIsPlausible(bios)) return std::nullopt;
  FatLayout fat{.bios = bios, .fat32 = tail, .is_fat32 = bios.fat_sectors_16 == 0};
  fat.common = fat.is_fat32 ? tail.rest : start.At<Fat16Tail>(sizeof(BiosParameters));
  fat.fat_sectors = fat.is_fat32 ? uint64_t{tail.fat_sectors_32} : uint64_t{bios.fat_sectors_16};
  const uint32_t total_16 = bios.total_sectors_16;
  fat.total_sectors = total_16 != 0 ? total_16 : uint32_t{bios.total_sectors_32};
  if (fat.fat_sectors == 0 || fat.is_fat32 != (bios.root_entries == 0)) return std::nullopt;
  constexpr uint32_t kRootEntryBytes = 32;
  const uint64_t root_sectors =
      DivideRoundingUp<uint32_t>(bios.root_entries * kRootEntryBytes, bios.bytes_per_sector);
  fat.first_data_sector = bios.reserved_sectors + bios.fat_count * fat.fat_sectors + root_sectors;
  if (fat.first_data_sector >= fat.total_sectors) return std::nullopt;
  fat.cluster_count = (fat.total_sectors - fat.first_data_sector) / bios.sectors_per_cluster;
  // Two entries more than there are clusters.
  const uint64_t entry_bits = (fat.cluster_count + 2) * fat.bits_per_cluster();
  if (entry_bits > fat.fat_sectors * bios.bytes_per_sector * 8) return std::nullopt;
  return fat;
}

// The first entry of a FAT is the media byte and ones.
bool HasFat(const RangeStart& start, const BiosParameters& bios) {
  const uint64_t offset = uint64_t{bios.reserved_sectors} * bios.bytes_per_sector;
  const auto entry = start.range.Load<std::array<uint8_t, 2>>(offset);
  return entry && *entry == std::array<uint8_t, 2>{bios.media, 0xFF};
}

std::string FatLabel(const Fat16Tail& tail) {
  std::string label = FieldText(tail.label);
  return label == "NO NAME" ? "" : label;
}

}  // namespace

std::optional<FatLayout> ReadFatLayout(const RangeStart& start) {
  if (!HasBootSignature(start) || IsBitLockerToGo(start)) return std::nullopt;
  const auto fat = LayoutOf(start);
  return fat && HasFat(start, fat->bios) ? fat : std::nullopt;
}

std::optional<Superblock> ParseFat(const RangeStart& start) {
  const auto fat = ReadFatLayout(start);
  if (!fat) return std::nullopt;
  const uint32_t serial = fat->common.serial;
  return Superblock{.kind = fat->kind(),
                    .size_bytes = fat->size_bytes(),
                    .label = FatLabel(fat->common),
                    .uuid = Format("{:04X}-{:04X}", serial >> 16, serial & 0xFFFF)};
}

}  // namespace vhdx::guest

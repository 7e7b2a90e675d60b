#include "guest/protective_mbr.h"

#include <algorithm>
#include <array>

#include "bytes/endian.h"
#include "guest/boot_record.h"

namespace vhdx::guest {
namespace {

constexpr uint32_t kLargestCount = 0xFFFFFFFF;
constexpr std::array<std::byte, 3> kNoChs = {std::byte{0xFF}, std::byte{0xFF}, std::byte{0xFF}};

// Cylinder, head and sector of a geometry of 255 heads and 63 sectors, or kNoChs if there is no
// such cylinder.
std::array<std::byte, 3> ChsOf(uint64_t sector) {
  constexpr uint64_t kHeads = 255;
  constexpr uint64_t kSectors = 63;
  constexpr uint64_t kCylinders = 1024;
  const uint64_t cylinder = sector / (kHeads * kSectors);
  if (cylinder >= kCylinders) return kNoChs;
  const uint64_t head = sector / kSectors % kHeads;
  const uint64_t sector_and_high_bits = (sector % kSectors + 1) | ((cylinder >> 8) << 6);
  return {std::byte(head), std::byte(sector_and_high_bits), std::byte(cylinder & 0xFF)};
}

}  // namespace

bool HasProtectiveEntry(std::span<const std::byte> boot_sector) {
  const auto record = LoadFrom<BootRecord>(boot_sector);
  return record.valid() && std::ranges::any_of(record.entries, &MbrEntry::protective);
}

std::vector<DiskRange> HybridPartitions(std::span<const std::byte> boot_sector,
                                        uint64_t sector_size) {
  std::vector<DiskRange> ranges;
  for (const MbrEntry& entry : LoadFrom<BootRecord>(boot_sector).entries) {
    if (entry.protective() || !entry.used()) continue;
    ranges.push_back({entry.first_sector * sector_size, entry.sector_count * sector_size});
  }
  return ranges;
}

std::optional<std::vector<std::byte>> ResizeProtectiveMbr(std::span<const std::byte> boot_sector,
                                                          uint64_t disk_sectors) {
  auto record = LoadFrom<BootRecord>(boot_sector);
  const auto entry = std::ranges::find_if(record.entries, &MbrEntry::protective);
  const bool alone = std::ranges::count_if(record.entries, [](const MbrEntry& other) {
                       return other.type != 0;
                     }) == 1;
  if (entry == record.entries.end() || !alone || entry->first_sector != 1) return std::nullopt;
  // Interop: Windows writes the largest count on disks of any size, and all readers accept it.
  const uint64_t last = disk_sectors - 1;
  const auto count = static_cast<uint32_t>(std::min<uint64_t>(last, kLargestCount));
  if (entry->sector_count == kLargestCount || entry->sector_count == count) return std::nullopt;
  entry->sector_count = count;
  // Interop: libfdisk leaves the address of the last sector out on disks of any size.
  if (entry->last_chs != kNoChs) entry->last_chs = ChsOf(last);
  std::vector<std::byte> sector(boot_sector.begin(), boot_sector.end());
  StoreTo(sector, record);
  return sector;
}

}  // namespace vhdx::guest

#include "guest/gpt_on_disk.h"

#include <algorithm>
#include <cstddef>
#include <span>
#include <utility>

#include "bytes/endian.h"
#include "bytes/try.h"
#include "bytes/zeros.h"
#include "guest/protective_mbr.h"
#include "guest/range_reader.h"

namespace vhdx::guest {
namespace {

constexpr int kMostGaps = 8;

// Everything that the table says is in use, in the order of the disk.
std::vector<DiskRange> UsedRanges(const GptOnDisk& gpt) {
  const GptPair& copies = gpt.copies;
  const uint64_t sector_size = gpt.sector_size;
  std::vector<DiskRange> used = HybridPartitions(gpt.boot_sector, sector_size);
  used.push_back({0, (kPrimaryGptSector + 1) * sector_size});
  for (const auto* copy : {&copies.primary, &copies.backup}) {
    if (!*copy) continue;
    used.push_back((*copy)->header_range);
    used.push_back((*copy)->entries_range);
  }
  const GptCopy& copy = copies.primary ? *copies.primary : *copies.backup;
  // Where the entries of the primary copy are, or would be if it were rebuilt.
  used.push_back({(kPrimaryGptSector + 1) * sector_size, copy.entries_range.length_bytes});
  for (uint32_t i = 0; i < copy.header.entry_count; ++i) {
    const GptEntry entry = copy.EntryAt(i);
    const auto range = RangeOfEntry(entry, sector_size);
    if (!entry.type.IsZero() && range) used.push_back(*range);
  }
  std::ranges::sort(used);
  return used;
}

// Whether nothing would be lost if a backup were written over these sectors: each is of zeros, or
// of such a backup that was begun before the power failed.
bool IsFree(std::span<const std::byte> bytes, const GptCopy& copy, uint64_t sector_size) {
  std::vector<std::byte> entries = copy.entries;
  entries.resize(copy.entries_range.length_bytes);
  for (size_t at = 0; at < bytes.size(); at += sector_size) {
    const auto sector = bytes.subspan(at, sector_size);
    if (IsAllZero(sector)) continue;
    if (at < entries.size()) {
      if (!std::ranges::equal(sector, std::span(entries).subspan(at, sector_size))) return false;
      continue;
    }
    const auto header = LoadFrom<GptHeader>(sector);
    if (header.signature != copy.header.signature) return false;
    if (header.disk_guid != copy.header.disk_guid) return false;
  }
  return true;
}

std::optional<DiskRange> FindSpare(RangeReader& disk, const GptOnDisk& gpt) {
  const GptCopy& copy = gpt.copies.primary ? *gpt.copies.primary : *gpt.copies.backup;
  const uint64_t length = copy.entries_range.length_bytes + gpt.sector_size;
  std::vector<DiskRange> used = UsedRanges(gpt);
  used.push_back({disk.size_bytes(), 0});
  uint64_t start = 0;
  int gaps = 0;
  for (const DiskRange& range : used) {
    if (range.disk_offset > start && range.disk_offset - start >= length) {
      const auto bytes = disk.Read(start, length);
      if (bytes && IsFree(*bytes, copy, gpt.sector_size)) return DiskRange{start, length};
      if (++gaps == kMostGaps) return std::nullopt;
    }
    start = std::max(start, range.end());
  }
  return std::nullopt;
}

}  // namespace

Result<GptOnDisk> ReadGptOnDisk(BlockDevice& disk) {
  RangeReader reader(disk);
  GptOnDisk on_disk{.sector_size = disk.logical_sector_size()};
  on_disk.boot_sector = reader.ReadHead(on_disk.sector_size);
  on_disk.copies = ReadGptPair(reader, on_disk.sector_size);
  if (on_disk.copies.primary || on_disk.copies.backup) {
    on_disk.spare = FindSpare(reader, on_disk);
  }
  VHDX_TRY(reader.Finish());
  return on_disk;
}

}  // namespace vhdx::guest

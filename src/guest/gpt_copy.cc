#include "guest/gpt_copy.h"

#include <bit>
#include <span>
#include <string_view>
#include <utility>

#include "bytes/arithmetic.h"
#include "guest/crc32.h"
#include "guest/partition_table.h"

namespace vhdx::guest {
namespace {

constexpr std::string_view kGptSignature = "EFI PART";

// Of the header in that sector, with the field of the checksum as zeros.
uint32_t HeaderCrc(std::vector<std::byte> sector, const GptHeader& header) {
  GptHeader without_crc = header;
  without_crc.header_crc = 0;
  StoreTo(sector, without_crc);
  return Crc32(std::span(sector).first(header.header_size));
}

bool HeaderIsValid(const std::vector<std::byte>& bytes, const GptHeader& header, uint64_t sector) {
  if (std::string_view(header.signature.data(), header.signature.size()) != kGptSignature) {
    return false;
  }
  if (header.header_size < sizeof(GptHeader) || header.header_size > bytes.size()) return false;
  return header.own_sector == sector && HeaderCrc(bytes, header) == header.header_crc;
}

std::optional<GptCopy> ReadGptCopy(RangeReader& disk, uint64_t sector_size, uint64_t sector) {
  const auto offset = CheckedMultiply(sector, sector_size);
  auto bytes = offset ? disk.Read(*offset, sector_size) : std::nullopt;
  if (!bytes) return std::nullopt;
  const auto header = LoadFrom<GptHeader>(*bytes);
  if (!HeaderIsValid(*bytes, header, sector)) return std::nullopt;
  const uint32_t entry_size = header.entry_size;
  if (!std::has_single_bit(entry_size) || entry_size < sizeof(GptEntry)) return std::nullopt;
  const uint64_t array_bytes = uint64_t{header.entry_count} * entry_size;
  const auto array_offset = CheckedMultiply(header.entries_sector, sector_size);
  if (array_bytes > kMaxGptArrayBytes || !array_offset) return std::nullopt;
  auto entries = disk.Read(*array_offset, array_bytes);
  if (!entries || Crc32(*entries) != header.entries_crc) return std::nullopt;
  return GptCopy{.header = header,
                 .header_range = {*offset, sector_size},
                 .entries_range = {*array_offset, AlignUp(array_bytes, sector_size)},
                 .header_sector = *std::move(bytes),
                 .entries = *std::move(entries)};
}

}  // namespace

GptEntry GptCopy::EntryAt(uint32_t index) const {
  return LoadFrom<GptEntry>(std::span(entries).subspan(size_t{index} * header.entry_size));
}

std::optional<DiskRange> RangeOfEntry(const GptEntry& entry, uint64_t sector_size) {
  const uint64_t first = entry.first_sector;
  const uint64_t last = entry.last_sector;
  // The end, one sector further, must fit too.
  const auto end = CheckedAdd(last, 1);
  const auto end_byte = end ? CheckedMultiply(*end, sector_size) : std::nullopt;
  if (last < first || !end_byte) return std::nullopt;
  return DiskRange{first * sector_size, *end_byte - first * sector_size};
}

GptPair ReadGptPair(RangeReader& disk, uint32_t sector_size) {
  GptPair pair{.primary = ReadGptCopy(disk, sector_size, kPrimaryGptSector)};
  const uint64_t other_sector = pair.primary ? uint64_t{pair.primary->header.other_sector}
                                             : disk.size_bytes() / sector_size - 1;
  if (other_sector != kPrimaryGptSector) pair.backup = ReadGptCopy(disk, sector_size, other_sector);
  return pair;
}

std::vector<std::byte> EncodeGptHeader(const GptCopy& copy, const GptPlaces& places) {
  std::vector<std::byte> sector = copy.header_sector;
  GptHeader header = copy.header;
  header.own_sector = places.own_sector;
  header.other_sector = places.other_sector;
  header.last_usable = places.last_usable;
  header.entries_sector = places.entries_sector;
  header.header_crc = 0;
  StoreTo(sector, header);
  header.header_crc = HeaderCrc(sector, header);
  StoreTo(sector, header);
  return sector;
}

}  // namespace vhdx::guest

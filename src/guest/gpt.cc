#include "guest/gpt.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstring>
#include <span>
#include <string_view>
#include <utility>

#include "bytes/arithmetic.h"
#include "bytes/endian.h"
#include "bytes/formatting.h"
#include "bytes/utf16.h"
#include "guest/crc32.h"

namespace vhdx::guest {
namespace {

/// [UEFI] 5.3.2. Sectors are those that the table was written for.
struct GptHeader {
  std::array<char, 8> signature;  ///< "EFI PART"
  le32 revision;
  le32 header_size;     ///< bytes that header_crc covers
  le32 header_crc;      ///< with this field as zeros
  le32 reserved;        ///< zeros
  le64 own_sector;      ///< where this copy is
  le64 other_sector;    ///< where the header of the other copy is
  le64 first_usable;    ///< for partitions
  le64 last_usable;     ///< inclusive
  Guid disk_guid;       ///< the same in both copies
  le64 entries_sector;  ///< where the array starts
  le32 entry_count;     ///< unused ones included
  le32 entry_size;      ///< 128 times a power of two
  le32 entries_crc;     ///< of the whole array
};
static_assert(sizeof(GptHeader) == 92 && offsetof(GptHeader, entries_sector) == 72);

/// [UEFI] 5.3.3.
struct GptEntry {
  Guid type;  ///< zeros: unused
  Guid id;
  le64 first_sector;
  le64 last_sector;  ///< inclusive
  le64 attributes;
  std::array<std::byte, 72> name;  ///< UTF-16LE
};
static_assert(sizeof(GptEntry) == 128 && offsetof(GptEntry, name) == 56);

constexpr std::string_view kSignature = "EFI PART";
constexpr uint64_t kPrimarySector = 1;

// A copy that is whole: its header and its entries have the checksums that they should.
struct Copy {
  GptHeader header;
  DiskRange header_range;
  DiskRange entries_range;
  std::vector<std::byte> entries;
};

bool HeaderIsValid(std::vector<std::byte> bytes, const GptHeader& header, uint64_t sector) {
  if (std::string_view(header.signature.data(), header.signature.size()) != kSignature) {
    return false;
  }
  if (header.header_size < sizeof(GptHeader) || header.header_size > bytes.size()) return false;
  GptHeader without_crc = header;
  without_crc.header_crc = 0;
  StoreTo(bytes, without_crc);
  return header.own_sector == sector &&
         Crc32(std::span(bytes).first(header.header_size)) == header.header_crc;
}

std::optional<Copy> ReadCopy(RangeReader& disk, uint64_t sector_size, uint64_t sector) {
  const auto offset = CheckedMultiply(sector, sector_size);
  const auto bytes = offset ? disk.Read(*offset, sector_size) : std::nullopt;
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
  return Copy{.header = header,
              .header_range = {*offset, sector_size},
              .entries_range = {*array_offset, AlignUp(array_bytes, sector_size)},
              .entries = *std::move(entries)};
}

// The range of the entry, if it has one that can be counted in bytes.
std::optional<DiskRange> RangeOf(const GptEntry& entry, uint64_t sector_size) {
  const uint64_t first = entry.first_sector;
  const uint64_t last = entry.last_sector;
  // The end, one sector further, must fit too.
  const auto end = CheckedAdd(last, 1);
  const auto end_byte = end ? CheckedMultiply(*end, sector_size) : std::nullopt;
  if (last < first || !end_byte) return std::nullopt;
  return DiskRange{first * sector_size, *end_byte - first * sector_size};
}

void AddPartitions(const Copy& copy, uint64_t sector_size, Gpt& gpt) {
  for (uint32_t i = 0; i < copy.header.entry_count; ++i) {
    const auto entry =
        LoadFrom<GptEntry>(std::span(copy.entries).subspan(size_t{i} * copy.header.entry_size));
    if (entry.type.IsZero()) continue;
    const auto range = RangeOf(entry, sector_size);
    if (!range) {
      gpt.contradictions.Add(Format("partition {} has the sectors {} to {}", i + 1,
                                    uint64_t{entry.first_sector}, uint64_t{entry.last_sector}));
      continue;
    }
    gpt.partitions.push_back({.number = i + 1,
                              .range = *range,
                              .type_guid = entry.type,
                              .name = DisplayableUtf8FromUtf16(entry.name)});
  }
}

void Describe(const std::optional<Copy>& primary, const std::optional<Copy>& backup, Gpt& gpt) {
  GptCopies& copies = gpt.copies;
  copies.primary_valid = primary.has_value();
  copies.backup_valid = backup.has_value();
  if (primary) copies.primary_entries = primary->entries_range;
  if (backup) {
    copies.backup_entries = backup->entries_range;
    copies.backup_header = backup->header_range;
  }
  const Copy& copy = primary ? *primary : *backup;
  copies.backup_bytes = copy.entries_range.length_bytes + copy.header_range.length_bytes;
  if (!primary) {
    gpt.contradictions.Add("the primary GPT is damaged, and only its backup is valid");
  } else if (backup && (primary->entries != backup->entries ||
                        primary->header.disk_guid != backup->header.disk_guid)) {
    gpt.contradictions.Add("the GPT and its backup differ");
  }
}

}  // namespace

std::optional<Gpt> ReadGpt(RangeReader& disk, uint32_t sector_size) {
  const auto primary = ReadCopy(disk, sector_size, kPrimarySector);
  const uint64_t other_sector =
      primary ? uint64_t{primary->header.other_sector} : disk.size_bytes() / sector_size - 1;
  const auto backup =
      other_sector == kPrimarySector ? std::nullopt : ReadCopy(disk, sector_size, other_sector);
  if (!primary && !backup) return std::nullopt;
  Gpt gpt;
  Describe(primary, backup, gpt);
  AddPartitions(primary ? *primary : *backup, sector_size, gpt);
  gpt.structures_end = (kPrimarySector + 1) * sector_size;
  if (primary) gpt.structures_end = std::max(gpt.structures_end, primary->entries_range.end());
  return gpt;
}

}  // namespace vhdx::guest

#include "format/region_table.h"

#include <algorithm>
#include <limits>

#include "bytes/crc32c.h"
#include "format/layout.h"
#include "format/rules.h"

namespace vhdx::format {
namespace {

constexpr uint32_t kRequiredBit = 1;

Place RegionEntryPlace(const Place& table, size_t index) {
  return table.Plus(sizeof(RegionTableHeader) + index * sizeof(RegionTableEntry));
}

std::string Describe(const RegionInfo& region) {
  return "region " + region.guid.ToString() + " of " + std::to_string(region.length_bytes) +
         " bytes at " + std::to_string(region.file_offset);
}

bool IsKnown(const Guid& guid) { return guid == kBatRegionGuid || guid == kMetadataRegionGuid; }

bool IsPlaced(const RegionInfo& region) {
  return region.length_bytes != 0 && IsAligned(region.length_bytes, kAlignment) &&
         IsAligned(region.file_offset, kAlignment) && region.file_offset >= kHeaderSectionSize &&
         CheckedAdd(region.file_offset, region.length_bytes).has_value();
}

Result<void> CheckRegion(const RegionInfo& region, uint64_t file_size, const Place& place,
                         Findings& findings) {
  if (!IsPlaced(region)) return Corrupt(rules::kRegionRange, place, Describe(region));
  const bool inside = FitsInside(region.file_offset, region.length_bytes, file_size);
  const std::string file_end =
      "a file of at least " + std::to_string(region.file_offset + region.length_bytes) + " bytes";
  if (IsKnown(region.guid)) {
    if (!inside) return Corrupt(rules::kRegionBeyondEof, place, Describe(region), file_end);
  } else {
    if ((region.required & kRequiredBit) != 0) {
      return Corrupt(rules::kRegionUnknownRequired, place, Describe(region));
    }
    if (!inside) findings.Add(rules::kRegionUnknownBeyondEof, place, Describe(region), file_end);
  }
  if ((region.required & ~kRequiredBit) != 0) {
    findings.Add(rules::kRegionRequiredBits, place, Hex(region.required), "0 or 1");
  }
  return {};
}

// A region or the log with the index of its entry, to be sorted by place.
struct Claim {
  FileRange range;
  std::optional<size_t> entry;  // nothing: the log
};

Result<void> CheckOverlaps(const std::vector<RegionInfo>& regions, FileRange log,
                           const Place& place) {
  std::vector<Claim> claims;
  claims.reserve(regions.size() + 1);
  if (log.length_bytes != 0) claims.push_back({log, std::nullopt});
  for (size_t i = 0; i < regions.size(); ++i) {
    claims.push_back({{regions[i].file_offset, regions[i].length_bytes}, i});
  }
  std::ranges::sort(claims, {}, &Claim::range);
  for (size_t i = 1; i < claims.size(); ++i) {
    const Claim& before = claims[i - 1];
    const Claim& after = claims[i];
    if (after.range.file_offset - before.range.file_offset >= before.range.length_bytes) continue;
    if (!before.entry || !after.entry) {
      const size_t entry = before.entry ? *before.entry : *after.entry;
      return Corrupt(rules::kLogOverlap, RegionEntryPlace(place, entry),
                     Describe(regions[entry]) + " and the log of " +
                         std::to_string(log.length_bytes) + " bytes at " +
                         std::to_string(log.file_offset));
    }
    return Corrupt(rules::kRegionOverlap, RegionEntryPlace(place, *after.entry),
                   Describe(regions[*after.entry]) + " and " + Describe(regions[*before.entry]));
  }
  return {};
}

Result<void> CheckGuids(const std::vector<RegionInfo>& regions, const Place& place) {
  std::vector<Guid> guids;
  guids.reserve(regions.size());
  for (const RegionInfo& region : regions) guids.push_back(region.guid);
  std::ranges::sort(guids);
  if (const auto twice = std::ranges::adjacent_find(guids); twice != guids.end()) {
    return Corrupt(rules::kRegionDuplicate, place, twice->ToString() + " twice");
  }
  for (const Guid& guid : {kBatRegionGuid, kMetadataRegionGuid}) {
    if (!std::ranges::binary_search(guids, guid)) {
      return Corrupt(rules::kRegionMissing, place, "no entry", guid.ToString());
    }
  }
  return {};
}

}  // namespace

Result<std::optional<RegionTableInfo>> ParseRegionTable(std::span<const std::byte> bytes,
                                                        const Place& place, Findings& findings) {
  const auto header = LoadFrom<RegionTableHeader>(bytes);
  if (header.signature != kRegionTableSignature) {
    findings.Add(rules::kRegionSignature, place, Hex(LoadFrom<le32>(bytes)), "\"regi\"");
    return std::nullopt;
  }
  const uint32_t checksum =
      Crc32cWithoutField(bytes.first(kRegionTableSize), offsetof(RegionTableHeader, checksum));
  if (checksum != header.checksum) {
    findings.Add(rules::kRegionChecksum, place.Plus(offsetof(RegionTableHeader, checksum)),
                 Hex(header.checksum), Hex(checksum));
    return std::nullopt;
  }
  if (header.entry_count > kMaxRegionCount) {
    return Corrupt(rules::kRegionEntryCount, place.Plus(offsetof(RegionTableHeader, entry_count)),
                   std::to_string(header.entry_count), "at most 2047");
  }
  if (header.reserved != 0) {
    findings.Add(rules::kRegionReserved, place.Plus(offsetof(RegionTableHeader, reserved)),
                 Hex(header.reserved), "0");
  }
  RegionTableInfo info{.checksum = header.checksum, .regions = {}};
  info.regions.reserve(header.entry_count);
  for (uint32_t i = 0; i < header.entry_count; ++i) {
    const auto entry = LoadFrom<RegionTableEntry>(
        bytes.subspan(sizeof(RegionTableHeader) + i * sizeof(RegionTableEntry)));
    info.regions.push_back({.guid = entry.guid,
                            .file_offset = entry.file_offset,
                            .length_bytes = entry.length,
                            .required = entry.required});
  }
  return info;
}

Result<void> CheckRegions(const std::vector<RegionInfo>& regions, FileRange log, uint64_t file_size,
                          const Place& place, Findings& findings) {
  for (size_t i = 0; i < regions.size(); ++i) {
    if (auto checked = CheckRegion(regions[i], file_size, RegionEntryPlace(place, i), findings);
        !checked) {
      return checked;
    }
  }
  if (auto checked = CheckGuids(regions, place); !checked) return checked;
  return CheckOverlaps(regions, log, place);
}

Result<std::vector<std::byte>> EncodeRegionTable(const std::vector<RegionInfo>& regions) {
  Findings findings;
  auto checked =
      regions.size() > kMaxRegionCount
          ? Corrupt(rules::kRegionEntryCount, {}, std::to_string(regions.size()), "at most 2047")
          : CheckRegions(regions, {}, std::numeric_limits<uint64_t>::max(), {}, findings);
  if (!checked) return Fail(ErrorCode::kInvalidArgument, checked.error().sentence);

  std::vector<std::byte> bytes(kRegionTableSize);
  const std::span<std::byte> table(bytes);
  for (size_t i = 0; i < regions.size(); ++i) {
    StoreTo(table.subspan(sizeof(RegionTableHeader) + i * sizeof(RegionTableEntry)),
            RegionTableEntry{.guid = regions[i].guid,
                             .file_offset = regions[i].file_offset,
                             .length = regions[i].length_bytes,
                             .required = regions[i].required});
  }
  RegionTableHeader header{.signature = kRegionTableSignature,
                           .checksum = 0,
                           .entry_count = static_cast<uint32_t>(regions.size()),
                           .reserved = 0};
  StoreTo(table, header);
  header.checksum = Crc32c(table);
  StoreTo(table, header);
  return bytes;
}

}  // namespace vhdx::format

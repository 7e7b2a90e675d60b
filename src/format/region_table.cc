#include "format/region_table.h"

#include <algorithm>
#include <limits>
#include <tuple>

#include "bytes/crc32c.h"
#include "format/layout.h"
#include "format/rules.h"

namespace vhdx::format {
namespace {

constexpr uint32_t kRequiredBit = 1;

std::string Describe(const RegionInfo& region) {
  return "region " + region.guid.ToString() + " of " + std::to_string(region.length_bytes) +
         " bytes at " + std::to_string(region.file_offset);
}

bool IsKnown(const Guid& guid) { return guid == kBatRegionGuid || guid == kMetadataRegionGuid; }

void CheckRegion(RegionStructure& region, uint64_t file_size, const Place& place,
                 Problems& problems) {
  const RegionInfo& info = region.info;
  if (!RegionIsPlaced(info)) {
    problems.Refuse(region.verdict, rules::kRegionRange, place, Describe(info));
    return;
  }
  const bool inside = FitsInside(info.file_offset, info.length_bytes, file_size);
  const std::string file_end =
      "a file of at least " + std::to_string(info.file_offset + info.length_bytes) + " bytes";
  if (IsKnown(info.guid)) {
    if (!inside) {
      problems.Refuse(region.verdict, rules::kRegionBeyondEof, place, Describe(info), file_end);
    }
  } else {
    if ((info.required & kRequiredBit) != 0) {
      problems.Refuse(region.verdict, rules::kRegionUnknownRequired, place, Describe(info));
    }
    if (!inside) {
      problems.Add(region.verdict, rules::kRegionUnknownBeyondEof, place, Describe(info), file_end);
    }
  }
  if ((info.required & ~kRequiredBit) != 0) {
    problems.Add(region.verdict, rules::kRegionRequiredBits, place, Hex(info.required), "0 or 1");
  }
}

// A region or the log, to be sorted by place.
struct Claim {
  FileRange range;
  RegionStructure* region = nullptr;  // null: the log
};

void ReportOverlap(const Claim& before, const Claim& after, const Place& place,
                   Problems& problems) {
  if (before.region != nullptr && after.region != nullptr) {
    problems.RefuseBoth(
        after.region->verdict, before.region->verdict,
        CorruptError(rules::kRegionOverlap, {place.file, after.region->entry_offset},
                     Describe(after.region->info) + " and " + Describe(before.region->info)));
    return;
  }
  RegionStructure& region = before.region != nullptr ? *before.region : *after.region;
  const FileRange& log = before.region != nullptr ? after.range : before.range;
  problems.Refuse(region.verdict, rules::kLogOverlap, {place.file, region.entry_offset},
                  Describe(region.info) + " and the log of " + std::to_string(log.length_bytes) +
                      " bytes at " + std::to_string(log.file_offset));
}

void CheckOverlaps(std::vector<RegionStructure>& regions, FileRange log, const Place& place,
                   Problems& problems) {
  std::vector<Claim> claims;
  claims.reserve(regions.size() + 1);
  if (log.length_bytes != 0) claims.push_back({log, nullptr});
  for (RegionStructure& region : regions) {
    if (!RegionIsPlaced(region.info)) continue;
    claims.push_back({{region.info.file_offset, region.info.length_bytes}, &region});
  }
  // Equal ones in the order of the table, which is that of their addresses; the log first.
  std::ranges::sort(claims, {},
                    [](const Claim& claim) { return std::tuple(claim.range, claim.region); });
  const Claim* farthest = nullptr;  // of those so far, the one that ends last
  for (const Claim& claim : claims) {
    if (farthest != nullptr &&
        claim.range.file_offset - farthest->range.file_offset < farthest->range.length_bytes) {
      ReportOverlap(*farthest, claim, place, problems);
    }
    if (farthest == nullptr || claim.range.file_offset + claim.range.length_bytes >
                                   farthest->range.file_offset + farthest->range.length_bytes) {
      farthest = &claim;
    }
  }
}

void CheckGuids(std::vector<RegionStructure>& regions, const Place& place, StructureVerdict& table,
                Problems& problems) {
  std::vector<RegionStructure*> by_guid;
  by_guid.reserve(regions.size());
  for (RegionStructure& region : regions) by_guid.push_back(&region);
  const auto guid_of = [](const RegionStructure* region) { return region->info.guid; };
  std::ranges::sort(by_guid, {}, [&](const RegionStructure* region) {
    return std::tuple(guid_of(region), region);  // equal ones in the order of the table
  });
  for (size_t i = 1; i < by_guid.size(); ++i) {
    if (guid_of(by_guid[i]) != guid_of(by_guid[i - 1])) continue;
    problems.RefuseBoth(
        by_guid[i]->verdict, by_guid[i - 1]->verdict,
        CorruptError(rules::kRegionDuplicate, place, guid_of(by_guid[i]).ToString() + " twice"));
  }
  for (const Guid& guid : {kBatRegionGuid, kMetadataRegionGuid}) {
    if (!std::ranges::binary_search(by_guid, guid, {}, guid_of)) {
      problems.Refuse(table, rules::kRegionMissing, place, "no entry", guid.ToString());
    }
  }
}

RegionTableInfo DecodeEntries(const RegionTableHeader& header, std::span<const std::byte> bytes) {
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

}  // namespace

bool RegionIsPlaced(const RegionInfo& region) {
  return region.length_bytes != 0 && IsAligned(region.length_bytes, kAlignment) &&
         IsAligned(region.file_offset, kAlignment) && region.file_offset >= kHeaderSectionSize &&
         CheckedAdd(region.file_offset, region.length_bytes).has_value();
}

std::vector<RegionStructure> PlaceRegions(const std::vector<RegionInfo>& regions,
                                          const Place& place) {
  std::vector<RegionStructure> placed;
  placed.reserve(regions.size());
  for (const RegionInfo& region : regions) {
    placed.push_back({.info = region,
                      .entry_offset = place.file_offset + sizeof(RegionTableHeader) +
                                      placed.size() * sizeof(RegionTableEntry)});
  }
  return placed;
}

std::optional<RegionTableInfo> DecodeRegionTable(std::span<const std::byte> bytes) {
  if (bytes.size() < kRegionTableSize) return std::nullopt;
  const auto header = LoadFrom<RegionTableHeader>(bytes);
  if (header.signature != kRegionTableSignature || header.entry_count > kMaxRegionCount) {
    return std::nullopt;
  }
  return DecodeEntries(header, bytes);
}

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
  return DecodeEntries(header, bytes);
}

void CheckRegions(std::vector<RegionStructure>& regions, FileRange log, uint64_t file_size,
                  const Place& place, StructureVerdict& table, Problems& problems) {
  for (RegionStructure& region : regions) {
    CheckRegion(region, file_size, {place.file, region.entry_offset}, problems);
  }
  CheckGuids(regions, place, table, problems);
  CheckOverlaps(regions, log, place, problems);
}

namespace {

// Whatever the log and the size of the file.
Result<void> CheckRegionsToWrite(const std::vector<RegionInfo>& regions) {
  if (regions.size() > kMaxRegionCount) {
    return Corrupt(rules::kRegionEntryCount, {}, std::to_string(regions.size()), "at most 2047");
  }
  std::vector<RegionStructure> placed = PlaceRegions(regions, {});
  StructureVerdict table;
  Problems problems;
  CheckRegions(placed, {}, std::numeric_limits<uint64_t>::max(), {}, table, problems);
  return problems.result();
}

}  // namespace

Result<std::vector<std::byte>> EncodeRegionTable(const std::vector<RegionInfo>& regions) {
  if (auto checked = CheckRegionsToWrite(regions); !checked)
    return Fail(ErrorCode::kInvalidArgument, checked.error().sentence);

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

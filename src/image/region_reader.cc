#include "image/region_reader.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "bytes/same_bytes.h"
#include "format/layout.h"
#include "format/metadata.h"
#include "format/parent_locator.h"
#include "format/region_table.h"
#include "format/rules.h"

namespace vhdx {

void RegionReader::ParseCopy(const Copy& bytes, RegionTableStructure& table,
                             std::optional<Error>& refused) {
  const Place place = At(table.file_offset);
  Findings findings;
  auto parsed = format::ParseRegionTable(bytes, place, findings);
  problems().Add(table.verdict, findings);
  if (!parsed) {
    Findings own;
    own.Add(parsed.error());
    table.verdict.findings.push_back(own.kept().front());
    if (!refused) refused = std::move(parsed.error());
    return;
  }
  table.valid = parsed->has_value();
  const auto decoded = table.valid ? *parsed : format::DecodeRegionTable(bytes);
  if (!decoded) return;
  table.checksum = decoded->checksum;
  table.regions = format::PlaceRegions(decoded->regions, place);
}

void RegionReader::ReadRegionTables() {
  std::array<Copy, 2> bytes;
  std::optional<Error> host_error;
  std::optional<Error> refused;  // a table that is whole by its checksum
  for (size_t i = 0; i < 2; ++i) {
    RegionTableStructure& table = found().region_tables[i];
    table.file_offset = format::kRegionTableOffsets[i];
    bytes[i] = ReadCopy(At(table.file_offset), format::kRegionTableSize, rules::kRegionUnreadable,
                        table.verdict, host_error);
    if (!bytes[i].empty()) ParseCopy(bytes[i], table, refused);
  }
  if (host_error && bytes[0].empty() && bytes[1].empty()) {
    return problems().Refuse(found().region_table_pair, *std::move(host_error));
  }
  ChooseTable(bytes, refused);
  if (!found().current_region_table) return;
  RegionTableStructure& table = found().region_tables[*found().current_region_table];
  format::CheckRegions(table.regions, UsableLogRange().value_or(FileRange{}), file_size(),
                       At(table.file_offset), table.verdict, problems());
}

void RegionReader::ChooseTable(const std::array<Copy, 2>& bytes,
                               const std::optional<Error>& refused) {
  const auto& [first, second] = found().region_tables;
  StructureVerdict& pair = found().region_table_pair;
  const Place place = At(format::kRegionTableOffsets[0]);
  if (!first.valid && !second.valid) {
    problems().Refuse(pair, refused ? *refused : CorruptError(rules::kRegionNone, place));
    return GuessTable();
  }
  if (refused) problems().Add(pair, rules::kRegionDiffer, place, refused->sentence);
  if (first.valid && second.valid && !SameBytes(bytes[0], bytes[1])) {
    problems().Add(pair, rules::kRegionDiffer, place);
  }
  found().current_region_table = first.valid ? 0 : 1;
}

// What a table says that is not valid is shown. What is wrong there was not found in the image.
void RegionReader::GuessTable() {
  const auto& tables = found().region_tables;
  const auto guess = std::ranges::find_if(
      tables, [](const RegionTableStructure& table) { return !table.regions.empty(); });
  if (guess == tables.end()) return;
  found().current_region_table = static_cast<size_t>(guess - tables.begin());
  BeginToGuess();
}

const RegionStructure* RegionReader::FindRegion(const Guid& guid, StructureVerdict& of) const {
  if (!found().current_region_table) {
    of.error = found().region_table_pair.error;
    return nullptr;
  }
  const RegionTableStructure& table = found().region_tables[*found().current_region_table];
  const auto region = std::ranges::find(table.regions, guid,
                                        [](const RegionStructure& each) { return each.info.guid; });
  if (region != table.regions.end()) return &*region;
  of.error =
      CorruptError(rules::kRegionMissing, At(table.file_offset), "no entry", guid.ToString());
  return nullptr;
}

void RegionReader::ReadMetadata() {
  MetadataStructure& metadata = found().metadata;
  const RegionStructure* region = FindRegion(format::kMetadataRegionGuid, metadata.verdict);
  if (region == nullptr) return;
  const uint64_t start = region->info.file_offset;
  if (!format::RegionIsPlaced(region->info) || start >= file_size()) {
    metadata.verdict.error = region->verdict.error;
    return;
  }
  metadata.region = FileRange{start, region->info.length_bytes};
  auto table = Read(start, format::kMetadataTableSize);
  if (!table) {
    return RefuseUnread(metadata.verdict, {start, format::kMetadataTableSize},
                        std::move(table.error()), region->verdict.error.has_value());
  }
  metadata.items = format::ParseMetadataTable(*table, region->info.length_bytes, At(start),
                                              metadata.verdict, problems());
  format::ReadDiskParameters(
      metadata,
      [&](const MetadataItemInfo& item) { return Read(start + item.offset, item.length_bytes); },
      file().name(), problems());
}

void RegionReader::ReadLocator() {
  const MetadataStructure& metadata = found().metadata;
  LocatorStructure& locator = found().locator;
  if (metadata.items.empty()) {
    locator.verdict.error = metadata.verdict.error;
    return;
  }
  const Place region = At(metadata.region->file_offset);
  const auto* parameters = format::FindItem(metadata.items, format::kFileParametersGuid);
  const bool is_decided = parameters != nullptr && parameters->has_value;
  const MetadataItemStructure* item = format::FindItem(metadata.items, format::kParentLocatorGuid);
  if (item == nullptr) {
    if (is_decided && metadata.parameters.has_parent) {
      problems().Refuse(locator.verdict, rules::kLocatorMissing, region);
    }
    return;
  }
  const Place place = region.Plus(item->info.offset);
  locator.file_offset = place.file_offset;
  // Nobody reads a locator that means nothing.
  if (is_decided && !metadata.parameters.has_parent) {
    return problems().Add(locator.verdict, rules::kLocatorUnexpected, place);
  }
  if (item->info.length_bytes != 0 &&
      !format::ItemIsPlaced(item->info, metadata.region->length_bytes)) {
    locator.verdict.error = item->verdict.error;
    return;
  }
  auto bytes = Read(place.file_offset, item->info.length_bytes);
  if (!bytes) return problems().Refuse(locator.verdict, std::move(bytes.error()));
  locator = format::ParseParentLocator(*bytes, place, problems());
}

// Regions that are refused may overlap others, or be anywhere.
ReservedRanges RegionReader::MakeReservedRanges() const {
  std::vector<FileRange> ranges = {{0, format::kHeaderSectionSize}};
  if (const auto log = UsableLogRange()) ranges.push_back(*log);
  for (const RegionStructure& region :
       found().region_tables[*found().current_region_table].regions) {
    if (region.verdict.error) continue;
    ranges.push_back({region.info.file_offset, region.info.length_bytes});
  }
  return ReservedRanges(std::move(ranges));
}

std::optional<BatRules> RegionReader::CheckBat() {
  BatStructure& bat = found().bat;
  const RegionStructure* region = FindRegion(format::kBatRegionGuid, bat.verdict);
  if (region == nullptr) return std::nullopt;
  bat.verdict.error = region->verdict.error;
  if (!format::RegionIsPlaced(region->info)) return std::nullopt;
  bat.region = FileRange{region->info.file_offset, region->info.length_bytes};
  if (!found().metadata.sound) return std::nullopt;
  const DiskParameters& parameters = found().metadata.parameters;
  BatRules rules(format::BatGeometry(parameters), parameters.has_parent, region->info.file_offset,
                 file_size(), MakeReservedRanges());
  const uint64_t needed = rules.entry_count() * format::kBatEntrySize;
  if (region->info.length_bytes < needed) {
    problems().Refuse(bat.verdict, rules::kBatRegionLength,
                      At(found().region_tables[*found().current_region_table].file_offset),
                      std::to_string(region->info.length_bytes) + " bytes",
                      "at least " + std::to_string(needed));
    return std::nullopt;
  }
  bat.geometry_known = true;
  return rules;
}

}  // namespace vhdx

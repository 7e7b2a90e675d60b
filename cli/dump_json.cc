#include "cli/dump_json.h"

#include <utility>

#include "cli/dump_values.h"

namespace vhdx::cli {
namespace {

Json RegionToJson(const RegionInfo& region) {
  return {{"guid", region.guid.ToString()},
          {"name", TextOrNull(ImageDump::RegionName(region.guid))},
          {"file-offset", region.file_offset},
          {"length", region.length_bytes},
          {"required", region.required}};
}

}  // namespace

Json HeadersToJson(const ImageInfo& image) {
  Json headers = Json::array();
  for (size_t i = 0; i < image.headers.size(); ++i) {
    Json json = {{"file-offset", ImageDump::HeaderOffsets()[i]},
                 {"valid", image.headers[i].has_value()}};
    if (image.headers[i]) {
      const HeaderInfo& header = *image.headers[i];
      json["current"] = i == image.current_header;
      json["checksum"] = header.checksum;
      json["sequence-number"] = header.sequence_number;
      json["file-write-guid"] = header.file_write_guid.ToString();
      json["data-write-guid"] = header.data_write_guid.ToString();
      json["log-guid"] = header.log_guid.ToString();
      json["log-version"] = header.log_version;
      json["version"] = header.version;
      json["log-length"] = header.log_length_bytes;
      json["log-offset"] = header.log_offset;
    }
    headers.push_back(std::move(json));
  }
  return headers;
}

Json RegionTablesToJson(const ImageInfo& image) {
  Json tables = Json::array();
  for (size_t i = 0; i < image.region_tables.size(); ++i) {
    Json json = {{"file-offset", ImageDump::RegionTableOffsets()[i]},
                 {"valid", image.region_tables[i].has_value()}};
    if (image.region_tables[i]) {
      json["current"] = i == image.current_region_table;
      json["checksum"] = image.region_tables[i]->checksum;
      json["entries"] = Json::array();
      for (const RegionInfo& region : image.region_tables[i]->regions) {
        json["entries"].push_back(RegionToJson(region));
      }
    }
    tables.push_back(std::move(json));
  }
  return tables;
}

Result<Json> MetadataToJson(ImageDump& dump) {
  const ImageInfo& image = dump.info();
  Json items = Json::array();
  for (const MetadataItemInfo& item : image.metadata_items) {
    const std::string_view name = ImageDump::ItemName(item.item_id);
    Json json = {{"item-id", item.item_id.ToString()},
                 {"name", TextOrNull(name)},
                 {"file-offset", image.metadata_region.file_offset + item.offset},
                 {"length", item.length_bytes},
                 {"user", item.is_user},
                 {"virtual-disk", item.is_virtual_disk},
                 {"required", item.is_required}};
    if (const Json value = ValueOfItem(image, item); !value.is_null()) {
      json["value"] = value;
    } else if (name != "Parent Locator") {
      auto bytes = dump.ReadItem(item);
      if (!bytes) return std::unexpected(std::move(bytes.error()));
      json["bytes"] = BytesAsHex(*bytes);
    }
    items.push_back(std::move(json));
  }
  return items;
}

Json LocatorToJson(const ImageInfo& image) {
  if (!image.parent_locator) return nullptr;
  Json entries = Json::array();
  const uint64_t start = OffsetOfLocator(image);
  for (const LocatorEntryInfo& entry : image.parent_locator->entries) {
    entries.push_back({{"key", entry.key},
                       {"value", entry.value},
                       {"key-offset", start + entry.key_offset},
                       {"value-offset", start + entry.value_offset}});
  }
  return entries;
}

Json LogEntryToJson(const LogEntryDump& entry) {
  Json updates = Json::array();
  for (const LogUpdateInfo& update : entry.updates) {
    updates.push_back({{"file-offset", update.target.file_offset},
                       {"length", update.target.length_bytes},
                       {"zeros", update.zeros}});
  }
  return {{"file-offset", entry.file_offset},
          {"active", entry.in_active_sequence},
          {"log-offset", entry.entry.log_offset},
          {"length", entry.entry.entry_length_bytes},
          {"tail", entry.entry.tail},
          {"sequence-number", entry.entry.sequence_number},
          {"checksum", entry.entry.checksum},
          {"log-guid", entry.entry.log_guid.ToString()},
          {"descriptor-count", entry.entry.descriptor_count},
          {"flushed-file-offset", entry.entry.flushed_file_offset},
          {"last-file-offset", entry.entry.last_file_offset},
          {"updates", updates}};
}

Json BatEntryToJson(const BatEntryInfo& entry) {
  const bool payload = entry.kind == BatEntryInfo::Kind::kPayload;
  Json rules = Json::array();
  for (const Rule* rule : entry.broken_rules) rules.push_back(rule->id);
  return {{"index", entry.index},
          {"entry-offset", entry.entry_offset},
          {"kind", payload ? "payload" : "sector-bitmap"},
          {payload ? "block" : "chunk", entry.number},
          {"state", entry.state},
          {"state-name", entry.state_name},
          {"file-offset", entry.file_offset},
          {"raw", entry.raw},
          {"broken-rules", rules}};
}

Json BitmapToJson(const BitmapDump& bitmap) {
  Json runs = Json::array();
  for (const FileRange& run : bitmap.runs) {
    runs.push_back({{"start", run.file_offset}, {"length", run.length_bytes}});
  }
  return {{"block", bitmap.block},
          {"chunk", bitmap.chunk},
          {"file-offset", bitmap.bitmap_offset},
          {"runs", runs}};
}

}  // namespace vhdx::cli

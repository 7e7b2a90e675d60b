#include "cli/dump_json.h"

#include <utility>

#include "cli/check_document.h"
#include "cli/dump_values.h"
#include "cli/messages.h"
#include "json/error_json.h"

namespace vhdx::cli {
namespace {

Json ErrorOrNull(const std::optional<Error>& error) {
  return error ? ErrorToJson(*error)["error"] : Json(nullptr);
}

void AddVerdict(Json& json, const StructureVerdict& verdict) {
  json["error"] = ErrorOrNull(verdict.error);
  json["findings"] = Json::array();
  for (const Finding& finding : verdict.findings) {
    json["findings"].push_back(FindingToJson(finding));
  }
}

Json RegionToJson(const RegionStructure& region) {
  Json json = {{"guid", region.info.guid.ToString()},
               {"name", TextOrNull(ImageDump::RegionName(region.info.guid))},
               {"entry-offset", region.entry_offset},
               {"file-offset", region.info.file_offset},
               {"length", region.info.length_bytes},
               {"required", region.info.required}};
  AddVerdict(json, region.verdict);
  return json;
}

void AddHeaderFields(Json& json, const HeaderInfo& header) {
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

Json ItemToJson(ImageDump& dump, const MetadataItemStructure& item,
                const std::function<void(const Error&)>& unread) {
  const MetadataStructure& metadata = dump.structures().metadata;
  const std::string_view name = ImageDump::ItemName(item.info.item_id);
  Json json = {{"item-id", item.info.item_id.ToString()},
               {"name", TextOrNull(name)},
               {"entry-offset", item.entry_offset},
               {"file-offset", metadata.region->file_offset + item.info.offset},
               {"length", item.info.length_bytes},
               {"user", item.info.is_user},
               {"virtual-disk", item.info.is_virtual_disk},
               {"required", item.info.is_required}};
  StructureVerdict verdict = item.verdict;
  if (const Json value = ValueOfItem(metadata, item); !value.is_null()) {
    json["value"] = value;
  } else if (name != "Parent Locator") {
    auto bytes = dump.ReadItem(item);
    json["bytes"] = bytes ? Json(BytesAsHex(*bytes)) : Json(nullptr);
    if (!bytes && !verdict.error) {
      unread(bytes.error());
      verdict.error = std::move(bytes.error());
    }
  }
  AddVerdict(json, verdict);
  return json;
}

}  // namespace

Json IdentifierToJson(const ImageStructures& image) {
  const auto& creator = image.identifier.creator;
  Json json = {{"file-offset", 0}, {"creator", creator ? Json(*creator) : Json(nullptr)}};
  AddVerdict(json, image.identifier.verdict);
  return json;
}

Json HeadersToJson(const ImageStructures& image) {
  Json headers = Json::array();
  for (size_t i = 0; i < image.headers.size(); ++i) {
    const HeaderStructure& header = image.headers[i];
    Json json = {{"file-offset", header.file_offset}, {"valid", header.valid}};
    if (header.fields) {
      json["current"] = i == image.current_header;
      AddHeaderFields(json, *header.fields);
    }
    AddVerdict(json, header.verdict);
    headers.push_back(std::move(json));
  }
  return headers;
}

Json RegionTablesToJson(const ImageStructures& image) {
  Json tables = Json::array();
  for (size_t i = 0; i < image.region_tables.size(); ++i) {
    const RegionTableStructure& table = image.region_tables[i];
    Json json = {{"file-offset", table.file_offset}, {"valid", table.valid}};
    if (table.checksum) {
      json["current"] = i == image.current_region_table;
      json["checksum"] = *table.checksum;
      json["entries"] = Json::array();
      for (const RegionStructure& region : table.regions) {
        json["entries"].push_back(RegionToJson(region));
      }
    }
    AddVerdict(json, table.verdict);
    tables.push_back(std::move(json));
  }
  return tables;
}

Json MetadataToJson(ImageDump& dump, const std::function<void(const Error&)>& unread) {
  Json items = Json::array();
  for (const MetadataItemStructure& item : dump.structures().metadata.items) {
    items.push_back(ItemToJson(dump, item, unread));
  }
  return items;
}

Json LocatorToJson(const ImageStructures& image) {
  const LocatorStructure& locator = image.locator;
  if (!locator.file_offset) return nullptr;
  Json entries = Json::array();
  for (const LocatorEntryStructure& entry : locator.entries) {
    Json json = {{"key", TextOrNull(entry.info.key)},
                 {"value", TextOrNull(entry.info.value)},
                 {"entry-offset", entry.entry_offset},
                 {"key-offset", *locator.file_offset + entry.info.key_offset},
                 {"value-offset", *locator.file_offset + entry.info.value_offset}};
    AddVerdict(json, entry.verdict);
    entries.push_back(std::move(json));
  }
  return entries;
}

std::string_view LogStateName(LogState state) {
  switch (state) {
    case LogState::kUnknown:
      return "unknown";
    case LogState::kClean:
      return "clean";
    case LogState::kReplayed:
      return "replayed";
    case LogState::kNeverBegun:
      return "never-begun";
    case LogState::kIgnored:
      return "ignored";
    case LogState::kNotReplayed:
      return "not-replayed";
  }
  return "";
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
  Json json = {{"index", entry.index}, {"entry-offset", entry.entry_offset}};
  if (entry.kind == BatEntryInfo::Kind::kUnknown) {
    json["kind"] = nullptr;
  } else {
    json["kind"] = payload ? "payload" : "sector-bitmap";
    json[payload ? "block" : "chunk"] = entry.number;
  }
  json["state"] = entry.state;
  json["state-name"] = TextOrNull(entry.state_name);
  json["file-offset"] = entry.file_offset;
  json["raw"] = entry.raw;
  json["broken-rules"] = std::move(rules);
  return json;
}

Json BitmapToJson(const BitmapDump& bitmap) {
  Json runs = Json::array();
  for (const FileRange& run : bitmap.runs) {
    runs.push_back({{"start", run.file_offset}, {"length", run.length_bytes}});
  }
  return {{"block", bitmap.block},
          {"chunk", bitmap.chunk},
          {"file-offset", bitmap.bitmap_offset},
          {"runs", runs},
          {"error", ErrorOrNull(bitmap.error)}};
}

Json PartVerdictToJson(const ImageStructures& image, std::string_view part,
                       const std::optional<Error>& failure) {
  StructureVerdict verdict;
  if (part == "headers") verdict = image.header_pair;
  if (part == "regions") verdict = image.region_table_pair;
  if (part == "metadata") verdict = image.metadata.verdict;
  if (part == "locator") verdict = image.locator.verdict;
  if (part == "log") verdict = image.log.verdict;
  if (part == "bat") verdict = image.bat.verdict;
  if (part == "file") verdict = image.file;
  if (!verdict.error) verdict.error = failure;
  Json json = Json::object();
  AddVerdict(json, verdict);
  return json;
}

}  // namespace vhdx::cli

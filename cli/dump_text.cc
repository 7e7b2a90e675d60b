#include "cli/dump_text.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "bytes/formatting.h"
#include "cli/dump_values.h"
#include "cli/field_list.h"
#include "cli/printable.h"
#include "cli/size_text.h"

namespace vhdx::cli {

std::string AtOffset(uint64_t file_offset) { return Format("{0} ({0:#x})", file_offset); }

namespace {

constexpr size_t kBytesShown = 32;

std::string HeaderToText(const HeaderInfo& header) {
  FieldList fields;
  fields.Add("sequence number", std::to_string(header.sequence_number));
  fields.Add("checksum", Format("{:#010x}", header.checksum));
  fields.Add("file write guid", header.file_write_guid.ToString());
  fields.Add("data write guid", header.data_write_guid.ToString());
  fields.Add("log guid", header.log_guid.ToString());
  fields.Add("log", Format("{} bytes at {}", header.log_length_bytes, AtOffset(header.log_offset)));
  fields.Add("versions", Format("format {}, log {}", header.version, header.log_version));
  return fields.ToText();
}

// "Header 1 at 65536 (0x10000), current".
std::string Title(std::string_view what, size_t index, uint64_t file_offset, bool valid,
                  bool current) {
  return Format("{} {} at {}{}\n", what, index + 1, AtOffset(file_offset),
                !valid    ? ": not valid"
                : current ? ", current"
                          : "");
}

std::string RegionToText(const RegionInfo& region) {
  const std::string_view name = ImageDump::RegionName(region.guid);
  return Format("  {}  {:<8}  {:>10} bytes at {:<20}  {}\n", region.guid.ToString(),
                name.empty() ? "unknown" : name, region.length_bytes, AtOffset(region.file_offset),
                (region.required & 1) != 0 ? "required" : "optional");
}

std::string Flags(const MetadataItemInfo& item) {
  std::string flags = item.is_user ? "user" : "system";
  if (item.is_virtual_disk) flags += ", virtual disk";
  if (item.is_required) flags += ", required";
  return flags;
}

std::string ShownBytes(ByteSpan bytes) {
  if (bytes.empty()) return "empty";
  std::string text = BytesAsHex(bytes.first(std::min(bytes.size(), kBytesShown)));
  if (bytes.size() > kBytesShown) text += " and more";
  return text;
}

// The value in words, for items that have one.
std::string ItemValueText(const ImageInfo& image, const MetadataItemInfo& item) {
  const Json value = ValueOfItem(image, item);
  if (value.is_null()) return {};
  if (value.is_string()) return value.get<std::string>();
  if (!value.is_object()) {
    const auto number = value.get<uint64_t>();
    return FormatSizeExactly(number);
  }
  return Format(
      "blocks of {}; {}; {}", FormatSize(image.parameters.block_size_bytes),
      image.parameters.leave_blocks_allocated ? "fixed (leave blocks allocated)" : "not fixed",
      image.parameters.has_parent ? "has a parent" : "no parent");
}

}  // namespace

std::string HeadersToText(const ImageInfo& image) {
  std::string text = Format("File identifier at 0\n  creator  {}\n", Printable(image.creator));
  for (size_t i = 0; i < image.headers.size(); ++i) {
    const bool valid = image.headers[i].has_value();
    text += Title("Header", i, ImageDump::HeaderOffsets()[i], valid, i == image.current_header);
    if (valid) text += HeaderToText(*image.headers[i]);
  }
  return text;
}

std::string RegionTablesToText(const ImageInfo& image) {
  std::string text;
  for (size_t i = 0; i < image.region_tables.size(); ++i) {
    const auto& table = image.region_tables[i];
    text += Title("Region table", i, ImageDump::RegionTableOffsets()[i], table.has_value(),
                  i == image.current_region_table);
    if (!table) continue;
    text += Format("  checksum {:#010x}, {}\n", table->checksum,
                   Counted(table->regions.size(), "entry", "entries"));
    for (const RegionInfo& region : table->regions) text += RegionToText(region);
  }
  return text;
}

Result<std::string> MetadataToText(ImageDump& dump) {
  const ImageInfo& image = dump.info();
  std::string text = Format("Metadata at {}: {}\n", AtOffset(image.metadata_region.file_offset),
                            Counted(image.metadata_items.size(), "item", "items"));
  for (const MetadataItemInfo& item : image.metadata_items) {
    const std::string_view name = ImageDump::ItemName(item.item_id);
    std::string value = ItemValueText(image, item);
    if (value.empty() && name == "Parent Locator") value = "see the locator";
    if (value.empty()) {
      auto bytes = dump.ReadItem(item);
      if (!bytes) return std::unexpected(std::move(bytes.error()));
      value = ShownBytes(*bytes);
    }
    text += Format("  {:<20}  {}\n", name.empty() ? "unknown item" : name, value);
    text +=
        Format("  {:<20}  {}, {} bytes at {}, {}\n", "", item.item_id.ToString(), item.length_bytes,
               AtOffset(image.metadata_region.file_offset + item.offset), Flags(item));
  }
  return text;
}

std::string LocatorToText(const ImageInfo& image) {
  if (!image.parent_locator) return "Parent locator: none\n";
  FieldList fields;
  const uint64_t start = OffsetOfLocator(image);
  for (const LocatorEntryInfo& entry : image.parent_locator->entries) {
    fields.Add(Printable(entry.key), Format("{}  (key at {}, value at {})", entry.value,
                                            start + entry.key_offset, start + entry.value_offset));
  }
  return Format("Parent locator at {}\n", AtOffset(start)) + fields.ToText();
}

std::string LogEntryToText(const LogEntryDump& entry) {
  std::string text = Format(
      "  {:>12}  sequence {}, {} bytes, tail {}, {}, file size {} "
      "flushed, {} last; {}\n"
      "  {:>12}    checksum {:#010x}, log guid {}\n",
      entry.file_offset, entry.entry.sequence_number, entry.entry.entry_length_bytes,
      entry.entry.tail, Counted(entry.entry.descriptor_count, "descriptor", "descriptors"),
      entry.entry.flushed_file_offset, entry.entry.last_file_offset,
      entry.in_active_sequence ? "active" : "of an earlier session", "", entry.entry.checksum,
      entry.entry.log_guid.ToString());
  for (const LogUpdateInfo& update : entry.updates) {
    text += Format("  {:>12}    {} {} bytes at {}\n", "", update.zeros ? "zeros" : "writes",
                   update.target.length_bytes, AtOffset(update.target.file_offset));
  }
  return text;
}

std::string BatEntryToText(const BatEntryInfo& entry) {
  const bool payload = entry.kind == BatEntryInfo::Kind::kPayload;
  std::string text =
      Format("  {:>10}  {:>12}  {:<6} {:>10}  {:<31}  {:>15}  {:>13}", entry.index,
             entry.entry_offset, payload ? "block" : "bitmap", entry.number, entry.state_name,
             entry.file_offset, Format("{:#x}", entry.file_offset));
  for (const Rule* rule : entry.broken_rules) text += Format("  [{}]", rule->id);
  return text + "\n";
}

std::string BitmapToText(const BitmapDump& bitmap) {
  std::string text = Format("  block {} (chunk {}), bits at {}: {} run{} in this file\n",
                            bitmap.block, bitmap.chunk, AtOffset(bitmap.bitmap_offset),
                            bitmap.runs.size(), bitmap.runs.size() == 1 ? "" : "s");
  for (const FileRange& run : bitmap.runs) {
    text += Format("    {:>15} bytes at disk offset {}\n", run.length_bytes, run.file_offset);
  }
  return text;
}

}  // namespace vhdx::cli

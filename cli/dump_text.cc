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
namespace {

constexpr size_t kBytesShown = 32;
// So that a file in which much is wrong does not take much memory.
constexpr size_t kErrorsRemembered = 4096;

// "65536 (0x10000)".
std::string AtOffset(uint64_t file_offset) { return Format("{0} ({0:#x})", file_offset); }

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
std::string ItemValueText(const MetadataStructure& metadata, const MetadataItemStructure& item) {
  const Json value = ValueOfItem(metadata, item);
  if (value.is_null()) return {};
  if (value.is_string()) return value.get<std::string>();
  if (!value.is_object()) return FormatSizeExactly(value.get<uint64_t>());
  const DiskParameters& parameters = metadata.parameters;
  return Format("blocks of {}; {}; {}", FormatSize(parameters.block_size_bytes),
                parameters.leave_blocks_allocated ? "fixed (leave blocks allocated)" : "not fixed",
                parameters.has_parent ? "has a parent" : "no parent");
}

std::string_view LogStateText(LogState state) {
  switch (state) {
    case LogState::kUnknown:
      return "no current header says whether it must be replayed";
    case LogState::kClean:
      return "clean";
    case LogState::kReplayed:
      return "dirty, to be replayed";
    case LogState::kNeverBegun:
      return "never begun";
    case LogState::kIgnored:
      return "dirty, ignored; regions, metadata and BAT may be out of date";
    case LogState::kNotReplayed:
      return "dirty, cannot be replayed; regions, metadata and BAT may be out of date";
  }
  return "";
}

}  // namespace

std::string DumpText::Verdict(const StructureVerdict& verdict, std::string_view indent) {
  std::string text;
  if (verdict.error) text += ErrorLine(*verdict.error, indent);
  for (const Finding& finding : verdict.findings) {
    text += Format("{}{}: {} [{}]\n", indent, SeverityName(finding.rule->severity),
                   Printable(finding.sentence), finding.rule->id);
  }
  return text;
}

std::string DumpText::ErrorLine(const Error& error, std::string_view indent) {
  std::string sentence = Printable(Sentence(error));
  if (shown_.contains(sentence)) {
    sentence = error.rule.empty() ? "see above" : Format("see above [{}]", error.rule);
  } else if (shown_.size() < kErrorsRemembered) {
    shown_.insert(sentence);
  }
  return Format("{}error: {}\n", indent, sentence);
}

std::string DumpText::Headers() {
  std::string text;
  if (const std::string wrong = Verdict(image_.file); !wrong.empty()) {
    text += Format("File of {} bytes\n", image_.file_size_bytes) + wrong;
  }
  text += "File identifier at 0\n";
  const auto& creator = image_.identifier.creator;
  if (creator) text += Format("  creator  {}\n", Printable(*creator));
  text += Verdict(image_.identifier.verdict);
  for (size_t i = 0; i < image_.headers.size(); ++i) {
    const HeaderStructure& header = image_.headers[i];
    text += Title("Header", i, header.file_offset, header.valid, i == image_.current_header);
    if (header.fields) text += HeaderToText(*header.fields);
    text += Verdict(header.verdict);
  }
  if (const std::string wrong = Verdict(image_.header_pair); !wrong.empty()) {
    text += "Both headers\n" + wrong;
  }
  return text;
}

std::string DumpText::Region(const RegionStructure& structure) {
  const RegionInfo& region = structure.info;
  const std::string_view name = ImageDump::RegionName(region.guid);
  return Format("  {}  {:<8}  {:>10} bytes at {:<20}  {}\n", region.guid.ToString(),
                name.empty() ? "unknown" : name, region.length_bytes, AtOffset(region.file_offset),
                (region.required & 1) != 0 ? "required" : "optional") +
         Verdict(structure.verdict, "    ");
}

std::string DumpText::RegionTables() {
  std::string text;
  for (size_t i = 0; i < image_.region_tables.size(); ++i) {
    const RegionTableStructure& table = image_.region_tables[i];
    text +=
        Title("Region table", i, table.file_offset, table.valid, i == image_.current_region_table);
    if (table.checksum) {
      text += Format("  checksum {:#010x}, {}\n", *table.checksum,
                     Counted(table.regions.size(), "entry", "entries"));
    }
    for (const RegionStructure& region : table.regions) text += Region(region);
    text += Verdict(table.verdict);
  }
  if (const std::string wrong = Verdict(image_.region_table_pair); !wrong.empty()) {
    text += "Both region tables\n" + wrong;
    if (image_.region_table_pair.error && image_.current_region_table) {
      text += Format("  what follows is where region table {} says that it is\n",
                     *image_.current_region_table + 1);
    }
  }
  return text;
}

std::string DumpText::Item(const MetadataItemStructure& item) {
  const MetadataStructure& metadata = image_.metadata;
  const std::string_view name = ImageDump::ItemName(item.info.item_id);
  StructureVerdict verdict = item.verdict;
  std::string value = ItemValueText(metadata, item);
  if (value.empty() && name == "Parent Locator") value = "see the locator";
  if (value.empty()) {
    auto bytes = dump_.ReadItem(item);
    value = bytes ? ShownBytes(*bytes) : "cannot be read";
    if (!bytes && !verdict.error) {
      unread_(bytes.error());
      verdict.error = std::move(bytes.error());
    }
  }
  return Format("  {:<20}  {}\n", name.empty() ? "unknown item" : name, value) +
         Format("  {:<20}  {}, {} bytes at {}, {}\n", "", item.info.item_id.ToString(),
                item.info.length_bytes, AtOffset(metadata.region->file_offset + item.info.offset),
                Flags(item.info)) +
         Verdict(verdict, Format("  {:<20}  ", ""));
}

std::string DumpText::Metadata() {
  const MetadataStructure& metadata = image_.metadata;
  std::string text = metadata.region
                         ? Format("Metadata at {}: {}\n", AtOffset(metadata.region->file_offset),
                                  Counted(metadata.items.size(), "item", "items"))
                         : "Metadata: not found\n";
  text += Verdict(metadata.verdict);
  for (const MetadataItemStructure& item : metadata.items) text += Item(item);
  return text;
}

std::string DumpText::Locator() {
  const LocatorStructure& locator = image_.locator;
  if (!locator.file_offset) {
    return Format("Parent locator: {}\n", locator.verdict.error ? "not found" : "none") +
           Verdict(locator.verdict);
  }
  FieldList fields;
  std::string wrong = Verdict(locator.verdict);
  const uint64_t start = *locator.file_offset;
  for (const LocatorEntryStructure& entry : locator.entries) {
    const LocatorEntryInfo& info = entry.info;
    // Without a label a field would continue the one above.
    fields.Add(info.key.empty() ? "?" : Printable(info.key),
               Format("{}  (key at {}, value at {})", info.value, start + info.key_offset,
                      start + info.value_offset));
    wrong += Verdict(entry.verdict);
  }
  return Format("Parent locator at {}\n", AtOffset(start)) + fields.ToText() + wrong;
}

std::string DumpText::Log() {
  const LogStructure& log = image_.log;
  std::string text = log.range
                         ? Format("Log at {}, {} bytes: {}\n", AtOffset(log.range->file_offset),
                                  log.range->length_bytes, LogStateText(log.state))
                     : log.verdict.error ? "Log: not found\n"
                                         : "Log: none\n";
  return text + Verdict(log.verdict);
}

std::string DumpText::Bat() {
  const BatStructure& bat = image_.bat;
  if (!bat.region) return "BAT: not found\n" + Verdict(bat.verdict);
  std::string text = Format("BAT at {}, {} bytes; entries that are zero are left out\n",
                            AtOffset(bat.region->file_offset), bat.region->length_bytes);
  text += Verdict(bat.verdict);
  if (!bat.geometry_known) text += "  it is not known which block an entry is for\n";
  return text + Format("  {:>10}  {:>12}  {:<6} {:>10}  {:<31}  {:>15}  {:>13}\n", "index",
                       "entry at", "what", "number", "state", "file offset", "hex");
}

std::string DumpText::LogEntry(const LogEntryDump& entry) {
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

std::string DumpText::BatEntry(const BatEntryInfo& entry) {
  const bool is_known = entry.kind != BatEntryInfo::Kind::kUnknown;
  const bool payload = entry.kind == BatEntryInfo::Kind::kPayload;
  const std::string_view what = !is_known ? "?" : payload ? "block" : "bitmap";
  std::string text = Format("  {:>10}  {:>12}  {:<6} {:>10}  {:<31}  {:>15}  {:>13}", entry.index,
                            entry.entry_offset, what, is_known ? std::to_string(entry.number) : "?",
                            is_known ? std::string(entry.state_name) : std::to_string(entry.state),
                            entry.file_offset, Format("{:#x}", entry.file_offset));
  for (const Rule* rule : entry.broken_rules) text += Format("  [{}]", rule->id);
  return text + "\n";
}

std::string DumpText::Bitmap(const BitmapDump& bitmap) {
  std::string text = Format("  block {} (chunk {}), bits at {}: {} run{} in this file\n",
                            bitmap.block, bitmap.chunk, AtOffset(bitmap.bitmap_offset),
                            bitmap.runs.size(), bitmap.runs.size() == 1 ? "" : "s");
  for (const FileRange& run : bitmap.runs) {
    text += Format("    {:>15} bytes at disk offset {}\n", run.length_bytes, run.file_offset);
  }
  if (bitmap.error) text += ErrorLine(*bitmap.error, "    ");
  return text;
}

}  // namespace vhdx::cli

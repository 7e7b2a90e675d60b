#include "cli/info_document.h"

#include "bytes/formatting.h"
#include "cli/field_list.h"
#include "cli/printable.h"
#include "cli/size_text.h"

namespace vhdx::cli {
namespace {

std::string HeadersText(const ImageInfo& image) {
  const bool both = image.headers[0] && image.headers[1];
  return Format("{}; header {} is current, with sequence number {}",
                both ? "both valid" : "only one of two is valid", image.current_header + 1,
                image.header().sequence_number);
}

std::string RegionTablesText(const ImageInfo& image) {
  const bool both = image.region_tables[0] && image.region_tables[1];
  return Format(
      "{}; metadata at {} ({}), BAT at {} ({})",
      both ? "both tables valid" : "only one of two tables is valid",
      FormatSize(image.metadata_region.file_offset), FormatSize(image.metadata_region.length_bytes),
      FormatSize(image.bat_region.file_offset), FormatSize(image.bat_region.length_bytes));
}

std::string LogText(const ImageInfo& image) {
  const HeaderInfo& header = image.header();
  const std::string place =
      Format("{} at {}", FormatSize(header.log_length_bytes), FormatSize(header.log_offset));
  if (!image.log.dirty) return "clean; " + place;
  return Format("dirty: {} to replay (done in memory, the file stays as it is); {}",
                Counted(image.log.entries.size(), "entry", "entries"), place);
}

std::string HostText(const ImageInfo& image) {
  return Format("{}, of which the host has allocated {}{}",
                FormatSizeExactly(image.file_size_bytes), FormatSize(image.allocated_bytes),
                image.host_sparse ? " (sparse)" : "");
}

// What a person who takes the file to Windows must know.
void AddSparseness(FieldList& fields, const ImageInfo& image) {
  if (!image.host_sparse) return;
  fields.Add("",
             Format("Hyper-V refuses a sparse file: copy it with `cp --sparse=never` (takes {}),",
                    FormatSize(image.file_size_bytes)));
  fields.Add("", "or over SMB");
}

std::string BlocksText(const BlockStatistics& blocks) {
  std::string text = Format("{} of {} in the file",
                            blocks.present + blocks.partial - blocks.beyond_end, blocks.total);
  const auto add = [&](uint64_t count, std::string_view what) {
    if (count > 0) text += Format(", {} {}", count, what);
  };
  add(blocks.beyond_end, "past its end");
  add(blocks.partial, "of them partially");
  add(blocks.zero, "zero");
  add(blocks.unmapped, "unmapped");
  add(blocks.undefined, "undefined");
  add(blocks.not_present, "not present");
  return text;
}

void AddParent(FieldList& fields, const ParentLocatorInfo& locator, const ParentState& parent) {
  fields.Add("parent", NameOfParent(locator));
  fields.Add("parent linkage", locator.parent_linkage.ToString());
  switch (parent.identity) {
    case ParentState::Identity::kOk:
      fields.Add("parent found", parent.resolved);
      break;
    case ParentState::Identity::kMismatch:
      fields.Add("parent found", "no: a file is in its place, but with another DataWriteGuid");
      break;
    case ParentState::Identity::kMissing:
      fields.Add("parent found", "no; name its directory with --parent-dir");
      break;
  }
  size_t not_there = 0;
  for (const ParentAttempt& attempt : parent.attempts) {
    if (attempt.outcome == ParentAttempt::kNotThere) {
      ++not_there;
    } else if (!attempt.outcome.empty()) {
      fields.Add("", Format("{}: {}", attempt.path, attempt.outcome));
    }
  }
  if (not_there > 0 && parent.identity != ParentState::Identity::kOk) {
    fields.Add("", Counted(not_there, "more place", "more places") + " searched");
  }
}

void AddBlocks(FieldList& fields, const ImageReport& report) {
  if (!report.blocks) return;
  fields.Add("blocks", BlocksText(*report.blocks));
  fields.Add("fragmentation", Format("{:.1f} %", report.blocks->fragmentation()));
  fields.Add("minimum size", report.minimum_size.size_bytes
                                 ? FormatSizeExactly(*report.minimum_size.size_bytes)
                                 : "unknown: " + report.minimum_size.unknown_because);
}

// What is worse than a note.
void AddOddities(FieldList& fields, const ImageInfo& image) {
  for (const Finding& finding : image.findings) {
    if (finding.rule->severity != Severity::kNote) {
      fields.Add("odd", Format("{} [{}]", finding.sentence, finding.rule->id));
    }
  }
}

}  // namespace

std::string InfoToText(const ImageReport& report, SparseAdvice advice) {
  const ImageInfo& image = report.inspection.image;
  const DiskParameters& parameters = image.parameters;
  FieldList fields;
  fields.Add("format", Format("VHDX, {}", SubformatName(parameters.subformat())));
  fields.Add("virtual size", FormatSizeExactly(parameters.virtual_disk_size_bytes));
  fields.Add("file size", HostText(image));
  if (advice == SparseAdvice::kGive) AddSparseness(fields, image);
  fields.Add("block size", FormatSize(parameters.block_size_bytes));
  fields.Add("sector size",
             Format("{} bytes logical, {} bytes physical", parameters.logical_sector_size,
                    parameters.physical_sector_size));
  fields.Add("disk ID", parameters.virtual_disk_id.ToString());
  fields.Add("created by", image.creator.empty() ? "(not recorded)" : image.creator);
  fields.Add("headers", HeadersText(image));
  fields.Add("file write guid", image.header().file_write_guid.ToString());
  fields.Add("data write guid", image.header().data_write_guid.ToString());
  fields.Add("log", LogText(image));
  fields.Add("regions", RegionTablesText(image));
  fields.Add("metadata", Counted(image.metadata_items.size(), "item", "items"));
  if (image.parent_locator && report.inspection.parent) {
    AddParent(fields, *image.parent_locator, *report.inspection.parent);
  }
  AddBlocks(fields, report);
  AddOddities(fields, image);
  return Printable(image.filename) + "\n" + fields.ToText();
}

}  // namespace vhdx::cli

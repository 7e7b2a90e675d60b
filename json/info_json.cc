#include "json/info_json.h"

#include <cmath>

namespace vhdx {
namespace {

Json LogToJson(const ImageInfo& image) {
  return {{"guid", image.header().log_guid.ToString()},
          {"size", image.header().log_length_bytes},
          {"state", image.log.dirty ? "dirty" : "clean"},
          {"entries", image.log.entries.size()}};
}

Json BlocksToJson(const BlockStatistics& blocks) {
  return {{"total", blocks.total}, {"present", blocks.present},   {"partial", blocks.partial},
          {"zero", blocks.zero},   {"unmapped", blocks.unmapped}, {"undefined", blocks.undefined}};
}

double RoundedPercent(double percent) { return std::round(100 * percent) / 100; }

Json ParentToJson(const ParentLocatorInfo& locator, const ParentState& parent) {
  return {{"linkage", locator.parent_linkage.ToString()},
          {"linkage2",
           locator.parent_linkage2 ? Json(locator.parent_linkage2->ToString()) : Json(nullptr)},
          {"relative-path", TextOrNull(locator.relative_path)},
          {"volume-path", TextOrNull(locator.volume_path)},
          {"absolute-win32-path", TextOrNull(locator.absolute_win32_path)},
          {"resolved", TextOrNull(parent.resolved)},
          {"identity", IdentityName(parent.identity)}};
}

Json FormatSpecific(const ImageReport& report) {
  const ImageInfo& image = report.inspection.image;
  Json data = {{"subformat", SubformatName(image.parameters.subformat())},
               {"block-size", image.parameters.block_size_bytes},
               {"logical-sector-size", image.parameters.logical_sector_size},
               {"physical-sector-size", image.parameters.physical_sector_size},
               {"disk-id", image.parameters.virtual_disk_id.ToString()},
               {"creator", image.creator},
               {"file-write-guid", image.header().file_write_guid.ToString()},
               {"data-write-guid", image.header().data_write_guid.ToString()},
               {"log", LogToJson(image)},
               {"file-size", image.file_size_bytes},
               {"host-sparse", image.host_sparse}};
  if (report.minimum_size.size_bytes) data["minimum-size"] = *report.minimum_size.size_bytes;
  if (report.blocks) {
    data["blocks"] = BlocksToJson(*report.blocks);
    data["fragmentation"] = RoundedPercent(report.blocks->fragmentation());
  }
  if (image.parent_locator && report.inspection.parent) {
    data["parent"] = ParentToJson(*image.parent_locator, *report.inspection.parent);
  }
  return {{"type", "vhdx"}, {"data", data}};
}

}  // namespace

std::string_view IdentityName(ParentState::Identity identity) {
  switch (identity) {
    case ParentState::Identity::kOk:
      return "ok";
    case ParentState::Identity::kMismatch:
      return "mismatch";
    case ParentState::Identity::kMissing:
      return "missing";
  }
  return "missing";
}

const std::string& NameOfParent(const ParentLocatorInfo& locator) {
  if (!locator.relative_path.empty()) return locator.relative_path;
  if (!locator.absolute_win32_path.empty()) return locator.absolute_win32_path;
  return locator.volume_path;
}

Json InfoToJson(const ImageReport& report) {
  const ImageInfo& image = report.inspection.image;
  Json json = {{"filename", image.filename},
               {"format", "vhdx"},
               {"virtual-size", image.parameters.virtual_disk_size_bytes},
               {"actual-size", image.allocated_bytes},
               {"cluster-size", image.parameters.block_size_bytes},
               {"dirty-flag", image.log.dirty}};
  if (image.parent_locator) {
    json["backing-filename"] = NameOfParent(*image.parent_locator);
    const bool found = report.inspection.parent && !report.inspection.parent->resolved.empty();
    if (found) json["full-backing-filename"] = report.inspection.parent->resolved;
    json["backing-filename-format"] = "vhdx";
  }
  json["format-specific"] = FormatSpecific(report);
  return json;
}

}  // namespace vhdx

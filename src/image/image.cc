#include "image/image.h"

#include <algorithm>
#include <utility>

#include "bytes/border.h"
#include "bytes/try.h"
#include "format/layout.h"

namespace vhdx {
namespace {

RegionInfo RegionOf(const RegionTableStructure& table, const Guid& guid) {
  return std::ranges::find(table.regions, guid, [](const auto& each) { return each.info.guid; })
      ->info;
}

// Of structures none of which is refused.
ImageInfo InfoOf(const Structures& structures) {
  const ImageStructures& found = structures.found;
  ImageInfo info;
  info.filename = found.filename;
  info.file_size_bytes = found.file_size_bytes;
  info.allocated_bytes = structures.allocated_bytes;
  info.host_sparse = structures.host_sparse;
  info.creator = *found.identifier.creator;
  for (size_t i = 0; i < 2; ++i) {
    if (found.headers[i].valid) info.headers[i] = found.headers[i].fields;
    const RegionTableStructure& table = found.region_tables[i];
    if (!table.valid) continue;
    RegionTableInfo& regions = info.region_tables[i].emplace();
    regions.checksum = *table.checksum;
    for (const RegionStructure& region : table.regions) regions.regions.push_back(region.info);
  }
  info.current_header = *found.current_header;
  info.current_region_table = *found.current_region_table;
  const RegionTableStructure& current = found.region_tables[info.current_region_table];
  info.bat_region = RegionOf(current, format::kBatRegionGuid);
  info.metadata_region = RegionOf(current, format::kMetadataRegionGuid);
  const LogState state = found.log.state;
  info.log = {.dirty = state == LogState::kReplayed || state == LogState::kIgnored,
              .entries = found.log.sequence};
  for (const MetadataItemStructure& item : found.metadata.items) {
    info.metadata_items.push_back(item.info);
  }
  info.parameters = found.metadata.parameters;
  if (info.parameters.has_parent) info.parent_locator = found.locator.meaning;
  return info;
}

}  // namespace

Image::Image(Structures structures, ImageInfo info)
    : file_(std::move(structures.file)),
      overlay_(structures.overlay),
      info_(std::move(info)),
      block_map_(*file_, *std::move(structures.bat_rules)),
      sector_bitmaps_(*file_, block_map_) {}

Result<std::unique_ptr<Image>> Image::Open(std::unique_ptr<File> file, Findings& findings,
                                           LogUse log_use) {
  return FromStructures(ReadStructures(std::move(file), log_use), findings);
}

Result<std::unique_ptr<Image>> Image::FromStructures(Structures structures, Findings& findings) {
  findings.Add(structures.problems.findings());
  if (structures.problems.refusal()) return std::unexpected(*structures.problems.refusal());
  ImageInfo info = InfoOf(structures);
  info.findings = findings.kept();
  return std::unique_ptr<Image>(new Image(std::move(structures), std::move(info)));
}

constexpr std::string_view kNotWritable = "it can be read, but not written: ";

Result<void> Image::EnableWriting(FileSystem& files, const WriteLimits& limits,
                                  SessionIdentity identity) {
  for (const Finding& finding : info_.findings) {
    if (finding.rule->severity > Severity::kReadOnly || finding.file != info_.filename) continue;
    Error error{.code = ErrorCode::kCorrupt,
                .rule = std::string(finding.rule->id),
                .file = finding.file,
                .file_offset = finding.file_offset,
                .found = finding.found,
                .expected = finding.expected};
    error.sentence = std::string(kNotWritable) + finding.sentence;
    return std::unexpected(std::move(error));
  }
  File& container = overlay_ != nullptr ? overlay_->base() : *file_;
  auto writer = std::make_unique<ImageWriter>(
      WrittenImage{files, container, overlay_, info_, block_map_, sector_bitmaps_, identity},
      limits, info_.file_size_bytes);
  if (auto prepared = ThrowIfNoMemory(writer->Prepare()); !prepared) {
    prepared.error().sentence.insert(0, kNotWritable);
    return prepared;
  }
  writer_ = std::move(writer);
  return {};
}

Result<void> Image::Rest() {
  VHDX_TRY(writer_->Rest());
  auto size = VHDX_TRY(file_->Size());
  block_map_.SetFileSize(size);
  return {};
}

Result<std::vector<std::byte>> Image::ReadMetadataItem(const MetadataItemInfo& item) {
  std::vector<std::byte> bytes(item.length_bytes);
  VHDX_TRY(file_->ReadExactAt(info_.metadata_region.file_offset + item.offset, bytes));
  return bytes;
}

}  // namespace vhdx

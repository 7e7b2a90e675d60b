#include "image/image.h"

#include <algorithm>
#include <array>
#include <utility>

#include "bytes/arithmetic.h"
#include "bytes/same_bytes.h"
#include "format/file_identifier.h"
#include "format/header.h"
#include "format/layout.h"
#include "format/metadata.h"
#include "format/parent_locator.h"
#include "format/region_table.h"
#include "format/rules.h"
#include "log/replay.h"

namespace vhdx {
namespace {

Result<std::vector<std::byte>> ReadBytes(File& file, uint64_t file_offset, uint64_t length) {
  std::vector<std::byte> bytes(length);
  if (auto read = file.ReadExactAt(file_offset, bytes); !read) {
    return std::unexpected(std::move(read.error()));
  }
  return bytes;
}

// The two headers and which one counts.
struct Headers {
  std::array<std::optional<HeaderInfo>, 2> headers;
  size_t current = 0;
};

Result<Headers> ReadHeaders(File& file, uint64_t file_size, Findings& findings) {
  Headers result;
  std::array<std::vector<std::byte>, 2> bytes;
  for (size_t i = 0; i < 2; ++i) {
    const Place place{file.name(), format::kHeaderOffsets[i]};
    auto read = ReadBytes(file, place.file_offset, sizeof(format::Header));
    if (!read) {
      // The other copy may do; if neither can be read, there is nothing to go on with.
      if (read.error().code != ErrorCode::kIo || (i == 1 && bytes[0].empty())) {
        return std::unexpected(std::move(read.error()));
      }
      findings.Add(rules::kHeaderUnreadable, place, read.error().sentence);
      continue;
    }
    bytes[i] = *std::move(read);
    result.headers[i] = format::ParseHeader(bytes[i], place, findings);
  }
  auto current = format::ChooseCurrentHeader(result.headers, bytes[0] == bytes[1],
                                             {file.name(), format::kHeaderOffsets[0]}, findings);
  if (!current) return std::unexpected(std::move(current.error()));
  result.current = *current;
  const Place place{file.name(), format::kHeaderOffsets[result.current]};
  if (auto ok =
          format::CheckCurrentHeader(*result.headers[result.current], file_size, place, findings);
      !ok) {
    return std::unexpected(std::move(ok.error()));
  }
  return result;
}

Result<std::string> ReadCreator(File& file) {
  std::array<std::byte, sizeof(format::FileIdentifier)> bytes{};
  auto count = file.ReadAt(format::kFileIdentifierOffset, std::span(bytes));
  if (!count) return std::unexpected(std::move(count.error()));
  auto identifier = format::ParseFileIdentifier(std::span(bytes).first(*count),
                                                {file.name(), format::kFileIdentifierOffset});
  if (!identifier) return std::unexpected(std::move(identifier.error()));
  return std::move(identifier->creator);
}

// Identifier, size and headers: what can be read before the log is.
struct Front {
  std::string creator;
  uint64_t file_size = 0;
  Headers headers;
};

Result<Front> ReadFront(File& file, Findings& findings) {
  auto creator = ReadCreator(file);
  if (!creator) return std::unexpected(std::move(creator.error()));
  auto size = file.Size();
  if (!size) return std::unexpected(std::move(size.error()));
  if (*size < format::kHeaderSectionSize) {
    return Corrupt(rules::kFileTruncated, {file.name(), *size},
                   "a file of " + std::to_string(*size) + " bytes",
                   "at least " + std::to_string(format::kHeaderSectionSize));
  }
  auto headers = ReadHeaders(file, *size, findings);
  if (!headers) return std::unexpected(std::move(headers.error()));
  return Front{.creator = *std::move(creator), .file_size = *size, .headers = *std::move(headers)};
}

// Fills in both region tables, and which one counts.
Result<void> ReadRegionTables(File& file, uint64_t file_size, ImageInfo& info, Findings& findings) {
  std::array<std::vector<std::byte>, 2> bytes;
  std::optional<Error> unreadable;  // of one that is whole by its checksum
  for (size_t i = 0; i < 2; ++i) {
    const Place place{file.name(), format::kRegionTableOffsets[i]};
    auto read = ReadBytes(file, place.file_offset, format::kRegionTableSize);
    if (!read) {
      if (read.error().code != ErrorCode::kIo || (i == 1 && bytes[0].empty())) {
        return std::unexpected(std::move(read.error()));
      }
      findings.Add(rules::kRegionUnreadable, place, read.error().sentence);
      continue;
    }
    bytes[i] = *std::move(read);
    auto table = format::ParseRegionTable(bytes[i], place, findings);
    if (table) {
      info.region_tables[i] = *std::move(table);
    } else if (!unreadable) {
      unreadable = std::move(table.error());
    }
  }
  const auto& [first, second] = info.region_tables;
  const Place place{file.name(), format::kRegionTableOffsets[0]};
  if (!first && !second) {
    return unreadable ? std::unexpected(*std::move(unreadable))
                      : Corrupt(rules::kRegionNone, place);
  }
  if (unreadable) findings.Add(rules::kRegionDiffer, place, unreadable->sentence);
  if (first && second && !SameBytes(bytes[0], bytes[1])) findings.Add(rules::kRegionDiffer, place);
  info.current_region_table = first ? 0 : 1;
  const std::vector<RegionInfo>& regions = info.region_tables[info.current_region_table]->regions;
  const HeaderInfo& header = info.header();
  if (auto ok = format::CheckRegions(
          regions, {header.log_offset, header.log_length_bytes}, file_size,
          {file.name(), format::kRegionTableOffsets[info.current_region_table]}, findings);
      !ok) {
    return ok;
  }
  info.bat_region = *std::ranges::find(regions, format::kBatRegionGuid, &RegionInfo::guid);
  info.metadata_region =
      *std::ranges::find(regions, format::kMetadataRegionGuid, &RegionInfo::guid);
  return {};
}

Result<std::vector<std::byte>> ReadItem(File& file, const RegionInfo& region,
                                        const MetadataItemInfo& item) {
  return ReadBytes(file, region.file_offset + item.offset, item.length_bytes);
}

Result<void> ReadMetadata(File& file, ImageInfo& info, Findings& findings) {
  const RegionInfo& region = info.metadata_region;
  const Place place{file.name(), region.file_offset};
  auto table = ReadBytes(file, region.file_offset, format::kMetadataTableSize);
  if (!table) return std::unexpected(std::move(table.error()));
  auto items = format::ParseMetadataTable(*table, region.length_bytes, place, findings);
  if (!items) return std::unexpected(std::move(items.error()));
  info.metadata_items = *std::move(items);
  auto parameters = format::ParseDiskParameters(
      info.metadata_items,
      [&](const MetadataItemInfo& item) { return ReadItem(file, region, item); }, place, findings);
  if (!parameters) return std::unexpected(std::move(parameters.error()));
  info.parameters = *std::move(parameters);
  return {};
}

Result<void> ReadParentLocator(File& file, ImageInfo& info, Findings& findings) {
  const Place region{file.name(), info.metadata_region.file_offset};
  const MetadataItemInfo* item = format::FindItem(info.metadata_items, format::kParentLocatorGuid);
  if (!info.parameters.has_parent) {
    if (item != nullptr) findings.Add(rules::kLocatorUnexpected, region.Plus(item->offset));
    return {};
  }
  if (item == nullptr) return Corrupt(rules::kLocatorMissing, region);
  auto bytes = ReadItem(file, info.metadata_region, *item);
  if (!bytes) return std::unexpected(std::move(bytes.error()));
  auto locator = format::ParseParentLocator(*bytes, region.Plus(item->offset), findings);
  if (!locator) return std::unexpected(std::move(locator.error()));
  info.parent_locator = *std::move(locator);
  return {};
}

ReservedRanges MakeReservedRanges(const ImageInfo& info) {
  std::vector<FileRange> ranges = {{0, format::kHeaderSectionSize}};
  const HeaderInfo& header = info.header();
  if (header.log_length_bytes != 0) ranges.push_back({header.log_offset, header.log_length_bytes});
  for (const RegionInfo& region : info.region_tables[info.current_region_table]->regions) {
    ranges.push_back({region.file_offset, region.length_bytes});
  }
  return ReservedRanges(std::move(ranges));
}

Result<BatRules> MakeBatRules(const ImageInfo& info, uint64_t file_size, const Place& place) {
  BatRules bat_rules(format::BatGeometry(info.parameters), info.parameters.has_parent,
                     info.bat_region.file_offset, file_size, MakeReservedRanges(info));
  const uint64_t needed = bat_rules.entry_count() * format::kBatEntrySize;
  if (info.bat_region.length_bytes < needed) {
    return Corrupt(rules::kBatRegionLength, place,
                   std::to_string(info.bat_region.length_bytes) + " bytes",
                   "at least " + std::to_string(needed));
  }
  return bat_rules;
}

Result<void> ReadHostFacts(File& file, ImageInfo& info) {
  auto allocated = file.AllocatedBytes();
  if (!allocated) return std::unexpected(std::move(allocated.error()));
  auto hole = file.NextHole(0);
  if (!hole) return std::unexpected(std::move(hole.error()));
  info.allocated_bytes = *allocated;
  info.host_sparse = *hole < info.file_size_bytes;
  return {};
}

}  // namespace

Image::Image(std::unique_ptr<File> file, OverlayFile* overlay, ImageInfo info, BatRules bat_rules)
    : file_(std::move(file)),
      overlay_(overlay),
      info_(std::move(info)),
      block_map_(*file_, std::move(bat_rules)),
      sector_bitmaps_(*file_, block_map_) {}

Result<std::unique_ptr<Image>> Image::Open(std::unique_ptr<File> file, Findings& findings,
                                           LogUse log_use) {
  auto front = ReadFront(*file, findings);
  if (!front) return std::unexpected(std::move(front.error()));
  ImageInfo info;
  info.filename = file->name();
  info.file_size_bytes = front->file_size;
  info.creator = std::move(front->creator);
  info.headers = front->headers.headers;
  info.current_header = front->headers.current;
  if (auto read = ReadHostFacts(*file, info); !read) {
    return std::unexpected(std::move(read.error()));
  }
  OverlayFile* overlay = nullptr;
  if (!info.header().log_guid.IsZero() && log_use == LogUse::kIgnore) {
    if (auto reported = log::ReportIgnoredLog(*file, info.header(), findings); !reported) {
      return std::unexpected(std::move(reported.error()));
    }
    info.log.dirty = true;
  } else if (!info.header().log_guid.IsZero()) {
    auto replayed = log::ReplayInMemory(std::move(file), info.header(), findings);
    if (!replayed) return std::unexpected(std::move(replayed.error()));
    overlay = replayed->overlay;
    file = std::move(replayed->file);
    info.log = {.dirty = overlay != nullptr, .entries = std::move(replayed->sequence)};
  }
  auto size = file->Size();
  if (!size) return std::unexpected(std::move(size.error()));

  auto read = ReadRegionTables(*file, *size, info, findings);
  if (read) read = ReadMetadata(*file, info, findings);
  if (read) read = ReadParentLocator(*file, info, findings);
  if (!read) return std::unexpected(std::move(read.error()));
  auto bat_rules = MakeBatRules(
      info, *size, {file->name(), format::kRegionTableOffsets[info.current_region_table]});
  if (!bat_rules) return std::unexpected(std::move(bat_rules.error()));
  info.findings = findings.kept();
  return std::unique_ptr<Image>(
      new Image(std::move(file), overlay, std::move(info), *std::move(bat_rules)));
}

constexpr std::string_view kNotWritable = "it can be read, but not written: ";

Result<void> Image::EnableWriting(FileSystem& files, const WriteLimits& limits) {
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
      Journal::Parts{files, container, overlay_, info_, block_map_, sector_bitmaps_}, limits,
      info_.file_size_bytes);
  if (auto prepared = writer->Prepare(); !prepared) {
    prepared.error().sentence.insert(0, kNotWritable);
    return prepared;
  }
  writer_ = std::move(writer);
  return {};
}

Result<void> Image::Rest() {
  if (auto rests = writer_->Rest(); !rests) return rests;
  auto size = file_->Size();
  if (!size) return std::unexpected(std::move(size.error()));
  block_map_.SetFileSize(*size);
  return {};
}

Result<std::vector<std::byte>> Image::ReadMetadataItem(const MetadataItemInfo& item) {
  return ReadItem(*file_, info_.metadata_region, item);
}

Result<HeaderInfo> ReadCurrentHeader(File& file) {
  Findings findings;
  auto front = ReadFront(file, findings);
  if (!front) return std::unexpected(std::move(front.error()));
  return *front->headers.headers[front->headers.current];
}

Result<std::optional<ParentLocatorInfo>> ReadLocatorInPlace(File& file, const HeaderInfo& header) {
  Findings findings;
  ImageInfo info;
  info.headers[0] = header;
  info.current_header = 0;
  auto size = file.Size();
  if (!size) return std::unexpected(std::move(size.error()));
  auto read = ReadRegionTables(file, *size, info, findings);
  if (read) read = ReadMetadata(file, info, findings);
  if (read) read = ReadParentLocator(file, info, findings);
  if (!read) return std::unexpected(std::move(read.error()));
  return std::move(info.parent_locator);
}

}  // namespace vhdx

#include "builder/new_image.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <span>
#include <utility>

#include "bytes/arithmetic.h"
#include "bytes/try.h"
#include "format/file_identifier.h"
#include "format/header.h"
#include "format/layout.h"
#include "format/parent_locator.h"
#include "format/region_table.h"

namespace vhdx {
namespace {

// Both headers say the same; the second, with the greater number, is current, as in files of
// Windows.
constexpr uint64_t kFirstSequenceNumber = 1;

Result<std::vector<std::byte>> EncodeMetadataRegion(const NewImage& image) {
  std::optional<std::vector<std::byte>> locator;
  if (image.parameters.has_parent) {
    auto encoded = VHDX_TRY(format::EncodeParentLocator(image.locator_entries));
    locator = std::move(encoded);
  }
  auto items = VHDX_TRY(format::EncodeDiskParameters(image.parameters, std::move(locator)));
  std::ranges::copy(image.inherited_items, std::back_inserter(items));
  return format::EncodeMetadata(items, kMetadataRegionLength);
}

Result<void> WriteMetadata(File& file, const NewImage& image, const NewImageLayout& layout) {
  auto region = VHDX_TRY(EncodeMetadataRegion(image));
  return file.WriteAt(layout.metadata.file_offset, ByteSpan(region));
}

Result<void> WriteRegionTables(File& file, const NewImageLayout& layout) {
  const auto region = [](const Guid& guid, FileRange range) {
    return RegionInfo{.guid = guid,
                      .file_offset = range.file_offset,
                      .length_bytes = static_cast<uint32_t>(range.length_bytes),
                      .required = 1};
  };
  auto table =
      VHDX_TRY(format::EncodeRegionTable({region(format::kBatRegionGuid, layout.bat),
                                          region(format::kMetadataRegionGuid, layout.metadata)}));
  for (const uint64_t file_offset : format::kRegionTableOffsets) {
    VHDX_TRY(file.WriteAt(file_offset, ByteSpan(table)));
  }
  return {};
}

HeaderInfo HeaderOf(const NewImage& image, FileRange log, uint64_t sequence_number) {
  return {.sequence_number = sequence_number,
          .file_write_guid = image.file_write_guid,
          .data_write_guid = image.data_write_guid,
          .log_version = format::kLogVersion,
          .version = format::kVersion,
          .log_length_bytes = static_cast<uint32_t>(log.length_bytes),
          .log_offset = log.file_offset};
}

Result<void> WriteHeaders(File& file, const NewImage& image, FileRange log) {
  uint64_t sequence_number = kFirstSequenceNumber;
  for (const uint64_t file_offset : format::kHeaderOffsets) {
    auto header = VHDX_TRY(format::EncodeHeader(HeaderOf(image, log, sequence_number++)));
    const ByteSpan bytes = std::as_bytes(std::span(&header, 1));
    VHDX_TRY(file.WriteAt(file_offset, bytes));
  }
  return {};
}

Result<void> WriteIdentifier(File& file, const NewImage& image) {
  auto identifier = VHDX_TRY(format::EncodeFileIdentifier(image.creator));
  return file.WriteAt(format::kFileIdentifierOffset, std::as_bytes(std::span(&identifier, 1)));
}

}  // namespace

uint64_t BatRegionLength(const format::BatGeometry& geometry) {
  return AlignUp(geometry.EntryCountWithParent() * format::kBatEntrySize, format::kAlignment);
}

NewImageLayout PlaceStructures(const format::BatGeometry& geometry, uint64_t log_length_bytes) {
  uint64_t end = format::kHeaderSectionSize;
  const auto place = [&](uint64_t length_bytes) {
    return FileRange{std::exchange(end, end + length_bytes), length_bytes};
  };
  NewImageLayout layout;
  layout.log = place(log_length_bytes);
  layout.metadata = place(kMetadataRegionLength);
  layout.bat = place(BatRegionLength(geometry));
  layout.end = end;
  return layout;
}

Result<void> CheckNewImage(const NewImage& image) {
  VHDX_TRY(EncodeMetadataRegion(image));
  const FileRange log{format::kHeaderSectionSize, image.log_length_bytes};
  VHDX_TRY(format::EncodeHeader(HeaderOf(image, log, kFirstSequenceNumber)));
  VHDX_TRY(format::EncodeFileIdentifier(image.creator));
  return {};
}

Result<void> WriteStructures(File& file, const NewImage& image, const NewImageLayout& layout) {
  VHDX_TRY(WriteMetadata(file, image, layout));
  VHDX_TRY(WriteRegionTables(file, layout));
  VHDX_TRY(WriteHeaders(file, image, layout.log));
  return WriteIdentifier(file, image);
}

}  // namespace vhdx

#include <vhdxkit/dump.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "bytes/border.h"
#include "disk/open_image.h"
#include "format/layout.h"
#include "format/metadata.h"
#include "image/bat_scan.h"
#include "log/log_reader.h"

namespace vhdx {

class ImageDump::State {
 public:
  explicit State(std::unique_ptr<Image> image) : image_(std::move(image)) {}

  Image& image() { return *image_; }
  const ImageInfo& info() const { return image_->info(); }
  const BatRules& bat_rules() { return image_->block_map().rules(); }

  Result<LogEntryDump> DumpEntry(log::LogReader& reader, const LogEntryInfo& entry);
  Result<BitmapDump> DumpBitmap(uint64_t block);

 private:
  std::unique_ptr<Image> image_;
};

namespace {

std::string_view StateName(BatSlot slot, format::BatEntry entry) {
  if (slot.kind == BatSlot::Kind::kPayload) return format::PayloadStateName(entry.state());
  switch (entry.bitmap_state()) {
    case format::kBitmapNotPresent:
      return "SB_BLOCK_NOT_PRESENT";
    case format::kBitmapPresent:
      return "SB_BLOCK_PRESENT";
    default:
      return "reserved state";
  }
}

}  // namespace

Result<LogEntryDump> ImageDump::State::DumpEntry(log::LogReader& reader,
                                                 const LogEntryInfo& entry) {
  const std::vector<LogEntryInfo>& active = info().log.entries;
  LogEntryDump dump{
      .entry = entry,
      .file_offset = info().header().log_offset + entry.log_offset,
      .in_active_sequence =
          std::ranges::find(active, entry.log_offset, &LogEntryInfo::log_offset) != active.end(),
      .updates = {}};
  auto visited = reader.VisitUpdates(entry, [&](const log::Update& update) -> Result<void> {
    dump.updates.push_back({.target = update.target, .zeros = update.zeros});
    return {};
  });
  if (!visited) return std::unexpected(std::move(visited.error()));
  return dump;
}

Result<BitmapDump> ImageDump::State::DumpBitmap(uint64_t block) {
  const format::BatGeometry& geometry = image_->geometry();
  const uint64_t chunk = geometry.ChunkOf(block);
  auto bitmap = image_->block_map().BitmapBlockOffset(chunk);
  if (!bitmap) return std::unexpected(std::move(bitmap.error()));
  BitmapDump dump{.block = block,
                  .chunk = chunk,
                  .bitmap_offset = *bitmap + geometry.BitmapSliceOffset(block),
                  .runs = {}};
  const uint64_t start = geometry.BlockStart(block);
  const uint64_t end = start + geometry.BytesOnDisk(block);
  for (uint64_t position = start; position < end;) {
    auto run = image_->sector_bitmaps().RunAt(position, end - position);
    if (!run) return std::unexpected(std::move(run.error()));
    if (run->in_this_file) {
      const bool follows = !dump.runs.empty() &&
                           dump.runs.back().file_offset + dump.runs.back().length_bytes == position;
      if (follows) {
        dump.runs.back().length_bytes += run->length_bytes;
      } else {
        dump.runs.push_back({position, run->length_bytes});
      }
    }
    position += run->length_bytes;
  }
  return dump;
}

ImageDump::ImageDump(std::unique_ptr<State> state) : state_(std::move(state)) {}
ImageDump::~ImageDump() = default;

Result<std::unique_ptr<ImageDump>> ImageDump::Open(FileSystem& files, const std::string& path,
                                                   const OpenOptions& options) try {
  Findings findings;
  auto image = OpenImage(files, path, options, findings);
  if (!image) return std::unexpected(std::move(image.error()));
  return std::unique_ptr<ImageDump>(new ImageDump(std::make_unique<State>(*std::move(image))));
} catch (...) {
  return CaughtException();
}

const ImageInfo& ImageDump::info() const { return state_->info(); }

const std::array<uint64_t, 2>& ImageDump::HeaderOffsets() { return format::kHeaderOffsets; }

const std::array<uint64_t, 2>& ImageDump::RegionTableOffsets() {
  return format::kRegionTableOffsets;
}

std::string_view ImageDump::RegionName(const Guid& region) {
  if (region == format::kBatRegionGuid) return "BAT";
  if (region == format::kMetadataRegionGuid) return "Metadata";
  return {};
}

std::string_view ImageDump::ItemName(const Guid& item) { return format::MetadataItemName(item); }

Result<std::vector<std::byte>> ImageDump::ReadItem(const MetadataItemInfo& item) try {
  return state_->image().ReadMetadataItem(item);
} catch (...) {
  return CaughtException();
}

Result<void> ImageDump::VisitLog(
    const std::function<Result<void>(const LogEntryDump&)>& visit) try {
  const HeaderInfo& header = info().header();
  log::LogReader reader(state_->image().file(), {header.log_offset, header.log_length_bytes},
                        std::nullopt);
  return reader.VisitEntries([&](const LogEntryInfo& entry) -> Result<void> {
    auto dump = state_->DumpEntry(reader, entry);
    if (!dump) return std::unexpected(std::move(dump.error()));
    return visit(*dump);
  });
} catch (...) {
  return CaughtException();
}

Result<void> ImageDump::VisitBat(
    const std::function<Result<void>(const BatEntryInfo&)>& visit) try {
  const BatRules& bat_rules = state_->bat_rules();
  const auto visit_one = [&](const ScannedEntry& scanned) {
    return visit({.kind = scanned.slot.kind == BatSlot::Kind::kPayload
                              ? BatEntryInfo::Kind::kPayload
                              : BatEntryInfo::Kind::kSectorBitmap,
                  .number = scanned.slot.number,
                  .index = scanned.index,
                  .entry_offset = bat_rules.EntryOffset(scanned.index),
                  .raw = scanned.entry.raw(),
                  .state = static_cast<uint8_t>(scanned.entry.state()),
                  .state_name = StateName(scanned.slot, scanned.entry),
                  .file_offset = scanned.entry.file_offset(),
                  .broken_rules = bat_rules.BrokenRules(scanned.slot, scanned.entry)});
  };
  return ScanBat(state_->image().file(), bat_rules,
                 [&](std::span<const ScannedEntry> entries) -> Result<void> {
                   for (const ScannedEntry& scanned : entries) {
                     if (auto visited = visit_one(scanned); !visited) return visited;
                   }
                   return {};
                 });
} catch (...) {
  return CaughtException();
}

Result<void> ImageDump::VisitBitmaps(
    const std::function<Result<void>(const BitmapDump&)>& visit) try {
  return VisitBat([&](const BatEntryInfo& entry) -> Result<void> {
    const bool partial =
        entry.kind == BatEntryInfo::Kind::kPayload && info().parameters.has_parent &&
        entry.state == static_cast<uint8_t>(format::PayloadState::kPartiallyPresent);
    if (!partial) return {};
    auto dump = state_->DumpBitmap(entry.number);
    if (!dump) return std::unexpected(std::move(dump.error()));
    return visit(*dump);
  });
} catch (...) {
  return CaughtException();
}

}  // namespace vhdx

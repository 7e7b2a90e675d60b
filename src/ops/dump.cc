#include <vhdxkit/dump.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "bytes/border.h"
#include "bytes/try.h"
#include "disk/open_image.h"
#include "format/layout.h"
#include "format/metadata.h"
#include "format/rules.h"
#include "image/bat_scan.h"
#include "image/block_map.h"
#include "image/sector_bitmaps.h"
#include "log/log_reader.h"

namespace vhdx {

class ImageDump::State {
 public:
  explicit State(Structures structures) : structures_(std::move(structures)) {
    if (!structures_.bat_rules) return;
    block_map_.emplace(*structures_.file, *structures_.bat_rules);
    bitmaps_.emplace(*structures_.file, *block_map_);
  }

  const ImageStructures& found() const { return structures_.found; }
  File& file() { return *structures_.file; }
  const std::optional<BatRules>& bat_rules() const { return structures_.bat_rules; }

  Result<LogEntryDump> DumpEntry(log::LogReader& reader, const LogEntryInfo& entry);
  Result<void> VisitRawBat(const std::function<Result<void>(const BatEntryInfo&)>& visit);
  Result<BitmapDump> DumpBitmap(uint64_t block);
  /// Why it is not known which entry of the BAT is for which block.
  Error WhyNoGeometry() const;

 private:
  Result<void> CollectRuns(uint64_t block, BitmapDump& dump);

  Structures structures_;
  std::optional<BlockMap> block_map_;  // if the geometry is known, like the bitmaps
  std::optional<SectorBitmaps> bitmaps_;
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
  const LogStructure& log = found().log;
  LogEntryDump dump{
      .entry = entry,
      .file_offset = log.range->file_offset + entry.log_offset,
      .in_active_sequence = std::ranges::find(log.sequence, entry.log_offset,
                                              &LogEntryInfo::log_offset) != log.sequence.end(),
      .updates = {}};
  VHDX_TRY(reader.VisitUpdates(entry, [&](const log::Update& update) -> Result<void> {
    dump.updates.push_back({.target = update.target, .zeros = update.zeros});
    return {};
  }));
  return dump;
}

Result<void> ImageDump::State::VisitRawBat(
    const std::function<Result<void>(const BatEntryInfo&)>& visit) {
  const BatStructure& bat = found().bat;
  if (!bat.region) return std::unexpected(*bat.verdict.error);
  return ScanRawBat(file(), *bat.region, [&](uint64_t index, uint64_t raw) {
    const format::BatEntry entry(raw);
    return visit({.kind = BatEntryInfo::Kind::kUnknown,
                  .index = index,
                  .entry_offset = bat.region->file_offset + index * format::kBatEntrySize,
                  .raw = raw,
                  .state = static_cast<uint8_t>(entry.state()),
                  .file_offset = entry.file_offset()});
  });
}

Error ImageDump::State::WhyNoGeometry() const {
  if (found().bat.verdict.error) return *found().bat.verdict.error;
  const MetadataStructure& metadata = found().metadata;
  if (metadata.verdict.error) return *metadata.verdict.error;
  const auto item = std::ranges::find_if(
      metadata.items, [](const auto& each) { return each.verdict.error.has_value(); });
  return item != metadata.items.end() ? *item->verdict.error : Error{};
}

Result<BitmapDump> ImageDump::State::DumpBitmap(uint64_t block) {
  const format::BatGeometry& geometry = block_map_->geometry();
  BitmapDump dump{.block = block, .chunk = geometry.ChunkOf(block)};
  auto collected = CollectRuns(block, dump);
  if (collected) return dump;
  // The bits of other blocks may be where they belong.
  const ErrorCode code = collected.error().code;
  if (code != ErrorCode::kIo && code != ErrorCode::kCorrupt) {
    return std::unexpected(std::move(collected.error()));
  }
  dump.error = std::move(collected.error());
  return dump;
}

Result<void> ImageDump::State::CollectRuns(uint64_t block, BitmapDump& dump) {
  const format::BatGeometry& geometry = block_map_->geometry();
  auto bitmap = VHDX_TRY(block_map_->BitmapBlockOffset(dump.chunk));
  dump.bitmap_offset = bitmap + geometry.BitmapSliceOffset(block);
  const uint64_t start = geometry.BlockStart(block);
  const uint64_t end = start + geometry.BytesOnDisk(block);
  for (uint64_t position = start; position < end;) {
    auto run = VHDX_TRY(bitmaps_->RunAt(position, end - position));
    if (run.in_this_file) {
      const bool follows = !dump.runs.empty() &&
                           dump.runs.back().file_offset + dump.runs.back().length_bytes == position;
      if (follows) {
        dump.runs.back().length_bytes += run.length_bytes;
      } else {
        dump.runs.push_back({position, run.length_bytes});
      }
    }
    position += run.length_bytes;
  }
  return {};
}

ImageDump::ImageDump(std::unique_ptr<State> state) : state_(std::move(state)) {}
ImageDump::~ImageDump() = default;

Result<std::unique_ptr<ImageDump>> ImageDump::Open(FileSystem& files, const std::string& path,
                                                   const ImageOptions& options) try {
  Findings findings;
  auto structures = VHDX_TRY(OpenStructures(files, path, options, findings));
  ImageStructures& found = structures.found;
  if (structures.is_foreign) return std::unexpected(*std::move(found.error));
  for (auto* list : {&found.findings, &found.file.findings}) {
    list->insert(list->begin(), findings.kept().begin(), findings.kept().end());
  }
  return std::unique_ptr<ImageDump>(new ImageDump(std::make_unique<State>(std::move(structures))));
} catch (...) {
  return CaughtException();
}

const ImageStructures& ImageDump::structures() const { return state_->found(); }

std::string_view ImageDump::RegionName(const Guid& region) {
  if (region == format::kBatRegionGuid) return "BAT";
  if (region == format::kMetadataRegionGuid) return "Metadata";
  return {};
}

std::string_view ImageDump::ItemName(const Guid& item) { return format::MetadataItemName(item); }

Result<std::vector<std::byte>> ImageDump::ReadItem(const MetadataItemStructure& item) try {
  const FileRange region = structures().metadata.region.value_or(FileRange{});
  std::vector<std::byte> bytes;
  if (item.info.length_bytes == 0) return bytes;
  if (!format::ItemIsPlaced(item.info, region.length_bytes)) {
    return Corrupt(rules::kMetadataItemRange, {structures().filename, item.entry_offset});
  }
  bytes.resize(item.info.length_bytes);
  VHDX_TRY(state_->file().ReadExactAt(region.file_offset + item.info.offset, bytes));
  return bytes;
} catch (...) {
  return CaughtException();
}

Result<void> ImageDump::VisitLog(
    const std::function<Result<void>(const LogEntryDump&)>& visit) try {
  const LogStructure& log = structures().log;
  if (!log.range) {
    return log.verdict.error ? std::unexpected(*log.verdict.error) : Result<void>();
  }
  log::LogReader reader(state_->file(), *log.range, std::nullopt);
  return reader.VisitEntries([&](const LogEntryInfo& entry) -> Result<void> {
    auto dump = VHDX_TRY(state_->DumpEntry(reader, entry));
    return visit(dump);
  });
} catch (...) {
  return CaughtException();
}

Result<void> ImageDump::VisitBat(
    const std::function<Result<void>(const BatEntryInfo&)>& visit) try {
  if (!state_->bat_rules()) return state_->VisitRawBat(visit);
  const BatRules& bat_rules = *state_->bat_rules();
  return ScanEntries(state_->file(), bat_rules, [&](const ScannedEntry& scanned) {
    const RuleList broken = bat_rules.Classify(scanned.slot, scanned.entry).broken;
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
                  .broken_rules = {broken.begin(), broken.end()}});
  });
} catch (...) {
  return CaughtException();
}

Result<void> ImageDump::VisitBitmaps(
    const std::function<Result<void>(const BitmapDump&)>& visit) try {
  if (!state_->bat_rules()) return std::unexpected(state_->WhyNoGeometry());
  return VisitBat([&](const BatEntryInfo& entry) -> Result<void> {
    const bool partial =
        entry.kind == BatEntryInfo::Kind::kPayload && state_->bat_rules()->has_parent() &&
        entry.state == static_cast<uint8_t>(format::PayloadState::kPartiallyPresent);
    if (!partial) return {};
    auto dump = VHDX_TRY(state_->DumpBitmap(entry.number));
    return visit(dump);
  });
} catch (...) {
  return CaughtException();
}

}  // namespace vhdx

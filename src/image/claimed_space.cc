#include "image/claimed_space.h"

#include <algorithm>
#include <optional>
#include <string>

#include "format/layout.h"
#include "format/rules.h"
#include "image/space_map.h"

namespace vhdx {
namespace {

using format::PayloadState;

// Of the entries that have data in the file, calls `visit` with each until it returns false.
template <typename Visit>
Result<void> VisitData(File& file, const BatRules& bat_rules, Visit visit) {
  bool goes_on = true;
  auto scanned = ScanBat(file, bat_rules, [&](std::span<const ScannedEntry> entries) {
    for (const ScannedEntry& entry : entries) {
      if (!goes_on) break;
      const Claim claim = ClaimOf(bat_rules, entry);
      if (claim.kind != Claim::Kind::kData) continue;
      if (IsPlacedWrong(bat_rules.BrokenRules(entry.slot, entry.entry))) continue;
      goes_on = visit(entry, claim.range);
    }
    // An error ends the scan; this one is dropped below.
    return goes_on ? Result<void>{} : Fail(ErrorCode::kCancelled, "");
  });
  if (!goes_on) return {};
  return scanned;
}

}  // namespace

Claim ClaimOf(const BatRules& bat_rules, const ScannedEntry& scanned) {
  const uint64_t offset = scanned.entry.file_offset();
  if (scanned.slot.kind == BatSlot::Kind::kBitmap) {
    const bool holds =
        bat_rules.has_parent() && scanned.entry.bitmap_state() == format::kBitmapPresent;
    if (!holds) return {};
    return {Claim::Kind::kData, {offset, format::kSectorBitmapBlockSize}};
  }
  const FileRange range{offset, bat_rules.geometry().block_size()};
  switch (scanned.entry.state()) {
    case PayloadState::kFullyPresent:
    case PayloadState::kPartiallyPresent:
      return {Claim::Kind::kData, range};
    case PayloadState::kUndefined:
    case PayloadState::kUnmapped:
    case PayloadState::kOldUnmapped:
      if (offset != 0) return {Claim::Kind::kAnchor, range};
      break;
    case PayloadState::kNotPresent:
    case PayloadState::kZero:
    case PayloadState::kReserved:
      break;
  }
  return {};
}

bool IsPlacedWrong(std::span<const Rule* const> broken) {
  return std::ranges::any_of(broken, [](const Rule* rule) {
    return rule == &rules::kBatOffset || rule == &rules::kBatBeyondEof ||
           rule == &rules::kBatOverlap || rule == &rules::kBatAnchorOverlap ||
           rule == &rules::kBatAnchorBeyondEof || rule == &rules::kBitmapRange ||
           rule == &rules::kBitmapOverlap;
  });
}

bool Intersect(FileRange a, FileRange b) {
  return a.file_offset < b.file_offset + b.length_bytes &&
         b.file_offset < a.file_offset + a.length_bytes;
}

Result<void> RefuseSharedSpace(File& file, const BatRules& bat_rules) {
  SpaceMap space(bat_rules.file_size());
  std::optional<FileRange> shared;
  auto visited = VisitData(file, bat_rules, [&](const ScannedEntry&, FileRange range) {
    if (space.Claim(range)) return true;
    shared = range;
    return false;
  });
  if (!visited) return visited;
  // For a file of more than 256 TiB only the end tells.
  if (!shared && bat_rules.file_size() > SpaceMap::kMaxFileSize) {
    const SpaceMap::Summary summary = space.Finish();
    if (!summary.overlaps.empty()) shared = summary.overlaps.front();
  }
  if (!shared) return {};
  std::optional<ScannedEntry> first;
  std::optional<ScannedEntry> second;
  visited = VisitData(file, bat_rules, [&](const ScannedEntry& entry, FileRange range) {
    if (!Intersect(range, *shared)) return true;
    (first ? second : first) = entry;
    return !second.has_value();
  });
  if (!visited) return visited;
  if (!second) return {};  // the file has changed meanwhile
  const Rule& rule =
      second->slot.kind == BatSlot::Kind::kBitmap ? rules::kBitmapOverlap : rules::kBatOverlap;
  return Corrupt(rule, {file.name(), bat_rules.EntryOffset(second->index)},
                 bat_rules.Describe(second->slot, second->entry) + " and " +
                     bat_rules.Describe(first->slot, first->entry));
}

}  // namespace vhdx

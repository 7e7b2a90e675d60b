#include "image/claimed_space.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "bytes/try.h"
#include "format/layout.h"
#include "format/rules.h"

namespace vhdx {
namespace {

// Of the entries that have data in the file, calls `visit` with each until it returns false.
template <typename Visit>
Result<void> VisitData(File& file, const BatRules& bat_rules, Visit visit) {
  bool goes_on = true;
  auto scanned = ScanBat(file, bat_rules, [&](std::span<const ScannedEntry> entries) {
    for (const ScannedEntry& entry : entries) {
      if (!goes_on) break;
      const Claim claim = ClaimOf(bat_rules, entry);
      if (claim.kind != Claim::Kind::kData) continue;
      if (IsMisplaced(bat_rules.BrokenRules(entry.slot, entry.entry))) continue;
      goes_on = visit(entry, claim.range);
    }
    // An error ends the scan; this one is dropped below.
    return goes_on ? Result<void>{} : Fail(ErrorCode::kCancelled, "");
  });
  if (!goes_on) return {};
  return scanned;
}

bool MayBeWritten(const Rule& rule) { return rule.severity > Severity::kReadOnly; }

// The space that entries point at, and what keeps the image from being written.
class ClaimScan {
 public:
  ClaimScan(const BatRules& bat_rules, std::string name, uint64_t file_size)
      : bat_rules_(bat_rules),
        name_(std::move(name)),
        // The last block of a fixed disk by QEMU may reach past the end of the file.
        claims_(file_size + bat_rules.geometry().block_size()) {
    for (const FileRange& range : bat_rules.reserved().ranges()) claims_.Claim(range);
  }

  Result<void> Visit(const ScannedEntry& scanned) {
    VHDX_TRY(LookForBitmap(scanned.index, scanned.entry));
    const auto& [index, slot, entry] = scanned;
    if (slot.kind == BatSlot::Kind::kBitmap && !bat_rules_.has_parent()) return {};  // is ignored
    for (const Rule* rule : bat_rules_.BrokenRules(slot, entry)) {
      if (!MayBeWritten(*rule)) return Refuse(*rule, scanned);
    }
    if (entry.state() == format::PayloadState::kPartiallyPresent &&
        slot.kind == BatSlot::Kind::kPayload) {
      partial_ = scanned;
    }
    const Claim claim = ClaimOf(bat_rules_, scanned);
    if (claim.kind == Claim::Kind::kNone) return {};
    if (slot.kind == BatSlot::Kind::kPayload) ++allocated_blocks_;
    if (claims_.Claim(claim.range)) return {};
    const bool has_data = claim.kind == Claim::Kind::kData;
    return Refuse(has_data ? rules::kBatOverlap : rules::kBatAnchorOverlap, scanned);
  }

  /// Payload blocks that would need space if they were written.
  uint64_t unallocated_blocks() const {
    return bat_rules_.geometry().payload_block_count() - allocated_blocks_;
  }

  Result<SpaceMap> Take() {
    VHDX_TRY(LookForBitmap(bat_rules_.entry_count(), {}));
    return std::move(claims_);
  }

 private:
  // A partially present block needs the bitmap of its chunk, whose entry comes after those of all
  // blocks of the chunk and is not visited if it is zero: the next entry that is visited tells.
  Result<void> LookForBitmap(uint64_t index, format::BatEntry entry) {
    if (!partial_) return {};
    const format::BatGeometry& geometry = bat_rules_.geometry();
    const uint64_t bitmap = geometry.BitmapIndex(geometry.ChunkOf(partial_->slot.number));
    if (index < bitmap) return {};
    if (index > bitmap || entry.bitmap_state() != format::kBitmapPresent) {
      return Refuse(rules::kBatPartialWithoutBitmap, *partial_);
    }
    partial_.reset();
    return {};
  }

  Result<void> Refuse(const Rule& rule, const ScannedEntry& scanned) const {
    return Corrupt(rule, {name_, bat_rules_.EntryOffset(scanned.index)},
                   bat_rules_.Describe(scanned.slot, scanned.entry));
  }

  const BatRules& bat_rules_;
  const std::string name_;
  SpaceMap claims_;
  uint64_t allocated_blocks_ = 0;
  std::optional<ScannedEntry> partial_;  // the last one of its chunk
};

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
  switch (format::MeaningOf(scanned.entry.state()).space) {
    case format::StateMeaning::Space::kOwns:
      return {Claim::Kind::kData, range};
    case format::StateMeaning::Space::kMayKeep:
      if (offset != 0) return {Claim::Kind::kAnchor, range};
      break;
    case format::StateMeaning::Space::kNone:
      break;
  }
  return {};
}

bool IsMisplaced(std::span<const Rule* const> broken) {
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

Result<ClaimsForWriting> ClaimForWriting(File& file, const BatRules& bat_rules) {
  auto size = VHDX_TRY(file.Size());
  if (size + bat_rules.geometry().block_size() > SpaceMap::kMaxFileSize) {
    return Fail(ErrorCode::kUnsupported, "files of more than 256 TiB are not written", file.name());
  }
  ClaimScan scan(bat_rules, file.name(), size);
  VHDX_TRY(ScanBat(file, bat_rules, [&](std::span<const ScannedEntry> entries) -> Result<void> {
    for (const ScannedEntry& entry : entries) {
      VHDX_TRY(scan.Visit(entry));
    }
    return {};
  }));
  auto space = VHDX_TRY(scan.Take());
  return ClaimsForWriting{.space = std::move(space),
                          .unallocated_blocks = scan.unallocated_blocks()};
}

}  // namespace vhdx

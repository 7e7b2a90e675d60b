#include "image/claims.h"

#include <algorithm>
#include <array>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "bytes/formatting.h"
#include "bytes/try.h"
#include "format/rules.h"
#include "image/bat_scan.h"

namespace vhdx {
namespace {

using format::PayloadState;

// Counts payload blocks by their state, and those that are in the file by their order.
class BlockCounter {
 public:
  explicit BlockCounter(const BatRules& bat_rules) : bat_rules_(bat_rules) {}

  void Count(PayloadState state, uint64_t count) {
    by_state_[static_cast<uint8_t>(state)] += count;
  }

  void CountAnchor() { ++anchors_; }

  // Blocks that follow each other in the file.
  void CountPlaces(FileRange range) {
    if (has_data_ && range.file_offset != previous_end_) ++fragmented_;
    has_data_ = true;
    previous_end_ = range.file_offset + range.length_bytes;
    if (!FitsInside(range.file_offset, range.length_bytes, bat_rules_.file_size())) ++beyond_end_;
  }

  BlockStatistics Total() const {
    const uint64_t total = bat_rules_.geometry().payload_block_count();
    uint64_t scanned = 0;
    for (const uint64_t count : by_state_) scanned += count;
    return {.total = total,
            .not_present = Of(PayloadState::kNotPresent) + total - scanned,
            .present = Of(PayloadState::kFullyPresent),
            .partial = Of(PayloadState::kPartiallyPresent),
            .zero = Of(PayloadState::kZero),
            .unmapped = Of(PayloadState::kUnmapped) + Of(PayloadState::kOldUnmapped),
            .undefined = Of(PayloadState::kUndefined) + Of(PayloadState::kReserved),
            .beyond_end = beyond_end_,
            .fragmented = fragmented_};
  }

  uint64_t Unallocated() const {
    return bat_rules_.geometry().payload_block_count() - Of(PayloadState::kFullyPresent) -
           Of(PayloadState::kPartiallyPresent) - anchors_;
  }

 private:
  uint64_t Of(PayloadState state) const { return by_state_[static_cast<uint8_t>(state)]; }

  const BatRules& bat_rules_;
  std::array<uint64_t, format::BatEntry::kStateMask + 1> by_state_ = {};
  uint64_t anchors_ = 0;
  uint64_t fragmented_ = 0;
  uint64_t beyond_end_ = 0;
  bool has_data_ = false;
  uint64_t previous_end_ = 0;
};

// A MiB in which more than one entry has data: two of these entries, as far as they are known.
struct Conflict {
  std::optional<ScannedEntry> first;
  std::optional<ScannedEntry> second;
};

class ClaimScan {
 public:
  ClaimScan(File& file, const BatRules& bat_rules, Findings& findings,
            const OperationControl& control)
      : file_(file),
        bat_rules_(bat_rules),
        block_size_(bat_rules.geometry().block_size()),
        findings_(findings),
        control_(control),
        counter_(bat_rules),
        claims_{.space = EmptyMap()} {}

  Result<Claims> Run() {
    for (const FileRange& range : bat_rules_.reserved().ranges()) claims_.space.Claim(range);
    VHDX_TRY(Scan([this](const EntryRun& run) { Visit(run); }));
    EndChunk(bat_rules_.entry_count(), {});
    anchors_fit_ = !anchors_ || (!anchors_share_space_ && claims_.space.Merge(*anchors_));
    for (const uint64_t file_offset : claims_.space.Overlaps()) AddConflict(file_offset, {});
    if (!anchors_fit_ || !conflicts_.empty()) {
      VHDX_TRY(Scan([this](const EntryRun& run) { NameClaimants(run); }));
      ReportConflicts();
    }
    return Finish();
  }

 private:
  // Empty, like a file of which nothing is claimed.
  SpaceMap EmptyMap() const { return SpaceMap(bat_rules_.file_size() + block_size_); }

  template <typename VisitRun>
  Result<void> Scan(VisitRun visit) {
    return ScanBat(file_, bat_rules_, [&](std::span<const EntryRun> runs) -> Result<void> {
      if (control_.cancelled()) {
        return Fail(ErrorCode::kCancelled, "the operation was cancelled");
      }
      for (const EntryRun& run : runs) visit(run);
      return {};
    });
  }

  void Visit(const EntryRun& run) {
    EndChunk(run.first.index, run.first.entry);
    if (!run.is_sound) return VisitEntry(run.first);
    const FileRange range{run.first.entry.file_offset(), run.count * block_size_};
    counter_.Count(PayloadState::kFullyPresent, run.count);
    counter_.CountPlaces(range);
    NoteDataEnd(range);
    if (claims_.space.ClaimIfFree(range)) return;
    for (uint64_t i = 0; i < run.count; ++i) {
      const ScannedEntry scanned = run.At(i, block_size_);
      ClaimData(scanned, {scanned.entry.file_offset(), block_size_});
    }
  }

  void VisitEntry(const ScannedEntry& scanned) {
    const bool is_payload = scanned.slot.kind == BatSlot::Kind::kPayload;
    const EntryClass found = bat_rules_.Classify(scanned.slot, scanned.entry);
    for (const Rule* rule : found.broken) Report(*rule, scanned);
    if (is_payload) counter_.Count(scanned.entry.state(), 1);
    if (found.claim.kind == Claim::Kind::kNone) return;
    if (found.claim.kind == Claim::Kind::kAnchor) {
      counter_.CountAnchor();
      if (found.is_well_placed) ClaimAnchor(found.claim.range);
      return;
    }
    NoteDataEnd(found.claim.range);
    if (found.is_well_placed) ClaimData(scanned, found.claim.range);
    if (!is_payload) return;
    counter_.CountPlaces(found.claim.range);
    if (scanned.entry.state() == PayloadState::kPartiallyPresent && bat_rules_.has_parent()) {
      AddPartial(scanned);
    }
  }

  void NoteDataEnd(FileRange range) {
    if (range.file_offset >= bat_rules_.file_size()) return;
    claims_.data_end = std::max(claims_.data_end, range.file_offset + range.length_bytes);
  }

  void ClaimData(const ScannedEntry& scanned, FileRange range) {
    if (claims_.space.ClaimIfFree(range)) return;
    AddConflict(claims_.space.FirstClaimed(range), scanned);
    claims_.space.Claim(range);
  }

  void ClaimAnchor(FileRange range) {
    if (!anchors_) anchors_ = EmptyMap();
    if (!anchors_->Claim(range)) anchors_share_space_ = true;
  }

  // A partially present block needs the bitmap of its chunk, whose entry comes after those of the
  // blocks of the chunk and is not visited if it is zero: the next entry that is visited tells.
  void AddPartial(const ScannedEntry& scanned) {
    ++partial_count_;
    if (partial_.size() < Findings::kKeptPerRule) partial_.push_back(scanned);
  }

  void EndChunk(uint64_t index, format::BatEntry entry) {
    if (partial_count_ == 0) return;
    const format::BatGeometry& geometry = bat_rules_.geometry();
    const uint64_t bitmap = geometry.BitmapIndex(geometry.ChunkOf(partial_.front().slot.number));
    if (index < bitmap) return;
    // An entry with an undefined state has a finding of its own.
    if (index > bitmap || entry.bitmap_state() == format::kBitmapNotPresent) {
      for (const ScannedEntry& scanned : partial_) Report(rules::kBatPartialWithoutBitmap, scanned);
      findings_.CountMore(rules::kBatPartialWithoutBitmap, partial_count_ - partial_.size());
    }
    partial_.clear();
    partial_count_ = 0;
  }

  // One for each MiB: a hostile image can make millions of entries claim the same.
  void AddConflict(uint64_t file_offset, std::optional<ScannedEntry> second) {
    const bool is_listed =
        conflicts_.size() < SpaceMap::kMaxListed &&
        conflicts_.emplace(file_offset, Conflict{.first = {}, .second = second}).second;
    if (!is_listed) ++unlisted_conflicts_;
  }

  // Of the entries that share space. Blocks that keep their space give way: what is left for them
  // is known when all data has been claimed.
  void NameClaimants(const EntryRun& run) {
    const ScannedEntry& scanned = run.first;
    if (run.is_sound) {
      return NameClaimants(run, {scanned.entry.file_offset(), run.count * block_size_});
    }
    const EntryClass found = bat_rules_.Classify(scanned.slot, scanned.entry);
    if (!found.is_well_placed) return;
    if (found.claim.kind == Claim::Kind::kData) NameClaimants(run, found.claim.range);
    if (found.claim.kind == Claim::Kind::kAnchor && !anchors_fit_ &&
        !claims_.space.Claim(found.claim.range)) {
      Report(rules::kBatAnchorOverlap, scanned);
    }
  }

  void NameClaimants(const EntryRun& run, FileRange range) {
    const uint64_t start = range.file_offset;
    for (auto at = conflicts_.lower_bound(start);
         at != conflicts_.end() && at->first - start < range.length_bytes; ++at) {
      const ScannedEntry scanned = run.At((at->first - start) / block_size_, block_size_);
      Conflict& conflict = at->second;
      if (!conflict.first) {
        conflict.first = scanned;
      } else if (!conflict.second) {
        conflict.second = scanned;
      }
    }
  }

  void ReportConflicts() {
    for (const auto& [file_offset, conflict] : conflicts_) {
      if (!conflict.first || !conflict.second) continue;  // the file has changed meanwhile
      const ScannedEntry& second = *conflict.second;
      const Finding finding = MakeFinding(RuleFor(second), PlaceOf(second),
                                          Describe(second) + " and " + Describe(*conflict.first));
      findings_.Add(finding);
      if (!claims_.shared_space) claims_.shared_space = ErrorFor(finding);
    }
    findings_.CountMore(rules::kBatOverlap, unlisted_conflicts_);
  }

  static const Rule& RuleFor(const ScannedEntry& scanned) {
    return scanned.slot.kind == BatSlot::Kind::kBitmap ? rules::kBitmapOverlap : rules::kBatOverlap;
  }

  void Report(const Rule& rule, const ScannedEntry& scanned) {
    const bool forbids_writing = !claims_.refusal && rule.severity <= Severity::kReadOnly;
    if (!forbids_writing && !findings_.Keeps(rule)) return findings_.CountMore(rule, 1);
    std::string expected;
    if (&rule == &rules::kBatBeyondEof) {
      expected = Format("a file of at least {} bytes instead of {}",
                        scanned.entry.file_offset() + block_size_, bat_rules_.file_size());
    }
    const Finding finding =
        MakeFinding(rule, PlaceOf(scanned), Describe(scanned), std::move(expected));
    findings_.Add(finding);
    if (forbids_writing) claims_.refusal = ErrorFor(finding);
  }

  Place PlaceOf(const ScannedEntry& scanned) const {
    return {file_.name(), bat_rules_.EntryOffset(scanned.index)};
  }

  std::string Describe(const ScannedEntry& scanned) const {
    return bat_rules_.Describe(scanned.slot, scanned.entry);
  }

  Claims Finish() {
    claims_.blocks = counter_.Total();
    claims_.unallocated_blocks = counter_.Unallocated();
    if (claims_.shared_space) claims_.refusal = claims_.shared_space;
    if (bat_rules_.file_size() + block_size_ > SpaceMap::kMaxFileSize) {
      claims_.refusal = Error{.code = ErrorCode::kUnsupported,
                              .file = file_.name(),
                              .sentence = "files of more than 256 TiB are not written"};
    }
    return std::move(claims_);
  }

  File& file_;
  const BatRules& bat_rules_;
  const uint64_t block_size_;
  Findings& findings_;
  const OperationControl& control_;
  BlockCounter counter_;
  Claims claims_;
  std::optional<SpaceMap> anchors_;         // what blocks without data keep
  bool anchors_share_space_ = false;        // with each other
  bool anchors_fit_ = true;                 // among the data and each other
  std::vector<ScannedEntry> partial_;       // the first of the chunk
  uint64_t partial_count_ = 0;              // of the chunk
  std::map<uint64_t, Conflict> conflicts_;  // by file offset
  uint64_t unlisted_conflicts_ = 0;
};

}  // namespace

Result<Claims> ScanClaims(File& file, const BatRules& bat_rules, Findings& findings,
                          const OperationControl& control) {
  return ClaimScan(file, bat_rules, findings, control).Run();
}

Result<Claims> ClaimForWriting(File& file, const BatRules& bat_rules) {
  Findings findings;
  auto claims = VHDX_TRY(ScanClaims(file, bat_rules, findings));
  if (claims.refusal) return std::unexpected(*std::move(claims.refusal));
  return claims;
}

Result<void> RefuseSharedSpace(File& file, const BatRules& bat_rules) {
  Findings findings;
  auto claims = VHDX_TRY(ScanClaims(file, bat_rules, findings));
  if (claims.shared_space) return std::unexpected(*std::move(claims.shared_space));
  return {};
}

}  // namespace vhdx

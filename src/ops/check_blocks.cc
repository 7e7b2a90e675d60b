#include "ops/check_blocks.h"

#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "bytes/arithmetic.h"
#include "bytes/formatting.h"
#include "bytes/try.h"
#include "format/layout.h"
#include "format/rules.h"
#include "image/bat_scan.h"
#include "image/claimed_space.h"
#include "image/space_map.h"
#include "ops/bitmap_reads.h"

namespace vhdx {
namespace {

using format::PayloadState;

// A part of the file that more than one entry claims.
struct Conflict {
  FileRange range;
  std::vector<ScannedEntry> claimants;
};

class BlockChecker {
 public:
  BlockChecker(File& file, BlockMap& block_map, FreeSpace free_space, Findings& findings,
               const OperationControl& control)
      : file_(file),
        block_map_(block_map),
        bat_rules_(block_map.rules()),
        free_space_(free_space),
        findings_(findings),
        control_(control),
        bitmap_reads_(file, findings),
        space_(bat_rules_.file_size()) {}

  Result<BlockCheck> Run() {
    for (const FileRange& range : bat_rules_.reserved().ranges()) space_.Claim(range);
    if (auto done = Scan(&BlockChecker::CheckEntry); !done) return Failure(done);
    if (auto done = bitmap_reads_.Finish(); !done) return Failure(done);
    // What keeps space without using it gives way: it is looked at once all blocks are known.
    if (has_anchors_) {
      if (auto done = Scan(&BlockChecker::CheckAnchor); !done) return Failure(done);
    }
    const SpaceMap::Summary summary = space_.Finish();
    for (const FileRange& range : summary.overlaps) AddConflict(range);
    if (!conflicts_.empty()) {
      std::ranges::sort(conflicts_, {}, &Conflict::range);
      open_conflicts_ = conflicts_.size();
      if (auto done = Scan(&BlockChecker::FindClaimants); !done) return Failure(done);
      ReportConflicts();
    }
    if (free_space_ == FreeSpace::kReport) ReportSpace(summary);
    return result_;
  }

 private:
  using Step = Result<void> (BlockChecker::*)(const ScannedEntry&);

  static std::unexpected<Error> Failure(Result<void>& result) {
    return std::unexpected(std::move(result.error()));
  }

  Result<void> Scan(Step step) {
    return ScanBat(file_, bat_rules_, [&](std::span<const ScannedEntry> entries) -> Result<void> {
      if (control_.cancelled()) {
        return Fail(ErrorCode::kCancelled, "the check was cancelled");
      }
      for (const ScannedEntry& scanned : entries) {
        VHDX_TRY((this->*step)(scanned));
      }
      return {};
    });
  }

  void Report(const Rule& rule, const ScannedEntry& scanned) {
    if (!findings_.Keeps(rule)) {
      findings_.Add(rule, {});
      return;
    }
    std::string expected;
    if (&rule == &rules::kBatBeyondEof) {
      const FileRange block = ClaimOf(bat_rules_, scanned).range;
      expected = Format("a file of at least {} bytes instead of {}",
                        block.file_offset + block.length_bytes, bat_rules_.file_size());
    }
    findings_.Add(rule, PlaceOf(scanned), bat_rules_.Describe(scanned.slot, scanned.entry),
                  std::move(expected));
  }

  Place PlaceOf(const ScannedEntry& scanned) const {
    return {file_.name(), bat_rules_.EntryOffset(scanned.index)};
  }

  Result<void> CheckEntry(const ScannedEntry& scanned) {
    const auto broken = bat_rules_.BrokenRules(scanned.slot, scanned.entry);
    for (const Rule* rule : broken) Report(*rule, scanned);
    const Claim claim = ClaimOf(bat_rules_, scanned);
    if (claim.kind == Claim::Kind::kAnchor) has_anchors_ = true;
    if (claim.kind != Claim::Kind::kData) return {};
    if (!IsMisplaced(broken) && !space_.Claim(claim.range)) AddConflict(claim.range);
    // A block that the end of the file cuts off: the part that is there is no free space.
    if (claim.range.file_offset < bat_rules_.file_size()) {
      cut_block_end_ = std::max(cut_block_end_, claim.range.file_offset + claim.range.length_bytes);
    }
    if (scanned.slot.kind != BatSlot::Kind::kPayload) return {};
    CountPresent(claim.range);
    if (scanned.entry.state() == PayloadState::kPartiallyPresent && bat_rules_.has_parent()) {
      return CheckBitmap(scanned);
    }
    return {};
  }

  void CountPresent(FileRange range) {
    if (result_.present_blocks > 0 && range.file_offset != present_end_) {
      ++result_.fragmented_blocks;
    }
    ++result_.present_blocks;
    present_end_ = range.file_offset + range.length_bytes;
  }

  Result<void> CheckBitmap(const ScannedEntry& scanned) {
    const format::BatGeometry& geometry = bat_rules_.geometry();
    const uint64_t chunk = geometry.ChunkOf(scanned.slot.number);
    if (chunk != bitmap_chunk_) {
      auto offset = block_map_.BitmapBlockOffset(chunk);
      // An entry that is there and broken has a finding of its own.
      if (!offset && offset.error().code != ErrorCode::kCorrupt) {
        return std::unexpected(std::move(offset.error()));
      }
      bitmap_chunk_ = chunk;
      bitmap_is_missing_ = offset && *offset == 0;
      bitmap_offset_ = offset.value_or(0);
    }
    if (bitmap_is_missing_) Report(rules::kBatPartialWithoutBitmap, scanned);
    if (bitmap_offset_ == 0) return {};
    return bitmap_reads_.Add({bitmap_offset_ + geometry.BitmapSliceOffset(scanned.slot.number),
                              geometry.BitmapBytesPerBlock()});
  }

  Result<void> CheckAnchor(const ScannedEntry& scanned) {
    const Claim claim = ClaimOf(bat_rules_, scanned);
    if (claim.kind != Claim::Kind::kAnchor) return {};
    const auto broken = bat_rules_.BrokenRules(scanned.slot, scanned.entry);
    if (!IsMisplaced(broken) && !space_.Claim(claim.range)) {
      Report(rules::kBatAnchorOverlap, scanned);
    }
    return {};
  }

  // Each range once: a hostile image can make millions of entries claim the same.
  void AddConflict(FileRange range) {
    if (conflicts_.size() < SpaceMap::kMaxListed && conflict_ranges_.insert(range).second) {
      conflicts_.push_back({range, {}});
    } else {
      ++unlisted_conflicts_;
    }
  }

  Result<void> FindClaimants(const ScannedEntry& scanned) {
    const Claim claim = ClaimOf(bat_rules_, scanned);
    if (open_conflicts_ == 0 || claim.kind != Claim::Kind::kData) return {};
    // No range is longer than a block, so only those that start less than one before can reach in.
    const uint64_t start = claim.range.file_offset;
    const uint64_t reach =
        std::max<uint64_t>(bat_rules_.geometry().block_size(), format::kSectorBitmapBlockSize);
    auto conflict = std::ranges::lower_bound(conflicts_, start < reach ? 0 : start - reach, {},
                                             [](const Conflict& c) { return c.range.file_offset; });
    constexpr size_t kNamed = 4;
    for (; conflict != conflicts_.end() &&
           conflict->range.file_offset < start + claim.range.length_bytes;
         ++conflict) {
      if (Intersect(conflict->range, claim.range) && conflict->claimants.size() < kNamed) {
        conflict->claimants.push_back(scanned);
        if (conflict->claimants.size() == kNamed) --open_conflicts_;
      }
    }
    return {};
  }

  void ReportConflicts() {
    std::vector<std::pair<uint64_t, uint64_t>> reported;  // pairs of BAT indices
    for (const Conflict& conflict : conflicts_) {
      if (conflict.claimants.size() < 2) continue;
      const ScannedEntry& first = conflict.claimants.front();
      const ScannedEntry& last = conflict.claimants.back();
      const std::pair pair{first.index, last.index};
      if (std::ranges::find(reported, pair) != reported.end()) continue;
      reported.push_back(pair);
      findings_.Add(RuleFor(last), PlaceOf(last),
                    bat_rules_.Describe(last.slot, last.entry) + " and " +
                        bat_rules_.Describe(first.slot, first.entry));
    }
    findings_.CountMore(rules::kBatOverlap, unlisted_conflicts_);
  }

  static const Rule& RuleFor(const ScannedEntry& scanned) {
    return scanned.slot.kind == BatSlot::Kind::kBitmap ? rules::kBitmapOverlap : rules::kBatOverlap;
  }

  void ReportSpace(const SpaceMap::Summary& summary) {
    const std::string& name = file_.name();
    for (const FileRange& range : summary.unclaimed) {
      findings_.Add(rules::kSpaceFree, {name, range.file_offset},
                    std::to_string(range.length_bytes) + " bytes");
    }
    result_.free_bytes = summary.unclaimed_bytes;
    const uint64_t end = std::max(summary.end, cut_block_end_);
    if (bat_rules_.file_size() > end) {
      findings_.Add(rules::kSpaceTail, {name, end},
                    std::to_string(bat_rules_.file_size() - end) + " bytes");
      result_.free_bytes += bat_rules_.file_size() - end;
    }
    result_.image_end_offset = std::min(end, bat_rules_.file_size());
  }

  File& file_;
  BlockMap& block_map_;
  const BatRules& bat_rules_;
  const FreeSpace free_space_;
  Findings& findings_;
  const OperationControl& control_;
  BitmapReads bitmap_reads_;
  SpaceMap space_;
  BlockCheck result_;
  uint64_t present_end_ = 0;    // where the present block seen last ends
  uint64_t cut_block_end_ = 0;  // of the blocks that begin in the file
  bool has_anchors_ = false;
  std::optional<uint64_t> bitmap_chunk_;  // looked up last
  bool bitmap_is_missing_ = false;
  uint64_t bitmap_offset_ = 0;  // 0 if it is missing or its entry is broken
  std::set<FileRange> conflict_ranges_;
  std::vector<Conflict> conflicts_;
  size_t open_conflicts_ = 0;  // that are not fully named yet
  uint64_t unlisted_conflicts_ = 0;
};

}  // namespace

Result<BlockCheck> CheckBlocks(File& file, BlockMap& block_map, FreeSpace free_space,
                               Findings& findings, const OperationControl& control) {
  return BlockChecker(file, block_map, free_space, findings, control).Run();
}

}  // namespace vhdx

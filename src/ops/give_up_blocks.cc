#include "ops/give_up_blocks.h"

#include <algorithm>
#include <utility>

#include "bytes/arithmetic.h"
#include "bytes/try.h"
#include "format/bat.h"
#include "ops/zero_runs.h"

namespace vhdx {
namespace {

constexpr uint64_t kReadPiece = kMiB;
// A trim is cancelled after so much.
constexpr uint64_t kTrimPiece = 4 * kGiB;

using format::PayloadState;

}  // namespace

BlockGiver::BlockGiver(Image& image, Holes holes, Run run, const OperationControl& control)
    : image_(image), holes_(holes), run_(run), control_(control), buffer_(kReadPiece) {}

Result<void> BlockGiver::CheckCancelled() const {
  if (!control_.cancelled()) return {};
  return Fail(ErrorCode::kCancelled, "the operation was cancelled");
}

// As ranges of the disk; blocks that follow each other are one.
void BlockGiver::Add(std::vector<DiskRange>& blocks, uint64_t block) const {
  const format::BatGeometry& geometry = image_.geometry();
  const DiskRange range{geometry.BlockStart(block), geometry.BytesOnDisk(block)};
  if (!blocks.empty() && blocks.back().end() == range.disk_offset) {
    blocks.back().length_bytes += range.length_bytes;
  } else {
    blocks.push_back(range);
  }
}

// -- Space without data --

Result<void> BlockGiver::GiveUpAnchors() {
  const auto blocks = VHDX_TRY(AnchoredBlocks());
  for (const DiskRange& range : blocks) {
    VHDX_TRY(CheckCancelled());
    if (run_ == Run::kReal) {
      VHDX_TRY(image_.writer()->Trim(range));
    }
  }
  return {};
}

Result<std::vector<DiskRange>> BlockGiver::AnchoredBlocks() {
  std::vector<DiskRange> blocks;
  const BatRules& bat_rules = image_.block_map().rules();
  VHDX_TRY(ScanEntries(image_.file(), bat_rules, [&](const ScannedEntry& scanned) -> Result<void> {
    if (scanned.slot.kind != BatSlot::Kind::kPayload) return {};
    const Claim claim = bat_rules.Classify(scanned.slot, scanned.entry).claim;
    if (claim.kind != Claim::Kind::kAnchor) return {};
    NoteFreed(scanned.slot.number);
    Add(blocks, scanned.slot.number);
    return {};
  }));
  return blocks;
}

// -- Zeros --

Result<void> BlockGiver::GiveUpZeros(const OnRead& on_read) {
  const BatRules& bat_rules = image_.block_map().rules();
  VHDX_TRY(ScanEntries(image_.file(), bat_rules, [&](const ScannedEntry& scanned) -> Result<void> {
    const bool has_data = scanned.slot.kind == BatSlot::Kind::kPayload &&
                          format::OwnsSpace(scanned.entry.state()) &&
                          !dry_freed_.contains(scanned.slot.number);
    return has_data ? LookForZeros(scanned, on_read) : Result<void>{};
  }));
  for (const DiskRange& range : zero_blocks_) {
    if (run_ == Run::kReal) {
      VHDX_TRY(image_.writer()->WriteZeroes(range));
    }
  }
  zero_blocks_.clear();
  return {};
}

// Of a block that is partly here, zeros say nothing about what the disk reads: only its holes grow.
Result<void> BlockGiver::LookForZeros(const ScannedEntry& scanned, const OnRead& on_read) {
  VHDX_TRY(CheckCancelled());
  File& file = image_.file();
  const uint64_t start = scanned.entry.file_offset();
  const uint64_t end = start + image_.geometry().block_size();
  const bool makes_holes = run_ == Run::kReal && holes_ == Holes::kMake;
  std::vector<FileRange> zeros;
  bool is_zero = true;
  for (uint64_t at = start; at < end;) {
    const uint64_t data = VHDX_TRY(file.NextData(at));
    at = std::max(at, AlignDown(data, kHoleUnit));
    if (at >= end) break;
    const auto bytes = buffer_.bytes().first(std::min(kReadPiece, end - at));
    const size_t length = VHDX_TRY(file.ReadAt(at, bytes));
    if (length == 0) break;  // the file ends here
    VHDX_TRY(ForEachRun(at, ByteSpan(bytes.first(length)), [&](const ByteRun& run) -> Result<void> {
      is_zero = is_zero && run.is_zero;
      if (run.is_zero && makes_holes) zeros.push_back({run.disk_offset, run.bytes.size()});
      return {};
    }));
    at += length;
    if (on_read) on_read(length);
  }
  if (is_zero && scanned.entry.state() == PayloadState::kFullyPresent) {
    NoteFreed(scanned.slot.number);
    Add(zero_blocks_, scanned.slot.number);
    return {};
  }
  for (const FileRange& range : zeros) {
    const auto punched = image_.writer()->file().PunchHole(range);
    if (!punched && punched.error().code != ErrorCode::kUnsupported) return punched;
  }
  return {};
}

// -- Free ranges --

Result<bool> BlockGiver::IsStored(uint64_t block) {
  const Block found = VHDX_TRY(image_.block_map().PayloadBlock(block));
  return found.file_offset != 0 && !dry_freed_.contains(block);
}

void BlockGiver::NoteFreed(uint64_t block) {
  if (run_ == Run::kDry && !dry_freed_.insert(block).second) return;
  ++freed_blocks_;
}

Result<void> BlockGiver::GiveUpFree(std::span<const DiskRange> ranges) {
  const format::BatGeometry& geometry = image_.geometry();
  const uint64_t unit =
      holes_ == Holes::kMake ? geometry.logical_sector_size() : geometry.block_size();
  for (const DiskRange& range : ranges) {
    const uint64_t end = std::min(AlignDown(range.end(), unit), geometry.virtual_disk_size());
    for (uint64_t at = AlignUp(range.disk_offset, unit); at < end;) {
      VHDX_TRY(CheckCancelled());
      const DiskRange piece{at, std::min(kTrimPiece, end - at)};
      VHDX_TRY(Trim(piece));
      at = piece.end();
    }
  }
  return {};
}

Result<void> BlockGiver::Trim(DiskRange range) {
  const format::BatGeometry& geometry = image_.geometry();
  const uint64_t first = geometry.BlockOf(AlignUp(range.disk_offset, geometry.block_size()));
  const bool reaches_end = range.end() == geometry.virtual_disk_size();
  const uint64_t end = reaches_end ? geometry.payload_block_count() : geometry.BlockOf(range.end());
  for (uint64_t block = first; block < end; ++block) {
    const bool is_stored = VHDX_TRY(IsStored(block));
    if (is_stored) NoteFreed(block);
  }
  return run_ == Run::kReal ? image_.writer()->Trim(range) : Result<void>{};
}

}  // namespace vhdx

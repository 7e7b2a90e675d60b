#include "image/block_mover.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "bytes/arithmetic.h"
#include "bytes/try.h"
#include "format/layout.h"
#include "io/holes.h"

namespace vhdx {
uint64_t PackedEnd(Image& image) {
  const Journal& journal = image.writer()->journal();
  const uint64_t end = journal.EndOfClaims();
  uint64_t free_bytes = 0;
  for (const FileRange& range : journal.Unclaimed(end)) free_bytes += range.length_bytes;
  return end - free_bytes;
}

BlockMover::BlockMover(Image& image, const WriteLimits& limits)
    : image_(image),
      journal_(image.writer()->journal()),
      file_(image.writer()->file()),
      most_in_batch_(limits.moved_bytes) {}

Result<uint64_t> BlockMover::MoveDown(const OperationControl& control, const OnMoved& on_moved) {
  // A copy of the region table that was repaired, too: from here on, pages are those of the BAT.
  VHDX_TRY(journal_.Flush());
  const auto items = VHDX_TRY(ItemsFrom(PackedEnd(image_)));
  uint64_t moved = 0;
  for (const Item& item : items) {
    if (control.cancelled()) {
      VHDX_TRY(EndBatch());
      return Fail(ErrorCode::kCancelled, "the operation was cancelled");
    }
    const bool has_moved = VHDX_TRY(Move(item));
    if (!has_moved) continue;
    ++moved;
    if (on_moved) on_moved(item.length_bytes);
    if (batch_bytes_ >= most_in_batch_) {
      VHDX_TRY(EndBatch());
    }
  }
  VHDX_TRY(EndBatch());
  return moved;
}

Result<void> BlockMover::PunchFreeSpace() {
  for (const FileRange& range : journal_.Unclaimed(journal_.EndOfClaims())) {
    const auto punched = file_.PunchHole(range);
    if (!punched && punched.error().code != ErrorCode::kUnsupported) return punched;
  }
  return {};
}

// The last of the file first.
Result<std::vector<BlockMover::Item>> BlockMover::ItemsFrom(uint64_t file_offset) {
  const BatRules& bat_rules = image_.block_map().rules();
  std::vector<Item> items;
  VHDX_TRY(ScanEntries(file_, bat_rules, [&](const ScannedEntry& scanned) -> Result<void> {
    const EntryClass found = bat_rules.Classify(scanned.slot, scanned.entry);
    const FileRange place = found.claim.range;
    if (found.claim.kind != Claim::Kind::kData) return {};
    if (place.file_offset + place.length_bytes <= file_offset) return {};
    items.push_back({.file_offset = place.file_offset,
                     .index = scanned.index,
                     .length_bytes = place.length_bytes,
                     .is_bitmap = scanned.slot.kind == BatSlot::Kind::kBitmap});
    return {};
  }));
  std::ranges::sort(items, std::ranges::greater(), &Item::file_offset);
  return items;
}

// The old place of a sector bitmap is nobody's before the log is another one: what was logged for
// it would be replayed there.
Result<bool> BlockMover::Move(const Item& item) {
  const auto space = journal_.AllocateBelow(item.length_bytes, item.file_offset);
  if (!space) return false;
  const FileRange from{item.file_offset, item.length_bytes};
  const bool is_stale = space->contents == Space::Contents::kStale;
  auto done = is_stale ? ZeroData(file_, space->range) : Result<void>{};
  if (done) done = CopyData(file_, from, space->range.file_offset);
  journal_.NoteWrite();
  if (done) {
    const auto entry = VHDX_TRY(image_.block_map().Entry(item.index));
    done = journal_.Apply(
        {.entry = MetadataChange::Entry{item.index,
                                        format::BatEntry(entry.state(), space->range.file_offset)},
         .allocated = space->range,
         .freed = from,
         .payload_first = true});
  }
  if (!done) {
    journal_.Abandon(*space);
    return std::unexpected(std::move(done.error()));
  }
  if (!item.is_bitmap) left_.push_back(from);
  batch_bytes_ += item.length_bytes;
  return true;
}

// Not before the entries are durable.
Result<void> BlockMover::EndBatch() {
  VHDX_TRY(journal_.Flush());
  VHDX_TRY(image_.writer()->GiveBack(left_));
  batch_bytes_ = 0;
  return {};
}

}  // namespace vhdx

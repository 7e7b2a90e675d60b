#include "image/bat_rules.h"

#include <algorithm>
#include <utility>

#include "bytes/arithmetic.h"
#include "format/layout.h"
#include "format/rules.h"

namespace vhdx {
namespace {

using format::BatEntry;
using format::PayloadState;

void Refuse(EntryClass& entry_class, const Rule& rule) {
  entry_class.broken.Add(rule);
  entry_class.is_usable = false;
}

// Its data cannot be where it says.
void Misplace(EntryClass& entry_class, const Rule& rule) {
  Refuse(entry_class, rule);
  entry_class.is_well_placed = false;
}

}  // namespace

BatRules::BatRules(const format::BatGeometry& geometry, bool has_parent, uint64_t bat_offset,
                   uint64_t file_size, ReservedRanges reserved)
    : geometry_(geometry),
      has_parent_(has_parent),
      bat_offset_(bat_offset),
      file_size_(file_size),
      entry_count_(has_parent ? geometry.EntryCountWithParent()
                              : geometry.EntryCountWithoutParent()),
      reserved_(std::move(reserved)) {}

BatRules BatRules::WithFileSize(uint64_t file_size) const {
  BatRules changed = *this;
  changed.file_size_ = file_size;
  return changed;
}

BatRules BatRules::WithGeometry(const format::BatGeometry& geometry) const {
  return {geometry, has_parent_, bat_offset_, file_size_, reserved_};
}

FileRange BatRules::RangeOf(BatSlot slot, BatEntry entry) const {
  const bool is_bitmap = slot.kind == BatSlot::Kind::kBitmap;
  return {entry.file_offset(), is_bitmap ? format::kSectorBitmapBlockSize : geometry_.block_size()};
}

BatSlots::BatSlots(const BatRules& bat_rules, uint64_t index)
    : rules_(bat_rules),
      index_(index),
      chunk_(index / (bat_rules.geometry().chunk_ratio() + 1)),
      within_(index % (bat_rules.geometry().chunk_ratio() + 1)) {}

BatSlot BatSlots::Next() {
  const format::BatGeometry& geometry = rules_.geometry();
  BatSlot slot;
  if (index_ < rules_.entry_count()) {
    if (within_ == geometry.chunk_ratio()) {
      slot = {BatSlot::Kind::kBitmap, chunk_};
    } else if (const uint64_t block = chunk_ * geometry.chunk_ratio() + within_;
               block < geometry.payload_block_count()) {
      slot = {BatSlot::Kind::kPayload, block};
    }
  }
  ++index_;
  if (++within_ > geometry.chunk_ratio()) {
    within_ = 0;
    ++chunk_;
  }
  return slot;
}

BatSlots::Span BatSlots::NextSpan(uint64_t max_count) {
  Span span{.first = Next(), .count = 1};
  if (span.first.kind == BatSlot::Kind::kPayload) {
    const format::BatGeometry& geometry = rules_.geometry();
    const uint64_t more = std::min({max_count - 1, geometry.chunk_ratio() - within_,
                                    geometry.payload_block_count() - span.first.number - 1});
    span.count += more;
    index_ += more;
    within_ += more;
  }
  return span;
}

EntryClass BatRules::Classify(BatSlot slot, BatEntry entry) const {
  switch (slot.kind) {
    case BatSlot::Kind::kPayload:
      return ClassifyPayload(slot.number, entry);
    case BatSlot::Kind::kBitmap:
      return ClassifyBitmap(entry);
    case BatSlot::Kind::kPadding:
      break;
  }
  return {};
}

EntryClass BatRules::ClassifyPayload(uint64_t block, BatEntry entry) const {
  using Space = format::StateMeaning::Space;
  EntryClass result;
  const PayloadState state = entry.state();
  const uint64_t offset = entry.file_offset();
  result.claim.range = {offset, geometry_.block_size()};
  if (state == PayloadState::kReserved) Refuse(result, rules::kBatState);
  if (state == PayloadState::kPartiallyPresent && !has_parent_) {
    Refuse(result, rules::kBatPartialWithoutParent);
  }
  switch (format::MeaningOf(state).space) {
    case Space::kOwns:
      result.claim.kind = Claim::Kind::kData;
      PlaceData(block, result);
      break;
    case Space::kMayKeep:
      if (offset == 0) break;
      result.claim.kind = Claim::Kind::kAnchor;
      PlaceAnchor(block, result);
      break;
    case Space::kNone:
      break;
  }
  if (entry.reserved_bits() != 0) result.broken.Add(rules::kBatReserved);
  if (state == PayloadState::kOldUnmapped) result.broken.Add(rules::kBatStateOldUnmapped);
  if ((state == PayloadState::kNotPresent || state == PayloadState::kZero) && offset != 0) {
    result.broken.Add(rules::kBatUnusedOffset);
  }
  return result;
}

void BatRules::PlaceData(uint64_t block, EntryClass& entry_class) const {
  const FileRange range = entry_class.claim.range;
  if (range.file_offset < format::kHeaderSectionSize) {
    Misplace(entry_class, rules::kBatOffset);
  } else if (!FitsInside(range.file_offset, geometry_.BytesOnDisk(block), file_size_)) {
    Misplace(entry_class, rules::kBatBeyondEof);
  } else if (reserved_.Overlap(range)) {
    Misplace(entry_class, rules::kBatOverlap);
  } else if (!FitsInside(range.file_offset, range.length_bytes, file_size_)) {
    entry_class.broken.Add(rules::kBatCutShort);
  }
}

// Nothing is read from there: the block can be used all the same.
void BatRules::PlaceAnchor(uint64_t block, EntryClass& entry_class) const {
  const uint64_t offset = entry_class.claim.range.file_offset;
  const uint64_t needed = geometry_.BytesOnDisk(block);
  if (offset < format::kHeaderSectionSize || reserved_.Overlap({offset, needed})) {
    entry_class.broken.Add(rules::kBatAnchorOverlap);
    entry_class.is_well_placed = false;
  } else if (!FitsInside(offset, needed, file_size_)) {
    entry_class.broken.Add(rules::kBatAnchorBeyondEof);
    entry_class.is_well_placed = false;
  }
}

EntryClass BatRules::ClassifyBitmap(BatEntry entry) const {
  EntryClass result;
  if (!has_parent_) {
    if (entry.raw() != 0) result.broken.Add(rules::kBitmapUnexpected);  // and is ignored
    return result;
  }
  result.claim.range = {entry.file_offset(), format::kSectorBitmapBlockSize};
  const FileRange range = result.claim.range;
  if (entry.bitmap_state() == format::kBitmapPresent) {
    result.claim.kind = Claim::Kind::kData;
    if (range.file_offset < format::kHeaderSectionSize ||
        !FitsInside(range.file_offset, range.length_bytes, file_size_)) {
      Misplace(result, rules::kBitmapRange);
    } else if (reserved_.Overlap(range)) {
      Misplace(result, rules::kBitmapOverlap);
    }
  } else if (entry.bitmap_state() != format::kBitmapNotPresent) {
    Refuse(result, rules::kBitmapState);
  } else if (range.file_offset != 0) {
    result.broken.Add(rules::kBatUnusedOffset);
  }
  if (entry.reserved_bits() != 0) result.broken.Add(rules::kBatReserved);
  return result;
}

std::string BatRules::Describe(BatSlot slot, BatEntry entry) const {
  std::string value = " with the entry " + Hex(entry.raw()) + ", file offset " +
                      std::to_string(entry.file_offset());
  switch (slot.kind) {
    case BatSlot::Kind::kPayload:
      return "block " + std::to_string(slot.number) + " (disk offset " +
             std::to_string(geometry_.BlockStart(slot.number)) + ")" + value;
    case BatSlot::Kind::kBitmap:
      return "the sector bitmap of chunk " + std::to_string(slot.number) + value;
    case BatSlot::Kind::kPadding:
      return "an entry past the end of the table" + value;
  }
  return value;
}

}  // namespace vhdx

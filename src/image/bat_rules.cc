#include "image/bat_rules.h"

#include <utility>

#include "bytes/arithmetic.h"
#include "format/layout.h"
#include "format/rules.h"

namespace vhdx {
namespace {

using format::BatEntry;
using format::PayloadState;

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

bool BatRules::IsUsable(BatSlot slot, BatEntry entry) const {
  switch (slot.kind) {
    case BatSlot::Kind::kPayload:
      return PayloadIsUsable(slot.number, entry);
    case BatSlot::Kind::kBitmap:
      return BitmapIsUsable(entry);
    case BatSlot::Kind::kPadding:
      return true;
  }
  return false;
}

bool BatRules::PayloadIsUsable(uint64_t block, BatEntry entry) const {
  if (entry.state() == PayloadState::kReserved) return false;
  if (!format::OwnsSpace(entry.state())) return true;
  if (entry.state() == PayloadState::kPartiallyPresent && !has_parent_) return false;
  const uint64_t needed = geometry_.BytesOnDisk(block);
  return entry.file_offset() >= format::kHeaderSectionSize &&
         FitsInside(entry.file_offset(), needed, file_size_) &&
         !reserved_.Overlap({entry.file_offset(), geometry_.block_size()});
}

bool BatRules::BitmapIsUsable(BatEntry entry) const {
  if (!has_parent_ || entry.bitmap_state() == format::kBitmapNotPresent) return true;
  return entry.bitmap_state() == format::kBitmapPresent &&
         entry.file_offset() >= format::kHeaderSectionSize &&
         FitsInside(entry.file_offset(), format::kSectorBitmapBlockSize, file_size_) &&
         !reserved_.Overlap({entry.file_offset(), format::kSectorBitmapBlockSize});
}

std::vector<const Rule*> BatRules::BrokenRules(BatSlot slot, BatEntry entry) const {
  switch (slot.kind) {
    case BatSlot::Kind::kPayload:
      return BrokenPayloadRules(slot.number, entry);
    case BatSlot::Kind::kBitmap:
      return BrokenBitmapRules(entry);
    case BatSlot::Kind::kPadding:
      return {};
  }
  return {};
}

std::vector<const Rule*> BatRules::BrokenPayloadRules(uint64_t block, BatEntry entry) const {
  std::vector<const Rule*> broken;
  const PayloadState state = entry.state();
  const uint64_t offset = entry.file_offset();
  const uint64_t needed = geometry_.BytesOnDisk(block);
  if (state == PayloadState::kReserved) broken.push_back(&rules::kBatState);
  if (state == PayloadState::kPartiallyPresent && !has_parent_) {
    broken.push_back(&rules::kBatPartialWithoutParent);
  }
  if (format::OwnsSpace(state)) {
    if (offset < format::kHeaderSectionSize) {
      broken.push_back(&rules::kBatOffset);
    } else if (!FitsInside(offset, needed, file_size_)) {
      broken.push_back(&rules::kBatBeyondEof);
    } else if (reserved_.Overlap({offset, geometry_.block_size()})) {
      broken.push_back(&rules::kBatOverlap);
    } else if (!FitsInside(offset, geometry_.block_size(), file_size_)) {
      broken.push_back(&rules::kBatCutShort);
    }
  }
  if (format::MeaningOf(state).space == format::StateMeaning::Space::kMayKeep && offset != 0) {
    if (offset < format::kHeaderSectionSize || reserved_.Overlap({offset, needed})) {
      broken.push_back(&rules::kBatAnchorOverlap);
    } else if (!FitsInside(offset, needed, file_size_)) {
      broken.push_back(&rules::kBatAnchorBeyondEof);
    }
  }
  if (entry.reserved_bits() != 0) broken.push_back(&rules::kBatReserved);
  if (state == PayloadState::kOldUnmapped) broken.push_back(&rules::kBatStateOldUnmapped);
  if ((state == PayloadState::kNotPresent || state == PayloadState::kZero) && offset != 0) {
    broken.push_back(&rules::kBatUnusedOffset);
  }
  return broken;
}

std::vector<const Rule*> BatRules::BrokenBitmapRules(BatEntry entry) const {
  if (!has_parent_) {
    if (entry.raw() == 0) return {};
    return {&rules::kBitmapUnexpected};
  }
  std::vector<const Rule*> broken;
  const uint64_t offset = entry.file_offset();
  if (entry.bitmap_state() == format::kBitmapPresent) {
    if (offset < format::kHeaderSectionSize ||
        !FitsInside(offset, format::kSectorBitmapBlockSize, file_size_)) {
      broken.push_back(&rules::kBitmapRange);
    } else if (reserved_.Overlap({offset, format::kSectorBitmapBlockSize})) {
      broken.push_back(&rules::kBitmapOverlap);
    }
  } else if (entry.bitmap_state() != format::kBitmapNotPresent) {
    broken.push_back(&rules::kBitmapState);
  } else if (offset != 0) {
    broken.push_back(&rules::kBatUnusedOffset);
  }
  if (entry.reserved_bits() != 0) broken.push_back(&rules::kBatReserved);
  return broken;
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

// What a single BAT entry is ([MS-VHDX] 2.5.1): the space that it claims and the rules that it
// breaks, for readers, writers and checks.
//
// Whether two entries claim the same space is not a property of one entry: see claims.h.

#ifndef VHDXKIT_IMAGE_BAT_RULES_H_
#define VHDXKIT_IMAGE_BAT_RULES_H_

#include <vhdxkit/error.h>
#include <vhdxkit/file.h>
#include <vhdxkit/finding.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <cstdint>
#include <string>

#include "format/bat.h"
#include "format/findings.h"
#include "format/layout.h"
#include "image/reserved_ranges.h"

namespace vhdx {

/// What an index of the BAT is for.
struct BatSlot {
  enum class Kind : uint8_t { kPayload, kBitmap, kPadding };
  Kind kind = Kind::kPadding;
  uint64_t number = 0;  ///< number of the payload block, or of the chunk
};

/// The part of the file that an entry claims. kData: it has data there. kAnchor: an unmapped or
/// undefined block that keeps its space; it gives way to data.
struct Claim {
  enum class Kind : uint8_t { kNone, kData, kAnchor };
  Kind kind = Kind::kNone;
  FileRange range;
};

/// The rules that one entry breaks: the most severe first, and at most four.
class RuleList {
 public:
  void Add(const Rule& rule) {
    assert(count_ < rules_.size());
    rules_[count_++] = &rule;
  }
  const Rule* const* begin() const { return rules_.data(); }
  const Rule* const* end() const { return rules_.data() + count_; }
  const Rule& front() const { return *rules_.front(); }
  size_t size() const { return count_; }
  bool empty() const { return count_ == 0; }

 private:
  std::array<const Rule*, 4> rules_ = {};
  size_t count_ = 0;
};

/// What an entry is.
struct EntryClass {
  Claim claim = {};
  RuleList broken = {};
  /// Whether it may be used: if not, whoever needs the block is told the first broken rule.
  bool is_usable = true;
  /// Whether what it claims can be its own: inside the file, and outside all other structures.
  bool is_well_placed = true;
};

class BatRules {
 public:
  BatRules(const format::BatGeometry& geometry, bool has_parent, uint64_t bat_offset,
           uint64_t file_size, ReservedRanges reserved);

  const format::BatGeometry& geometry() const { return geometry_; }
  const ReservedRanges& reserved() const { return reserved_; }
  bool has_parent() const { return has_parent_; }
  uint64_t file_size() const { return file_size_; }
  uint64_t bat_offset() const { return bat_offset_; }
  uint64_t entry_count() const { return entry_count_; }

  /// The file offset of the entry.
  uint64_t EntryOffset(uint64_t index) const { return bat_offset_ + index * format::kBatEntrySize; }

  /// The same rules for a file of another length.
  BatRules WithFileSize(uint64_t file_size) const;
  /// The same for a disk of another size.
  BatRules WithGeometry(const format::BatGeometry& geometry) const;
  void set_file_size(uint64_t file_size) { file_size_ = file_size; }

  /// The range of the file that the entry points to, if any.
  FileRange RangeOf(BatSlot slot, format::BatEntry entry) const;

  /// What the entry of that slot is. Whether a payload block in state 7 has a sector bitmap is not
  /// checked here.
  EntryClass Classify(BatSlot slot, format::BatEntry entry) const;

  /// How many blocks, starting with the one of this payload entry, may follow each other in the
  /// file, all fully present, without breaking a rule. 0: Classify has to say what the entry is.
  uint64_t SoundBlocksFrom(format::BatEntry entry) const {
    if ((entry.raw() & kStateAndReserved) != kSound) return 0;
    const uint64_t offset = entry.file_offset();
    if (offset < format::kHeaderSectionSize || offset >= file_size_) return 0;
    uint64_t free_bytes = file_size_ - offset;
    if (offset < reserved_.end()) free_bytes = std::min(free_bytes, reserved_.FreeFrom(offset));
    return geometry_.BlockOf(free_bytes);
  }

  /// Whether the entry of that slot may be used.
  bool IsUsable(BatSlot slot, format::BatEntry entry) const {
    if (slot.kind == BatSlot::Kind::kPayload && SoundBlocksFrom(entry) > 0) return true;
    return Classify(slot, entry).is_usable;
  }

  /// Its description for messages.
  std::string Describe(BatSlot slot, format::BatEntry entry) const;

 private:
  static constexpr uint64_t kStateAndReserved =
      format::BatEntry::kStateMask | format::BatEntry::kReservedMask;
  static constexpr uint64_t kSound = static_cast<uint64_t>(format::PayloadState::kFullyPresent);

  EntryClass ClassifyPayload(uint64_t block, format::BatEntry entry) const;
  EntryClass ClassifyBitmap(format::BatEntry entry) const;
  void PlaceData(uint64_t block, EntryClass& entry_class) const;
  void PlaceAnchor(uint64_t block, EntryClass& entry_class) const;

  format::BatGeometry geometry_;
  bool has_parent_;
  uint64_t bat_offset_;
  uint64_t file_size_;
  uint64_t entry_count_;
  ReservedRanges reserved_;
};

/// Iterates over the slots of the BAT.
class BatSlots {
 public:
  BatSlots(const BatRules& bat_rules, uint64_t index);
  BatSlot Next();

  /// Slots that follow each other, of payload blocks that follow each other; or one other slot.
  struct Span {
    BatSlot first;
    uint64_t count = 0;
  };
  /// At most max_count of them, at least 1.
  Span NextSpan(uint64_t max_count);

 private:
  const BatRules& rules_;
  uint64_t index_;
  uint64_t chunk_;
  uint64_t within_;
};

}  // namespace vhdx

#endif  // VHDXKIT_IMAGE_BAT_RULES_H_

// The rules that a single BAT entry must keep ([MS-VHDX] 2.5.1), as readers, writers and checks
// need them.
//
// Overlap between blocks is no matter of one entry; `vhdx check` finds it.

#ifndef VHDXKIT_IMAGE_BAT_RULES_H_
#define VHDXKIT_IMAGE_BAT_RULES_H_

#include <vhdxkit/error.h>
#include <vhdxkit/file.h>
#include <vhdxkit/finding.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "format/bat.h"
#include "format/findings.h"
#include "image/reserved_ranges.h"

namespace vhdx {

/// What stands at an index of the BAT.
struct BatSlot {
  enum class Kind : uint8_t { kPayload, kBitmap, kPadding };
  Kind kind = Kind::kPadding;
  uint64_t number = 0;  ///< of the payload block, or of the chunk
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

  /// Where the entry stands in the file.
  uint64_t EntryOffset(uint64_t index) const { return bat_offset_ + index * format::kBatEntrySize; }

  /// The same rules for a file of another length.
  BatRules WithFileSize(uint64_t file_size) const;

  /// The part of the file that the entry points at, if it points at any.
  FileRange PlaceOf(BatSlot slot, format::BatEntry entry) const;

  /// Whether the entry of that slot may be used.
  bool IsUsable(BatSlot slot, format::BatEntry entry) const;

  /// Every rule that it breaks, the worst first; empty for a clean one. A payload block in state 7
  /// is not held against its chunk's bitmap here.
  std::vector<const Rule*> BrokenRules(BatSlot slot, format::BatEntry entry) const;

  /// What a person is told of it.
  std::string Describe(BatSlot slot, format::BatEntry entry) const;

 private:
  std::vector<const Rule*> BrokenPayloadRules(uint64_t block, format::BatEntry entry) const;
  std::vector<const Rule*> BrokenBitmapRules(format::BatEntry entry) const;
  bool PayloadIsUsable(uint64_t block, format::BatEntry entry) const;
  bool BitmapIsUsable(format::BatEntry entry) const;

  format::BatGeometry geometry_;
  bool has_parent_;
  uint64_t bat_offset_;
  uint64_t file_size_;
  uint64_t entry_count_;
  ReservedRanges reserved_;
};

/// What stands at each index of the BAT, one after the other.
class BatSlots {
 public:
  BatSlots(const BatRules& bat_rules, uint64_t index);
  BatSlot Next();

 private:
  const BatRules& rules_;
  uint64_t index_;
  uint64_t chunk_;
  uint64_t within_;
};

}  // namespace vhdx

#endif  // VHDXKIT_IMAGE_BAT_RULES_H_

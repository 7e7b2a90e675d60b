// The rules for a single BAT entry ([MS-VHDX] 2.5.1), for readers, writers and checks.
//
// Overlap between blocks is not a property of one entry; `vhdx check` finds it.

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

/// What an index of the BAT is for.
struct BatSlot {
  enum class Kind : uint8_t { kPayload, kBitmap, kPadding };
  Kind kind = Kind::kPadding;
  uint64_t number = 0;  ///< number of the payload block, or of the chunk
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
  void set_file_size(uint64_t file_size) { file_size_ = file_size; }

  /// The range of the file that the entry points to, if any.
  FileRange RangeOf(BatSlot slot, format::BatEntry entry) const;

  /// Whether the entry of that slot may be used.
  bool IsUsable(BatSlot slot, format::BatEntry entry) const;

  /// Every rule that it breaks, the most severe first; empty if none. Whether a payload block in
  /// state 7 has a sector bitmap is not checked here.
  std::vector<const Rule*> BrokenRules(BatSlot slot, format::BatEntry entry) const;

  /// Its description for messages.
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

/// Iterates over the slots of the BAT.
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

// A walk through the whole BAT of an image as stored in the file, for callers that need every
// entry.

#ifndef VHDXKIT_IMAGE_BAT_SCAN_H_
#define VHDXKIT_IMAGE_BAT_SCAN_H_

#include <vhdxkit/error.h>
#include <vhdxkit/file.h>

#include <cstdint>
#include <functional>
#include <span>

#include "format/bat.h"
#include "image/bat_rules.h"

namespace vhdx {

/// One entry that is not zero.
struct ScannedEntry {
  uint64_t index = 0;
  BatSlot slot;
  format::BatEntry entry;
};

/// Entries that follow each other. More than one: of blocks that are fully present, follow each
/// other in the file, and break no rule (BatRules::SoundBlocksFrom).
struct EntryRun {
  ScannedEntry first;
  uint64_t count = 1;
  bool is_sound = false;  ///< no entry breaks a rule, and all are of blocks that are fully present

  ScannedEntry At(uint64_t i, uint64_t block_size) const {
    return {first.index + i,
            {first.slot.kind, first.slot.number + i},
            format::BatEntry(first.entry.raw() + i * block_size)};
  }
};

/// Calls `visit` with the entries that are not zero, in order, many runs at a time; reads ahead,
/// skips holes of the file, keeps nothing. Padding after the last entry is not visited. A BAT that
/// the end of the file cuts off is visited up to there. Errors: kIo, and what `visit` returns,
/// which ends the walk.
Result<void> ScanBat(File& file, const BatRules& bat_rules,
                     const std::function<Result<void>(std::span<const EntryRun>)>& visit);

/// The same, entry by entry.
Result<void> ScanEntries(File& file, const BatRules& bat_rules,
                         const std::function<Result<void>(const ScannedEntry&)>& visit);

/// The same for a BAT whose geometry is not known: visits all entries of its region that are not
/// zero.
Result<void> ScanRawBat(File& file, FileRange region,
                        const std::function<Result<void>(uint64_t index, uint64_t raw)>& visit);

}  // namespace vhdx

#endif  // VHDXKIT_IMAGE_BAT_SCAN_H_

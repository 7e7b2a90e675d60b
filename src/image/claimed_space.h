// Which part of the file a BAT entry claims, whether two of them claim the same, and what else
// keeps an image from being written.

#ifndef VHDXKIT_IMAGE_CLAIMED_SPACE_H_
#define VHDXKIT_IMAGE_CLAIMED_SPACE_H_

#include <vhdxkit/error.h>
#include <vhdxkit/file.h>

#include <cstdint>
#include <span>

#include "format/findings.h"
#include "image/bat_rules.h"
#include "image/bat_scan.h"
#include "image/space_map.h"

namespace vhdx {

/// The part of the file that an entry claims. kData: it has data there. kAnchor: an unmapped or
/// undefined block that keeps its space; it gives way to data.
struct Claim {
  enum class Kind : uint8_t { kNone, kData, kAnchor };
  Kind kind = Kind::kNone;
  FileRange range;
};

Claim ClaimOf(const BatRules& bat_rules, const ScannedEntry& scanned);

/// Whether one of the rules that an entry breaks says that its offset in the file is wrong.
bool IsMisplaced(std::span<const Rule* const> broken);

bool Intersect(FileRange a, FileRange b);

/// Fails with kCorrupt, and both entries in Error::found, if two entries have data in the same
/// space: then at least one of the blocks has bytes of the other. `file` is read through (the
/// replayed one). Entries whose offset is wrong in itself are left out: reading their block fails
/// anyway. Memory: one bit for each MiB of the file. Errors: kIo.
Result<void> RefuseSharedSpace(File& file, const BatRules& bat_rules);

/// What all structures and blocks of an image claim.
struct ClaimsForWriting {
  SpaceMap space;
  uint64_t unallocated_blocks = 0;  ///< payload blocks that would need space if they were written
};

/// The claims of an image that is about to be written. `file` is read through (the replayed one).
/// Errors: kCorrupt if an entry breaks a rule of severity kReadOnly or worse; kUnsupported for a
/// file of more than 256 TiB; kIo.
Result<ClaimsForWriting> ClaimForWriting(File& file, const BatRules& bat_rules);

}  // namespace vhdx

#endif  // VHDXKIT_IMAGE_CLAIMED_SPACE_H_

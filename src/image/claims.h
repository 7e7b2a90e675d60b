// Who owns each MiB of an image's file: one scan of the BAT and one verdict, for sessions that
// write, for checks, and for statistics.
//
// An image may be written only if no MiB has two owners and no entry breaks a rule of severity
// kReadOnly or worse: a writer takes for free whatever nothing claims.

#ifndef VHDXKIT_IMAGE_CLAIMS_H_
#define VHDXKIT_IMAGE_CLAIMS_H_

#include <vhdxkit/error.h>
#include <vhdxkit/file.h>
#include <vhdxkit/operation.h>
#include <vhdxkit/statistics.h>

#include <cstdint>
#include <optional>

#include "format/findings.h"
#include "image/bat_rules.h"
#include "image/space_map.h"

namespace vhdx {

struct Claims {
  /// What structures, data, and blocks that keep their space claim. The last block of a disk may
  /// reach past the end of the file.
  SpaceMap space;
  BlockStatistics blocks = {};
  uint64_t unallocated_blocks = 0;  ///< payload blocks that would need space if they were written
  uint64_t data_end = 0;  ///< file offset: the end of the data that begins before the file's end

  /// kCorrupt if two entries have data in the same space, with both in Error::found: at least one
  /// of the blocks then has bytes of the other. Entries whose offset is wrong in itself do not
  /// count: reading their block fails anyway.
  std::optional<Error> shared_space = {};
  /// Why the image must not be written, if it must not: kCorrupt, and shared space before anything
  /// else; kUnsupported for a file of more than 256 TiB.
  std::optional<Error> refusal = {};
};

/// Scans the BAT of `file`, the replayed one, once; a second time if entries have to be named that
/// claim the same space. Every rule that an entry breaks is added to `findings`, in the order of
/// the BAT. Memory: one bit for each MiB of the file, or two if blocks without data keep their
/// space; for a file of more than 256 TiB, 16 bytes for each run of blocks. Errors: kIo,
/// kCancelled.
Result<Claims> ScanClaims(File& file, const BatRules& bat_rules, Findings& findings,
                          const OperationControl& control = {});

/// Fails if the image must not be written. Errors: Claims::refusal; kIo.
Result<Claims> ClaimForWriting(File& file, const BatRules& bat_rules);

/// Fails if two entries have data in the same space. Errors: Claims::shared_space; kIo.
Result<void> RefuseSharedSpace(File& file, const BatRules& bat_rules);

}  // namespace vhdx

#endif  // VHDXKIT_IMAGE_CLAIMS_H_

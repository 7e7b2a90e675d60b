// The part of a check that needs the whole BAT of one image: every entry, shared and free space.

#ifndef VHDXKIT_OPS_CHECK_BLOCKS_H_
#define VHDXKIT_OPS_CHECK_BLOCKS_H_

#include <vhdxkit/error.h>
#include <vhdxkit/file.h>
#include <vhdxkit/operation.h>
#include <vhdxkit/statistics.h>

#include <cstdint>

#include "format/findings.h"
#include "image/bat_rules.h"

namespace vhdx {

struct BlockCheck {
  BlockStatistics blocks;
  uint64_t free_bytes = 0;
  uint64_t image_end_offset = 0;
};

/// Whether space that nothing uses is a finding. It is not known for an image that is refused.
enum class FreeSpace : uint8_t { kReport, kUnknown };

/// Checks the BAT of `file`, the replayed one. Memory and errors: those of ScanClaims.
Result<BlockCheck> CheckBlocks(File& file, const BatRules& bat_rules, FreeSpace free_space,
                               Findings& findings, const OperationControl& control);

}  // namespace vhdx

#endif  // VHDXKIT_OPS_CHECK_BLOCKS_H_

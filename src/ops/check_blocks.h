// The part of a check that needs the whole BAT of one image: every entry, overlaps, free space.

#ifndef VHDXKIT_OPS_CHECK_BLOCKS_H_
#define VHDXKIT_OPS_CHECK_BLOCKS_H_

#include <vhdxkit/error.h>
#include <vhdxkit/operation.h>

#include <cstdint>

#include "format/findings.h"
#include "image/image.h"

namespace vhdx {

struct BlockCheck {
  uint64_t present_blocks = 0;
  uint64_t fragmented_blocks = 0;
  uint64_t free_bytes = 0;
  uint64_t image_end_offset = 0;
};

/// Memory: one bit for each MiB of the file. Errors: kIo, kCancelled.
Result<BlockCheck> CheckBlocks(Image& image, Findings& findings, const OperationControl& control);

}  // namespace vhdx

#endif  // VHDXKIT_OPS_CHECK_BLOCKS_H_

// Compacting an image that is held already, as tests do with other limits.

#ifndef VHDXKIT_OPS_COMPACT_HELD_H_
#define VHDXKIT_OPS_COMPACT_HELD_H_

#include <vhdxkit/compact.h>
#include <vhdxkit/error.h>
#include <vhdxkit/operation.h>

#include "ops/held_image.h"

namespace vhdx {

/// As Compact; how the image is opened has been decided.
Result<CompactReport> CompactHeld(HeldImage& image, const CompactOptions& options,
                                  const OperationControl& control);

}  // namespace vhdx

#endif  // VHDXKIT_OPS_COMPACT_HELD_H_

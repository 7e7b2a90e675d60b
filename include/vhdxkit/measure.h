// Measure the space that a conversion needs.

#ifndef VHDXKIT_MEASURE_H_
#define VHDXKIT_MEASURE_H_

#include <vhdxkit/block_device.h>
#include <vhdxkit/create.h>
#include <vhdxkit/error.h>
#include <vhdxkit/export.h>
#include <vhdxkit/operation.h>

#include <cstdint>

namespace vhdx {

struct MeasureReport {
  uint64_t required_bytes = 0;  ///< length of the file that a conversion of this source creates
  uint64_t fully_allocated_bytes = 0;  ///< its length if every block were allocated
};

/// For a raw file: the size of the disk.
VHDXKIT_EXPORT
MeasureReport MeasureRaw(const BlockDevice& source);

/// For ConvertToVhdx with these options. A dynamic image stores only blocks that contain a byte
/// other than zero, so each block is read until such a byte is found. Errors: kInvalidArgument;
/// those of Read and Extents; kCancelled.
VHDXKIT_EXPORT
Result<MeasureReport> MeasureVhdx(BlockDevice& source, const CreateOptions& image,
                                  const OperationControl& control = {});

}  // namespace vhdx

#endif  // VHDXKIT_MEASURE_H_

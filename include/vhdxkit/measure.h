// How many bytes a conversion would need.

#ifndef VHDXKIT_MEASURE_H_
#define VHDXKIT_MEASURE_H_

#include <vhdxkit/block_device.h>
#include <vhdxkit/create.h>
#include <vhdxkit/error.h>
#include <vhdxkit/operation.h>

#include <cstdint>

namespace vhdx {

struct MeasureReport {
  uint64_t required_bytes = 0;         ///< length of the file that convert makes of this source
  uint64_t fully_allocated_bytes = 0;  ///< the same, if every block were allocated
};

/// A raw file is as long as the disk.
MeasureReport MeasureRaw(const BlockDevice& source);

/// What ConvertToVhdx makes with these options. A dynamic image holds the blocks in which some byte
/// is not zero, so data is read until such a byte is found. Errors: kInvalidArgument; those of Read
/// and Extents; kCancelled.
Result<MeasureReport> MeasureVhdx(BlockDevice& source, const CreateOptions& image,
                                  const OperationControl& control = {});

}  // namespace vhdx

#endif  // VHDXKIT_MEASURE_H_

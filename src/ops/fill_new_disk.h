// The contents of a new disk, whatever its format: copied from another disk, or from a stream.

#ifndef VHDXKIT_OPS_FILL_NEW_DISK_H_
#define VHDXKIT_OPS_FILL_NEW_DISK_H_

#include <vhdxkit/block_device.h>
#include <vhdxkit/convert.h>
#include <vhdxkit/error.h>
#include <vhdxkit/operation.h>

#include "builder/disk_builder.h"

namespace vhdx {

/// Copies the source into a disk that is at least as large, and commits it. Errors: those of
/// CopyContents and DiskBuilder::Commit.
Result<ConvertReport> FillNewDisk(DiskBuilder& builder, BlockDevice& source,
                                  const ConvertOptions& options, const OperationControl& control);

/// The same with the bytes of a stream, for a disk that was begun without a size: it gets that of
/// the stream, with zeros up to a whole sector. Errors: those of DrainStream, DiskBuilder::SetSize
/// and Commit.
Result<ConvertReport> FillNewDisk(DiskBuilder& builder, const ReadStream& source,
                                  const OperationControl& control);

}  // namespace vhdx

#endif  // VHDXKIT_OPS_FILL_NEW_DISK_H_

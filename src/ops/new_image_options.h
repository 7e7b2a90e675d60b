// From what a user wants to what a new image says: defaults, and what no disk can have.

#ifndef VHDXKIT_OPS_NEW_IMAGE_OPTIONS_H_
#define VHDXKIT_OPS_NEW_IMAGE_OPTIONS_H_

#include <vhdxkit/block_device.h>
#include <vhdxkit/create.h>
#include <vhdxkit/error.h>
#include <vhdxkit/file.h>
#include <vhdxkit/image_info.h>

#include <cstdint>

#include "builder/new_image.h"

namespace vhdx {

/// What a disk gets that its options do not say: of its parent, or of the disk that it is a copy
/// of.
struct InheritedParameters {
  uint64_t size_bytes = 0;
  uint32_t logical_sector_size = 0;   ///< 0: as usual
  uint32_t physical_sector_size = 0;  ///< 0: as usual
  uint64_t block_size_bytes = 0;      ///< of a dynamic disk; 0: as usual
};

/// Errors: kInvalidArgument, with what to say instead.
Result<DiskParameters> ParametersFor(const CreateOptions& options,
                                     const InheritedParameters& inherited);
/// The same for a copy of a disk, which ends with zeros more if its size is no multiple of larger
/// sectors.
Result<DiskParameters> ParametersForCopy(const CreateOptions& options, const BlockDevice& source);
/// The same for the length of the log.
Result<uint64_t> LogLengthFor(uint64_t log_size_bytes);
/// The same for the block size.
Result<uint32_t> BlockSizeFor(Subformat subformat, uint64_t block_size_bytes);

/// The whole image but for its parent: parameters as they are, GUIDs from the options' source of
/// random bytes, or from `files`.
Result<NewImage> MakeNewImage(const CreateOptions& options, const DiskParameters& parameters,
                              FileSystem& files);

}  // namespace vhdx

#endif  // VHDXKIT_OPS_NEW_IMAGE_OPTIONS_H_

// The two ends of making an image, between which its contents are written.

#ifndef VHDXKIT_OPS_FILL_NEW_DISK_H_
#define VHDXKIT_OPS_FILL_NEW_DISK_H_

#include <vhdxkit/create.h>
#include <vhdxkit/error.h>
#include <vhdxkit/file.h>
#include <vhdxkit/image_info.h>
#include <vhdxkit/operation.h>

#include <memory>
#include <string>
#include <vector>

#include "image/new_disk.h"
#include "ops/parent_link.h"

namespace vhdx {

/// Begins an image in an empty file: draws its GUIDs, writes its log, allocates the blocks of a
/// fixed disk. A child gets what `parent` hands down; null for others. Errors: kInvalidArgument,
/// kNoSpace, kCancelled; those of File.
Result<std::unique_ptr<NewDisk>> BeginNewDisk(FileSystem& files, File& file,
                                              const CreateOptions& options,
                                              const DiskParameters& parameters,
                                              const OperationControl& control,
                                              const ParentLink* parent = nullptr);

/// Makes it an image. Errors: those of File; kCancelled.
Result<void> FinishNewDisk(File& file, NewDisk& disk, const CreateOptions& options,
                           const OperationControl& control);

/// What a person can do about a host that is full; the host itself only says so.
Error ExplainNoSpace(Error error, const CreateOptions& options);

}  // namespace vhdx

#endif  // VHDXKIT_OPS_FILL_NEW_DISK_H_

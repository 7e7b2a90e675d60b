// Inspect one image, and find out whether its parent exists, without requiring the parent.

#ifndef VHDXKIT_INSPECT_H_
#define VHDXKIT_INSPECT_H_

#include <vhdxkit/disk.h>
#include <vhdxkit/error.h>
#include <vhdxkit/export.h>
#include <vhdxkit/file.h>
#include <vhdxkit/image_info.h>

#include <optional>
#include <string>

namespace vhdx {

struct Inspection {
  ImageInfo image;
  std::optional<ParentState> parent;  ///< only of a differencing image
};

/// Opens the image, reads everything except the BAT, and looks for its parent, of which it reads
/// only the identity. Of `options`, `access` has no meaning and should be kReadOnly. Errors: those
/// of Disk::Open, except those about parents.
VHDXKIT_EXPORT
Result<Inspection> Inspect(FileSystem& files, const std::string& path,
                           const OpenOptions& options = {});

/// The same of the image that an open disk writes at the moment, or of the one that it was opened
/// with. Requests to the disk wait meanwhile, so that what is read is the state between two of
/// them. The lock is the disk's; none is taken. `files` is where the disk was opened. Errors: also
/// kInvalidArgument (the disk is closed).
VHDXKIT_EXPORT
Result<Inspection> Inspect(FileSystem& files, Disk& disk, const OpenOptions& options = {});

}  // namespace vhdx

#endif  // VHDXKIT_INSPECT_H_

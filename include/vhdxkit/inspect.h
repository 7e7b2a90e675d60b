// Inspect: what one image says of itself, and whether its parent is there, without needing the
// parent.

#ifndef VHDXKIT_INSPECT_H_
#define VHDXKIT_INSPECT_H_

#include <vhdxkit/disk.h>
#include <vhdxkit/error.h>
#include <vhdxkit/file.h>
#include <vhdxkit/image_info.h>

#include <optional>
#include <string>

namespace vhdx {

struct Inspection {
  ImageInfo image;
  std::optional<ParentState> parent;  ///< of a differencing image
};

/// Opens the image read-only, reads all but the BAT, and looks for its parent, which it does not
/// open further than to read its identity. Errors: as Disk::Open, but for those about parents.
Result<Inspection> Inspect(FileSystem& files, const std::string& path,
                           const OpenOptions& options = {});

}  // namespace vhdx

#endif  // VHDXKIT_INSPECT_H_

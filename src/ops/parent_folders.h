// The directories in which a user says that parents may be.

#ifndef VHDXKIT_OPS_PARENT_FOLDERS_H_
#define VHDXKIT_OPS_PARENT_FOLDERS_H_

#include <vhdxkit/error.h>
#include <vhdxkit/file.h>

#include <span>
#include <string>

namespace vhdx {

/// Whether each is a directory: not every image makes an operation look into them. Errors:
/// kNotFound, kInvalidArgument.
Result<void> CheckParentFolders(FileSystem& files, std::span<const std::string> folders);

}  // namespace vhdx

#endif  // VHDXKIT_OPS_PARENT_FOLDERS_H_

// Paths as a FileSystem takes them: names separated by slashes.

#ifndef VHDXKIT_IO_PATHS_H_
#define VHDXKIT_IO_PATHS_H_

#include <string>

namespace vhdx {

/// The directory of the path; "." if the path is only a name.
std::string FolderOf(const std::string& path);
std::string JoinPath(const std::string& folder, const std::string& name);

}  // namespace vhdx

#endif  // VHDXKIT_IO_PATHS_H_

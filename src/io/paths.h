// Paths as a FileSystem takes them: names with slashes between.

#ifndef VHDXKIT_IO_PATHS_H_
#define VHDXKIT_IO_PATHS_H_

#include <string>

namespace vhdx {

/// The folder that holds the last name of the path; "." where there is only a name.
std::string FolderOf(const std::string& path);
std::string JoinPath(const std::string& folder, const std::string& name);

}  // namespace vhdx

#endif  // VHDXKIT_IO_PATHS_H_

// The paths of a parent locator, as Windows writes them, taken apart.

#ifndef VHDXKIT_DISK_WINDOWS_PATH_H_
#define VHDXKIT_DISK_WINDOWS_PATH_H_

#include <string>
#include <string_view>
#include <vector>

namespace vhdx {

/// The names in a path, "." left out: `.\a\b.vhdx` is {"a", "b.vhdx"}. '\' and '/' both separate.
std::vector<std::string> SplitPath(std::string_view path);

/// The names in an absolute path below its root: no `\\?\`, no drive, no volume; server and share
/// of a UNC path stay.
/// `\\?\C:\vm\base.vhdx` is {"vm", "base.vhdx"}.
std::vector<std::string> SplitAbsolutePath(std::string_view path);

/// Whether the two names are the same but for the case of ASCII letters.
bool SameNameIgnoringCase(std::string_view a, std::string_view b);

/// Whether the name ends in .vhdx or .avhdx, in any case.
bool IsImageName(std::string_view name);
/// Names of one folder that are looked through for images: more than anybody keeps together.
inline constexpr size_t kMaxImagesInFolder = 65536;

}  // namespace vhdx

#endif  // VHDXKIT_DISK_WINDOWS_PATH_H_

#include "ops/parent_folders.h"

#include <utility>

#include "bytes/try.h"
#include "disk/parent_search.h"

namespace vhdx {

Result<void> CheckParentFolders(FileSystem& files, std::span<const std::string> folders) {
  for (const std::string& folder : folders) {
    VHDX_TRY(RealFolder(files, folder));
  }
  return {};
}

}  // namespace vhdx

#include "ops/parent_folders.h"

#include <utility>

#include "disk/parent_search.h"

namespace vhdx {

Result<void> CheckParentFolders(FileSystem& files, std::span<const std::string> folders) {
  for (const std::string& folder : folders) {
    if (auto real = RealFolder(files, folder); !real) {
      return std::unexpected(std::move(real.error()));
    }
  }
  return {};
}

}  // namespace vhdx

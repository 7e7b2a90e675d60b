#include "testing/one_file_system.h"

namespace vhdx::testing {
namespace {

std::unexpected<Error> NotThere(const std::string& path) {
  return Fail(ErrorCode::kNotFound, "there is nothing", path);
}

}  // namespace

Result<std::unique_ptr<File>> OneFileSystem::Open(const std::string& path,
                                                  const OpenFileOptions& options) {
  if (path != path_) return NotThere(path);
  if (options.creation == FileCreation::kNew) return Fail(ErrorCode::kExists, "it exists", path);
  return make_();
}

Result<std::string> OneFileSystem::RealPath(const std::string& path) {
  if (path == path_ || path == "/") return path;
  return NotThere(path);
}

Result<std::vector<std::string>> OneFileSystem::List(const std::string& folder, size_t limit) {
  if (folder != "/") return NotThere(folder);
  return limit == 0 ? std::vector<std::string>() : std::vector<std::string>{path_.substr(1)};
}

Result<bool> OneFileSystem::IsFolder(const std::string& path) { return path == "/"; }

}  // namespace vhdx::testing

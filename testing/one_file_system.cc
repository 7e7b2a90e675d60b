#include "testing/one_file_system.h"

namespace vhdx::testing {
namespace {

std::unexpected<Error> NotThere(const std::string& path) {
  return Fail(ErrorCode::kNotFound, "there is nothing", path);
}

std::unexpected<Error> NeverChanges(const std::string& path) {
  return Fail(ErrorCode::kReadOnly, "this file system does not change", path);
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

Result<void> OneFileSystem::Rename(const std::string& from, const std::string&, RenameMode) {
  return NeverChanges(from);
}

Result<void> OneFileSystem::Remove(const std::string& path) { return NeverChanges(path); }

Result<void> OneFileSystem::SyncFolder(const std::string&) { return {}; }

}  // namespace vhdx::testing

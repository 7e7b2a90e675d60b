#include "testing/crash_file_system.h"

#include <cerrno>
#include <filesystem>
#include <optional>
#include <set>
#include <string_view>

#include "testing/crash_file.h"

namespace vhdx::testing {
namespace {

/// Without ".", ".." and a '/' at the end.
std::string Normal(const std::string& path) {
  std::string normal = std::filesystem::path("/" + path).lexically_normal().string();
  if (normal.starts_with("//")) normal.erase(0, 1);
  if (normal.size() > 1 && normal.ends_with('/')) normal.pop_back();
  return normal;
}

std::unexpected<Error> NothingAt(const std::string& path) {
  return std::unexpected(Error{.code = ErrorCode::kNotFound,
                               .sys_errno = ENOENT,
                               .file = path,
                               .file_offset = {},
                               .sentence = "there is no such file"});
}

/// Adds the name of what a path leads to if that is in the folder.
void AddIfIn(const std::string& folder, std::string_view path, std::set<std::string>& names) {
  if (path.size() > 1 && FolderOf(std::string(path)) == folder) {
    names.emplace(path.substr(path.rfind('/') + 1));
  }
}

}  // namespace

Result<std::unique_ptr<File>> CrashFileSystem::Open(const std::string& path,
                                                    const OpenFileOptions& options) {
  const std::string normal = Normal(path);
  if (options.creation == FileCreation::kNew) {
    const Result<size_t> created = store_->Create(normal);
    if (!created) return std::unexpected(created.error());
    return std::make_unique<CrashFile>(store_, *created, path, options.access);
  }
  const std::optional<size_t> file = store_->NumberAt(normal);
  if (file) return std::make_unique<CrashFile>(store_, *file, path, options.access);
  if (store_->base().folders().contains(normal)) {
    return Fail(ErrorCode::kUnsupported, "this is a folder, not a file", path);
  }
  return NothingAt(path);
}

Result<std::string> CrashFileSystem::RealPath(const std::string& path) {
  std::string normal = Normal(path);
  if (store_->NumberAt(normal) || store_->base().folders().contains(normal)) return normal;
  return NothingAt(path);
}

Result<std::vector<std::string>> CrashFileSystem::List(const std::string& folder, size_t limit) {
  const std::string normal = Normal(folder);
  const CrashState state = store_->Cached();
  if (!state.folders().contains(normal)) return NothingAt(folder);
  std::set<std::string> names;
  for (const auto& [path, file] : state.names()) AddIfIn(normal, path, names);
  for (const std::string& path : state.folders()) AddIfIn(normal, path, names);
  std::vector<std::string> listed(names.begin(), names.end());
  if (listed.size() > limit) listed.resize(limit);
  return listed;
}

Result<bool> CrashFileSystem::IsFolder(const std::string& path) {
  const std::string normal = Normal(path);
  if (store_->base().folders().contains(normal)) return true;
  if (store_->NumberAt(normal)) return false;
  return NothingAt(path);
}

Result<void> CrashFileSystem::Rename(const std::string& from, const std::string& to,
                                     RenameMode mode) {
  return store_->Rename(Normal(from), Normal(to), mode);
}

Result<void> CrashFileSystem::Remove(const std::string& path) {
  return store_->Remove(Normal(path));
}

Result<void> CrashFileSystem::SyncFolder(const std::string& folder) {
  return store_->SyncFolder(Normal(folder));
}

}  // namespace vhdx::testing

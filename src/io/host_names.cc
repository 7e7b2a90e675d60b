// HostFileSystem: the names of files and folders.

#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <vhdxkit/file.h>

#include <cerrno>
#include <cstdio>
#include <memory>
#include <set>
#include <string_view>

#include "bytes/border.h"
#include "bytes/formatting.h"
#include "io/file_descriptor.h"
#include "io/host_error.h"

namespace vhdx {
namespace {

std::unexpected<Error> RenameFailure(int sys_errno, const std::string& from,
                                     const std::string& to) {
  if (sys_errno == EEXIST) {
    return Fail(ErrorCode::kExists,
                "there is a file of this name already; name another, or remove it", to);
  }
  return HostFailure(sys_errno, Format("rename the file to {}", to), from);
}

/// For file systems whose rename cannot refuse an existing name.
Result<void> LinkAndUnlink(const std::string& from, const std::string& to) {
  if (::link(from.c_str(), to.c_str()) != 0) {
    if (errno != EPERM) return RenameFailure(errno, from, to);
    return Fail(ErrorCode::kUnsupported,
                "this file system cannot rename a file without replacing another", from);
  }
  if (::unlink(from.c_str()) != 0) return HostFailure(errno, "remove the old name", from);
  return {};
}

Result<void> RenameRefusing(const std::string& from, const std::string& to) {
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return {};
  if (errno == EINVAL || MeansUnsupported(errno)) return LinkAndUnlink(from, to);
  return RenameFailure(errno, from, to);
}

}  // namespace

Result<std::string> HostFileSystem::RealPath(const std::string& path) try {
  const std::unique_ptr<char, decltype(&::free)> real(::realpath(path.c_str(), nullptr), &::free);
  if (real == nullptr) return HostFailure(errno, "resolve this path", path);
  return std::string(real.get());
} catch (...) {
  return CaughtException();
}

Result<std::vector<std::string>> HostFileSystem::List(const std::string& folder, size_t limit) try {
  const OpenFolder opened(::opendir(folder.c_str()));
  if (opened == nullptr) return HostFailure(errno, "read the directory", folder);
  std::set<std::string> names;  // never more than `limit`, however large the folder is
  while (true) {
    errno = 0;
    const dirent* entry = ::readdir(opened.get());
    if (entry == nullptr) break;
    const std::string_view name = entry->d_name;
    if (name == "." || name == "..") continue;
    names.emplace(name);
    if (names.size() > limit) names.erase(std::prev(names.end()));
  }
  if (errno != 0) return HostFailure(errno, "read the directory", folder);
  return std::vector<std::string>(names.begin(), names.end());
} catch (...) {
  return CaughtException();
}

Result<bool> HostFileSystem::IsFolder(const std::string& path) try {
  struct stat status = {};
  if (::stat(path.c_str(), &status) != 0) return HostFailure(errno, "look at the path", path);
  return S_ISDIR(status.st_mode);
} catch (...) {
  return CaughtException();
}

Result<void> HostFileSystem::Rename(const std::string& from, const std::string& to,
                                    RenameMode mode) try {
  if (mode == RenameMode::kRefuseExisting) return RenameRefusing(from, to);
  if (::rename(from.c_str(), to.c_str()) != 0) return RenameFailure(errno, from, to);
  return {};
} catch (...) {
  return CaughtException();
}

Result<void> HostFileSystem::Remove(const std::string& path) try {
  if (::unlink(path.c_str()) != 0) return HostFailure(errno, "remove the file", path);
  return {};
} catch (...) {
  return CaughtException();
}

Result<void> HostFileSystem::SyncFolder(const std::string& folder) try {
  const FileDescriptor opened(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!opened.is_open()) return HostFailure(errno, "open the directory", folder);
  if (::fsync(opened.get()) == 0) return {};
  if (errno != EINVAL) return HostFailure(errno, "make the directory durable", folder);
  return Fail(ErrorCode::kUnsupported, "this file system cannot make a directory durable", folder);
} catch (...) {
  return CaughtException();
}

}  // namespace vhdx

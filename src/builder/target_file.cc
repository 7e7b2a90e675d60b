#include "builder/target_file.h"

#include <cerrno>
#include <utility>

#include "bytes/border.h"

namespace vhdx {

Result<std::unique_ptr<File>> LockTarget(
    FileSystem& files, const std::string& path, bool replaces,
    const std::function<bool(const FileIdentity&)>& is_source) {
  auto file = files.Open(path, {});
  if (!file) {
    if (file.error().code == ErrorCode::kNotFound) return nullptr;
    return file;
  }
  if (is_source((*file)->identity())) {
    return Fail(ErrorCode::kInvalidArgument,
                "the target is the source itself, or one of its parents", path);
  }
  if (!replaces && !(*file)->capabilities().block_device) return file;  // it stays
  // Whoever uses the file would lose it.
  if (auto locked = (*file)->Lock(LockMode::kExclusive);
      !locked && locked.error().code != ErrorCode::kUnsupported) {
    return std::unexpected(std::move(locked.error()));
  }
  return file;
}

std::unexpected<Error> AboutTarget(const std::string& path, Error error) {
  if (error.file.empty() && error.code == ErrorCode::kInvalidArgument) error.file = path;
  return std::unexpected(std::move(error));
}

std::unexpected<Error> CannotCreateTarget(FileSystem& files, const std::string& path, Error error) {
  error.file = path;
  const std::string folder = path.substr(0, path.rfind('/') + 1);
  if (error.code == ErrorCode::kNotFound && error.sys_errno != ENOTDIR && !files.RealPath(folder)) {
    error.sentence = "its directory does not exist; create that first";
  }
  return std::unexpected(std::move(error));
}

Result<std::unique_ptr<StagedFile>> StageTarget(FileSystem& files, const std::string& path,
                                                const StagedFileOptions& options) {
  auto staged = ThrowIfNoMemory(StagedFile::Create(files, path, options));
  if (staged) return staged;
  return CannotCreateTarget(files, path, std::move(staged.error()));
}

}  // namespace vhdx

#include <vhdxkit/convert.h>
#include <vhdxkit/raw_device.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "io/staged_file.h"

namespace vhdx {
namespace {

// What stands under the target's name before we begin.
struct Existing {
  FileIdentity identity;
  bool block_device = false;
};

Result<std::optional<Existing>> LookAtTarget(FileSystem& files, BlockDevice& source,
                                             const std::string& path) {
  auto file = files.Open(path, {});
  if (!file) {
    if (file.error().code == ErrorCode::kNotFound) return std::nullopt;
    return std::unexpected(std::move(file.error()));
  }
  if (source.Uses((*file)->identity())) {
    return Fail(ErrorCode::kInvalidArgument, "the target is (part of) the source", path);
  }
  // Whoever uses the file would lose it.
  if (auto locked = (*file)->Lock(LockMode::kExclusive);
      !locked && locked.error().code != ErrorCode::kUnsupported) {
    return std::unexpected(std::move(locked.error()));
  }
  return Existing{(*file)->identity(), (*file)->capabilities().block_device};
}

Result<ConvertReport> ConvertIntoExisting(FileSystem& files, BlockDevice& source,
                                          const std::string& path, const ConvertOptions& options,
                                          const OperationControl& control) {
  auto file = files.Open(path, {.access = FileAccess::kReadWrite});
  if (!file) return std::unexpected(std::move(file.error()));
  if (auto locked = (*file)->Lock(LockMode::kExclusive);
      !locked && locked.error().code != ErrorCode::kUnsupported) {
    return std::unexpected(std::move(locked.error()));
  }
  auto target = RawDevice::Open(*std::move(file));
  if (!target) return std::unexpected(std::move(target.error()));
  auto copied = CopyContents(
      source, **target, {.threads = options.threads, .target = TargetContents::kUnknown}, control);
  if (!copied) return std::unexpected(std::move(copied.error()));
  if (options.sync) {
    if (auto synced = (*target)->Flush(); !synced) {
      return std::unexpected(std::move(synced.error()));
    }
  }
  return ConvertReport{.copy = *copied,
                       .source_size_bytes = source.size_bytes(),
                       .target_size_bytes = (*target)->size_bytes()};
}

Result<CopyReport> FillNewFile(BlockDevice& source, File& file, const ConvertOptions& options,
                               const OperationControl& control) {
  if (auto sized = file.Resize(source.size_bytes()); !sized) {
    return std::unexpected(std::move(sized.error()));
  }
  auto target = RawDevice::OnFile(file);
  if (!target) return std::unexpected(std::move(target.error()));
  return CopyContents(source, **target,
                      {.threads = options.threads, .target = TargetContents::kZeros}, control);
}

Result<ConvertReport> ConvertIntoNew(FileSystem& files, BlockDevice& source,
                                     const std::string& path, const ConvertOptions& options,
                                     const OperationControl& control) {
  auto staged = StagedFile::Create(files, path);
  if (!staged) {
    // A person knows the name that was asked for, not the temporary one.
    Error error = std::move(staged.error());
    error.file = path;
    return std::unexpected(std::move(error));
  }
  auto copied = FillNewFile(source, (*staged)->file(), options, control);
  if (!copied) {
    Error error = std::move(copied.error());
    if (error.file == (*staged)->file().name()) error.file = path;
    return std::unexpected(std::move(error));
  }
  const auto rename = options.existing == ExistingTarget::kReplace ? RenameMode::kReplace
                                                                   : RenameMode::kRefuseExisting;
  const auto durability = options.sync ? Durability::kSync : Durability::kNone;
  if (auto committed = (*staged)->Commit(rename, durability); !committed) {
    return std::unexpected(std::move(committed.error()));
  }
  return ConvertReport{.copy = *copied,
                       .source_size_bytes = source.size_bytes(),
                       .target_size_bytes = source.size_bytes()};
}

}  // namespace

Result<ConvertReport> ConvertToRaw(FileSystem& files, BlockDevice& source, const std::string& path,
                                   const ConvertOptions& options, const OperationControl& control) {
  auto existing = LookAtTarget(files, source, path);
  if (!existing) return std::unexpected(std::move(existing.error()));
  const bool into_existing = options.existing == ExistingTarget::kInto;
  if (into_existing && !*existing) {
    return Fail(ErrorCode::kNotFound, "the target to write into does not exist", path);
  }
  if (into_existing || (*existing && (*existing)->block_device)) {
    return ConvertIntoExisting(files, source, path, options, control);
  }
  if (*existing && options.existing == ExistingTarget::kRefuse) {
    return Fail(ErrorCode::kExists, "the target exists already; --force replaces it", path);
  }
  return ConvertIntoNew(files, source, path, options, control);
}

}  // namespace vhdx

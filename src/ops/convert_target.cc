#include "ops/convert_target.h"

#include <vhdxkit/image_tree.h>

#include <utility>

#include "bytes/try.h"

namespace vhdx {

Result<Target> DecideTarget(FileSystem& files, const BlockDevice* source, const std::string& path,
                            const ConvertOptions& options) {
  const auto is_source = [&](const FileIdentity& file) {
    return source != nullptr && source->Uses(file);
  };
  auto existing =
      VHDX_TRY(LockTarget(files, path, options.existing != ExistingTarget::kRefuse, is_source));
  const bool into_existing = options.existing == ExistingTarget::kInto;
  if (into_existing && existing == nullptr) {
    return Fail(ErrorCode::kNotFound,
                "there is no such file, and -n writes into one that exists; leave out -n to create "
                "it",
                path);
  }
  if (existing == nullptr) return Target{};
  if (existing->capabilities().block_device) return Target{.kind = TargetKind::kBlockDevice};
  if (options.existing == ExistingTarget::kRefuse) {
    return Fail(ErrorCode::kExists, "the target exists already; --force replaces it", path);
  }
  if (!options.orphan_children) {
    VHDX_TRY(RefuseIfParent(files, path, options.search));
  }
  if (into_existing) return Target{.kind = TargetKind::kExistingFile};
  return Target{.kind = TargetKind::kNewFile, .replaced = std::move(existing)};
}

Result<ConvertReport> FillNewFile(FileSystem& files, const std::string& path,
                                  const ConvertOptions& options,
                                  const std::function<Result<ConvertReport>(File&)>& fill) {
  auto staged = VHDX_TRY(StageTarget(files, path));
  auto report = fill(staged->file());
  if (!report) {
    // What is wrong with the options is wrong with what they are for.
    Error& error = report.error();
    if (error.file.empty() && error.code == ErrorCode::kInvalidArgument) error.file = path;
    return report;
  }
  const auto rename = options.existing == ExistingTarget::kReplace ? RenameMode::kReplace
                                                                   : RenameMode::kRefuseExisting;
  const auto durability = options.sync ? Durability::kSync : Durability::kNone;
  VHDX_TRY(staged->Commit(rename, durability));
  return report;
}

}  // namespace vhdx

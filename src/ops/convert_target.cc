#include "ops/convert_target.h"

#include <vhdxkit/image_tree.h>

#include <utility>

namespace vhdx {

Result<Target> DecideTarget(FileSystem& files, const BlockDevice* source, const std::string& path,
                            const ConvertOptions& options) {
  const auto is_source = [&](const FileIdentity& file) {
    return source != nullptr && source->Uses(file);
  };
  auto existing = LockTarget(files, path, options.existing != ExistingTarget::kRefuse, is_source);
  if (!existing) return std::unexpected(std::move(existing.error()));
  const bool into_existing = options.existing == ExistingTarget::kInto;
  if (into_existing && *existing == nullptr) {
    return Fail(ErrorCode::kNotFound,
                "there is no such file, and -n writes into one that exists; leave out -n to create "
                "it",
                path);
  }
  if (*existing == nullptr) return Target{};
  if ((*existing)->capabilities().block_device) return Target{.kind = TargetKind::kBlockDevice};
  if (options.existing == ExistingTarget::kRefuse) {
    return Fail(ErrorCode::kExists, "the target exists already; --force replaces it", path);
  }
  if (!options.orphan_children) {
    if (auto fine = RefuseIfParent(files, path, options.open); !fine) {
      return std::unexpected(std::move(fine.error()));
    }
  }
  if (into_existing) return Target{.kind = TargetKind::kExistingFile};
  return Target{.kind = TargetKind::kNewFile, .replaced = *std::move(existing)};
}

Result<ConvertReport> FillNewFile(FileSystem& files, const std::string& path,
                                  const ConvertOptions& options,
                                  const std::function<Result<ConvertReport>(File&)>& fill) {
  auto staged = StageTarget(files, path);
  if (!staged) return std::unexpected(std::move(staged.error()));
  auto report = fill((*staged)->file());
  if (!report) {
    // What is wrong with the options is wrong with what they are for.
    Error& error = report.error();
    if (error.file.empty() && error.code == ErrorCode::kInvalidArgument) error.file = path;
    return report;
  }
  const auto rename = options.existing == ExistingTarget::kReplace ? RenameMode::kReplace
                                                                   : RenameMode::kRefuseExisting;
  const auto durability = options.sync ? Durability::kSync : Durability::kNone;
  if (auto committed = (*staged)->Commit(rename, durability); !committed) {
    return std::unexpected(std::move(committed.error()));
  }
  return report;
}

}  // namespace vhdx

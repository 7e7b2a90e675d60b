#include "ops/convert_target.h"

#include <vhdxkit/image_tree.h>

#include <utility>

#include "builder/target_file.h"
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

BuildOptions BuildOptionsFor(const ConvertOptions& options, Target target) {
  return {.rename = options.existing == ExistingTarget::kReplace ? RenameMode::kReplace
                                                                 : RenameMode::kRefuseExisting,
          .durability = options.sync ? Durability::kSync : Durability::kNone,
          .replaced = std::move(target.replaced)};
}

}  // namespace vhdx

#include <vhdxkit/create.h>
#include <vhdxkit/image_tree.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "builder/target_file.h"
#include "builder/vhdx_builder.h"
#include "bytes/border.h"
#include "bytes/size_format.h"
#include "bytes/try.h"
#include "ops/new_image_options.h"
#include "ops/parent_link.h"

namespace vhdx {
namespace {

Result<std::optional<ParentLink>> OpenParentIfAny(FileSystem& files, const std::string& path,
                                                  const CreateOptions& options,
                                                  const OperationControl& control) {
  const bool differencing = options.subformat == Subformat::kDifferencing;
  if (differencing == options.parent_path.empty()) {
    return Fail(ErrorCode::kInvalidArgument,
                "a differencing disk has a parent, and no other disk has one", path);
  }
  if (!differencing) return std::nullopt;
  return VHDX_TRY(OpenParentLink(files, options.parent_path,
                                 {.search = options.search, .images = {.lock = options.lock}}, path,
                                 control));
}

// Refuses options in which a child cannot differ from its parent (docs/format.md, section 13).
Result<void> CheckAgainstParent(const CreateOptions& child, const Disk& parent) {
  if (child.logical_sector_size != 0 && child.logical_sector_size != parent.logical_sector_size()) {
    return Fail(ErrorCode::kInvalidArgument,
                "a child has the logical sector size of its parent, " +
                    std::to_string(parent.logical_sector_size()) + " bytes; omit the sector size",
                parent.name());
  }
  if (child.size_bytes != 0 && child.size_bytes < parent.size_bytes()) {
    return Fail(ErrorCode::kInvalidArgument,
                "a child cannot be smaller than its parent, which has " +
                    FormatSizeExactly(parent.size_bytes()) + "; leave the size out to take it",
                parent.name());
  }
  return {};
}

Result<DiskParameters> DecideParameters(const CreateOptions& options,
                                        const std::optional<ParentLink>& parent) {
  if (!parent) return ParametersFor(options, {});
  VHDX_TRY(CheckAgainstParent(options, *parent->disk));
  const DiskParameters& above = parent->image().parameters;
  auto parameters =
      VHDX_TRY(ParametersFor(options, {.size_bytes = above.virtual_disk_size_bytes,
                                       .logical_sector_size = above.logical_sector_size,
                                       .physical_sector_size = above.physical_sector_size}));
  // One disk to the guest, however many files it has.
  if (!options.disk_id) parameters.virtual_disk_id = above.virtual_disk_id;
  return parameters;
}

// An error that no other file has to answer for.
Error About(const std::string& path, Error error) {
  if (error.file.empty() && error.code != ErrorCode::kNoMemory) error.file = path;
  return error;
}

Result<void> RefuseExisting(FileSystem& files, const File& existing, const CreateOptions& options,
                            const std::string& path) {
  if (existing.capabilities().block_device) {
    return Fail(ErrorCode::kUnsupported,
                "a VHDX needs a file that can grow, not a block device; convert to raw to write "
                "onto one",
                path);
  }
  if (!options.replace_existing) {
    return Fail(ErrorCode::kExists, "the file exists already; --force replaces it", path);
  }
  return options.orphan_children ? Result<void>() : RefuseIfParent(files, path, options.search);
}

Result<NewVhdx> DescribeImage(FileSystem& files, const DiskParameters& parameters,
                              const CreateOptions& options, std::optional<ParentLink>& parent) {
  auto image = VHDX_TRY(MakeNewImage(options, parameters, files));
  if (parent) {
    image.locator_entries = std::move(parent->locator_entries);
    image.inherited_items = std::move(parent->inherited_items);
  }
  return NewVhdx{.image = std::move(image), .preallocate = options.preallocate};
}

// What is there before, locked if it is going to be replaced; null for nothing.
Result<std::unique_ptr<File>> LockExisting(FileSystem& files, const std::string& path,
                                           const CreateOptions& options,
                                           const std::optional<ParentLink>& parent) {
  auto existing = LockTarget(files, path, options.replace_existing, [&](const FileIdentity& file) {
    return parent && parent->disk->Uses(file);
  });
  if (!existing && existing.error().code == ErrorCode::kInvalidArgument) {
    return Fail(ErrorCode::kInvalidArgument, "an image cannot be its own parent or ancestor", path);
  }
  if (existing && *existing != nullptr) {
    VHDX_TRY(RefuseExisting(files, **existing, options, path));
  }
  return existing;
}

Result<CreateReport> BuildImage(FileSystem& files, const std::string& path, NewVhdx vhdx,
                                const CreateOptions& options, std::unique_ptr<File> replaced,
                                const OperationControl& control) {
  const DiskParameters parameters = vhdx.image.parameters;
  BuildOptions build = {
      .rename = options.replace_existing ? RenameMode::kReplace : RenameMode::kRefuseExisting,
      .durability = options.sync ? Durability::kSync : Durability::kNone,
      .file = {.access_of = options.access_of_parent ? std::string_view(options.parent_path)
                                                     : std::string_view()},
      .replaced = std::move(replaced)};
  const auto builder =
      VHDX_TRY(VhdxBuilder::Begin(files, path, std::move(vhdx), std::move(build), control));
  const uint64_t length_bytes = VHDX_TRY(builder->Commit(control));
  return CreateReport{.size_bytes = parameters.virtual_disk_size_bytes,
                      .block_size_bytes = parameters.block_size_bytes,
                      .file_size_bytes = length_bytes};
}

}  // namespace

Result<CreateReport> Create(FileSystem& files, const std::string& path,
                            const CreateOptions& options, const OperationControl& control) try {
  auto parent = VHDX_TRY(OpenParentIfAny(files, path, options, control));
  auto parameters = DecideParameters(options, parent);
  if (!parameters) return std::unexpected(About(path, std::move(parameters.error())));
  auto existing = VHDX_TRY(LockExisting(files, path, options, parent));
  auto image = DescribeImage(files, *parameters, options, parent);
  if (!image) return std::unexpected(About(path, std::move(image.error())));
  auto report = BuildImage(files, path, *std::move(image), options, std::move(existing), control);
  if (report) return report;
  return std::unexpected(About(path, std::move(report.error())));
} catch (...) {
  return CaughtException();
}

}  // namespace vhdx

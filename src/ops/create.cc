#include <vhdxkit/create.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "bytes/arithmetic.h"
#include "image/new_disk.h"
#include "io/staged_file.h"
#include "ops/fill_holes.h"
#include "ops/new_image_options.h"
#include "ops/parent_link.h"
#include "ops/progress_meter.h"
#include "ops/target_file.h"

namespace vhdx {
namespace {

// The host allocates so much at a time: seldom enough to cost nothing, often enough to be stopped.
constexpr uint64_t kAllocationPiece = 256 * kMiB;  // whole blocks of every size

Result<std::optional<ParentLink>> OpenParentIfAny(FileSystem& files, const std::string& path,
                                                  const CreateOptions& options,
                                                  const OperationControl& control) {
  const bool differencing = options.subformat == Subformat::kDifferencing;
  if (differencing == options.parent_path.empty()) {
    return Fail(ErrorCode::kInvalidArgument,
                "a differencing disk has a parent, and no other disk has one", path);
  }
  if (!differencing) return std::nullopt;
  auto parent = OpenParentLink(files, options.parent_path, options.open, path, control);
  if (!parent) return std::unexpected(std::move(parent.error()));
  return *std::move(parent);
}

// What a child cannot have otherwise than its parent (section 13 of the format reference).
Result<void> CheckAgainstParent(const DiskParameters& child, const Disk& parent) {
  if (child.logical_sector_size != parent.logical_sector_size()) {
    return Fail(ErrorCode::kInvalidArgument,
                "the logical sectors of a child are its parent's, of " +
                    std::to_string(parent.logical_sector_size()) + " bytes",
                parent.name());
  }
  if (child.virtual_disk_size_bytes < parent.size_bytes()) {
    return Fail(ErrorCode::kInvalidArgument,
                "a child cannot be smaller than its parent, which has " +
                    std::to_string(parent.size_bytes()) + " bytes; leave the size out to take it",
                parent.name());
  }
  return {};
}

Result<DiskParameters> DecideParameters(const CreateOptions& options,
                                        const std::optional<ParentLink>& parent) {
  if (!parent) return ParametersFor(options, {});
  const DiskParameters& above = parent->image().parameters;
  auto parameters = ParametersFor(options, {.size_bytes = above.virtual_disk_size_bytes,
                                            .logical_sector_size = above.logical_sector_size,
                                            .physical_sector_size = above.physical_sector_size});
  if (!parameters) return parameters;
  // One disk to the guest, however many files it has.
  if (!options.disk_id) parameters->virtual_disk_id = above.virtual_disk_id;
  if (auto checked = CheckAgainstParent(*parameters, *parent->disk); !checked) {
    return std::unexpected(std::move(checked.error()));
  }
  return parameters;
}

Result<void> AllocateFixed(NewDisk& disk, const OperationControl& control) {
  ProgressMeter progress(control, disk.size_bytes());
  for (uint64_t position = 0; position < disk.size_bytes();) {
    if (control.cancelled()) return Fail(ErrorCode::kCancelled, "the operation was cancelled");
    const uint64_t length = std::min(kAllocationPiece, disk.size_bytes() - position);
    if (auto allocated = disk.Allocate({position, length}); !allocated) return allocated;
    position += length;
    progress.Add(length);
  }
  return {};
}

Result<void> FillNewImage(File& file, const NewImage& image, const CreateOptions& options,
                          const OperationControl& control) {
  auto disk = NewDisk::Begin(file, image);
  if (!disk) return std::unexpected(std::move(disk.error()));
  Result<void> done;
  if (image.parameters.leave_blocks_allocated) done = AllocateFixed(**disk, control);
  // Its last write names the file's kind; holes are filled before that.
  if (done && options.preallocate) done = FillHoles(file, control);
  if (done) done = (*disk)->Finish(options.sync ? WriteOrder::kDurable : WriteOrder::kAny);
  return done;
}

// An error that no other file has to answer for.
Error About(const std::string& path, Error error) {
  if (error.file.empty()) error.file = path;
  return error;
}

// What a person can do about a host that is full; the host itself only says so.
Error ExplainNoSpace(Error error, const NewImage& image) {
  if (error.code != ErrorCode::kNoSpace) return error;
  error.sentence += image.parameters.leave_blocks_allocated
                        ? "; a fixed disk takes all its space now: free some, or make it dynamic"
                        : "; free some, or make the image elsewhere";
  return error;
}

Result<void> RefuseExisting(const ExistingFile& existing, const CreateOptions& options,
                            const std::string& path) {
  if (existing.block_device) {
    return Fail(ErrorCode::kUnsupported,
                "a VHDX needs a file that can grow, not a block device; convert to raw to write "
                "onto one",
                path);
  }
  if (options.replace_existing) return {};
  return Fail(ErrorCode::kExists, "the file exists already; --force replaces it", path);
}

Result<CreateReport> ReportOn(File& file, const DiskParameters& parameters) {
  auto size = file.Size();
  if (!size) return std::unexpected(std::move(size.error()));
  return CreateReport{.size_bytes = parameters.virtual_disk_size_bytes,
                      .block_size_bytes = parameters.block_size_bytes,
                      .file_size_bytes = *size};
}

Result<CreateReport> FillAndCommit(StagedFile& staged, const std::string& path,
                                   const NewImage& image, const CreateOptions& options,
                                   const OperationControl& control) {
  if (auto filled = FillNewImage(staged.file(), image, options, control); !filled) {
    Error error = About(path, ExplainNoSpace(std::move(filled.error()), image));
    return std::unexpected(NamingTarget(std::move(error), staged, path));
  }
  auto report = ReportOn(staged.file(), image.parameters);
  if (!report) return report;
  const auto mode = options.replace_existing ? RenameMode::kReplace : RenameMode::kRefuseExisting;
  const auto durability = options.sync ? Durability::kSync : Durability::kNone;
  if (auto committed = staged.Commit(mode, durability); !committed) {
    return std::unexpected(NamingTarget(std::move(committed.error()), staged, path));
  }
  return report;
}

}  // namespace

Result<CreateReport> Create(FileSystem& files, const std::string& path,
                            const CreateOptions& options, const OperationControl& control) {
  auto parent = OpenParentIfAny(files, path, options, control);
  if (!parent) return std::unexpected(std::move(parent.error()));
  auto parameters = DecideParameters(options, *parent);
  if (!parameters) return std::unexpected(About(path, std::move(parameters.error())));
  auto existing = LookAtTarget(files, path, [&](const FileIdentity& file) {
    return *parent && (*parent)->disk->Uses(file);
  });
  if (!existing) return std::unexpected(std::move(existing.error()));
  if (*existing) {
    if (auto fine = RefuseExisting(**existing, options, path); !fine) {
      return std::unexpected(std::move(fine.error()));
    }
  }
  auto staged = StageTarget(files, path);
  if (!staged) return std::unexpected(std::move(staged.error()));
  auto image = MakeNewImage(options, *parameters, (*staged)->file());
  if (!image) return std::unexpected(About(path, std::move(image.error())));
  if (*parent) image->locator_entries = (*parent)->locator_entries;
  return FillAndCommit(**staged, path, *image, options, control);
}

}  // namespace vhdx

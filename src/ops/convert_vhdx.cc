#include <vhdxkit/convert.h>
#include <vhdxkit/disk.h>
#include <vhdxkit/image_tree.h>

#include <memory>
#include <string>
#include <utility>

#include "builder/target_file.h"
#include "builder/vhdx_builder.h"
#include "bytes/border.h"
#include "bytes/size_format.h"
#include "bytes/try.h"
#include "format/layout.h"
#include "ops/convert_target.h"
#include "ops/fill_new_disk.h"
#include "ops/new_image_options.h"

namespace vhdx {
namespace {

// Where the contents of a disk are written into an image that is there.
Result<ConvertReport> FillExistingImage(FileSystem& files, BlockDevice& source,
                                        const std::string& path, const ConvertOptions& options,
                                        const OperationControl& control) {
  auto target =
      VHDX_TRY(Disk::Open(files, path,
                          {.access = DiskAccess::kReadWrite,
                           .chain = {.search = options.search, .images = {.lock = options.lock}}}));
  if (!options.orphan_children) {
    // Asked again: it is locked only now.
    VHDX_TRY(RefuseIfParent(files, path, options.search));
  }
  if (source.size_bytes() > target->size_bytes()) {
    return Fail(ErrorCode::kInvalidArgument,
                "the target has " + FormatSizeExactly(target->size_bytes()) +
                    ", and the source needs " + FormatSizeExactly(source.size_bytes()) +
                    "; choose a larger target",
                path);
  }
  auto copied = CopyContents(
      source, *target, {.threads = options.threads, .target = TargetContents::kUnknown}, control);
  const auto closed = target->Close();
  if (!copied) return std::unexpected(std::move(copied.error()));
  if (!closed) return std::unexpected(closed.error());
  return ConvertReport{.copy = *copied,
                       .source_size_bytes = source.size_bytes(),
                       .target_size_bytes = target->size_bytes(),
                       .into_existing = true};
}

Result<void> RefuseBlockDevice(TargetKind kind, const std::string& path) {
  if (kind != TargetKind::kBlockDevice) return {};
  return Fail(ErrorCode::kUnsupported,
              "a VHDX needs a file that can grow, not a block device; use -O raw to write the disk "
              "onto it",
              path);
}

// The image that a copy of a disk with these parameters becomes.
Result<NewVhdx> DescribeCopy(FileSystem& files, const CreateOptions& options,
                             Result<DiskParameters> parameters) {
  VHDX_TRY(parameters);
  auto image = VHDX_TRY(MakeNewImage(options, *parameters, files));
  return NewVhdx{.image = std::move(image), .preallocate = options.preallocate};
}

Result<DiskParameters> ParametersForStream(const CreateOptions& options) {
  // Checked as the largest disk; NewDisk takes "unknown" as no bytes.
  auto parameters = VHDX_TRY(ParametersFor(options, {.size_bytes = format::kMaxVirtualDiskSize}));
  parameters.virtual_disk_size_bytes = 0;
  return parameters;
}

Result<std::unique_ptr<VhdxBuilder>> BeginImage(FileSystem& files, const std::string& path,
                                                Result<NewVhdx> image, BuildOptions options,
                                                const OperationControl& control) {
  if (!image) return AboutTarget(path, std::move(image.error()));
  return VhdxBuilder::Begin(files, path, *std::move(image), std::move(options), control);
}

}  // namespace

Result<ConvertReport> ConvertToVhdx(FileSystem& files, BlockDevice& source, const std::string& path,
                                    const CreateOptions& image, const ConvertOptions& options,
                                    const OperationControl& control) try {
  auto target = VHDX_TRY(DecideTarget(files, &source, path, options));
  if (options.existing == ExistingTarget::kInto) {
    return FillExistingImage(files, source, path, options, control);
  }
  VHDX_TRY(RefuseBlockDevice(target.kind, path));
  const auto builder =
      VHDX_TRY(BeginImage(files, path, DescribeCopy(files, image, ParametersForCopy(image, source)),
                          BuildOptionsFor(options, std::move(target)), control));
  return FillNewDisk(*builder, source, options, control);
} catch (...) {
  return CaughtException();
}

Result<ConvertReport> ConvertStreamToVhdx(FileSystem& files, const ReadStream& source,
                                          const std::string& path, const CreateOptions& image,
                                          const ConvertOptions& options,
                                          const OperationControl& control) try {
  auto target = VHDX_TRY(DecideTarget(files, nullptr, path, options));
  if (target.kind == TargetKind::kExistingFile) {
    return Fail(ErrorCode::kUnsupported,
                "a stream can only be converted into a new file; leave out -n", path);
  }
  VHDX_TRY(RefuseBlockDevice(target.kind, path));
  const auto builder =
      VHDX_TRY(BeginImage(files, path, DescribeCopy(files, image, ParametersForStream(image)),
                          BuildOptionsFor(options, std::move(target)), control));
  return FillNewDisk(*builder, source, control);
} catch (...) {
  return CaughtException();
}

}  // namespace vhdx

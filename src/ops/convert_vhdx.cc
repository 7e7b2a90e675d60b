#include <vhdxkit/convert.h>
#include <vhdxkit/disk.h>
#include <vhdxkit/image_tree.h>

#include <memory>
#include <string>
#include <utility>

#include "bytes/arithmetic.h"
#include "bytes/border.h"
#include "bytes/size_format.h"
#include "bytes/try.h"
#include "format/layout.h"
#include "image/new_disk.h"
#include "ops/convert_target.h"
#include "ops/drain_stream.h"
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

Result<ConvertReport> FillVhdx(FileSystem& files, BlockDevice& source, File& file,
                               const CreateOptions& image, const ConvertOptions& options,
                               const OperationControl& control) {
  auto parameters = VHDX_TRY(ParametersForCopy(image, source));
  auto target = VHDX_TRY(BeginNewDisk(files, file, image, parameters, control));
  auto copied = VHDX_TRY(CopyContents(
      source, *target, {.threads = options.threads, .target = TargetContents::kZeros}, control));
  copied.cloned_bytes -= target->zeros_not_cloned();
  copied.zero_bytes += target->zeros_not_cloned();
  VHDX_TRY(FinishNewDisk(file, *target, image, control));
  return ConvertReport{.copy = copied,
                       .source_size_bytes = source.size_bytes(),
                       .target_size_bytes = parameters.virtual_disk_size_bytes};
}

// -- From a stream --

Result<ConvertReport> FillVhdxFromStream(FileSystem& files, const ReadStream& source, File& file,
                                         const CreateOptions& image,
                                         const OperationControl& control) {
  // Checked as the largest disk; NewDisk takes "unknown" as no bytes.
  auto parameters = VHDX_TRY(ParametersFor(image, {.size_bytes = format::kMaxVirtualDiskSize}));
  parameters.virtual_disk_size_bytes = 0;
  auto target = VHDX_TRY(BeginNewDisk(files, file, image, parameters, control));
  const auto put = [&](const ByteRun& run) -> Result<void> {
    if (!run.is_zero) return target->Write(run.disk_offset, run.bytes);
    // A fixed disk of unknown size could not be allocated before.
    if (!parameters.leave_blocks_allocated) return {};
    return target->WriteZeroes({run.disk_offset, run.bytes.size()});
  };
  auto copied = VHDX_TRY(DrainStream(source, put, control));
  const uint64_t came = copied.copied_bytes + copied.zero_bytes;
  const uint64_t size_bytes = AlignUp(came, parameters.logical_sector_size);
  target->SetSize(size_bytes);
  VHDX_TRY(FinishNewDisk(file, *target, image, control));
  return ConvertReport{.copy = copied, .source_size_bytes = came, .target_size_bytes = size_bytes};
}

}  // namespace

Result<ConvertReport> ConvertToVhdx(FileSystem& files, BlockDevice& source, const std::string& path,
                                    const CreateOptions& image, const ConvertOptions& options,
                                    const OperationControl& control) try {
  const auto target = VHDX_TRY(DecideTarget(files, &source, path, options));
  if (options.existing == ExistingTarget::kInto) {
    return FillExistingImage(files, source, path, options, control);
  }
  VHDX_TRY(RefuseBlockDevice(target.kind, path));
  return FillNewFile(files, path, options, [&](File& file) {
    return FillVhdx(files, source, file, image, options, control);
  });
} catch (...) {
  return CaughtException();
}

Result<ConvertReport> ConvertStreamToVhdx(FileSystem& files, const ReadStream& source,
                                          const std::string& path, const CreateOptions& image,
                                          const ConvertOptions& options,
                                          const OperationControl& control) try {
  const auto target = VHDX_TRY(DecideTarget(files, nullptr, path, options));
  if (target.kind == TargetKind::kExistingFile) {
    return Fail(ErrorCode::kUnsupported,
                "a stream can only be converted into a new file; leave out -n", path);
  }
  VHDX_TRY(RefuseBlockDevice(target.kind, path));
  return FillNewFile(files, path, options, [&](File& file) {
    return FillVhdxFromStream(files, source, file, image, control);
  });
} catch (...) {
  return CaughtException();
}

}  // namespace vhdx

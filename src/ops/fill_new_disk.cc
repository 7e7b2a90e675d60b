#include "ops/fill_new_disk.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "bytes/arithmetic.h"
#include "bytes/formatting.h"
#include "bytes/size_format.h"
#include "bytes/try.h"
#include "ops/fill_holes.h"
#include "ops/new_image_options.h"
#include "ops/progress_meter.h"

namespace vhdx {
namespace {

// The host allocates so much at a time: seldom enough to cost nothing, often enough to be stopped.
constexpr uint64_t kAllocationPiece = 256 * kMiB;  // whole blocks of every size

Result<void> AllocateFixed(NewDisk& disk, const OperationControl& control) {
  ProgressMeter progress(control, disk.size_bytes());
  for (uint64_t position = 0; position < disk.size_bytes();) {
    if (control.cancelled()) return Fail(ErrorCode::kCancelled, "the operation was cancelled");
    const uint64_t length = std::min(kAllocationPiece, disk.size_bytes() - position);
    VHDX_TRY(disk.Allocate({position, length}));
    position += length;
    progress.Add(length);
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<NewDisk>> BeginNewDisk(FileSystem& files, File& file,
                                              const CreateOptions& options,
                                              const DiskParameters& parameters,
                                              const OperationControl& control,
                                              const ParentLink* parent) {
  auto image = VHDX_TRY(MakeNewImage(options, parameters, files));
  if (parent != nullptr) {
    image.locator_entries = parent->locator_entries;
    image.inherited_items = parent->inherited_items;
  }
  const bool allocate =
      parameters.leave_blocks_allocated && parameters.virtual_disk_size_bytes != 0;
  const uint64_t disk_bytes = parameters.virtual_disk_size_bytes;
  if (const auto free = file.FreeBytes(); allocate && free && *free < disk_bytes) {
    return std::unexpected(ExplainNoSpace(
        {.code = ErrorCode::kNoSpace,
         .file = file.name(),
         .sentence = Format("the disk takes {}, and the file system has {} left",
                            FormatSizeExactly(disk_bytes), FormatSizeExactly(*free))},
        options));
  }
  auto disk = NewDisk::Begin(file, std::move(image));
  if (!disk) return std::unexpected(ExplainNoSpace(std::move(disk.error()), options));
  if (allocate) {
    if (auto allocated = AllocateFixed(**disk, control); !allocated) {
      return std::unexpected(ExplainNoSpace(std::move(allocated.error()), options));
    }
  }
  return disk;
}

Result<void> FinishNewDisk(File& file, NewDisk& disk, const CreateOptions& options,
                           const OperationControl& control) {
  auto done = disk.Finish(options.sync ? WriteOrder::kDurable : WriteOrder::kAny);
  if (done && options.preallocate) done = FillHoles(file, control);
  if (!done) return std::unexpected(ExplainNoSpace(std::move(done.error()), options));
  return done;
}

Error ExplainNoSpace(Error error, const CreateOptions& options) {
  if (error.code != ErrorCode::kNoSpace) return error;
  if (error.sys_errno == EFBIG) {
    error.sentence += "; this file system cannot hold a file of that length: use another one";
    return error;
  }
  error.sentence +=
      options.subformat == Subformat::kFixed
          ? "; a fixed disk takes all its space at once: free some, or make it dynamic"
          : "; free some, or make the image elsewhere";
  return error;
}

}  // namespace vhdx

#include "builder/vhdx_builder.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "builder/fill_holes.h"
#include "builder/target_file.h"
#include "bytes/arithmetic.h"
#include "bytes/formatting.h"
#include "bytes/progress_meter.h"
#include "bytes/size_format.h"
#include "bytes/try.h"

namespace vhdx {
namespace {

// The host allocates so much at a time: seldom enough to cost nothing, often enough to be stopped.
constexpr uint64_t kAllocationPiece = 256 * kMiB;  // whole blocks of every size

// What a person can do about a host that is full; the host itself only says so.
std::unexpected<Error> ExplainNoSpace(Error error, bool is_fixed) {
  if (error.code == ErrorCode::kNoSpace && error.sys_errno == EFBIG) {
    error.sentence += "; this file system cannot hold a file of that length: use another one";
  } else if (error.code == ErrorCode::kNoSpace) {
    error.sentence +=
        is_fixed ? "; a fixed disk takes all its space at once: free some, or make it dynamic"
                 : "; free some, or make the image elsewhere";
  }
  return std::unexpected(std::move(error));
}

// A disk that cannot fit is refused before anything is written.
Result<void> CheckFreeSpace(File& file, uint64_t disk_bytes) {
  const auto free = file.FreeBytes();
  if (!free || *free >= disk_bytes) return {};
  return Fail(ErrorCode::kNoSpace,
              Format("the disk takes {}, and the file system has {} left",
                     FormatSizeExactly(disk_bytes), FormatSizeExactly(*free)),
              file.name());
}

}  // namespace

Result<std::unique_ptr<VhdxBuilder>> VhdxBuilder::Begin(FileSystem& files, const std::string& path,
                                                        NewVhdx vhdx, BuildOptions options,
                                                        const OperationControl& control) {
  auto staged = VHDX_TRY(StageTarget(files, path, options.file));
  std::unique_ptr<VhdxBuilder> builder(new VhdxBuilder(std::move(staged), std::move(options)));
  builder->is_fixed_ = vhdx.image.parameters.leave_blocks_allocated;
  builder->preallocate_ = vhdx.preallocate;
  auto begun = builder->BeginDisk(std::move(vhdx), control);
  if (!begun) return ExplainNoSpace(std::move(begun.error()), builder->is_fixed_);
  return builder;
}

Result<void> VhdxBuilder::BeginDisk(NewVhdx vhdx, const OperationControl& control) {
  const uint64_t disk_bytes = vhdx.image.parameters.virtual_disk_size_bytes;
  const bool allocates = is_fixed_ && disk_bytes != 0;
  if (allocates) {
    VHDX_TRY(CheckFreeSpace(file(), disk_bytes));
  }
  auto disk = VHDX_TRY(NewDisk::Begin(file(), std::move(vhdx.image)));
  disk_ = std::move(disk);
  return allocates ? AllocateFixed(control) : Result<void>{};
}

Result<void> VhdxBuilder::AllocateFixed(const OperationControl& control) {
  ProgressMeter progress(control, disk_->size_bytes());
  for (uint64_t position = 0; position < disk_->size_bytes();) {
    if (control.cancelled()) return Fail(ErrorCode::kCancelled, "the operation was cancelled");
    const uint64_t length = std::min(kAllocationPiece, disk_->size_bytes() - position);
    VHDX_TRY(disk_->Allocate({position, length}));
    position += length;
    progress.Add(length);
  }
  return {};
}

Result<void> VhdxBuilder::SetSize(uint64_t size_bytes) {
  disk_->SetSize(size_bytes);
  return {};
}

Result<void> VhdxBuilder::NoteZeros(DiskRange range) {
  return is_fixed_ ? disk_->WriteZeroes(range) : Result<void>{};
}

Result<void> VhdxBuilder::Finish(const OperationControl& control) {
  auto done = disk_->Finish();
  if (done && preallocate_) done = FillHoles(file(), control);
  if (!done) return ExplainNoSpace(std::move(done.error()), is_fixed_);
  return {};
}

}  // namespace vhdx

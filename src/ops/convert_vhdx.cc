#include <vhdxkit/convert.h>
#include <vhdxkit/disk.h>
#include <vhdxkit/image_tree.h>

#include <algorithm>
#include <bit>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "bytes/aligned_buffer.h"
#include "bytes/arithmetic.h"
#include "format/layout.h"
#include "image/new_disk.h"
#include "ops/convert_target.h"
#include "ops/fill_new_disk.h"
#include "ops/new_image_options.h"
#include "ops/zero_runs.h"

namespace vhdx {
namespace {

constexpr uint64_t kStreamPiece = kMiB;

// Where the contents of a disk are written into an image that is there.
Result<ConvertReport> FillExistingImage(FileSystem& files, BlockDevice& source,
                                        const std::string& path, const ConvertOptions& options,
                                        const OperationControl& control) {
  OpenOptions open = options.open;
  open.access = DiskAccess::kReadWrite;
  auto target = Disk::Open(files, path, open);
  if (!target) return std::unexpected(std::move(target.error()));
  if (!options.orphan_children) {
    // Asked again: it is locked only now.
    if (auto fine = RefuseIfParent(files, path, open); !fine) {
      return std::unexpected(std::move(fine.error()));
    }
  }
  if (source.size_bytes() > (*target)->size_bytes()) {
    return Fail(ErrorCode::kInvalidArgument,
                "the disk has " + std::to_string((*target)->size_bytes()) +
                    " bytes, and the source " + std::to_string(source.size_bytes()),
                path);
  }
  auto copied = CopyContents(
      source, **target, {.threads = options.threads, .target = TargetContents::kUnknown}, control);
  const auto closed = (*target)->Close();
  if (!copied) return std::unexpected(std::move(copied.error()));
  if (!closed) return std::unexpected(closed.error());
  return ConvertReport{.copy = *copied,
                       .source_size_bytes = source.size_bytes(),
                       .target_size_bytes = (*target)->size_bytes()};
}

Result<void> RefuseBlockDevice(TargetKind kind, const std::string& path) {
  if (kind != TargetKind::kBlockDevice) return {};
  return Fail(ErrorCode::kUnsupported,
              "a VHDX needs a file that can grow, not a block device; say -O raw to write the disk "
              "onto it",
              path);
}

// What a raw disk says of its physical sectors is what the host has, and not the disk's own.
InheritedParameters ParametersOf(const BlockDevice& source) {
  const bool has_own = dynamic_cast<const Disk*>(&source) != nullptr;
  return {.size_bytes = source.size_bytes(),
          .logical_sector_size = source.logical_sector_size(),
          .physical_sector_size = has_own ? source.physical_sector_size() : 0};
}

Result<ConvertReport> FillVhdx(BlockDevice& source, File& file, const CreateOptions& image,
                               const ConvertOptions& options, const OperationControl& control) {
  InheritedParameters inherited = ParametersOf(source);
  // What is no multiple of larger sectors ends with zeros more.
  if (image.logical_sector_size != 0 && std::has_single_bit(image.logical_sector_size)) {
    inherited.size_bytes = AlignUp(inherited.size_bytes, image.logical_sector_size);
  }
  auto parameters = ParametersFor(image, inherited);
  if (!parameters) return std::unexpected(std::move(parameters.error()));
  auto target = BeginNewDisk(file, image, *parameters, control);
  if (!target) return std::unexpected(std::move(target.error()));
  auto copied = CopyContents(
      source, **target, {.threads = options.threads, .target = TargetContents::kZeros}, control);
  if (!copied) return std::unexpected(std::move(copied.error()));
  if (auto finished = FinishNewDisk(file, **target, image, control); !finished) {
    return std::unexpected(std::move(finished.error()));
  }
  return ConvertReport{.copy = *copied,
                       .source_size_bytes = source.size_bytes(),
                       .target_size_bytes = parameters->virtual_disk_size_bytes};
}

// -- From a stream --

Result<void> PutRun(NewDisk& target, bool fixed, const ByteRun& run, CopyReport& report) {
  if (!run.is_zero) {
    report.copied_bytes += run.bytes.size();
    return target.Write(run.disk_offset, run.bytes);
  }
  report.zero_bytes += run.bytes.size();
  // A fixed disk of unknown size could not be allocated before.
  if (fixed) return target.WriteZeroes({run.disk_offset, run.bytes.size()});
  return {};
}

// Copies until the stream ends; returns how much came.
Result<CopyReport> DrainInto(NewDisk& target, const ReadStream& source, bool fixed,
                             const OperationControl& control) {
  const AlignedBuffer memory(kStreamPiece);
  const std::span<std::byte> buffer = memory.bytes();
  CopyReport report;
  for (uint64_t position = 0;; position += buffer.size()) {
    if (control.cancelled()) return Fail(ErrorCode::kCancelled, "the operation was cancelled");
    auto count = source(buffer);
    if (!count) return std::unexpected(std::move(count.error()));
    auto put = ForEachRun(position, ByteSpan(buffer).first(*count),
                          [&](const ByteRun& run) { return PutRun(target, fixed, run, report); });
    if (!put) return std::unexpected(std::move(put.error()));
    if (control.on_progress) control.on_progress(position + *count, position + *count);
    if (*count < buffer.size()) return report;
  }
}

Result<ConvertReport> FillVhdxFromStream(const ReadStream& source, File& file,
                                         const CreateOptions& image,
                                         const OperationControl& control) {
  // Checked as the largest disk; NewDisk takes "unknown" as no bytes.
  auto parameters = ParametersFor(image, {.size_bytes = format::kMaxVirtualDiskSize});
  if (!parameters) return std::unexpected(std::move(parameters.error()));
  parameters->virtual_disk_size_bytes = 0;
  auto target = BeginNewDisk(file, image, *parameters, control);
  if (!target) return std::unexpected(std::move(target.error()));
  auto copied = DrainInto(**target, source, parameters->leave_blocks_allocated, control);
  if (!copied) return std::unexpected(std::move(copied.error()));
  const uint64_t came = copied->copied_bytes + copied->zero_bytes;
  if (came == 0) return Fail(ErrorCode::kInvalidArgument, "nothing came: there is no disk in it");
  const uint64_t size_bytes = AlignUp(came, parameters->logical_sector_size);
  (*target)->SetSize(size_bytes);
  if (auto finished = FinishNewDisk(file, **target, image, control); !finished) {
    return std::unexpected(std::move(finished.error()));
  }
  return ConvertReport{.copy = *copied, .source_size_bytes = came, .target_size_bytes = size_bytes};
}

}  // namespace

Result<ConvertReport> ConvertToVhdx(FileSystem& files, BlockDevice& source, const std::string& path,
                                    const CreateOptions& image, const ConvertOptions& options,
                                    const OperationControl& control) {
  const auto target = DecideTarget(files, &source, path, options);
  if (!target) return std::unexpected(target.error());
  if (target->kind == TargetKind::kExistingFile) {
    return FillExistingImage(files, source, path, options, control);
  }
  if (auto fine = RefuseBlockDevice(target->kind, path); !fine) {
    return std::unexpected(std::move(fine.error()));
  }
  return FillNewFile(files, path, options,
                     [&](File& file) { return FillVhdx(source, file, image, options, control); });
}

Result<ConvertReport> ConvertStreamToVhdx(FileSystem& files, const ReadStream& source,
                                          const std::string& path, const CreateOptions& image,
                                          const ConvertOptions& options,
                                          const OperationControl& control) {
  const auto target = DecideTarget(files, nullptr, path, options);
  if (!target) return std::unexpected(target.error());
  if (target->kind == TargetKind::kExistingFile) {
    return Fail(ErrorCode::kUnsupported,
                "a stream can only be converted into a new file; leave out -n", path);
  }
  if (auto fine = RefuseBlockDevice(target->kind, path); !fine) {
    return std::unexpected(std::move(fine.error()));
  }
  return FillNewFile(files, path, options,
                     [&](File& file) { return FillVhdxFromStream(source, file, image, control); });
}

}  // namespace vhdx

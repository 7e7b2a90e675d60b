#include <vhdxkit/convert.h>
#include <vhdxkit/raw_device.h>

#include <memory>
#include <string>
#include <utility>

#include "bytes/arithmetic.h"
#include "bytes/border.h"
#include "bytes/size_format.h"
#include "ops/convert_target.h"
#include "ops/drain_stream.h"

namespace vhdx {
namespace {

// What is there, to be written into, and locked.
Result<std::unique_ptr<RawDevice>> OpenExisting(FileSystem& files, const std::string& path,
                                                const ConvertOptions& options) {
  auto file = files.Open(path, {.access = FileAccess::kReadWrite});
  if (!file) return std::unexpected(std::move(file.error()));
  if (options.open.lock == LockPolicy::kLock) {
    if (auto locked = (*file)->Lock(LockMode::kExclusive); !locked) {
      return std::unexpected(std::move(locked.error()));
    }
  }
  return RawDevice::Open(*std::move(file));
}

Result<ConvertReport> FinishExisting(RawDevice& target, Result<CopyReport> copied,
                                     uint64_t source_size_bytes, const ConvertOptions& options) {
  if (!copied) return std::unexpected(std::move(copied.error()));
  if (options.sync) {
    if (auto synced = target.Flush(); !synced) return std::unexpected(std::move(synced.error()));
  }
  return ConvertReport{.copy = *copied,
                       .source_size_bytes = source_size_bytes,
                       .target_size_bytes = target.size_bytes(),
                       .into_existing = true};
}

Result<ConvertReport> ConvertIntoExisting(FileSystem& files, BlockDevice& source,
                                          const std::string& path, const ConvertOptions& options,
                                          const OperationControl& control) {
  auto target = OpenExisting(files, path, options);
  if (!target) return std::unexpected(std::move(target.error()));
  auto copied = CopyContents(
      source, **target, {.threads = options.threads, .target = TargetContents::kUnknown}, control);
  return FinishExisting(**target, std::move(copied), source.size_bytes(), options);
}

Result<ConvertReport> DrainIntoExisting(FileSystem& files, const ReadStream& source,
                                        const std::string& path, const ConvertOptions& options,
                                        const OperationControl& control) {
  auto target = OpenExisting(files, path, options);
  if (!target) return std::unexpected(std::move(target.error()));
  uint64_t came = 0;
  const auto put = [&](const ByteRun& run) -> Result<void> {
    came = run.disk_offset + run.bytes.size();
    if (came > (*target)->size_bytes()) {
      return Fail(ErrorCode::kInvalidArgument,
                  "the target has " + FormatSizeExactly((*target)->size_bytes()) +
                      ", and more came; the first of them are written",
                  path);
    }
    if (run.is_zero) return (*target)->WriteZeroes({run.disk_offset, run.bytes.size()});
    return (*target)->Write(run.disk_offset, run.bytes);
  };
  auto copied = DrainStream(source, put, control);
  const uint64_t padding = AlignUp(came, RawDevice::kSectorSize) - came;
  if (copied && padding > 0) {
    auto padded = (*target)->WriteZeroes({came, padding});
    if (!padded) copied = std::unexpected(std::move(padded.error()));
  }
  return FinishExisting(**target, std::move(copied), came, options);
}

Result<ConvertReport> FillRawFile(BlockDevice& source, File& file, const ConvertOptions& options,
                                  const OperationControl& control) {
  if (auto sized = file.Resize(source.size_bytes()); !sized) {
    return std::unexpected(std::move(sized.error()));
  }
  auto target = RawDevice::OnFile(file);
  if (!target) return std::unexpected(std::move(target.error()));
  auto copied = CopyContents(
      source, **target, {.threads = options.threads, .target = TargetContents::kZeros}, control);
  if (!copied) return std::unexpected(std::move(copied.error()));
  return ConvertReport{.copy = *copied,
                       .source_size_bytes = source.size_bytes(),
                       .target_size_bytes = source.size_bytes()};
}

Result<ConvertReport> FillRawFileFromStream(const ReadStream& source, File& file,
                                            const OperationControl& control) {
  const auto put = [&](const ByteRun& run) -> Result<void> {
    return run.is_zero ? Result<void>{} : file.WriteAt(run.disk_offset, run.bytes);
  };
  auto copied = DrainStream(source, put, control);
  if (!copied) return std::unexpected(std::move(copied.error()));
  const uint64_t came = copied->copied_bytes + copied->zero_bytes;
  const uint64_t size_bytes = AlignUp(came, RawDevice::kSectorSize);
  if (auto sized = file.Resize(size_bytes); !sized) {
    return std::unexpected(std::move(sized.error()));
  }
  return ConvertReport{.copy = *copied, .source_size_bytes = came, .target_size_bytes = size_bytes};
}

}  // namespace

Result<ConvertReport> ConvertToRaw(FileSystem& files, BlockDevice& source, const std::string& path,
                                   const ConvertOptions& options,
                                   const OperationControl& control) try {
  const auto target = DecideTarget(files, &source, path, options);
  if (!target) return std::unexpected(target.error());
  if (target->kind != TargetKind::kNewFile) {
    return ConvertIntoExisting(files, source, path, options, control);
  }
  return FillNewFile(files, path, options,
                     [&](File& file) { return FillRawFile(source, file, options, control); });
} catch (...) {
  return CaughtException();
}

Result<ConvertReport> ConvertStreamToRaw(FileSystem& files, const ReadStream& source,
                                         const std::string& path, const ConvertOptions& options,
                                         const OperationControl& control) try {
  const auto target = DecideTarget(files, nullptr, path, options);
  if (!target) return std::unexpected(target.error());
  if (target->kind != TargetKind::kNewFile) {
    return DrainIntoExisting(files, source, path, options, control);
  }
  return FillNewFile(files, path, options,
                     [&](File& file) { return FillRawFileFromStream(source, file, control); });
} catch (...) {
  return CaughtException();
}

}  // namespace vhdx

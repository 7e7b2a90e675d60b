#include <vhdxkit/convert.h>
#include <vhdxkit/raw_device.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "builder/raw_builder.h"
#include "bytes/arithmetic.h"
#include "bytes/border.h"
#include "bytes/size_format.h"
#include "bytes/try.h"
#include "ops/convert_target.h"
#include "ops/drain_stream.h"
#include "ops/fill_new_disk.h"

namespace vhdx {
namespace {

// What is there, to be written into, and locked.
Result<std::unique_ptr<RawDevice>> OpenExisting(FileSystem& files, const std::string& path,
                                                const ConvertOptions& options) {
  auto file = VHDX_TRY(files.Open(path, {.access = FileAccess::kReadWrite}));
  if (options.lock == LockPolicy::kLock) {
    VHDX_TRY(file->Lock(LockMode::kExclusive));
  }
  return RawDevice::Open(std::move(file));
}

Result<ConvertReport> FinishExisting(RawDevice& target, Result<CopyReport> copied,
                                     uint64_t source_size_bytes, const ConvertOptions& options) {
  if (!copied) return std::unexpected(std::move(copied.error()));
  if (options.sync) {
    VHDX_TRY(target.Flush());
  }
  return ConvertReport{.copy = *copied,
                       .source_size_bytes = source_size_bytes,
                       .target_size_bytes = target.size_bytes(),
                       .into_existing = true};
}

Result<ConvertReport> ConvertIntoExisting(FileSystem& files, BlockDevice& source,
                                          const std::string& path, const ConvertOptions& options,
                                          const OperationControl& control) {
  auto target = VHDX_TRY(OpenExisting(files, path, options));
  auto copied = CopyContents(
      source, *target, {.threads = options.threads, .target = TargetContents::kUnknown}, control);
  return FinishExisting(*target, std::move(copied), source.size_bytes(), options);
}

Result<ConvertReport> DrainIntoExisting(FileSystem& files, const ReadStream& source,
                                        const std::string& path, const ConvertOptions& options,
                                        const OperationControl& control) {
  auto target = VHDX_TRY(OpenExisting(files, path, options));
  uint64_t came = 0;
  const auto put = [&](const ByteRun& run) -> Result<void> {
    came = run.disk_offset + run.bytes.size();
    if (came > target->size_bytes()) {
      return Fail(ErrorCode::kInvalidArgument,
                  "the target has " + FormatSizeExactly(target->size_bytes()) +
                      ", and more came; the first of them are written",
                  path);
    }
    if (run.is_zero) return target->WriteZeroes({run.disk_offset, run.bytes.size()});
    return target->Write(run.disk_offset, run.bytes);
  };
  auto copied = DrainStream(source, put, control);
  const uint64_t padding = AlignUp(came, RawDevice::kSectorSize) - came;
  if (copied && padding > 0) {
    auto padded = target->WriteZeroes({came, padding});
    if (!padded) copied = std::unexpected(std::move(padded.error()));
  }
  return FinishExisting(*target, std::move(copied), came, options);
}

}  // namespace

Result<ConvertReport> ConvertToRaw(FileSystem& files, BlockDevice& source, const std::string& path,
                                   const ConvertOptions& options,
                                   const OperationControl& control) try {
  auto target = VHDX_TRY(DecideTarget(files, &source, path, options));
  if (target.kind != TargetKind::kNewFile) {
    return ConvertIntoExisting(files, source, path, options, control);
  }
  const auto builder = VHDX_TRY(RawBuilder::Begin(files, path, source.size_bytes(),
                                                  BuildOptionsFor(options, std::move(target))));
  return FillNewDisk(*builder, source, options, control);
} catch (...) {
  return CaughtException();
}

Result<ConvertReport> ConvertStreamToRaw(FileSystem& files, const ReadStream& source,
                                         const std::string& path, const ConvertOptions& options,
                                         const OperationControl& control) try {
  auto target = VHDX_TRY(DecideTarget(files, nullptr, path, options));
  if (target.kind != TargetKind::kNewFile) {
    return DrainIntoExisting(files, source, path, options, control);
  }
  const auto builder = VHDX_TRY(
      RawBuilder::Begin(files, path, std::nullopt, BuildOptionsFor(options, std::move(target))));
  return FillNewDisk(*builder, source, control);
} catch (...) {
  return CaughtException();
}

}  // namespace vhdx

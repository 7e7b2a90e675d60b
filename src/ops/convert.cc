#include <vhdxkit/convert.h>
#include <vhdxkit/raw_device.h>

#include <memory>
#include <string>
#include <utility>

#include "ops/convert_target.h"

namespace vhdx {
namespace {

Result<ConvertReport> ConvertIntoExisting(FileSystem& files, BlockDevice& source,
                                          const std::string& path, const ConvertOptions& options,
                                          const OperationControl& control) {
  auto file = files.Open(path, {.access = FileAccess::kReadWrite});
  if (!file) return std::unexpected(std::move(file.error()));
  if (auto locked = (*file)->Lock(LockMode::kExclusive);
      !locked && locked.error().code != ErrorCode::kUnsupported) {
    return std::unexpected(std::move(locked.error()));
  }
  auto target = RawDevice::Open(*std::move(file));
  if (!target) return std::unexpected(std::move(target.error()));
  auto copied = CopyContents(
      source, **target, {.threads = options.threads, .target = TargetContents::kUnknown}, control);
  if (!copied) return std::unexpected(std::move(copied.error()));
  if (options.sync) {
    if (auto synced = (*target)->Flush(); !synced) {
      return std::unexpected(std::move(synced.error()));
    }
  }
  return ConvertReport{.copy = *copied,
                       .source_size_bytes = source.size_bytes(),
                       .target_size_bytes = (*target)->size_bytes()};
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

}  // namespace

Result<ConvertReport> ConvertToRaw(FileSystem& files, BlockDevice& source, const std::string& path,
                                   const ConvertOptions& options, const OperationControl& control) {
  const auto target = DecideTarget(files, &source, path, options);
  if (!target) return std::unexpected(target.error());
  if (target->kind != TargetKind::kNewFile) {
    return ConvertIntoExisting(files, source, path, options, control);
  }
  return FillNewFile(files, path, options,
                     [&](File& file) { return FillRawFile(source, file, options, control); });
}

}  // namespace vhdx

#include "testing/crash_file.h"

#include <optional>
#include <utility>

namespace vhdx::testing {
namespace {

FileCapabilities CapabilitiesOf(const CrashStore& store, FileAccess access) {
  const bool writable = access == FileAccess::kReadWrite;
  return {.writable = writable,
          .block_device = store.kind() == CrashFileKind::kBlockDevice,
          .extension_reads_zero = store.kind() == CrashFileKind::kFile,
          .punch_hole = writable && store.options().punch_hole};
}

}  // namespace

CrashFile::CrashFile(std::shared_ptr<CrashStore> store, size_t file, std::string name,
                     FileAccess access)
    : store_(std::move(store)),
      file_(file),
      name_(std::move(name)),
      capabilities_(CapabilitiesOf(*store_, access)) {}

Result<std::string> CrashFile::RealPath() const {
  std::optional<std::string> path = store_->PathOf(file_);
  if (!path) return Fail(ErrorCode::kNotFound, "no path leads to this file", name_);
  return *std::move(path);
}

Result<void> CrashFile::CheckWritable() const {
  if (capabilities_.writable) return {};
  return Fail(ErrorCode::kReadOnly, "the file is open for reading only", name_);
}

Result<void> CrashFile::Named(Result<void> result) const {
  if (!result) result.error().file = name_;
  return result;
}

Result<void> CrashFile::WriteAt(uint64_t file_offset, std::span<const ByteSpan> buffers) {
  if (auto writable = CheckWritable(); !writable) return writable;
  return Named(store_->Write(file_, file_offset, buffers));
}

Result<void> CrashFile::Resize(uint64_t length_bytes) {
  if (auto writable = CheckWritable(); !writable) return writable;
  return Named(store_->Resize(file_, length_bytes));
}

Result<void> CrashFile::ZeroRange(FileRange range) {
  if (auto writable = CheckWritable(); !writable) return writable;
  return Named(store_->Zero(file_, range));
}

Result<void> CrashFile::PunchHole(FileRange range) {
  if (auto writable = CheckWritable(); !writable) return writable;
  if (!capabilities_.punch_hole) {
    return Fail(ErrorCode::kUnsupported, "holes cannot be punched into this file", name_);
  }
  store_->Punch(file_, range);
  return {};
}

}  // namespace vhdx::testing

#include "testing/crash_file.h"

#include <utility>

namespace vhdx::testing {
namespace {

FileCapabilities CapabilitiesOf(const CrashStore::Options& options, FileAccess access) {
  const bool writable = access == FileAccess::kReadWrite;
  return {.writable = writable,
          .block_device = options.kind == CrashFileKind::kBlockDevice,
          .extension_reads_zero = options.kind == CrashFileKind::kFile,
          .punch_hole = writable && options.punch_hole};
}

}  // namespace

CrashFile::CrashFile(std::shared_ptr<CrashStore> store, std::string path, FileAccess access)
    : store_(std::move(store)),
      path_(std::move(path)),
      capabilities_(CapabilitiesOf(store_->options(), access)) {}

Result<void> CrashFile::CheckWritable() const {
  if (capabilities_.writable) return {};
  return Fail(ErrorCode::kReadOnly, "the file is open for reading only", path_);
}

Result<void> CrashFile::Named(Result<void> result) const {
  if (!result) result.error().file = path_;
  return result;
}

Result<void> CrashFile::WriteAt(uint64_t file_offset, std::span<const ByteSpan> buffers) {
  if (auto writable = CheckWritable(); !writable) return writable;
  return Named(store_->Write(file_offset, buffers));
}

Result<void> CrashFile::Resize(uint64_t length_bytes) {
  if (auto writable = CheckWritable(); !writable) return writable;
  return Named(store_->Resize(length_bytes));
}

Result<void> CrashFile::ZeroRange(FileRange range) {
  if (auto writable = CheckWritable(); !writable) return writable;
  return Named(store_->Zero(range));
}

Result<void> CrashFile::PunchHole(FileRange range) {
  if (auto writable = CheckWritable(); !writable) return writable;
  if (!capabilities_.punch_hole) {
    return Fail(ErrorCode::kUnsupported, "holes cannot be punched into this file", path_);
  }
  store_->Punch(range);
  return {};
}

CrashFileSystem::CrashFileSystem(MemoryFileSystem& base, std::string path,
                                 std::shared_ptr<CrashStore> store, uint64_t seed)
    : ForwardingFileSystem(base), path_(std::move(path)), store_(std::move(store)), random_(seed) {
  if (base.Contents(path_) == nullptr) base.AddFile(path_);
}

Result<std::unique_ptr<File>> CrashFileSystem::Open(const std::string& path,
                                                    const OpenFileOptions& options) {
  if (path != path_) return base().Open(path, options);
  if (options.creation == FileCreation::kNew) {
    return Fail(ErrorCode::kExists, "there is a file of this name already", path);
  }
  return std::make_unique<CrashFile>(store_, path_, options.access);
}

}  // namespace vhdx::testing

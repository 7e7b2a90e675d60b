// A File and a FileSystem that pass every call on to another: what recorders and faults derive
// from.

#ifndef VHDXKIT_TESTING_FORWARDING_FILE_H_
#define VHDXKIT_TESTING_FORWARDING_FILE_H_

#include <vhdxkit/file.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace vhdx::testing {

/// The calls of a File and a FileSystem that do something.
enum class FileCall : uint8_t {
  kRead,
  kWrite,
  kSync,
  kResize,
  kZeroRange,
  kPunchHole,
  kCloneRange,
  kCopyRange,
  kSize,
  kNextData,
  kNextHole,
  kLock,
  kRandom,
  kOpen,
  kRename,
  kRemove,
  kSyncFolder,
};
inline constexpr size_t kFileCalls = 17;

/// "write", "sync folder", ...
std::string_view FileCallName(FileCall call);

uint64_t TotalBytes(std::span<const MutableByteSpan> buffers);
uint64_t TotalBytes(std::span<const ByteSpan> buffers);

class ForwardingFile : public File {
 public:
  using File::ReadAt;
  using File::WriteAt;

  explicit ForwardingFile(std::unique_ptr<File> base) : base_(std::move(base)) {}

  File& base() { return *base_; }

  const std::string& name() const override { return base_->name(); }
  Result<std::string> RealPath() const override { return base_->RealPath(); }
  FileIdentity identity() const override { return base_->identity(); }
  const FileCapabilities& capabilities() const override { return base_->capabilities(); }
  Result<size_t> ReadAt(uint64_t file_offset, std::span<const MutableByteSpan> buffers) override {
    return base_->ReadAt(file_offset, buffers);
  }
  Result<void> WriteAt(uint64_t file_offset, std::span<const ByteSpan> buffers) override {
    return base_->WriteAt(file_offset, buffers);
  }
  Result<void> Sync() override { return base_->Sync(); }
  Result<uint64_t> Size() override { return base_->Size(); }
  Result<uint64_t> AllocatedBytes() override { return base_->AllocatedBytes(); }
  std::optional<uint64_t> FreeBytes() override { return base_->FreeBytes(); }
  Result<void> Resize(uint64_t length_bytes) override { return base_->Resize(length_bytes); }
  Result<void> ZeroRange(FileRange range) override { return base_->ZeroRange(range); }
  Result<void> PunchHole(FileRange range) override { return base_->PunchHole(range); }
  Result<void> CloneRange(uint64_t file_offset, File& source, FileRange source_range) override {
    return base_->CloneRange(file_offset, Innermost(source), source_range);
  }
  Result<void> CopyRange(uint64_t file_offset, File& source, FileRange source_range) override {
    return base_->CopyRange(file_offset, Innermost(source), source_range);
  }
  Result<uint64_t> NextData(uint64_t file_offset) override { return base_->NextData(file_offset); }
  Result<uint64_t> NextHole(uint64_t file_offset) override { return base_->NextHole(file_offset); }
  bool AdviseRandomAccess() override { return base_->AdviseRandomAccess(); }
  void ReadAhead(FileRange range) override { base_->ReadAhead(range); }
  Result<void> Lock(LockMode mode) override { return base_->Lock(mode); }
  Result<void> FillRandom(MutableByteSpan bytes) override { return base_->FillRandom(bytes); }
  std::chrono::system_clock::time_point Now() override { return base_->Now(); }

 private:
  /// The file that does the work: files know only their own kind as sources to copy from.
  static File& Innermost(File& file) {
    auto* wrapper = dynamic_cast<ForwardingFile*>(&file);
    return wrapper == nullptr ? file : Innermost(*wrapper->base_);
  }

  const std::unique_ptr<File> base_;
};

/// Passes everything on to `base`, which must outlive it; Open says what becomes of a file that
/// opened.
class ForwardingFileSystem : public FileSystem {
 public:
  explicit ForwardingFileSystem(FileSystem& base) : base_(base) {}

  FileSystem& base() { return base_; }

  Result<std::unique_ptr<File>> Open(const std::string& path,
                                     const OpenFileOptions& options) override {
    return base_.Open(path, options);
  }
  Result<std::string> RealPath(const std::string& path) override { return base_.RealPath(path); }
  Result<std::vector<std::string>> List(const std::string& folder, size_t limit) override {
    return base_.List(folder, limit);
  }
  Result<bool> IsFolder(const std::string& path) override { return base_.IsFolder(path); }
  Result<void> Rename(const std::string& from, const std::string& to, RenameMode mode) override {
    return base_.Rename(from, to, mode);
  }
  Result<void> Remove(const std::string& path) override { return base_.Remove(path); }
  Result<void> SyncFolder(const std::string& folder) override { return base_.SyncFolder(folder); }

 private:
  FileSystem& base_;
};

}  // namespace vhdx::testing

#endif  // VHDXKIT_TESTING_FORWARDING_FILE_H_

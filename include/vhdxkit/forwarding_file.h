// A File and a FileSystem that pass every call on to another: what a program derives from that
// changes only some of the functions, for instance to count, to throttle, or to encrypt.
//
// A class that changes the bytes must also override HostDescriptor and CloneRange, because the host
// would share the bytes as they are stored: HostDescriptor returns nothing, CloneRange
// kUnsupported.

#ifndef VHDXKIT_FORWARDING_FILE_H_
#define VHDXKIT_FORWARDING_FILE_H_

#include <vhdxkit/error.h>
#include <vhdxkit/export.h>
#include <vhdxkit/file.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace vhdx {

/// Passes every call on to `base`, which it owns, alone or together with others.
class VHDXKIT_EXPORT ForwardingFile : public File {
 public:
  using File::ReadAt;
  using File::WriteAt;

  explicit ForwardingFile(std::shared_ptr<File> base) : base_(std::move(base)) {}

  File& base() { return *base_; }

  const std::string& name() const override { return base_->name(); }
  Result<std::string> RealPath() const override { return base_->RealPath(); }
  FileIdentity identity() const override { return base_->identity(); }
  const FileCapabilities& capabilities() const override { return base_->capabilities(); }
  std::optional<int> HostDescriptor() const override { return base_->HostDescriptor(); }
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
    return base_->CloneRange(file_offset, source, source_range);
  }
  Result<uint64_t> NextData(uint64_t file_offset) override { return base_->NextData(file_offset); }
  Result<uint64_t> NextHole(uint64_t file_offset) override { return base_->NextHole(file_offset); }
  bool AdviseRandomAccess() override { return base_->AdviseRandomAccess(); }
  void ReadAhead(FileRange range) override { base_->ReadAhead(range); }
  Result<void> Lock(LockMode mode) override { return base_->Lock(mode); }

 private:
  const std::shared_ptr<File> base_;
};

/// Passes every call on to `base`, which must outlive it. A class that wraps the files that are
/// opened overrides Open.
class VHDXKIT_EXPORT ForwardingFileSystem : public FileSystem {
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
  Result<void> FillRandom(MutableByteSpan bytes) override { return base_.FillRandom(bytes); }

 private:
  FileSystem& base_;
};

}  // namespace vhdx

#endif  // VHDXKIT_FORWARDING_FILE_H_

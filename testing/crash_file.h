// CrashFile: the vhdx::File over one of the files of a CrashStore.

#ifndef VHDXKIT_TESTING_CRASH_FILE_H_
#define VHDXKIT_TESTING_CRASH_FILE_H_

#include <vhdxkit/file.h>

#include <memory>
#include <string>

#include "testing/crash_store.h"

namespace vhdx::testing {

class CrashFile final : public File {
 public:
  using File::ReadAt;
  using File::WriteAt;

  /// The file with that number of the store.
  CrashFile(std::shared_ptr<CrashStore> store, size_t file, std::string name, FileAccess access);

  const std::string& name() const override { return name_; }
  Result<std::string> RealPath() const override;
  FileIdentity identity() const override { return store_->identity(file_); }
  const FileCapabilities& capabilities() const override { return capabilities_; }
  Result<size_t> ReadAt(uint64_t file_offset, std::span<const MutableByteSpan> buffers) override {
    return store_->Read(file_, file_offset, buffers);
  }
  Result<void> WriteAt(uint64_t file_offset, std::span<const ByteSpan> buffers) override;
  Result<void> Sync() override { return Named(store_->Sync(file_)); }
  Result<uint64_t> Size() override { return store_->size(file_); }
  Result<uint64_t> AllocatedBytes() override { return store_->allocated_bytes(file_); }
  Result<void> Resize(uint64_t length_bytes) override;
  Result<void> ZeroRange(FileRange range) override;
  Result<void> PunchHole(FileRange range) override;
  Result<uint64_t> NextData(uint64_t file_offset) override {
    return store_->NextData(file_, file_offset);
  }
  Result<uint64_t> NextHole(uint64_t file_offset) override {
    return store_->NextHole(file_, file_offset);
  }
  /// Nobody else is there.
  Result<void> Lock(LockMode) override { return {}; }

 private:
  Result<void> CheckWritable() const;
  Result<void> Named(Result<void> result) const;

  const std::shared_ptr<CrashStore> store_;
  const size_t file_;
  const std::string name_;
  const FileCapabilities capabilities_;
};

}  // namespace vhdx::testing

#endif  // VHDXKIT_TESTING_CRASH_FILE_H_

// CrashFile: the vhdx::File over a CrashStore, and the file system in which one path is such a
// file.

#ifndef VHDXKIT_TESTING_CRASH_FILE_H_
#define VHDXKIT_TESTING_CRASH_FILE_H_

#include <vhdxkit/file.h>
#include <vhdxkit/forwarding_file.h>

#include <memory>
#include <string>

#include "testing/crash_store.h"
#include "testing/memory_file_system.h"
#include "testing/random_bytes.h"

namespace vhdx::testing {

class CrashFile final : public File {
 public:
  using File::ReadAt;
  using File::WriteAt;

  CrashFile(std::shared_ptr<CrashStore> store, std::string path, FileAccess access);

  const std::string& name() const override { return path_; }
  Result<std::string> RealPath() const override { return path_; }
  FileIdentity identity() const override { return store_->identity(); }
  const FileCapabilities& capabilities() const override { return capabilities_; }
  Result<size_t> ReadAt(uint64_t file_offset, std::span<const MutableByteSpan> buffers) override {
    return store_->Read(file_offset, buffers);
  }
  Result<void> WriteAt(uint64_t file_offset, std::span<const ByteSpan> buffers) override;
  Result<void> Sync() override { return Named(store_->Sync()); }
  Result<uint64_t> Size() override { return store_->size(); }
  Result<uint64_t> AllocatedBytes() override { return store_->allocated_bytes(); }
  Result<void> Resize(uint64_t length_bytes) override;
  Result<void> ZeroRange(FileRange range) override;
  Result<void> PunchHole(FileRange range) override;
  Result<uint64_t> NextData(uint64_t file_offset) override { return store_->NextData(file_offset); }
  Result<uint64_t> NextHole(uint64_t file_offset) override { return store_->NextHole(file_offset); }
  /// Nobody else is there.
  Result<void> Lock(LockMode) override { return {}; }

 private:
  Result<void> CheckWritable() const;
  Result<void> Named(Result<void> result) const;

  const std::shared_ptr<CrashStore> store_;
  const std::string path_;
  const FileCapabilities capabilities_;
};

/// `base`, in which one path leads to the store.
class CrashFileSystem final : public ForwardingFileSystem {
 public:
  /// Puts an empty file at that path of `base` where there is none, so that names resolve.
  CrashFileSystem(MemoryFileSystem& base, std::string path, std::shared_ptr<CrashStore> store,
                  uint64_t seed = 1);

  CrashStore& store() { return *store_; }

  Result<std::unique_ptr<File>> Open(const std::string& path,
                                     const OpenFileOptions& options) override;
  Result<void> FillRandom(MutableByteSpan bytes) override { return random_.Fill(bytes); }

 private:
  const std::string path_;
  const std::shared_ptr<CrashStore> store_;
  RandomBytes random_;
};

}  // namespace vhdx::testing

#endif  // VHDXKIT_TESTING_CRASH_FILE_H_

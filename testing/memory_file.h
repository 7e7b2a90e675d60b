// MemoryFile: a vhdx::File over MemoryContents, with everything a host's file can do but sharing
// bytes.
//
// Random bytes come from a seed and the clock stands still, so that a test that fails fails again.

#ifndef VHDXKIT_TESTING_MEMORY_FILE_H_
#define VHDXKIT_TESTING_MEMORY_FILE_H_

#include <vhdxkit/file.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "testing/memory_contents.h"

namespace vhdx::testing {

/// Where the files of one MemoryFileSystem get their randomness and their time.
class MemoryHost {
 public:
  explicit MemoryHost(uint64_t seed = 1) : random_(seed) {}

  void FillRandom(MutableByteSpan bytes);
  std::chrono::system_clock::time_point Now() const {
    return std::chrono::system_clock::time_point(std::chrono::seconds(seconds_.load()));
  }
  void SetNow(std::chrono::sys_seconds now) { seconds_ = now.time_since_epoch().count(); }

 private:
  static constexpr int64_t kFirstOf2024 = 1704067200;  // seconds after 1970

  std::atomic<uint64_t> random_;
  std::atomic<int64_t> seconds_ = kFirstOf2024;
};

struct MemoryFileOptions {
  std::string name = "memory.vhdx";
  FileCapabilities capabilities = {.writable = true, .punch_hole = true};
};

class MemoryFile final : public File {
 public:
  using File::ReadAt;
  using File::WriteAt;

  /// An empty file of its own.
  MemoryFile() : MemoryFile(std::make_shared<MemoryContents>()) {}
  explicit MemoryFile(std::shared_ptr<MemoryContents> contents, MemoryFileOptions options = {},
                      std::shared_ptr<MemoryHost> host = std::make_shared<MemoryHost>());
  ~MemoryFile() override;

  const std::shared_ptr<MemoryContents>& contents() const { return contents_; }

  const std::string& name() const override { return options_.name; }
  Result<std::string> RealPath() const override;
  FileIdentity identity() const override { return contents_->identity(); }
  const FileCapabilities& capabilities() const override { return options_.capabilities; }

  Result<size_t> ReadAt(uint64_t file_offset, std::span<const MutableByteSpan> buffers) override;
  Result<void> WriteAt(uint64_t file_offset, std::span<const ByteSpan> buffers) override;
  Result<void> Sync() override { return {}; }

  Result<uint64_t> Size() override { return contents_->size(); }
  Result<uint64_t> AllocatedBytes() override { return contents_->allocated_bytes(); }
  Result<void> Resize(uint64_t length_bytes) override;
  Result<void> ZeroRange(FileRange range) override;
  Result<void> PunchHole(FileRange range) override;
  Result<void> CloneRange(uint64_t file_offset, File& source, FileRange source_range) override;
  Result<void> CopyRange(uint64_t file_offset, File& source, FileRange source_range) override;

  Result<uint64_t> NextData(uint64_t file_offset) override {
    return contents_->NextData(file_offset);
  }
  Result<uint64_t> NextHole(uint64_t file_offset) override {
    return contents_->NextHole(file_offset);
  }

  Result<void> Lock(LockMode mode) override;

  Result<void> FillRandom(MutableByteSpan bytes) override;
  std::chrono::system_clock::time_point Now() override { return host_->Now(); }

 private:
  /// Whether bytes up to `end` may be changed.
  Result<void> CheckWrite(uint64_t file_offset, uint64_t length_bytes) const;

  const std::shared_ptr<MemoryContents> contents_;
  const MemoryFileOptions options_;
  const std::shared_ptr<MemoryHost> host_;
};

}  // namespace vhdx::testing

#endif  // VHDXKIT_TESTING_MEMORY_FILE_H_

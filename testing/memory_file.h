// MemoryFile: a vhdx::File over MemoryContents, with everything a host's file can do but sharing
// bytes.

#ifndef VHDXKIT_TESTING_MEMORY_FILE_H_
#define VHDXKIT_TESTING_MEMORY_FILE_H_

#include <vhdxkit/file.h>

#include <cstdint>
#include <memory>
#include <string>

#include "testing/memory_contents.h"

namespace vhdx::testing {

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
  explicit MemoryFile(std::shared_ptr<MemoryContents> contents, MemoryFileOptions options = {});
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

  Result<uint64_t> NextData(uint64_t file_offset) override {
    return contents_->NextData(file_offset);
  }
  Result<uint64_t> NextHole(uint64_t file_offset) override {
    return contents_->NextHole(file_offset);
  }

  Result<void> Lock(LockMode mode) override;

 private:
  /// Whether bytes up to `end` may be changed.
  Result<void> CheckWrite(uint64_t file_offset, uint64_t length_bytes) const;

  const std::shared_ptr<MemoryContents> contents_;
  const MemoryFileOptions options_;
};

}  // namespace vhdx::testing

#endif  // VHDXKIT_TESTING_MEMORY_FILE_H_

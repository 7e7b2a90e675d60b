// StreamFile: a pipe, standard output or anything else that can only be written from front to back,
// as a vhdx::File.
//
// The caller ignores SIGPIPE; a reader that has gone away is then an error of WriteAt like any
// other.

#ifndef VHDXKIT_IO_STREAM_FILE_H_
#define VHDXKIT_IO_STREAM_FILE_H_

#include <vhdxkit/file.h>

#include <chrono>
#include <cstdint>
#include <span>
#include <string>

#include "bytes/mutex.h"

namespace vhdx {

class StreamFile final : public File {
 public:
  using File::ReadAt;
  using File::WriteAt;

  /// Writes to `fd`, which the caller owns and which must outlive this object.
  StreamFile(int fd, std::string name) : fd_(fd), name_(std::move(name)) {}

  const std::string& name() const override { return name_; }
  Result<std::string> RealPath() const override;
  FileIdentity identity() const override;
  const FileCapabilities& capabilities() const override;

  /// Errors: kInvalidArgument if file_offset is not Size(); kIo, kNoSpace.
  Result<void> WriteAt(uint64_t file_offset, std::span<const ByteSpan> buffers) override;
  /// Writes zeros; kInvalidArgument if the range does not begin at Size().
  Result<void> ZeroRange(FileRange range) override;
  /// Syncs a regular file; does nothing for a pipe.
  Result<void> Sync() override;
  /// Bytes written so far.
  Result<uint64_t> Size() override;
  Result<uint64_t> AllocatedBytes() override { return Size(); }

  // Not supported by a stream: kUnsupported.
  Result<size_t> ReadAt(uint64_t file_offset, std::span<const MutableByteSpan> buffers) override;
  Result<void> Resize(uint64_t length_bytes) override;
  Result<void> PunchHole(FileRange range) override;
  Result<void> CloneRange(uint64_t file_offset, File& source, FileRange source_range) override;
  Result<void> CopyRange(uint64_t file_offset, File& source, FileRange source_range) override;
  Result<void> Lock(LockMode mode) override;

  // A stream has no holes.
  Result<uint64_t> NextData(uint64_t file_offset) override;
  Result<uint64_t> NextHole(uint64_t file_offset) override;

  Result<void> FillRandom(MutableByteSpan bytes) override;
  std::chrono::system_clock::time_point Now() override { return std::chrono::system_clock::now(); }

 private:
  Result<void> CheckAtEnd(uint64_t file_offset) VHDX_REQUIRES(mutex_);
  Result<void> Append(ByteSpan buffer) VHDX_REQUIRES(mutex_);
  std::unexpected<Error> Cannot(const char* what) const;

  const int fd_;
  const std::string name_;
  Mutex mutex_;
  uint64_t written_bytes_ VHDX_GUARDED_BY(mutex_) = 0;
};

}  // namespace vhdx

#endif  // VHDXKIT_IO_STREAM_FILE_H_

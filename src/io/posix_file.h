// A file or block device of the operating system as a vhdx::File.
//
// Reading and writing one buffer costs the system call and nothing else: no lock, no allocation, no
// file position (SEEK_DATA and SEEK_HOLE move the position, but nothing uses it). HostFileSystem
// makes these.

#ifndef VHDXKIT_IO_POSIX_FILE_H_
#define VHDXKIT_IO_POSIX_FILE_H_

#include <vhdxkit/file.h>

#include <atomic>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "bytes/mutex.h"
#include "io/file_descriptor.h"
#include "io/posix_lock.h"

namespace vhdx {

/// What is known about a file once it is open.
struct OpenedFile {
  FileDescriptor descriptor;
  std::string name;
  FileIdentity identity;
  FileCapabilities capabilities;
  uint64_t device_bytes = 0;  ///< length of a block device; unused for regular files
  /// The file is new and all of it is a hole, and its host allocates a long write page by page.
  bool allocates_by_page = false;
  /// The host caches a long read or write in large folios, and an overwrite of a few KiB costs as
  /// much as its folio is long.
  bool caches_in_folios = false;
};

class PosixFile : public File {
 public:
  using File::ReadAt;
  using File::WriteAt;

  explicit PosixFile(OpenedFile opened)
      : opened_(std::move(opened)), allocates_by_page_(opened_.allocates_by_page) {}

  const std::string& name() const final { return opened_.name; }
  Result<std::string> RealPath() const final;
  FileIdentity identity() const final { return opened_.identity; }
  const FileCapabilities& capabilities() const final { return opened_.capabilities; }
  std::optional<int> HostDescriptor() const final { return fd(); }

  Result<size_t> ReadAt(uint64_t file_offset, std::span<const MutableByteSpan> buffers) override;
  Result<void> WriteAt(uint64_t file_offset, std::span<const ByteSpan> buffers) override;
  Result<void> Sync() final;

  Result<uint64_t> Size() final;
  Result<uint64_t> AllocatedBytes() final;
  std::optional<uint64_t> FreeBytes() final;
  Result<void> Resize(uint64_t length_bytes) final;
  Result<void> ZeroRange(FileRange range) override;
  Result<void> PunchHole(FileRange range) override;
  Result<void> CloneRange(uint64_t file_offset, File& source, FileRange source_range) override;

  Result<uint64_t> NextData(uint64_t file_offset) final;
  Result<uint64_t> NextHole(uint64_t file_offset) final;

  bool AdviseRandomAccess() override;
  void ReadAhead(FileRange range) override;

  Result<void> Lock(LockMode mode) final;

 protected:
  /// No file is this long. Requests past this offset are answered without asking the host, because
  /// some file systems take such an offset for a negative one.
  static constexpr uint64_t kBeyondEveryFile = uint64_t{1} << 62;

  int fd() const { return opened_.descriptor.get(); }
  /// "cannot VERB LENGTH bytes at offset OFFSET: ...".
  std::unexpected<Error> FailedAt(int sys_errno, std::string_view verb, FileRange range) const;
  std::unexpected<Error> FailedReadOnly() const;

 private:
  Result<size_t> ReadMany(uint64_t file_offset, std::span<const MutableByteSpan> buffers);
  Result<void> WriteOne(uint64_t file_offset, ByteSpan buffer);
  /// One write(2), or what it takes of them.
  Result<void> WritePiece(uint64_t file_offset, ByteSpan buffer);
  Result<void> WriteMany(uint64_t file_offset, std::span<const ByteSpan> buffers);
  /// Allocates the range of a long write in one step, if the host would otherwise do so page by
  /// page, which takes longer. If that fails, the write reports the error.
  void AllocateForWrite(FileRange range);
  Result<void> WriteZeros(FileRange range);
  Result<void> ZeroDevice(FileRange range);
  std::unexpected<Error> CannotShare() const;
  /// The result of lseek, `past_end` for ENXIO, or nothing if the host does not support holes.
  Result<std::optional<uint64_t>> Seek(uint64_t file_offset, int whence);

  const OpenedFile opened_;
  std::atomic<bool> allocates_by_page_;

  Mutex sync_mutex_;
  int failed_sync_ VHDX_GUARDED_BY(sync_mutex_) = 0;  ///< the errno of the first, or 0

  Mutex lock_mutex_;
  LockBytes locked_ VHDX_GUARDED_BY(lock_mutex_);
};

}  // namespace vhdx

#endif  // VHDXKIT_IO_POSIX_FILE_H_

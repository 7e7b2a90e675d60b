#include "io/posix_file.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <utility>

#include "bytes/arithmetic.h"
#include "bytes/border.h"
#include "bytes/formatting.h"
#include "bytes/try.h"
#include "io/host_error.h"
#include "io/transfer.h"

namespace vhdx {
namespace {

// From here on allocating a range of its own costs less than it saves.
constexpr size_t kLongWrite = 64 * kKiB;

// Where the host caches in folios, a write makes folios of its own length. Measured on ext4 (Linux
// 6.18), overwrites of 4 KiB afterwards: 30,000 a second after pieces of 2 MiB, 169,000 after
// these. Shorter pieces make copying slower.
constexpr size_t kFolioWrite = 64 * kKiB;

/// As many of `buffers` as one system call takes.
template <typename Span>
std::span<iovec> FillBatch(std::array<iovec, IOV_MAX>& batch, std::span<const Span> buffers) {
  const size_t count = std::min(buffers.size(), batch.size());
  std::ranges::transform(buffers.first(count), batch.begin(),
                         [](Span buffer) { return VectorOf(buffer); });
  return std::span(batch).first(count);
}

size_t TotalBytes(std::span<const iovec> vectors) {
  size_t total = 0;
  for (const iovec& vector : vectors) total += vector.iov_len;
  return total;
}

/// The target of a link under /proc/self/fd, which grows until it fits.
std::string ReadLink(const std::string& path) {
  std::string target(256, '\0');
  while (true) {
    const ssize_t length = ::readlink(path.c_str(), target.data(), target.size());
    if (length < 0) return "";
    if (static_cast<size_t>(length) < target.size()) {
      target.resize(static_cast<size_t>(length));
      return target;
    }
    target.resize(target.size() * 2);
  }
}

}  // namespace

std::unexpected<Error> PosixFile::FailedAt(int sys_errno, std::string_view verb,
                                           FileRange range) const {
  return HostFailure(
      sys_errno, Format("{} {} bytes at offset {}", verb, range.length_bytes, range.file_offset),
      name(), range.file_offset);
}

std::unexpected<Error> PosixFile::FailedReadOnly() const {
  return Fail(ErrorCode::kReadOnly, "the file is open for reading only", name());
}

// -- Reading and writing --

Result<size_t> PosixFile::ReadAt(uint64_t file_offset,
                                 std::span<const MutableByteSpan> buffers) try {
  if (buffers.size() != 1) return ReadMany(file_offset, buffers);
  const MutableByteSpan buffer = buffers[0];
  if (file_offset >= kBeyondEveryFile) return size_t{0};
  iovec vector = VectorOf(buffer);
  const Transferred read =
      TransferWhole({&vector, 1}, file_offset, [this](std::span<iovec> left, uint64_t offset) {
        return ::pread(fd(), left[0].iov_base, left[0].iov_len, static_cast<off_t>(offset));
      });
  if (read.sys_errno != 0) {
    return FailedAt(read.sys_errno, "read", {file_offset + read.bytes, buffer.size() - read.bytes});
  }
  return read.bytes;
} catch (...) {
  return CaughtException();
}

Result<size_t> PosixFile::ReadMany(uint64_t file_offset, std::span<const MutableByteSpan> buffers) {
  std::array<iovec, IOV_MAX> batch;
  size_t done = 0;
  while (!buffers.empty() && file_offset + done < kBeyondEveryFile) {
    const std::span<iovec> vectors = FillBatch(batch, buffers);
    const size_t wanted = TotalBytes(vectors);
    buffers = buffers.subspan(vectors.size());
    const Transferred read =
        TransferWhole(vectors, file_offset + done, [this](std::span<iovec> left, uint64_t offset) {
          return ::preadv(fd(), left.data(), static_cast<int>(left.size()),
                          static_cast<off_t>(offset));
        });
    done += read.bytes;
    if (read.sys_errno != 0) {
      return FailedAt(read.sys_errno, "read", {file_offset + done, wanted - read.bytes});
    }
    if (read.bytes < wanted) break;
  }
  return done;
}

Result<void> PosixFile::WriteOne(uint64_t file_offset, ByteSpan buffer) {
  if (buffer.size() >= kLongWrite) AllocateForWrite({file_offset, buffer.size()});
  while (opened_.caches_in_folios && buffer.size() > kFolioWrite) {
    // The folios begin at multiples of their length.
    const size_t piece = kFolioWrite - file_offset % kFolioWrite;
    VHDX_TRY(WritePiece(file_offset, buffer.first(piece)));
    file_offset += piece;
    buffer = buffer.subspan(piece);
  }
  return WritePiece(file_offset, buffer);
}

Result<void> PosixFile::WritePiece(uint64_t file_offset, ByteSpan buffer) {
  iovec vector = VectorOf(buffer);
  const Transferred written =
      TransferWhole({&vector, 1}, file_offset, [this](std::span<iovec> left, uint64_t offset) {
        return ::pwrite(fd(), left[0].iov_base, left[0].iov_len, static_cast<off_t>(offset));
      });
  if (written.bytes == buffer.size()) return {};
  return FailedAt(written.sys_errno != 0 ? written.sys_errno : EIO, "write",
                  {file_offset + written.bytes, buffer.size() - written.bytes});
}

Result<void> PosixFile::WriteAt(uint64_t file_offset, std::span<const ByteSpan> buffers) try {
  if (!capabilities().writable) return FailedReadOnly();
  if (file_offset >= kBeyondEveryFile) return FailedAt(EFBIG, "write", {file_offset, 0});
  if (buffers.size() == 1 && buffers[0].size() < kLongWrite) {
    // Here, and not further down: each call deeper costs a hundredth of a small write.
    const ByteSpan buffer = buffers[0];
    const ssize_t written =
        ::pwrite(fd(), buffer.data(), buffer.size(), static_cast<off_t>(file_offset));
    if (written == static_cast<ssize_t>(buffer.size())) [[likely]]
      return {};
    const size_t done = written < 0 ? 0 : static_cast<size_t>(written);
    if (written >= 0 || errno == EINTR) return WriteOne(file_offset + done, buffer.subspan(done));
    return FailedAt(errno, "write", {file_offset, buffer.size()});
  }
  return buffers.size() == 1 ? WriteOne(file_offset, buffers[0]) : WriteMany(file_offset, buffers);
} catch (...) {
  return CaughtException();
}

// -- The page cache --

bool PosixFile::AdviseRandomAccess() {
  return opened_.caches_in_folios && ::posix_fadvise(fd(), 0, 0, POSIX_FADV_RANDOM) == 0;
}

void PosixFile::ReadAhead(FileRange range) {
  if (range.file_offset >= kBeyondEveryFile || range.length_bytes >= kBeyondEveryFile) return;
  (void)::posix_fadvise(fd(), static_cast<off_t>(range.file_offset),
                        static_cast<off_t>(range.length_bytes), POSIX_FADV_WILLNEED);
}

Result<void> PosixFile::WriteMany(uint64_t file_offset, std::span<const ByteSpan> buffers) {
  std::array<iovec, IOV_MAX> batch;
  while (!buffers.empty()) {
    const std::span<iovec> vectors = FillBatch(batch, buffers);
    const size_t wanted = TotalBytes(vectors);
    buffers = buffers.subspan(vectors.size());
    const Transferred written =
        TransferWhole(vectors, file_offset, [this](std::span<iovec> left, uint64_t offset) {
          return ::pwritev(fd(), left.data(), static_cast<int>(left.size()),
                           static_cast<off_t>(offset));
        });
    file_offset += written.bytes;
    if (written.bytes < wanted) {
      return FailedAt(written.sys_errno != 0 ? written.sys_errno : EIO, "write",
                      {file_offset, wanted - written.bytes});
    }
  }
  return {};
}

Result<void> PosixFile::Sync() try {
  // The kernel reports a failed writeback to one caller only. Syncs therefore run one at a time: no
  // other may return success between a failure and its being remembered.
  const MutexLock lock(sync_mutex_);
  if (failed_sync_ == 0) {
    if (::fdatasync(fd()) == 0) return {};
    // A file system that nobody can write (squashfs, a CD) knows no sync, and needs none.
    const bool knows_none = errno == EINVAL || errno == EROFS;
    if (knows_none && !capabilities().writable) return {};
    failed_sync_ = errno;  // before anything that can run out of memory
  }
  auto failure = HostFailure(failed_sync_, "make the file durable", name());
  failure.error().code = ErrorCode::kIo;
  return failure;
} catch (...) {
  return CaughtException();
}

// -- Describing --

Result<std::string> PosixFile::RealPath() const try {
  struct stat status = {};
  if (::fstat(fd(), &status) == 0 && status.st_nlink == 0) {
    return Fail(ErrorCode::kNotFound, "the file has been deleted", name());
  }
  std::string path = ReadLink(Format("/proc/self/fd/{}", fd()));
  if (path.starts_with('/')) return path;
  const std::unique_ptr<char, decltype(&::free)> real(::realpath(name().c_str(), nullptr), &::free);
  if (real == nullptr) return HostFailure(errno, "find the file's real path", name());
  return std::string(real.get());
} catch (...) {
  return CaughtException();
}

Result<uint64_t> PosixFile::Size() try {
  if (capabilities().block_device) return opened_.device_bytes;
  struct stat status = {};
  if (::fstat(fd(), &status) != 0) return HostFailure(errno, "read the file's length", name());
  return static_cast<uint64_t>(status.st_size);
} catch (...) {
  return CaughtException();
}

Result<uint64_t> PosixFile::AllocatedBytes() try {
  if (capabilities().block_device) return opened_.device_bytes;
  struct stat status = {};
  if (::fstat(fd(), &status) != 0) return HostFailure(errno, "read the file's allocation", name());
  return static_cast<uint64_t>(status.st_blocks) * 512;
} catch (...) {
  return CaughtException();
}

Result<void> PosixFile::Lock(LockMode mode) try {
  const MutexLock lock(lock_mutex_);
  const LockBytes wanted = BytesOf(mode);
  auto changed = ChangeLock(fd(), name(), locked_, wanted);
  if (changed) locked_ = wanted;
  return changed;
} catch (...) {
  return CaughtException();
}

}  // namespace vhdx

#include "io/stream_file.h"

#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "bytes/arithmetic.h"
#include "bytes/formatting.h"
#include "io/host_error.h"
#include "io/host_random.h"
#include "io/transfer.h"

namespace vhdx {
namespace {

constexpr FileCapabilities kCapabilities = {.writable = true, .seekable = false};
constexpr std::array<std::byte, 64 * kKiB> kStreamZeros = {};

/// write, which waits where somebody made the pipe non-blocking, as shells and terminals may.
ssize_t WriteOrWait(int fd, const iovec& buffer) {
  while (true) {
    const ssize_t written = ::write(fd, buffer.iov_base, buffer.iov_len);
    if (written >= 0 || errno != EAGAIN) return written;
    pollfd wanted = {.fd = fd, .events = POLLOUT, .revents = 0};
    if (::poll(&wanted, 1, -1) < 0) return -1;
  }
}

}  // namespace

const FileCapabilities& StreamFile::capabilities() const { return kCapabilities; }

FileIdentity StreamFile::identity() const {
  struct stat status = {};
  if (::fstat(fd_, &status) != 0) return {};
  return {.device = status.st_dev, .inode = status.st_ino};
}

std::unexpected<Error> StreamFile::Cannot(const char* what) const {
  return Fail(ErrorCode::kUnsupported, Format("a stream cannot {}", what), name_);
}

// -- Writing --

Result<void> StreamFile::CheckAtEnd(uint64_t file_offset) {
  if (file_offset == written_bytes_) return {};
  return Fail(ErrorCode::kInvalidArgument,
              Format("a stream is written front to back: offset {} comes after {} bytes",
                     file_offset, written_bytes_),
              name_);
}

Result<void> StreamFile::Append(ByteSpan buffer) {
  iovec vector = VectorOf(buffer);
  const Transferred written =
      TransferWhole({&vector, 1}, 0,
                    [this](std::span<iovec> left, uint64_t) { return WriteOrWait(fd_, left[0]); });
  written_bytes_ += written.bytes;
  if (written.bytes == buffer.size()) return {};
  const int failure = written.sys_errno != 0 ? written.sys_errno : EIO;
  Error error = HostError(failure, Format("write {} bytes", buffer.size() - written.bytes), name_,
                          written_bytes_);
  if (failure == EPIPE) error.sentence = "the program that reads this output has ended";
  return std::unexpected(std::move(error));
}

Result<void> StreamFile::WriteAt(uint64_t file_offset, std::span<const ByteSpan> buffers) {
  const MutexLock lock(mutex_);
  if (Result<void> at_end = CheckAtEnd(file_offset); !at_end) return at_end;
  for (const ByteSpan buffer : buffers) {
    if (Result<void> written = Append(buffer); !written) return written;
  }
  return {};
}

Result<void> StreamFile::ZeroRange(FileRange range) {
  const MutexLock lock(mutex_);
  if (Result<void> at_end = CheckAtEnd(range.file_offset); !at_end) return at_end;
  while (range.length_bytes != 0) {
    const uint64_t piece = std::min<uint64_t>(range.length_bytes, kStreamZeros.size());
    if (Result<void> written = Append(ByteSpan(kStreamZeros).first(piece)); !written)
      return written;
    range.length_bytes -= piece;
  }
  return {};
}

Result<void> StreamFile::Sync() {
  if (::fsync(fd_) == 0 || errno == EINVAL || errno == EROFS) return {};
  return HostFailure(errno, "make the output durable", name_);
}

// -- Describing --

Result<uint64_t> StreamFile::Size() {
  const MutexLock lock(mutex_);
  return written_bytes_;
}

Result<std::string> StreamFile::RealPath() const {
  return Fail(ErrorCode::kUnsupported, "a stream has no path", name_);
}

Result<uint64_t> StreamFile::NextData(uint64_t file_offset) {
  const MutexLock lock(mutex_);
  return std::min(file_offset, written_bytes_);
}

Result<uint64_t> StreamFile::NextHole(uint64_t) { return Size(); }

Result<void> StreamFile::FillRandom(MutableByteSpan bytes) { return FillWithHostRandom(bytes); }

// -- What it cannot --

Result<size_t> StreamFile::ReadAt(uint64_t, std::span<const MutableByteSpan>) {
  return Cannot("be read at an offset");
}
Result<void> StreamFile::Resize(uint64_t) { return Cannot("be resized"); }
Result<void> StreamFile::PunchHole(FileRange) { return Cannot("have holes"); }
Result<void> StreamFile::CloneRange(uint64_t, File&, FileRange) { return Cannot("share bytes"); }
Result<void> StreamFile::CopyRange(uint64_t, File&, FileRange) {
  return Cannot("copy inside the host");
}
Result<void> StreamFile::Lock(LockMode) { return Cannot("be locked"); }

}  // namespace vhdx

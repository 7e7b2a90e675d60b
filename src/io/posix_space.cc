// The space of a PosixFile: its length, its holes, zeros, and bytes shared with other files.

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "bytes/arithmetic.h"
#include "bytes/border.h"
#include "bytes/formatting.h"
#include "bytes/try.h"
#include "io/host_error.h"
#include "io/posix_file.h"

namespace vhdx {
namespace {

constexpr uint64_t kZeroPiece = 256 * kKiB;
constexpr uint64_t kDeviceSector = 512;  // the unit of BLKZEROOUT
alignas(4096) constexpr std::array<std::byte, kZeroPiece> kZeros = {};

/// fallocate, begun again when a signal interrupts it; the errno, or 0.
int Allocate(int fd, int mode, FileRange range) {
  int result = 0;
  do {
    result = ::fallocate(fd, mode, static_cast<off_t>(range.file_offset),
                         static_cast<off_t>(range.length_bytes));
  } while (result != 0 && errno == EINTR);
  return result == 0 ? 0 : errno;
}

/// Whether sharing or copying inside the host failed because these two files do not allow it.
bool MeansCannotShare(int sys_errno) {
  switch (sys_errno) {
    case EXDEV:
    case EINVAL:
    case EBADF:
    case EPERM:
    case ETXTBSY:
    case EISDIR:
    case EOVERFLOW:
      return true;
    default:
      return MeansUnsupported(sys_errno);
  }
}

}  // namespace

Result<void> PosixFile::Resize(uint64_t length_bytes) try {
  if (!capabilities().writable) return FailedReadOnly();
  if (capabilities().block_device) {
    if (length_bytes == opened_.device_bytes) return {};
    return Fail(ErrorCode::kUnsupported, "the length of a block device cannot change", name());
  }
  const auto failed = [&](int sys_errno) {
    return HostFailure(sys_errno, Format("change the file's length to {} bytes", length_bytes),
                       name());
  };
  if (length_bytes > INT64_MAX) return failed(EFBIG);
  int result = 0;
  do {
    result = ::ftruncate(fd(), static_cast<off_t>(length_bytes));
  } while (result != 0 && errno == EINTR);
  return result == 0 ? Result<void>{} : failed(errno);
} catch (...) {
  return CaughtException();
}

std::optional<uint64_t> PosixFile::FreeBytes() {
  struct statvfs status = {};
  if (capabilities().block_device || ::fstatvfs(fd(), &status) != 0) return std::nullopt;
  const uint64_t blocks = ::geteuid() == 0 ? status.f_bfree : status.f_bavail;
  return blocks * status.f_frsize;
}

void PosixFile::AllocateForWrite(FileRange range) {
  if (!allocates_by_page_.load(std::memory_order_relaxed)) return;
  if (Allocate(fd(), FALLOC_FL_KEEP_SIZE, range) != 0) allocates_by_page_ = false;
}

// -- Zeros --

Result<void> PosixFile::ZeroRange(FileRange range) try {
  if (!capabilities().writable) return FailedReadOnly();
  if (range.length_bytes == 0) return {};
  if (capabilities().block_device) return ZeroDevice(range);
  const int failure = Allocate(fd(), FALLOC_FL_ZERO_RANGE, range);
  if (failure == 0) return {};
  if (MeansUnsupported(failure)) return WriteZeros(range);
  return FailedAt(failure, "zero", range);
} catch (...) {
  return CaughtException();
}

Result<void> PosixFile::WriteZeros(FileRange range) {
  while (range.length_bytes != 0) {
    const uint64_t piece = std::min(range.length_bytes, kZeroPiece);
    VHDX_TRY(WriteOne(range.file_offset, ByteSpan(kZeros).first(piece)));
    range = {range.file_offset + piece, range.length_bytes - piece};
  }
  return {};
}

/// Lets the device zero itself; the ends that are not whole sectors, and all of it where it cannot,
/// are written.
Result<void> PosixFile::ZeroDevice(FileRange range) {
  if (!FitsInside(range.file_offset, range.length_bytes, opened_.device_bytes)) {
    return FailedAt(ENOSPC, "zero", range);
  }
  const uint64_t end = range.file_offset + range.length_bytes;
  const uint64_t first = std::min(AlignUp(range.file_offset, kDeviceSector), end);
  const uint64_t last = std::max(AlignDown(end, kDeviceSector), first);
  VHDX_TRY(WriteZeros({range.file_offset, first - range.file_offset}));
  std::array<uint64_t, 2> whole = {first, last - first};
  if (whole[1] != 0 && ::ioctl(fd(), BLKZEROOUT, whole.data()) != 0) {
    VHDX_TRY(WriteZeros({first, last - first}));
  }
  return WriteZeros({last, end - last});
}

Result<void> PosixFile::PunchHole(FileRange range) try {
  if (!capabilities().writable) return FailedReadOnly();
  if (range.length_bytes == 0) return {};
  // On a block device this discards only if the device promises zeros afterwards, which BLKDISCARD
  // does not say.
  const int failure = Allocate(fd(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, range);
  if (failure == 0) return {};
  const bool cannot = MeansUnsupported(failure) ||
                      (capabilities().block_device && (failure == EINVAL || failure == ENODEV));
  if (!cannot) return FailedAt(failure, "punch a hole of", range);
  return Fail(ErrorCode::kUnsupported, "the host cannot punch holes into this file", name());
} catch (...) {
  return CaughtException();
}

// -- Sharing --

std::unexpected<Error> PosixFile::CannotShare() const {
  return Fail(ErrorCode::kUnsupported, "the host cannot share bytes between these files", name());
}

Result<void> PosixFile::CloneRange(uint64_t file_offset, File& source, FileRange source_range) try {
  if (!capabilities().writable) return FailedReadOnly();
  const std::optional<int> source_fd = source.HostDescriptor();
  if (!source_fd) return CannotShare();
  if (source_range.length_bytes == 0) return {};  // which FICLONERANGE takes for "to the end"
  file_clone_range request = {.src_fd = *source_fd,
                              .src_offset = source_range.file_offset,
                              .src_length = source_range.length_bytes,
                              .dest_offset = file_offset};
  int result = 0;
  do {
    result = ::ioctl(fd(), FICLONERANGE, &request);
  } while (result != 0 && errno == EINTR);
  if (result == 0) return {};
  if (MeansCannotShare(errno)) return CannotShare();
  return FailedAt(errno, "share", {file_offset, source_range.length_bytes});
} catch (...) {
  return CaughtException();
}

// -- Holes --

Result<std::optional<uint64_t>> PosixFile::Seek(uint64_t file_offset, int whence) {
  if (capabilities().block_device || file_offset >= kBeyondEveryFile) return std::nullopt;
  const off_t found = ::lseek(fd(), static_cast<off_t>(file_offset), whence);
  if (found >= 0) return static_cast<uint64_t>(found);
  if (errno == EINVAL || MeansUnsupported(errno)) return std::nullopt;
  if (errno != ENXIO) return FailedAt(errno, "look for holes in", {file_offset, 0});
  auto size = VHDX_TRY(Size());
  return size;
}

Result<uint64_t> PosixFile::NextData(uint64_t file_offset) try {
  const auto found = VHDX_TRY(Seek(file_offset, SEEK_DATA));
  if (found) return *found;
  const auto size = VHDX_TRY(Size());
  return std::min(file_offset, size);
} catch (...) {
  return CaughtException();
}

Result<uint64_t> PosixFile::NextHole(uint64_t file_offset) try {
  const auto found = VHDX_TRY(Seek(file_offset, SEEK_HOLE));
  return found ? Result<uint64_t>(*found) : Size();
} catch (...) {
  return CaughtException();
}

}  // namespace vhdx

#include "cli/standard_output_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cassert>
#include <cerrno>
#include <utility>

#include "bytes/try.h"
#include "bytes/zeros.h"

namespace vhdx::cli {
namespace {

std::unexpected<Error> Unsupported() {
  return Fail(ErrorCode::kUnsupported, "standard output can only be written",
              std::string(kStandardOutputName));
}

// Behind the end of a regular file, a place that was skipped reads as zeros.
bool MayLeaveHoles(int fd, const struct stat& status) {
  if (!S_ISREG(status.st_mode)) return false;
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags < 0 || (flags & O_APPEND) != 0) return false;
  const off_t position = ::lseek(fd, 0, SEEK_CUR);
  return position >= status.st_size;
}

}  // namespace

Result<std::unique_ptr<StandardOutputFile>> StandardOutputFile::Open(const Stream& stream) {
  if (::isatty(stream.fd) == 1) {
    return Fail(ErrorCode::kInvalidArgument,
                "a terminal cannot take a disk; redirect it to a file or into a program",
                std::string(kStandardOutputName));
  }
  struct stat status = {};
  if (::fstat(stream.fd, &status) != 0) return StandardOutputFailure(errno);
  const FileIdentity identity = S_ISBLK(status.st_mode)
                                    ? FileIdentity{.device = status.st_rdev, .inode = 0}
                                    : FileIdentity{.device = status.st_dev, .inode = status.st_ino};
  return std::unique_ptr<StandardOutputFile>(
      new StandardOutputFile(stream, identity, MayLeaveHoles(stream.fd, status)));
}

StandardOutputFile::StandardOutputFile(const Stream& stream, FileIdentity identity,
                                       bool may_leave_holes)
    : stream_(stream),
      identity_(identity),
      may_leave_holes_(may_leave_holes),
      capabilities_{.writable = true, .seekable = false},
      name_(kStandardOutputName) {}

Result<void> StandardOutputFile::WriteAt([[maybe_unused]] uint64_t file_offset,
                                         std::span<const ByteSpan> buffers) {
  assert(file_offset == position_);
  for (const ByteSpan buffer : buffers) {
    VHDX_TRY(WriteBuffer(buffer));
    position_ += buffer.size();
  }
  return {};
}

Result<void> StandardOutputFile::WriteBuffer(ByteSpan buffer) {
  ends_with_hole_ = may_leave_holes_ && IsAllZero(buffer);
  if (!ends_with_hole_) return WriteAll(stream_, buffer);
  if (::lseek(stream_.fd, static_cast<off_t>(buffer.size()), SEEK_CUR) < 0) {
    return StandardOutputFailure(errno);
  }
  return {};
}

Result<void> StandardOutputFile::Finish() {
  if (!ends_with_hole_) return {};
  const off_t end = ::lseek(stream_.fd, 0, SEEK_CUR);
  if (end < 0 || ::ftruncate(stream_.fd, end) != 0) return StandardOutputFailure(errno);
  return {};
}

Result<void> StandardOutputFile::Sync() {
  VHDX_TRY(Finish());
  if (::fsync(stream_.fd) == 0) return {};
  // A pipe keeps nothing that could be made durable.
  return errno == EINVAL || errno == EROFS ? Unsupported() : StandardOutputFailure(errno);
}

Result<size_t> StandardOutputFile::ReadAt(uint64_t, std::span<const MutableByteSpan>) {
  return Unsupported();
}
Result<uint64_t> StandardOutputFile::Size() { return Unsupported(); }

}  // namespace vhdx::cli

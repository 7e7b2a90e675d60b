#include "cli/stream_write.h"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "bytes/formatting.h"

namespace vhdx::cli {
namespace {

ErrorCode CodeOf(int sys_errno) {
  return sys_errno == ENOSPC || sys_errno == EDQUOT || sys_errno == EFBIG ? ErrorCode::kNoSpace
                                                                          : ErrorCode::kIo;
}

std::string SentenceOf(int sys_errno) {
  if (sys_errno == EPIPE) return "the program that reads it closed the pipe";
  if (sys_errno == EBADF) {
    return "it is closed, or not open for writing; redirect it to a file, a program or /dev/null";
  }
  return Format("cannot write: {}", std::generic_category().message(sys_errno));
}

// For descriptors that whoever started us made non-blocking.
void WaitUntilWritable(int fd) {
  pollfd waiting{.fd = fd, .events = POLLOUT, .revents = 0};
  ::poll(&waiting, 1, -1);
}

}  // namespace

std::unexpected<Error> StandardOutputFailure(int sys_errno) {
  return std::unexpected(Error{.code = CodeOf(sys_errno),
                               .sys_errno = sys_errno,
                               .file = std::string(kStandardOutputName),
                               .file_offset = {},
                               .sentence = SentenceOf(sys_errno)});
}

Result<void> WriteAll(const Stream& stream, ByteSpan bytes) {
  while (!bytes.empty()) {
    if (stream.interrupted != nullptr && *stream.interrupted) {
      return Fail(ErrorCode::kCancelled, "interrupted");
    }
    const ssize_t written = ::write(stream.fd, bytes.data(), bytes.size());
    if (written >= 0) {
      bytes = bytes.subspan(static_cast<size_t>(written));
    } else if (errno == EAGAIN) {
      WaitUntilWritable(stream.fd);
    } else if (errno != EINTR) {
      return StandardOutputFailure(errno);
    }
  }
  return {};
}

}  // namespace vhdx::cli

#include "cli/standard_input.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <system_error>

#include "bytes/formatting.h"
#include "bytes/try.h"

namespace vhdx::cli {
namespace {

constexpr size_t kFrontBytes = 1024;

std::string WhyNotRead(int sys_errno) {
  if (sys_errno == EBADF) {
    return "it is closed, or not open for reading; connect a pipe or a file";
  }
  return Format("cannot read: {}", std::generic_category().message(sys_errno));
}

// For descriptors that whoever started us made non-blocking.
void WaitUntilReadable(int fd) {
  pollfd waiting{.fd = fd, .events = POLLIN, .revents = 0};
  ::poll(&waiting, 1, -1);
}

}  // namespace

Result<const ImageFormat*> StandardInput::Recognize() {
  std::vector<std::byte> front(kFrontBytes);
  auto count = VHDX_TRY(Read(front));
  front.resize(count);
  looked_at_ = std::move(front);
  return RecognizeFormatOfFront(looked_at_);
}

Result<size_t> StandardInput::Read(MutableByteSpan buffer) {
  const size_t again = std::min(buffer.size(), looked_at_.size());
  std::copy_n(looked_at_.begin(), again, buffer.begin());
  looked_at_.erase(looked_at_.begin(), looked_at_.begin() + static_cast<ptrdiff_t>(again));
  auto fresh = VHDX_TRY(ReadFresh(buffer.subspan(again)));
  return again + fresh;
}

Result<size_t> StandardInput::ReadFresh(MutableByteSpan buffer) {
  if (::isatty(fd_) == 1) {
    return Fail(ErrorCode::kInvalidArgument, "a disk is not typed; connect a pipe or a file",
                std::string(kStandardInputName));
  }
  size_t done = 0;
  while (done < buffer.size()) {
    if (interrupted_) return Fail(ErrorCode::kCancelled, "interrupted");
    const ssize_t count = ::read(fd_, buffer.data() + done, buffer.size() - done);
    if (count == 0) break;
    if (count > 0) {
      done += static_cast<size_t>(count);
    } else if (errno == EAGAIN) {
      WaitUntilReadable(fd_);
    } else if (errno != EINTR) {
      const int failure = errno;
      return std::unexpected(Error{.code = ErrorCode::kIo,
                                   .sys_errno = failure,
                                   .file = std::string(kStandardInputName),
                                   .file_offset = {},
                                   .sentence = WhyNotRead(failure)});
    }
  }
  return done;
}

}  // namespace vhdx::cli

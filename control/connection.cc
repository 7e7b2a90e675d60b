#include "control/connection.h"

#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

#include "bytes/formatting.h"
#include "io/host_error.h"

namespace vhdx::control {

std::optional<std::string> Connection::TakeLine() {
  const size_t end = received_.find('\n');
  if (end == std::string::npos) return std::nullopt;
  std::string line = received_.substr(0, end);
  received_.erase(0, end + 1);
  return line;
}

Result<bool> Connection::Receive() {
  std::array<char, 4096> buffer = {};
  const ssize_t count = ::recv(fd(), buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (count < 0) {
    if (errno == EAGAIN || errno == EINTR) return true;
    if (errno == ECONNRESET) return false;
    return HostFailure(errno, "receive", "");
  }
  if (count == 0) return false;
  received_.append(buffer.data(), static_cast<size_t>(count));
  const size_t end = received_.find('\n');
  const size_t length = end == std::string::npos ? received_.size() : end + 1;
  const size_t missing = end == std::string::npos ? 1 : 0;
  if (length + missing > longest_line_) {
    return Fail(ErrorCode::kInvalidArgument,
                Format("the line is longer than {} bytes", longest_line_));
  }
  return true;
}

Result<void> Connection::Send(std::string_view text, int stop_fd, int milliseconds) {
  while (!text.empty()) {
    const ssize_t count = ::send(fd(), text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (count >= 0) {
      text.remove_prefix(static_cast<size_t>(count));
      continue;
    }
    if (errno == EINTR) continue;
    if (errno != EAGAIN) return HostFailure(errno, "send", "");
    std::array<pollfd, 2> waiting = {pollfd{.fd = fd(), .events = POLLOUT, .revents = 0},
                                     pollfd{.fd = stop_fd, .events = POLLIN, .revents = 0}};
    const int ready = ::poll(waiting.data(), waiting.size(), milliseconds);
    const bool is_over = ready == 0 || (ready > 0 && waiting[1].revents != 0);
    if (is_over) return Fail(ErrorCode::kCancelled, "the other side did not take what was sent");
  }
  return {};
}

}  // namespace vhdx::control

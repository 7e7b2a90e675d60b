#include "cli/server_messages.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <span>
#include <string_view>
#include <system_error>
#include <utility>

#include "cli/stream_write.h"

namespace vhdx::cli {
namespace {

constexpr std::string_view kSpeaker = "nbdkit: ";
constexpr std::string_view kSeverity = "error: ";

}  // namespace

ServerMessages::~ServerMessages() {
  CloseChildEnd();
  if (fd_ >= 0) ::close(fd_);
}

Result<void> ServerMessages::Open() {
  std::array<int, 2> ends = {};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
    return Fail(ErrorCode::kIo, "cannot make a pipe: " + std::generic_category().message(errno));
  }
  fd_ = ends[0];
  child_fd_ = ends[1];
  ::fcntl(fd_, F_SETFL, O_NONBLOCK);
  return {};
}

void ServerMessages::CloseChildEnd() {
  if (child_fd_ >= 0) ::close(std::exchange(child_fd_, -1));
}

void ServerMessages::Gather(int milliseconds) {
  pollfd waiting{.fd = fd_, .events = POLLIN, .revents = 0};  // poll passes over a negative one
  ::poll(&waiting, 1, milliseconds);
  if (fd_ < 0) return;
  std::array<char, 4096> buffer = {};
  ssize_t count = 0;
  while ((count = ::read(fd_, buffer.data(), buffer.size())) > 0) {
    gathered_.append(buffer.data(), static_cast<size_t>(count));
  }
  // Nobody is left who could say something: from now on there is only time to wait for.
  if (count == 0) ::close(std::exchange(fd_, -1));
}

void ServerMessages::PassOn() {
  if (gathered_.empty()) return;
  (void)WriteAll({.fd = STDERR_FILENO, .interrupted = nullptr},
                 std::as_bytes(std::span(std::as_const(gathered_))));
  gathered_.clear();
}

std::string ServerMessages::Sentence() const {
  std::string sentence;
  std::string_view rest = gathered_;
  while (!rest.empty()) {
    std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    for (const std::string_view prefix : {kSpeaker, kSeverity}) {
      if (line.starts_with(prefix)) line.remove_prefix(prefix.size());
    }
    if (line.empty()) continue;
    if (!sentence.empty()) sentence += "; ";
    sentence += line;
  }
  return sentence;
}

}  // namespace vhdx::cli

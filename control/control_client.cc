#include "control/control_client.h"

#include <poll.h>

#include <string_view>

#include "bytes/try.h"
#include "control/unix_socket.h"
#include "json/error_json.h"

namespace vhdx::control {
namespace {

constexpr int kPollMilliseconds = 100;  // until an interruption is seen
constexpr int kNoLimit = -1;
constexpr std::string_view kNbdGreeting = "NBDMAGIC";

Error WithAdvice(Error error) {
  switch (error.code) {
    case ErrorCode::kNotFound:
      error.sentence += "; `vhdx serve FILE --control SOCKET` makes one";
      break;
    case ErrorCode::kExists:
      error.sentence += "; name the one that `vhdx serve --control` was given";
      break;
    case ErrorCode::kBusy:
      error.sentence += " any more: it was killed; start it again";
      break;
    case ErrorCode::kPermission:
      error.sentence += "; only the user who started the server, and root, may control it";
      break;
    default:
      break;
  }
  return error;
}

}  // namespace

Result<ControlClient> ControlClient::Connect(const std::string& path,
                                             const std::atomic<bool>& interrupted) {
  auto fd = ConnectTo(path);
  if (!fd) return std::unexpected(WithAdvice(std::move(fd.error())));
  return ControlClient(path, Connection(*std::move(fd), Connection::kLongestReply), interrupted);
}

Result<bool> ControlClient::WaitAndReceive() {
  pollfd waiting{.fd = connection_.fd(), .events = POLLIN, .revents = 0};
  while (::poll(&waiting, 1, kPollMilliseconds) <= 0) {
    if (*interrupted_) return Fail(ErrorCode::kCancelled, "interrupted");
  }
  return connection_.Receive();
}

Result<std::string> ControlClient::NextLine() {
  for (;;) {
    if (auto line = connection_.TakeLine()) return *std::move(line);
    const auto received = VHDX_TRY(WaitAndReceive());
    if (connection_.StartsWith(kNbdGreeting)) {
      return Fail(ErrorCode::kIo,
                  "this socket is for NBD clients; name the one that `vhdx serve --control` was "
                  "given",
                  path_);
    }
    if (!received) {
      return Fail(ErrorCode::kIo,
                  "the server ended before it replied; whether the request was carried out is not "
                  "known",
                  path_);
    }
  }
}

Result<Json> ControlClient::Ask(const Json& request) {
  // If it cannot be sent, the server has said why, or has ended.
  (void)connection_.Send(ToLine(request) + "\n", -1, kNoLimit);
  const auto line = VHDX_TRY(NextLine());
  return ReplyIn(line);
}

Result<Json> ControlClient::ReplyIn(const std::string& line) const {
  const Json reply = Json::parse(line, nullptr, false);
  if (reply.is_object() && reply.contains("return") && reply["return"].is_object()) {
    return reply["return"];
  }
  if (reply.is_object() && reply.contains("error")) {
    return std::unexpected(ErrorFromJson(reply["error"]));
  }
  return Fail(ErrorCode::kIo, "the reply is not one of a control socket of vhdx", path_);
}

Result<void> ControlClient::WaitForEnd() {
  for (;;) {
    const auto received = WaitAndReceive();
    if (!received && received.error().code == ErrorCode::kCancelled) {
      return std::unexpected(received.error());
    }
    if (!received || !*received) break;
  }
  if (const auto line = connection_.TakeLine()) {
    VHDX_TRY(ReplyIn(*line));
  }
  return {};
}

}  // namespace vhdx::control

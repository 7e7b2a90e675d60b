#include "control/control_server.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <utility>

#include "bytes/border.h"
#include "bytes/formatting.h"
#include "bytes/try.h"
#include "control/unix_socket.h"
#include "io/host_error.h"
#include "json/error_json.h"

namespace vhdx::control {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kForEver = -1;
constexpr int kPauseMilliseconds = 100;  // after a connection that could not be accepted

bool IsReadable(const pollfd& polled) { return polled.revents != 0; }

// Whether the other side runs as the user of this process, or as root.
bool IsAllowed(int fd) {
  ucred peer = {};
  socklen_t length = sizeof(peer);
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0) return false;
  return peer.uid == ::geteuid() || peer.uid == 0;
}

std::string ErrorLine(const Error& error) { return ToLine(ErrorToJson(error)); }

// Signals are for the threads of the program that this one is part of.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsBlocked() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t before_ = {};
};

}  // namespace

Result<void> ControlServer::CheckPath(const std::string& path) {
  VHDX_TRY(CheckSocketPath(path));
  VHDX_TRY(CheckPrivateFolder(path));
  return MakeSocketPathFree(path);
}

Result<std::unique_ptr<ControlServer>> ControlServer::Start(const std::string& path,
                                                            Callbacks callbacks,
                                                            const Limits& limits) try {
  VHDX_TRY(CheckPath(path));
  FileDescriptor stop_event(::eventfd(0, EFD_CLOEXEC));
  if (!stop_event.is_open()) return HostFailure(errno, "create an event", path);
  auto listener = VHDX_TRY(ListenAt(path));
  std::unique_ptr<ControlServer> server(new ControlServer(
      path, std::move(listener), std::move(stop_event), std::move(callbacks), limits));
  const SignalsBlocked blocked;
  server->thread_ = std::thread([server = server.get()] { server->Run(); });
  return server;
} catch (...) {
  return CaughtException();
}

ControlServer::ControlServer(std::string path, FileDescriptor listener, FileDescriptor stop_event,
                             Callbacks callbacks, const Limits& limits)
    : path_(std::move(path)),
      identity_(SocketIdentity(path_)),
      listener_(std::move(listener)),
      stop_event_(std::move(stop_event)),
      callbacks_(std::move(callbacks)),
      limits_(limits) {}

ControlServer::~ControlServer() { Stop(); }

void ControlServer::Stop() {
  if (is_stopped_) return;
  is_stopped_ = true;
  const uint64_t one = 1;
  // Cannot fail: the counter is far from its end.
  [[maybe_unused]] const ssize_t written = ::write(stop_event_.get(), &one, sizeof(one));
  if (thread_.joinable()) thread_.join();
  RemoveSocket();
}

void ControlServer::SayLast(const Error& error) {
  if (!last_) return;
  static_cast<void>(
      last_->Send(ErrorLine(error) + "\n", -1, static_cast<int>(limits_.patience.count())));
}

void ControlServer::Run() {
  bool goes_on = true;
  while (goes_on) {
    try {
      auto fd = Accept();
      goes_on = fd && Serve(*std::move(fd)) == Next::kGoOn;
    } catch (...) {  // NOLINT(bugprone-empty-catch): memory ran out; this connection ends
    }
  }
  // Whoever waits in the queue is told so, and not kept until the last client of the disk has left.
  RemoveSocket();
}

// Not one that another server has put in its place.
void ControlServer::RemoveSocket() {
  if (!listener_.is_open()) return;
  if (SocketIdentity(path_) == identity_) ::unlink(path_.c_str());
  listener_ = FileDescriptor();
}

std::optional<FileDescriptor> ControlServer::Accept() {
  for (;;) {
    std::array<pollfd, 2> waiting = {
        pollfd{.fd = stop_event_.get(), .events = POLLIN, .revents = 0},
        pollfd{.fd = listener_.get(), .events = POLLIN, .revents = 0}};
    ::poll(waiting.data(), waiting.size(), kForEver);
    if (IsReadable(waiting[0])) return std::nullopt;
    if (!IsReadable(waiting[1])) continue;
    FileDescriptor fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (fd.is_open()) return fd;
    // Too many open files, perhaps: the client stays in the queue.
    ::poll(waiting.data(), 1, kPauseMilliseconds);
  }
}

ControlServer::Next ControlServer::Serve(FileDescriptor fd) {
  Connection connection(std::move(fd), Connection::kLongestRequest);
  if (!IsAllowed(connection.fd())) {
    Send(connection, ErrorLine({.code = ErrorCode::kPermission,
                                .sentence = "only the user who started the server, and root, may "
                                            "control it"}));
    return Next::kGoOn;
  }
  while (const auto line = NextLine(connection)) {
    Answer answer = callbacks_.answer(*line);
    Send(connection, std::move(answer.line));
    if (!answer.ends_server) continue;
    last_.emplace(std::move(connection));
    callbacks_.stop();
    return Next::kEnd;
  }
  return Next::kGoOn;
}

bool ControlServer::IsStopping() const {
  pollfd stop = {.fd = stop_event_.get(), .events = POLLIN, .revents = 0};
  return ::poll(&stop, 1, 0) > 0;
}

std::optional<std::string> ControlServer::NextLine(Connection& connection) {
  const Clock::time_point deadline = Clock::now() + limits_.patience;
  for (;;) {
    if (IsStopping()) return std::nullopt;
    if (auto line = connection.TakeLine()) return line;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
    const bool is_patient = left.count() > 0;
    // After the deadline a connection that waits ends this one.
    std::array<pollfd, 3> waiting = {
        pollfd{.fd = stop_event_.get(), .events = POLLIN, .revents = 0},
        pollfd{.fd = is_patient ? -1 : listener_.get(), .events = POLLIN, .revents = 0},
        pollfd{.fd = connection.fd(), .events = POLLIN, .revents = 0}};
    ::poll(waiting.data(), waiting.size(), is_patient ? static_cast<int>(left.count()) : kForEver);
    if (IsReadable(waiting[0])) return std::nullopt;
    if (IsReadable(waiting[1])) {
      Send(connection, ErrorLine({.code = ErrorCode::kBusy,
                                  .sentence = "the connection was closed for another client: no "
                                              "request had arrived for some time"}));
      return std::nullopt;
    }
    if (!IsReadable(waiting[2])) continue;
    const auto received = connection.Receive();
    if (!received) Send(connection, ErrorLine(received.error()));
    if (!received || !*received) return std::nullopt;
  }
}

// A client that does not take its answer does not get another one.
void ControlServer::Send(Connection& connection, std::string line) {
  line += '\n';
  const auto sent =
      connection.Send(line, stop_event_.get(), static_cast<int>(limits_.patience.count()));
  if (!sent) ::shutdown(connection.fd(), SHUT_RDWR);
}

}  // namespace vhdx::control

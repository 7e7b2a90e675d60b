#include "cli/nbd_server.h"

#include <fmt/format.h>
#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <system_error>
#include <utility>

#include "cli/printable.h"

extern char** environ;

namespace vhdx::cli {
namespace {

constexpr const char* kLoopback = "127.0.0.1";
constexpr uint16_t kNbdPort = 10809;
constexpr int kPollMilliseconds = 20;
constexpr mode_t kOwnerOnly = 077;
constexpr int kEndedBySignal = 128;  // plus its number, as shells have it

std::unexpected<Error> HostFailed(ErrorCode code, int sys_errno, const std::string& action,
                                  const std::string& file) {
  return std::unexpected(
      Error{.code = code,
            .sys_errno = sys_errno,
            .file = file,
            .file_offset = {},
            .sentence =
                fmt::format("cannot {}: {}", action, std::generic_category().message(sys_errno))});
}

// Files are made for their owner alone while this lives.
class PrivateUmask {
 public:
  PrivateUmask() : before_(::umask(kOwnerOnly)) {}
  ~PrivateUmask() { ::umask(before_); }
  PrivateUmask(const PrivateUmask&) = delete;
  PrivateUmask& operator=(const PrivateUmask&) = delete;
  mode_t before() const { return before_; }

 private:
  mode_t before_;
};

Result<std::string> MakePrivateFolder() {
  const char* const runtime = std::getenv("XDG_RUNTIME_DIR");
  const char* const temporary = std::getenv("TMPDIR");
  std::string path = runtime != nullptr && ::access(runtime, W_OK) == 0 ? runtime
                     : temporary != nullptr                             ? temporary
                                                                        : "/tmp";
  path += "/vhdx-XXXXXX";
  if (::mkdtemp(path.data()) == nullptr) {  // with mode 0700
    return HostFailed(ErrorCode::kIo, errno, "make a folder for the socket", path);
  }
  return path;
}

// What may stand in the query of a URI as it is.
std::string UriEscape(const std::string& path) {
  constexpr std::string_view kPlain = "/-._~";
  std::string escaped;
  for (const char c : path) {
    const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                       kPlain.find(c) != std::string_view::npos;
    if (plain) {
      escaped += c;
    } else {
      escaped += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return escaped;
}

// Beside the command, or where both were installed to; else nbdkit is asked by name, and looks in
// its own folder.
std::string FindPlugin() {
  std::string self(4096, '\0');
  const ssize_t length = ::readlink("/proc/self/exe", self.data(), self.size());
  if (length <= 0) return "vhdx";
  self.resize(static_cast<size_t>(length));
  const std::string folder = self.substr(0, self.rfind('/') + 1);
  for (const char* place : {"", VHDXKIT_PLUGIN_FOLDER "/"}) {
    std::string path = folder + place + "nbdkit-vhdx-plugin.so";
    if (::access(path.c_str(), R_OK) == 0) return path;
  }
  return "vhdx";
}

}  // namespace

std::optional<TcpAddress> TcpAddress::Parse(const std::string& text) {
  const auto is_number = [](std::string_view word) {
    return !word.empty() && word.find_first_not_of("0123456789") == std::string_view::npos;
  };
  std::string host;
  std::string port;
  const size_t bracket = text.rfind(']');
  const size_t colon = text.find(':', bracket == std::string::npos ? 0 : bracket);
  if (is_number(text)) {
    port = text;
  } else {
    host = text.substr(0, colon);
    if (colon != std::string::npos) port = text.substr(colon + 1);
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  }
  TcpAddress address{.host = host.empty() ? kLoopback : host, .port = kNbdPort};
  if (colon != std::string::npos || !port.empty()) {
    const char* const end = port.data() + port.size();
    const auto [parsed, failure] = std::from_chars(port.data(), end, address.port);
    if (failure != std::errc() || parsed != end || address.port == 0) return std::nullopt;
  }
  return address;
}

Result<std::unique_ptr<NbdServer>> NbdServer::Start(const NbdServerOptions& options,
                                                    const std::atomic<bool>& interrupted) {
  std::unique_ptr<NbdServer> server(new NbdServer);
  auto started = server->MakePlaces(options);
  if (started) started = server->Spawn(options);
  // A command may have come to its end before anybody looks.
  if (started && options.command.empty()) started = server->WaitUntilReady(interrupted);
  if (!started) return std::unexpected(std::move(started.error()));
  return server;
}

NbdServer::~NbdServer() {
  if (pid_ > 0 && !exit_status_) {
    ::kill(pid_, SIGTERM);
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
  }
  if (folder_.empty()) return;
  if (!socket_path_.empty()) ::unlink(socket_path_.c_str());
  ::unlink(pid_path().c_str());
  ::rmdir(folder_.c_str());
}

Result<void> NbdServer::MakePlaces(const NbdServerOptions& options) {
  if (!options.socket_path.empty() && ::access(options.socket_path.c_str(), F_OK) == 0) {
    return Fail(ErrorCode::kExists, "there is a file of that name; remove it, or name another",
                options.socket_path);
  }
  auto folder = MakePrivateFolder();
  if (!folder) return std::unexpected(std::move(folder.error()));
  folder_ = *std::move(folder);
  if (options.tcp) {
    const std::string& host = options.tcp->host;
    const bool is_v6 = host.find(':') != std::string::npos;
    uri_ = fmt::format("nbd://{}:{}", is_v6 ? "[" + host + "]" : host, options.tcp->port);
    return {};
  }
  socket_path_ = options.socket_path.empty() ? folder_ + "/socket" : options.socket_path;
  if (socket_path_.size() >= sizeof(sockaddr_un::sun_path)) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("the path of a socket has at most {} bytes; name a shorter one",
                            sizeof(sockaddr_un::sun_path) - 1),
                std::exchange(socket_path_, ""));
  }
  uri_ = "nbd+unix:///?socket=" + UriEscape(socket_path_);
  return {};
}

std::vector<std::string> NbdServer::CommandLine(const NbdServerOptions& options) const {
  std::vector<std::string> words = {"nbdkit", "--foreground", "--exit-with-parent", "--pidfile",
                                    pid_path()};
  const auto add = [&](std::initializer_list<std::string> more) {
    words.insert(words.end(), more);
  };
  if (options.tcp) {
    add({"--ipaddr", options.tcp->host, "--port", std::to_string(options.tcp->port)});
  } else {
    add({"--unix", socket_path_});
  }
  if (options.read_only) add({"--readonly"});
  if (!options.command.empty()) add({"--run", options.command});
  add({FindPlugin()});
  words.insert(words.end(), options.plugin_parameters.begin(), options.plugin_parameters.end());
  return words;
}

Result<void> NbdServer::Spawn(const NbdServerOptions& options) {
  const PrivateUmask umask;
  NbdServerOptions with_umask = options;
  if (!options.command.empty()) {
    // The umask is for the socket, and not for what the user's command makes; nbdkit has one of its
    // own for the socket, and names a TCP server "localhost", wherever it listens.
    with_umask.command = fmt::format("umask {:04o}; uri={}; ", umask.before(), QuoteForShell(uri_));
    if (!socket_path_.empty()) {
      with_umask.command += fmt::format("chmod 600 {}; ", QuoteForShell(socket_path_));
    }
    with_umask.command += "eval " + QuoteForShell(options.command);
  }
  std::vector<std::string> words = CommandLine(with_umask);
  std::vector<char*> pointers;
  pointers.reserve(words.size() + 1);
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  if (options.command.empty()) {
    if (auto opened = messages_.Open(); !opened) return opened;
  }
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  if (messages_.child_fd() >= 0) {
    posix_spawn_file_actions_adddup2(&actions, messages_.child_fd(), STDERR_FILENO);
  }
  const int failure =
      ::posix_spawnp(&pid_, pointers[0], &actions, nullptr, pointers.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  messages_.CloseChildEnd();
  if (failure == 0) return {};
  pid_ = -1;
  if (failure == ENOENT) {
    return Fail(ErrorCode::kNotFound, "nbdkit is not installed; on Debian: apt install nbdkit");
  }
  return HostFailed(ErrorCode::kIo, failure, "start nbdkit", "");
}

std::optional<int> NbdServer::Poll() {
  if (exit_status_) return exit_status_;
  int status = 0;
  if (::waitpid(pid_, &status, WNOHANG) != pid_) return std::nullopt;
  exit_status_ = WIFEXITED(status) ? WEXITSTATUS(status) : kEndedBySignal + WTERMSIG(status);
  return exit_status_;
}

bool NbdServer::IsReady() const {
  struct stat status = {};
  return ::stat(pid_path().c_str(), &status) == 0 && status.st_size > 0;
}

Result<void> NbdServer::WaitUntilReady(const std::atomic<bool>& interrupted) {
  while (!IsReady()) {
    if (const auto status = Poll()) {
      messages_.Gather(0);
      const std::string said = messages_.Sentence();
      return Fail(ErrorCode::kIo,
                  said.empty()
                      ? fmt::format("nbdkit ended with status {} before it served", *status)
                      : "nbdkit could not serve: " + said);
    }
    if (interrupted) return Fail(ErrorCode::kCancelled, "interrupted");
    messages_.Gather(kPollMilliseconds);
  }
  // nbdkit has a umask of its own.
  if (!socket_path_.empty()) ::chmod(socket_path_.c_str(), S_IRUSR | S_IWUSR);
  return {};
}

int NbdServer::Wait(const std::atomic<bool>& interrupted) {
  bool told = false;
  for (;;) {
    const auto status = Poll();
    messages_.Gather(status ? 0 : kPollMilliseconds);
    messages_.PassOn();
    if (status) return *status;
    if (interrupted && !told) {
      ::kill(pid_, SIGTERM);
      told = true;
    }
  }
}

}  // namespace vhdx::cli

#include "cli/nbd_server.h"

#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <system_error>
#include <utility>

#include "bytes/formatting.h"
#include "bytes/try.h"
#include "cli/child_process.h"
#include "cli/interruption.h"
#include "cli/printable.h"
#include "cli/process_tree.h"
#include "control/control_server.h"
#include "control/unix_socket.h"

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
  return std::unexpected(Error{
      .code = code,
      .sys_errno = sys_errno,
      .file = file,
      .file_offset = {},
      .sentence = Format("cannot {}: {}", action, std::generic_category().message(sys_errno))});
}

// Files are made for their owner alone while this lives.
class PrivateUmask {
 public:
  PrivateUmask() : before_(::umask(kOwnerOnly)) {}
  ~PrivateUmask() { ::umask(before_); }
  PrivateUmask(const PrivateUmask&) = delete;
  PrivateUmask& operator=(const PrivateUmask&) = delete;

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
    return HostFailed(ErrorCode::kIo, errno, "create a directory for the socket", path);
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
      escaped += Format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return escaped;
}

int ExitStatusOf(int wait_status) {
  return WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : kEndedBySignal + WTERMSIG(wait_status);
}

std::vector<char*> PointersTo(std::vector<std::string>& words) {
  std::vector<char*> pointers;
  pointers.reserve(words.size() + 1);
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  return pointers;
}

// Ours, with some variables ("name=value") set.
std::vector<char*> EnvironmentWith(std::vector<std::string>& variables) {
  std::vector<char*> environment = PointersTo(variables);
  environment.pop_back();
  for (char** inherited = environ; *inherited != nullptr; ++inherited) {
    const std::string_view text(*inherited);
    const std::string_view name = text.substr(0, text.find('=') + 1);
    const bool is_set = std::ranges::any_of(
        variables, [&](const std::string& variable) { return variable.starts_with(name); });
    if (!is_set) environment.push_back(*inherited);
  }
  environment.push_back(nullptr);
  return environment;
}

// Starts a program that is looked for as shells do. The signals that we ignore are as usual for it.
// The standard error of a server is `server_error_fd`, and its process group its own: Ctrl-C is for
// us and for the command that we run, which needs the server until its own end.
Result<pid_t> SpawnProgram(std::vector<std::string> words, std::vector<std::string> variables,
                           int server_error_fd = -1) {
  const bool is_server = server_error_fd >= 0;
  const std::vector<char*> arguments = PointersTo(words);
  const std::vector<char*> environment = EnvironmentWith(variables);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t ignored;
  ::sigemptyset(&ignored);
  ::sigaddset(&ignored, SIGPIPE);
  ::sigaddset(&ignored, SIGXFSZ);
  posix_spawnattr_setsigdefault(&attributes, &ignored);
  posix_spawnattr_setflags(
      &attributes,
      static_cast<short>(POSIX_SPAWN_SETSIGDEF | (is_server ? POSIX_SPAWN_SETPGROUP : 0)));
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  if (is_server) posix_spawn_file_actions_adddup2(&actions, server_error_fd, STDERR_FILENO);
  pid_t pid = -1;
  const int failure = ::posix_spawnp(&pid, arguments[0], &actions, &attributes, arguments.data(),
                                     environment.data());
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  if (failure != 0) return HostFailed(ErrorCode::kIo, failure, "start " + words[0], "");
  return pid;
}

// Where the plugin may be: beside the command, as it is built; where it was told to be installed;
// below the prefix that the command was installed to; and in nbdkit's own folder of plugins.
std::vector<std::string> PluginFolders() {
  std::vector<std::string> folders;
  const std::string own_folder = OwnFolder();
  if (!own_folder.empty()) folders.push_back(own_folder);
  const std::string_view chosen = VHDXKIT_NBDKIT_PLUGIN_DIR;
  if (chosen.starts_with('/')) folders.push_back(Format("{}/", chosen));
  if (own_folder.ends_with("/bin/")) {
    const std::string prefix = own_folder.substr(0, own_folder.size() - 4);
    const std::string_view below = chosen.empty() ? "lib/nbdkit/plugins" : chosen;
    if (!below.starts_with('/')) folders.push_back(Format("{}{}/", prefix, below));
  }
  const std::string_view nbdkits = VHDXKIT_NBDKIT_OWN_PLUGIN_DIR;
  if (!nbdkits.empty()) folders.push_back(Format("{}/", nbdkits));
  return folders;
}

Result<std::string> FindPlugin() {
  constexpr std::string_view kName = "nbdkit-vhdx-plugin.so";
  const std::vector<std::string> folders = PluginFolders();
  for (const std::string& folder : folders) {
    std::string path = folder + std::string(kName);
    if (::access(path.c_str(), R_OK) == 0) return path;
  }
  return Fail(ErrorCode::kNotFound,
              Format("cannot find the nbdkit plugin {} in {}; build the target "
                     "nbdkit-vhdx-plugin (it needs the package nbdkit-plugin-dev), or install "
                     "vhdxkit with it",
                     kName, folders.empty() ? "any directory" : Join(folders, ", ")));
}

// Passes a signal that we got on to a command, and to all that the command has started, unless they
// have it already.
//
// A process group of the command's own would need only one call. But the command could read the
// terminal only if that group were in its foreground, and then Ctrl-Z would stop the command and
// not us, so that the shell that waits for us would not come back; a pager that reads what we print
// would lose the terminal, too.
void PassOn(const SignalsOfCommand::Signal& signal, pid_t command) {
  for (const pid_t pid : ProcessTree(command)) {
    if (signal.to_our_group && ::getpgid(pid) == ::getpgrp()) continue;
    ::kill(pid, signal.number);
  }
}

// How other hosts call this one.
std::string HostName() {
  std::string name(256, '\0');
  if (::gethostname(name.data(), name.size() - 1) != 0) return kLoopback;
  name.resize(name.find('\0'));
  return name;
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
  VHDX_TRY(server->MakePlaces(options));
  VHDX_TRY(server->Spawn(options));
  VHDX_TRY(server->WaitUntilReady(interrupted));
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
  if (!options.socket_path.empty()) {
    VHDX_TRY(control::MakeSocketPathFree(options.socket_path));
  }
  if (!options.control_path.empty()) {
    VHDX_TRY(control::ControlServer::CheckPath(options.control_path));
    control_path_ = options.control_path;
  }
  auto folder = VHDX_TRY(MakePrivateFolder());
  folder_ = std::move(folder);
  if (options.tcp) {
    // What stands for all addresses is none that a client could use.
    const std::string host = options.tcp->is_any() ? HostName() : options.tcp->host;
    const bool is_v6 = host.find(':') != std::string::npos;
    uri_ = Format("nbd://{}:{}", is_v6 ? "[" + host + "]" : host, options.tcp->port);
    return {};
  }
  socket_path_ = options.socket_path.empty() ? folder_ + "/socket" : options.socket_path;
  // Clients may be in other directories.
  std::error_code failure;
  const std::string absolute = std::filesystem::absolute(socket_path_, failure).string();
  if (!failure && control::CheckSocketPath(absolute)) socket_path_ = absolute;
  if (auto fits = control::CheckSocketPath(socket_path_); !fits) {
    socket_path_.clear();
    return fits;
  }
  uri_ = "nbd+unix:///?socket=" + UriEscape(socket_path_);
  return {};
}

std::vector<std::string> NbdServer::CommandLine(const NbdServerOptions& options,
                                                const std::string& plugin) const {
  std::vector<std::string> words = {"nbdkit", "--foreground", "--exit-with-parent", "--pidfile",
                                    pid_path()};
  const auto add = [&](std::initializer_list<std::string> more) {
    words.insert(words.end(), more);
  };
  if (options.tcp) {
    if (options.tcp->host != "*") add({"--ipaddr", options.tcp->host});
    add({"--port", std::to_string(options.tcp->port)});
  } else {
    add({"--unix", socket_path_});
  }
  if (options.read_only) add({"--readonly"});
  add({plugin});
  words.insert(words.end(), options.plugin_parameters.begin(), options.plugin_parameters.end());
  if (!control_path_.empty()) add({"control=" + control_path_});
  return words;
}

Result<void> NbdServer::Spawn(const NbdServerOptions& options) {
  const auto plugin = VHDX_TRY(FindPlugin());
  const PrivateUmask umask;
  VHDX_TRY(messages_.Open());
  auto spawned = SpawnProgram(CommandLine(options, plugin), {}, messages_.child_fd());
  messages_.CloseChildEnd();
  if (spawned) {
    pid_ = *spawned;
    return {};
  }
  if (spawned.error().sys_errno == ENOENT) {
    return Fail(ErrorCode::kNotFound, "nbdkit is not installed; on Debian: apt install nbdkit");
  }
  return std::unexpected(std::move(spawned.error()));
}

std::optional<int> NbdServer::Poll() {
  if (exit_status_) return exit_status_;
  int status = 0;
  if (::waitpid(pid_, &status, WNOHANG) != pid_) return std::nullopt;
  exit_status_ = ExitStatusOf(status);
  return exit_status_;
}

bool NbdServer::IsReady() const {
  struct stat status = {};
  if (::stat(pid_path().c_str(), &status) != 0 || status.st_size == 0) return false;
  return control_path_.empty() || control::ConnectTo(control_path_).has_value();
}

Result<void> NbdServer::WaitUntilReady(const std::atomic<bool>& interrupted) {
  while (!IsReady()) {
    if (const auto status = Poll()) {
      messages_.Gather(0);
      const std::string said = messages_.Sentence();
      return Fail(ErrorCode::kIo,
                  said.empty() ? Format("nbdkit ended with status {} before it served", *status)
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

int NbdServer::Stop() {
  const std::atomic<bool> now = true;
  return Wait(now);
}

Result<int> NbdServer::Run(const std::string& command, const std::atomic<bool>& interrupted) {
  const SignalsOfCommand signals;
  if (interrupted) return Fail(ErrorCode::kCancelled, "interrupted");
  std::vector<std::string> variables = {"uri=" + uri_};
  if (!socket_path_.empty()) variables.push_back("unixsocket=" + socket_path_);
  const auto pid = VHDX_TRY(SpawnProgram({"sh", "-c", command}, std::move(variables)));
  for (;;) {
    int status = 0;
    const bool ended = ::waitpid(pid, &status, WNOHANG) == pid;
    messages_.Gather(ended ? 0 : kPollMilliseconds);
    messages_.PassOn();
    if (ended) return ExitStatusOf(status);
    if (const auto signal = signals.Take()) PassOn(*signal, pid);
  }
}

}  // namespace vhdx::cli

#include "cli/child_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <system_error>
#include <thread>
#include <utility>

#include "bytes/formatting.h"
#include "bytes/try.h"

extern char** environ;

namespace vhdx::cli {
namespace {

constexpr int kReadMilliseconds = 100;
constexpr std::chrono::seconds kTimeToEnd{5};
constexpr std::chrono::milliseconds kWaitStep{5};
constexpr size_t kMostComplaintBytes = 4096;
constexpr int kSignalStatus = 128;  // plus the number of the signal, as shells have it

std::unexpected<Error> SystemFailure(int sys_errno, const std::string& action) {
  return std::unexpected(Error{
      .code = ErrorCode::kIo,
      .sys_errno = sys_errno,
      .sentence = Format("cannot {}: {}", action, std::generic_category().message(sys_errno))});
}

struct Pipe {
  FileDescriptor read_end;
  FileDescriptor write_end;
};

Result<Pipe> MakePipe() {
  std::array<int, 2> ends = {};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return SystemFailure(errno, "make a pipe");
  return Pipe{FileDescriptor(ends[0]), FileDescriptor(ends[1])};
}

// What posix_spawn does between the fork and the start of the program.
class SpawnPlan {
 public:
  SpawnPlan(int input_fd, int output_fd, int error_fd) {
    posix_spawn_file_actions_init(&actions_);
    posix_spawn_file_actions_adddup2(&actions_, input_fd, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions_, output_fd, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions_, error_fd, STDERR_FILENO);
    posix_spawnattr_init(&attributes_);
    sigset_t usual;  // which we ignore
    ::sigemptyset(&usual);
    ::sigaddset(&usual, SIGPIPE);
    ::sigaddset(&usual, SIGXFSZ);
    posix_spawnattr_setsigdefault(&attributes_, &usual);
    posix_spawnattr_setflags(&attributes_,
                             static_cast<short>(POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP));
  }
  ~SpawnPlan() {
    posix_spawnattr_destroy(&attributes_);
    posix_spawn_file_actions_destroy(&actions_);
  }
  SpawnPlan(const SpawnPlan&) = delete;
  SpawnPlan& operator=(const SpawnPlan&) = delete;

  /// The errno of the failure, or 0.
  int Spawn(pid_t& pid, std::vector<std::string>& words) const {
    std::vector<char*> arguments;
    arguments.reserve(words.size() + 1);
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    return ::posix_spawnp(&pid, arguments[0], &actions_, &attributes_, arguments.data(), environ);
  }

 private:
  posix_spawn_file_actions_t actions_{};
  posix_spawnattr_t attributes_{};
};

std::vector<std::string> FoldersOfPrograms() {
  std::vector<std::string> folders;
  if (const std::string own = OwnFolder(); !own.empty()) {
    folders.push_back(own);
    folders.push_back(own + "../libexec/vhdxkit/");
    folders.push_back(own + "../libexec/");
  }
  const char* const path = std::getenv("PATH");
  const std::string list = path == nullptr ? "" : path;
  for (size_t at = 0; at < list.size();) {
    const size_t end = std::min(list.find(':', at), list.size());
    // Not the current directory, where anybody might have left a program.
    if (list[at] == '/') folders.push_back(list.substr(at, end - at) + "/");
    at = end + 1;
  }
  return folders;
}

}  // namespace

std::string OwnFolder() {
  std::string self(4096, '\0');
  const ssize_t length = ::readlink("/proc/self/exe", self.data(), self.size());
  self.resize(length > 0 ? static_cast<size_t>(length) : 0);
  return self.substr(0, self.rfind('/') + 1);
}

std::optional<std::string> FindProgram(const std::string& name) {
  for (const std::string& folder : FoldersOfPrograms()) {
    std::string path = folder + name;
    if (::access(path.c_str(), X_OK) == 0) return path;
  }
  return std::nullopt;
}

Result<std::unique_ptr<ChildProcess>> ChildProcess::Start(std::vector<std::string> words,
                                                          int input_fd) {
  auto output = VHDX_TRY(MakePipe());
  auto errors = VHDX_TRY(MakePipe());
  std::unique_ptr<ChildProcess> child(new ChildProcess);
  const SpawnPlan plan(input_fd, output.write_end.get(), errors.write_end.get());
  pid_t pid = -1;
  if (const int failure = plan.Spawn(pid, words); failure != 0) {
    return SystemFailure(failure, "start " + words[0]);
  }
  child->pid_ = pid;
  child->output_ = std::move(output.read_end);
  child->errors_ = std::move(errors.read_end);
  for (const FileDescriptor* pipe : {&child->output_, &child->errors_}) {
    ::fcntl(pipe->get(), F_SETFL, O_NONBLOCK);
  }
  return child;
}

ChildProcess::~ChildProcess() {
  if (!HasEnded()) Kill();
}

Result<void> ChildProcess::TakeFromPipe(FileDescriptor& pipe, const Take& take) {
  std::array<char, 65536> buffer = {};
  const ssize_t count = ::read(pipe.get(), buffer.data(), buffer.size());
  if (count > 0) return take({buffer.data(), static_cast<size_t>(count)});
  const bool can_wait = count < 0 && (errno == EAGAIN || errno == EINTR);
  if (!can_wait) pipe.Close();
  return {};
}

Result<void> ChildProcess::ReadOutput(const Take& take, Clock::time_point deadline,
                                      const std::atomic<bool>& interrupted) {
  const Take keep = [this](std::string_view piece) -> Result<void> {
    complaints_ += piece;
    if (complaints_.size() > kMostComplaintBytes) {
      complaints_.erase(0, complaints_.size() - kMostComplaintBytes);
    }
    return {};
  };
  const auto read = [&]() -> Result<void> {
    while (output_.is_open() || errors_.is_open()) {
      if (interrupted) return Fail(ErrorCode::kCancelled, "interrupted");
      if (Clock::now() > deadline) return Fail(ErrorCode::kBusy, "it took too long");
      std::array<pollfd, 2> waiting = {};  // poll passes over those that are closed
      waiting[0] = {.fd = output_.get(), .events = POLLIN, .revents = 0};
      waiting[1] = {.fd = errors_.get(), .events = POLLIN, .revents = 0};
      ::poll(waiting.data(), waiting.size(), kReadMilliseconds);
      if (waiting[0].revents != 0) VHDX_TRY(TakeFromPipe(output_, take));
      if (waiting[1].revents != 0) VHDX_TRY(TakeFromPipe(errors_, keep));
    }
    return {};
  };
  auto result = read();
  if (!result) Kill();
  return result;
}

bool ChildProcess::HasEnded() {
  if (exit_status_) return true;
  int status = 0;
  const pid_t ended = ::waitpid(pid_, &status, WNOHANG);
  if (ended == 0 || (ended < 0 && errno == EINTR)) return false;
  exit_status_ = WIFEXITED(status) ? WEXITSTATUS(status) : kSignalStatus + WTERMSIG(status);
  return true;
}

void ChildProcess::Kill() {
  if (HasEnded()) return;
  ::kill(-pid_, SIGKILL);  // with what it has started
  int status = 0;
  while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  exit_status_ = kSignalStatus + SIGKILL;
}

int ChildProcess::Wait() {
  const auto deadline = Clock::now() + kTimeToEnd;
  while (!HasEnded() && Clock::now() < deadline) std::this_thread::sleep_for(kWaitStep);
  Kill();
  return *exit_status_;
}

std::string ChildProcess::LastComplaint() const {
  const size_t end = complaints_.find_last_not_of('\n');
  if (end == std::string::npos) return {};
  const size_t before = complaints_.rfind('\n', end);
  const size_t start = before == std::string::npos ? 0 : before + 1;
  return complaints_.substr(start, end + 1 - start);
}

}  // namespace vhdx::cli

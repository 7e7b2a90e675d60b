// A program that we start, whose output we read, and that does not outlive us.

#ifndef VHDXKIT_CLI_CHILD_PROCESS_H_
#define VHDXKIT_CLI_CHILD_PROCESS_H_

#include <sys/types.h>
#include <vhdxkit/error.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/file_descriptor.h"

namespace vhdx::cli {

/// The directory of the command itself, with a slash at its end; empty if it is not known.
std::string OwnFolder();

/// The path of a program that comes with this command: beside it, in libexec of the prefix that it
/// was installed to, or in PATH. Nothing if it is in none of them.
std::optional<std::string> FindProgram(const std::string& name);

class ChildProcess {
 public:
  /// Starts a program. Its standard input is `input_fd`; what it prints is read by ReadOutput. It
  /// has a process group of its own, so that Ctrl-C is for us alone. Errors: kIo.
  static Result<std::unique_ptr<ChildProcess>> Start(std::vector<std::string> words, int input_fd);

  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;
  /// Kills it if it has not ended.
  ~ChildProcess();

  using Clock = std::chrono::steady_clock;
  /// Takes a piece of standard output. An error ends the reading.
  using Take = std::function<Result<void>(std::string_view piece)>;

  /// Reads all that it prints, until it ends or closes its output. Errors: kCancelled; kBusy (it
  /// was not done at the deadline); kIo; those of `take`. After an error the process is killed.
  Result<void> ReadOutput(const Take& take, Clock::time_point deadline,
                          const std::atomic<bool>& interrupted);

  /// Its exit status, as shells have it. One that does not end soon after it closed its output is
  /// killed.
  int Wait();

  /// What it said on standard error, the last line that is not empty, without its line feed.
  std::string LastComplaint() const;

 private:
  ChildProcess() = default;
  Result<void> TakeFromPipe(FileDescriptor& pipe, const Take& take);
  void Kill();
  bool HasEnded();

  pid_t pid_ = -1;
  std::optional<int> exit_status_;
  FileDescriptor output_;
  FileDescriptor errors_;
  std::string complaints_;  ///< the end of what it said on standard error
};

}  // namespace vhdx::cli

#endif  // VHDXKIT_CLI_CHILD_PROCESS_H_

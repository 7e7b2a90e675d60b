// What a child process says on its standard error: kept until it serves, then passed on.

#ifndef VHDXKIT_CLI_SERVER_MESSAGES_H_
#define VHDXKIT_CLI_SERVER_MESSAGES_H_

#include <vhdxkit/error.h>

#include <string>

namespace vhdx::cli {

class ServerMessages {
 public:
  ServerMessages() = default;
  ServerMessages(const ServerMessages&) = delete;
  ServerMessages& operator=(const ServerMessages&) = delete;
  ~ServerMessages();

  /// Makes the pipe. Errors: kIo.
  Result<void> Open();
  /// What the child gets as its standard error; to be closed here once it has it.
  int child_fd() const { return child_fd_; }
  void CloseChildEnd();

  /// Waits so long for something to be said, whether there is a pipe or not, and takes it.
  void Gather(int milliseconds);
  /// Writes to standard error what was gathered.
  void PassOn();
  /// What was gathered, as one sentence without the name of who said it.
  std::string Sentence() const;

 private:
  int fd_ = -1;
  int child_fd_ = -1;
  std::string gathered_;
};

}  // namespace vhdx::cli

#endif  // VHDXKIT_CLI_SERVER_MESSAGES_H_

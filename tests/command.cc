#include "command.h"

#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>

extern char** environ;

namespace vhdx::tests {
namespace {

// A file without a name that takes a stream of the program, so that neither side can wait for the
// other.
class Capture {
 public:
  Capture() {
    std::string path = (std::filesystem::temp_directory_path() / "vhdxkit-XXXXXX").string();
    descriptor_ = ::mkstemp(path.data());
    ::unlink(path.c_str());
  }
  ~Capture() { ::close(descriptor_); }
  Capture(const Capture&) = delete;
  Capture& operator=(const Capture&) = delete;

  int descriptor() const { return descriptor_; }

  std::string Text() const {
    std::ifstream stream("/proc/self/fd/" + std::to_string(descriptor_), std::ios::binary);
    return {std::istreambuf_iterator<char>(stream), {}};
  }

 private:
  int descriptor_ = -1;
};

}  // namespace

CommandResult RunCommand(const std::vector<std::string>& arguments) {
  std::vector<char*> pointers;
  pointers.reserve(arguments.size() + 1);
  for (const std::string& argument : arguments)
    pointers.push_back(const_cast<char*>(argument.data()));
  pointers.push_back(nullptr);

  const Capture out;
  const Capture err;
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_adddup2(&actions, out.descriptor(), STDOUT_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, err.descriptor(), STDERR_FILENO);
  pid_t child = 0;
  const int failed =
      ::posix_spawnp(&child, pointers[0], &actions, nullptr, pointers.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (failed != 0) return {.exit_status = 127, .out = "", .err = "cannot start " + arguments[0]};
  int status = 0;
  while (::waitpid(child, &status, 0) < 0) {
  }
  return {.exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : -1,
          .out = out.Text(),
          .err = err.Text()};
}

CommandResult RunVhdx(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), VHDXKIT_COMMAND);
  return RunCommand(arguments);
}

bool HasProgram(const std::string& name) {
  return RunCommand({"sh", "-c", "command -v " + name}).exit_status == 0;
}

}  // namespace vhdx::tests

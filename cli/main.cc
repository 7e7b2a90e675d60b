// The command vhdx.

#include <fcntl.h>
#include <unistd.h>
#include <vhdxkit/file.h>

#include <cstdio>
#include <exception>
#include <stdexcept>
#include <string>
#include <vector>

#include "cli/command_line.h"
#include "cli/exit_status.h"
#include "cli/interruption.h"

namespace {

// The first file that is opened gets the lowest number that is free: were standard output closed,
// an image would become it, and messages would be written into the image. What stands in for a
// closed stream is open the wrong way round, so that using it fails with EBADF, as on a closed one.
void OccupyClosedStreams() {
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(fd, F_GETFD) >= 0) continue;
    const int opened = ::open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
    if (opened != fd)
      throw std::runtime_error("cannot open /dev/null for a closed standard stream");
  }
}

int Run(int argument_count, char** arguments) {
  vhdx::HostFileSystem files;
  const vhdx::cli::Surroundings surroundings{.files = files,
                                             .interrupted = vhdx::cli::CatchInterruptions(),
                                             .output_fd = STDOUT_FILENO,
                                             .error_fd = STDERR_FILENO};
  const std::vector<std::string> words(arguments + (argument_count > 0 ? 1 : 0),
                                       arguments + argument_count);
  const auto status = vhdx::cli::RunCommandLine(words, surroundings);
  // As shells have it: 130 for Ctrl-C, 143 for SIGTERM. A command that we ran may end with 130,
  // too.
  const int signal = vhdx::cli::InterruptingSignal();
  if (status == vhdx::cli::ExitStatus::kInterrupted && signal != 0) return 128 + signal;
  return static_cast<int>(status);
}

}  // namespace

int main(int argument_count, char** arguments) {
  // The library throws nothing; what is left is memory that is not to be had.
  try {
    OccupyClosedStreams();
    return Run(argument_count, arguments);
  } catch (const std::exception& failure) {
    std::fprintf(stderr, "vhdx: %s\n", failure.what());
    return static_cast<int>(vhdx::cli::ExitStatus::kFailed);
  }
}

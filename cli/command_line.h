// The command line: what is called, with which options, and how that ends.

#ifndef VHDXKIT_CLI_COMMAND_LINE_H_
#define VHDXKIT_CLI_COMMAND_LINE_H_

#include <vhdxkit/file.h>

#include <atomic>
#include <string>
#include <vector>

#include "cli/exit_status.h"

namespace vhdx::cli {

/// What the command runs in.
struct Surroundings {
  FileSystem& files;
  const std::atomic<bool>& interrupted;
  int output_fd;
  int error_fd;
};

/// `arguments` are those behind the command's own name.
ExitStatus RunCommandLine(const std::vector<std::string>& words, const Surroundings& surroundings);

}  // namespace vhdx::cli

#endif  // VHDXKIT_CLI_COMMAND_LINE_H_

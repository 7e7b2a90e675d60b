// Running a program as a user would, and what came of it.

#ifndef VHDXKIT_TESTS_COMMAND_H_
#define VHDXKIT_TESTS_COMMAND_H_

#include <string>
#include <vector>

namespace vhdx::tests {

struct CommandResult {
  int exit_status = -1;  ///< or -1 if a signal ended it
  std::string out;       ///< what it wrote to standard output
  std::string err;       ///< and to standard error
};

/// Runs a program (looked for in PATH) with nothing on its standard input, and waits for it.
CommandResult RunCommand(const std::vector<std::string>& arguments);

/// The built command vhdx with these arguments.
CommandResult RunVhdx(std::vector<std::string> arguments);

/// Whether there is a program of that name in PATH.
bool HasProgram(const std::string& name);

}  // namespace vhdx::tests

#endif  // VHDXKIT_TESTS_COMMAND_H_

// What is wrong with the words of a command line, found before the parser sees them: empty
// arguments, options that do not exist (the parser would take them for values), and options of
// other tools.

#ifndef VHDXKIT_CLI_ARGUMENT_CHECK_H_
#define VHDXKIT_CLI_ARGUMENT_CHECK_H_

#include <optional>
#include <string>
#include <vector>

namespace CLI {
class App;
}  // namespace CLI

namespace vhdx::cli {

struct ArgumentMistake {
  std::string command;   ///< the command in use, or empty
  std::string sentence;  ///< without the command
};

/// The first mistake, or nothing.
std::optional<ArgumentMistake> FindArgumentMistake(const CLI::App& root,
                                                   const std::vector<std::string>& arguments);

/// The words as the parser understands them: what follows `--listen` is its address only if it
/// looks like one.
std::vector<std::string> Translate(std::vector<std::string> arguments);

}  // namespace vhdx::cli

#endif  // VHDXKIT_CLI_ARGUMENT_CHECK_H_

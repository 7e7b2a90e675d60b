// What `--help` prints.

#ifndef VHDXKIT_CLI_HELP_H_
#define VHDXKIT_CLI_HELP_H_

#include <string>

namespace CLI {
class App;
}  // namespace CLI

namespace vhdx::cli {

/// The help of the whole command, or of a subcommand with the options that all of them share.
std::string HelpText(const CLI::App& app);

/// The first sentence of the description of a subcommand, without its full stop.
std::string Summary(const CLI::App& command);

}  // namespace vhdx::cli

#endif  // VHDXKIT_CLI_HELP_H_

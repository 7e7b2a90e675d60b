// What `--help` and `--version` print.

#ifndef VHDXKIT_CLI_HELP_H_
#define VHDXKIT_CLI_HELP_H_

#include <string>

namespace CLI {
class App;
}  // namespace CLI

namespace vhdx::cli {

/// The help of the whole command, or of a subcommand with the options that all of them share.
std::string HelpText(const CLI::App& app);

/// The same, or a JSON document that has it as "help".
std::string HelpDocument(const CLI::App& app, bool json);

/// The version, as a line or as a JSON document.
std::string VersionDocument(bool json);

/// The first sentence of the description of a subcommand, without its full stop.
std::string Summary(const CLI::App& command);

}  // namespace vhdx::cli

#endif  // VHDXKIT_CLI_HELP_H_

// The subcommands: each adds itself to the command line, and says how it is run.

#ifndef VHDXKIT_CLI_COMMANDS_H_
#define VHDXKIT_CLI_COMMANDS_H_

#include <vhdxkit/error.h>

#include <functional>
#include <string_view>

#include "cli/exit_status.h"
#include "cli/invocation.h"

namespace CLI {
class App;
}  // namespace CLI

namespace vhdx::cli {

struct Command {
  CLI::App* app;
  /// An error is reported by whoever calls it; nothing of a JSON document may be printed then.
  std::function<Result<ExitStatus>(const Invocation&)> run;
  ExitStatus on_failure = ExitStatus::kFailed;
  /// What to do if the image that is to be written has children.
  std::string_view if_parent = {};
  /// What an interruption left of what was to be written.
  std::function<std::string(const Invocation&)> if_interrupted = {};
  /// How to read an image that another program writes, unless it is -U alone.
  std::string_view if_in_use = {};
};

/// The error, with what a user of this command can do about it.
Error WithAdvice(const Command& command, Error error);

Command AddCreate(CLI::App& root);
Command AddInfo(CLI::App& root);
Command AddCheck(CLI::App& root);
Command AddMap(CLI::App& root);
Command AddDump(CLI::App& root);
Command AddConvert(CLI::App& root);
Command AddCompare(CLI::App& root);
Command AddMeasure(CLI::App& root);
Command AddChain(CLI::App& root);
Command AddSnapshot(CLI::App& root);
Command AddResize(CLI::App& root);
Command AddCompact(CLI::App& root);
Command AddServe(CLI::App& root);
Command AddCtl(CLI::App& root);
Command AddBench(CLI::App& root);
/// Describes all that was added to the root, whenever it runs.
Command AddCompletion(CLI::App& root);
Command AddVersion(CLI::App& root);
/// Describes all that was added before.
Command AddHelp(CLI::App& root);

}  // namespace vhdx::cli

#endif  // VHDXKIT_CLI_COMMANDS_H_

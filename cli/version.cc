// vhdx version.

#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/help.h"

namespace vhdx::cli {

Command AddVersion(CLI::App& root) {
  CLI::App& app = AddCommand(root, "version", "Print the version.");
  return {&app, [](const Invocation& invocation) -> Result<ExitStatus> {
            invocation.out.Write(VersionDocument(invocation.options.json));
            return ExitStatus::kDone;
          }};
}

}  // namespace vhdx::cli

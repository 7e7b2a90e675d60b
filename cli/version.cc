// vhdx version.

#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/json_text.h"

namespace vhdx::cli {

Command AddVersion(CLI::App& root) {
  CLI::App& app = AddCommand(root, "version", "Print the version.");
  return {&app, [](const Invocation& invocation) -> Result<ExitStatus> {
            if (invocation.options.json) {
              invocation.out.Write(ToDocument({{"version", VHDXKIT_VERSION}}));
            } else {
              invocation.out.Print("vhdx {}\n", VHDXKIT_VERSION);
            }
            return ExitStatus::kDone;
          }};
}

}  // namespace vhdx::cli

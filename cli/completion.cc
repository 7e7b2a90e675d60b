// vhdx completion: a script for a shell.

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/completion_script.h"
#include "json/json.h"

namespace vhdx::cli {
namespace {

std::string ScriptFor(const std::string& shell, const CLI::App& root) {
  if (shell == "bash") return BashCompletion(root);
  return shell == "zsh" ? ZshCompletion(root) : FishCompletion(root);
}

}  // namespace

Command AddCompletion(CLI::App& root) {
  auto shell = std::make_shared<std::string>();
  CLI::App& app = AddCommand(root, "completion", "Print a completion script for a shell.");
  AddChoice(app, "SHELL", *shell, {"bash", "zsh", "fish"}, "bash, zsh or fish");
  app.get_option("SHELL")->required();
  return {&app, [shell, &root](const Invocation& invocation) -> Result<ExitStatus> {
            const std::string script = ScriptFor(*shell, root);
            invocation.out.Write(invocation.options.json
                                     ? ToDocument({{"shell", *shell}, {"script", script}})
                                     : script);
            return ExitStatus::kDone;
          }};
}

}  // namespace vhdx::cli

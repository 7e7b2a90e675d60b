// vhdx help: what --help prints.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/help.h"
#include "cli/parser_options.h"

namespace vhdx::cli {

Command AddHelp(CLI::App& root) {
  auto name = std::make_shared<std::string>();
  CLI::App& app = AddCommand(root, "help", "List the commands, or show the help of one command.");
  std::vector<std::string> names;
  for (const CLI::App* command : CommandsOf(root)) names.push_back(command->get_name());
  AddChoice(app, "COMMAND", *name, names, "the command (default: list all)");
  return {&app, [name, &root](const Invocation& invocation) -> Result<ExitStatus> {
            const CLI::App& described = name->empty() ? root : *root.get_subcommand(*name);
            invocation.out.Write(HelpDocument(described, invocation.options.json));
            return ExitStatus::kDone;
          }};
}

}  // namespace vhdx::cli

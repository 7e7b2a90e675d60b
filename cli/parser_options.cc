#include "cli/parser_options.h"

#include <CLI/CLI.hpp>

namespace vhdx::cli {

std::vector<const CLI::App*> CommandsOf(const CLI::App& root) {
  return root.get_subcommands([](const CLI::App*) { return true; });
}

ParserOptions OptionsOf(const CLI::App& app) {
  return app.get_options([](const CLI::Option* option) { return option->nonpositional(); });
}

ParserOptions PositionalsOf(const CLI::App& app) {
  return app.get_options([](const CLI::Option* option) { return option->get_positional(); });
}

ParserOptions SharedOptionsOf(const CLI::App& root) {
  ParserOptions options = OptionsOf(root);
  std::erase_if(options, [&](const CLI::Option* option) {
    return option == root.get_help_ptr() || option == root.get_version_ptr();
  });
  return options;
}

std::vector<std::string> NamesOf(const CLI::Option& option) {
  std::vector<std::string> names;
  for (const std::string& name : option.get_snames()) names.push_back("-" + name);
  for (const std::string& name : option.get_lnames()) names.push_back("--" + name);
  return names;
}

bool TakesValue(const CLI::Option& option) { return option.get_expected_max() > 0; }

}  // namespace vhdx::cli

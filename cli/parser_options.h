// What a parser of CLI11 consists of, for help texts and for completion.

#ifndef VHDXKIT_CLI_PARSER_OPTIONS_H_
#define VHDXKIT_CLI_PARSER_OPTIONS_H_

#include <string>
#include <vector>

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace vhdx::cli {

using ParserOptions = std::vector<const CLI::Option*>;

std::vector<const CLI::App*> CommandsOf(const CLI::App& root);
ParserOptions OptionsOf(const CLI::App& app);
ParserOptions PositionalsOf(const CLI::App& app);
/// Options of the root that may also stand behind a subcommand.
ParserOptions SharedOptionsOf(const CLI::App& root);
/// "-f" and "--format".
std::vector<std::string> NamesOf(const CLI::Option& option);
bool TakesValue(const CLI::Option& option);

}  // namespace vhdx::cli

#endif  // VHDXKIT_CLI_PARSER_OPTIONS_H_

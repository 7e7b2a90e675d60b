// Scripts that let a shell complete the command line, made from the command line itself, so that
// they cover whatever there is.

#ifndef VHDXKIT_CLI_COMPLETION_SCRIPT_H_
#define VHDXKIT_CLI_COMPLETION_SCRIPT_H_

#include <string>

namespace CLI {
class App;
}  // namespace CLI

namespace vhdx::cli {

std::string BashCompletion(const CLI::App& root);
std::string ZshCompletion(const CLI::App& root);
std::string FishCompletion(const CLI::App& root);

}  // namespace vhdx::cli

#endif  // VHDXKIT_CLI_COMPLETION_SCRIPT_H_

// Kinds of arguments that several commands take, on top of CLI11: sizes, counts, choices. The
// commands see CLI11 only through these: its headers take seconds to compile.
//
// The name of each option's type ("SIZE", "N", "raw|vhdx") is what help texts print and what
// completion offers.

#ifndef VHDXKIT_CLI_ARGUMENTS_H_
#define VHDXKIT_CLI_ARGUMENTS_H_

#include <vhdxkit/guid.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace vhdx::cli {

inline constexpr const char* kFileType = "FILE";
inline constexpr const char* kFolderType = "DIR";
inline constexpr const char* kHiddenGroup = "hidden";  ///< of options that the help leaves out

/// A subcommand. The first sentence of the description is what lists of commands print.
CLI::App& AddCommand(CLI::App& root, const std::string& name, const std::string& description);

/// A required positional argument: a file. `name` is what the help calls it, e.g. "SRC".
void AddFile(CLI::App& app, const std::string& name, std::string& target, const std::string& help);

void AddFlag(CLI::App& app, const std::string& names, bool& target, const std::string& help);

/// Bytes, with a unit: `--block 64k`. `is_right` tells which sizes can be, and `wrong` says what
/// the others are.
void AddSize(CLI::App& app, const std::string& names, uint64_t& target_bytes,
             bool (*is_right)(uint64_t), const std::string& wrong, const std::string& help);

/// The same, and whether it was said. `advise` may know what to do about a text that is not a size.
void AddOptionalSize(CLI::App& app, const std::string& names, std::optional<uint64_t>& target_bytes,
                     const std::string& help,
                     const std::function<std::string(const std::string& text)>& advise);

/// Any text. `type` is what the help calls it.
void AddText(CLI::App& app, const std::string& names, std::string& target, const std::string& help,
             const std::string& type = "TEXT");

/// Text that may be left out behind the option; empty then.
void AddOptionalText(CLI::App& app, const std::string& names, const std::string& type,
                     std::optional<std::string>& target, const std::string& help);

/// A path that need not be there.
void AddPath(CLI::App& app, const std::string& names, std::string& target, const std::string& help);
/// The same, any number of times.
void AddRepeatedPath(CLI::App& app, const std::string& names, std::vector<std::string>& targets,
                     const std::string& help);

void AddGuid(CLI::App& app, const std::string& names, std::optional<Guid>& target,
             const std::string& help);

struct CountLimits {
  uint64_t least = 0;
  uint64_t most = UINT64_MAX;
};
void AddCount(CLI::App& app, const std::string& names, uint64_t& target, CountLimits limits,
              const std::string& help);

/// Options of that command which mean nothing without, or together with, another one. Both names
/// were added before.
void AddNeed(CLI::App& app, const std::string& name, const std::string& needed);
void AddConflict(CLI::App& app, const std::string& name, const std::string& other);

/// Leaves an option that was added before out of the help.
void HideInHelp(CLI::App& app, const std::string& name);

/// One of some words. What `advise` says of another word, if anything, is added to the message.
void AddChoice(CLI::App& app, const std::string& names, std::string& target,
               const std::vector<std::string>& choices, const std::string& help,
               std::string (*advise)(const std::string& word) = nullptr);

/// The words of an option that AddChoice made; none for another.
std::vector<std::string> ChoicesOf(const CLI::Option& option);

}  // namespace vhdx::cli

#endif  // VHDXKIT_CLI_ARGUMENTS_H_

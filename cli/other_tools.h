// Commands and options of other programs, and what does the same here.

#ifndef VHDXKIT_CLI_OTHER_TOOLS_H_
#define VHDXKIT_CLI_OTHER_TOOLS_H_

#include <string_view>

namespace vhdx::cli {

/// What to do instead of giving that command an option that another program has; empty if the
/// option is not known. `name` is as it was typed: "-o", "--shrink", "-SizeBytes".
std::string_view AdviceOnForeignOption(std::string_view command, std::string_view name);

/// What to use until a command of that name is there; empty if none is planned.
std::string_view InsteadOfFutureCommand(std::string_view name);

/// The command that does what a command of another program does; empty if that is not known.
std::string_view OurCommandFor(std::string_view foreign_name);

}  // namespace vhdx::cli

#endif  // VHDXKIT_CLI_OTHER_TOOLS_H_

// What the file systems of a disk say is free: asked through the executable vhdx-free-space, which
// parses them in a process without rights, or read from maps that the user names. Nothing that
// either says is believed before it is verified.

#ifndef VHDXKIT_CLI_FREE_SPACE_PROCESS_H_
#define VHDXKIT_CLI_FREE_SPACE_PROCESS_H_

#include <vhdxkit/compact.h>

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "cli/free_map_file.h"
#include "cli/invocation.h"

namespace vhdx::cli {

struct FreeSpaceArguments {
  /// Ask with vhdx-free-space. If false, only the volumes are trimmed for which there is a map.
  bool ask_file_systems = true;
  std::vector<FreeMapArgument> maps = {};
  bool lvm_free = false;  ///< the free extents of LVM volume groups, too
};

/// For CompactOptions; empty if nothing is to be asked. The invocation must outlive it.
AskFreeSpace AskFreeSpaceFor(const Invocation& invocation, const FreeSpaceArguments& arguments);

/// A program that answers like vhdx-free-space, and how long it may take for each volume. For
/// tests.
struct FreeSpaceProgram {
  std::optional<std::string> path;  ///< empty: it is not installed
  std::chrono::milliseconds time_limit;
};
AskFreeSpace AskFreeSpaceWith(const Invocation& invocation, const FreeSpaceArguments& arguments,
                              const FreeSpaceProgram& program);

}  // namespace vhdx::cli

#endif  // VHDXKIT_CLI_FREE_SPACE_PROCESS_H_

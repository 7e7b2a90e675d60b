// The processes that a process has started, as /proc shows them.

#ifndef VHDXKIT_CLI_PROCESS_TREE_H_
#define VHDXKIT_CLI_PROCESS_TREE_H_

#include <sys/types.h>

#include <vector>

namespace vhdx::cli {

/// The process itself, the processes that it started, those that these started, and so on. One
/// whose parent has ended does not belong to them any more.
std::vector<pid_t> ProcessTree(pid_t root);

}  // namespace vhdx::cli

#endif  // VHDXKIT_CLI_PROCESS_TREE_H_

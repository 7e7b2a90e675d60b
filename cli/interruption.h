// Ctrl-C and its relatives: a wish to stop, which operations find between two pieces of work.

#ifndef VHDXKIT_CLI_INTERRUPTION_H_
#define VHDXKIT_CLI_INTERRUPTION_H_

#include <atomic>

namespace vhdx::cli {

/// From now on SIGINT, SIGTERM and SIGHUP set the flag that is returned, and a pipe that closes
/// or a file that grows past a limit is an error instead of the end of the process. Signals that
/// whoever started us had us ignore stay ignored. The third signal ends the process at once, for a
/// user who cannot wait.
const std::atomic<bool>& CatchInterruptions();

/// The signal that set the flag first, or 0.
int InterruptingSignal();

}  // namespace vhdx::cli

#endif  // VHDXKIT_CLI_INTERRUPTION_H_

// Ctrl-C and its relatives: a wish to stop, which operations find between two pieces of work.

#ifndef VHDXKIT_CLI_INTERRUPTION_H_
#define VHDXKIT_CLI_INTERRUPTION_H_

#include <atomic>
#include <optional>

namespace vhdx::cli {

/// From now on SIGINT, SIGTERM, SIGHUP and SIGQUIT set the flag that is returned, and a pipe that
/// closes or a file that grows past a limit is an error instead of the end of the process. Signals
/// that whoever started us had us ignore stay ignored. The third signal ends the process at once,
/// for a user who cannot wait.
const std::atomic<bool>& CatchInterruptions();

/// The signal that set the flag first, or 0.
int InterruptingSignal();

/// While one of these lives, signals do not set the flag: they are for a command that we run.
class SignalsOfCommand {
 public:
  struct Signal {
    int number = 0;
    /// From the terminal (Ctrl-C), which sends it to all of our process group.
    bool to_our_group = false;
  };

  SignalsOfCommand();
  ~SignalsOfCommand();
  SignalsOfCommand(const SignalsOfCommand&) = delete;
  SignalsOfCommand& operator=(const SignalsOfCommand&) = delete;

  /// The last one since the last call.
  std::optional<Signal> Take() const;
};

}  // namespace vhdx::cli

#endif  // VHDXKIT_CLI_INTERRUPTION_H_

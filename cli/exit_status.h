// How the command ends: what scripts rely on.

#ifndef VHDXKIT_CLI_EXIT_STATUS_H_
#define VHDXKIT_CLI_EXIT_STATUS_H_

namespace vhdx::cli {

enum class ExitStatus : int {
  kDone = 0,
  kFailed = 1,
  kUsage = 64,
  kInterrupted = 130,  ///< by SIGINT; main adds the number of another signal to 128

  // Of `check` alone.
  kCorrupt = 2,
  kWarnings = 3,
  kNotVhdx = 63,

  // Of `compare` alone.
  kDiffer = 1,
  kNotCompared = 2,
};

}  // namespace vhdx::cli

#endif  // VHDXKIT_CLI_EXIT_STATUS_H_

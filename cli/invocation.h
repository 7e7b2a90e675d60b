// One run of the command: what every subcommand is given.

#ifndef VHDXKIT_CLI_INVOCATION_H_
#define VHDXKIT_CLI_INVOCATION_H_

#include <vhdxkit/chain_options.h>
#include <vhdxkit/file.h>
#include <vhdxkit/operation.h>

#include <atomic>
#include <string>
#include <vector>

#include "cli/exit_status.h"
#include "cli/messages.h"
#include "cli/progress.h"
#include "cli/text_output.h"

namespace vhdx::cli {

/// The options that every subcommand takes.
struct SharedOptions {
  bool json = false;
  bool quiet = false;
  ProgressMode progress = ProgressMode::kAuto;
  SearchOptions search;
};

/// How a subcommand reads its files.
struct ReadOptions {
  bool force_share = false;  ///< `-U`
  bool direct = false;
  std::vector<std::string> parents = {};  ///< `--parent`
  bool ignore_parent_id = false;
  bool ignore_log = false;

  ImageOptions images() const {
    return {.lock = force_share ? LockPolicy::kIgnore : LockPolicy::kLock,
            .ignore_log = ignore_log};
  }
  bool overrides() const { return !parents.empty() || ignore_parent_id || ignore_log; }
};

struct Command;

struct Invocation {
  const Command& command;
  SharedOptions options;
  FileSystem& files;
  TextOutput& out;
  const Messages& messages;
  const std::atomic<bool>& interrupted;
  int error_fd;  ///< standard error, for progress

  ChainOptions ChainFor(const ReadOptions& read) const {
    return {.search = options.search,
            .parents = read.parents,
            .ignore_parent_id = read.ignore_parent_id,
            .images = read.images()};
  }

  /// The end of a command whose arguments contradict each other, whatever the files are: says so.
  ExitStatus Misused(const Error& error) const;

  /// For an operation that reports to `progress`, which outlives it.
  OperationControl control(Progress& progress) const {
    return {.on_progress = progress.listener(), .cancel = &interrupted};
  }
};

}  // namespace vhdx::cli

#endif  // VHDXKIT_CLI_INVOCATION_H_

// One command on many files: one after the other or several at once, with one result for all.

#ifndef VHDXKIT_CLI_BATCH_H_
#define VHDXKIT_CLI_BATCH_H_

#include <vhdxkit/error.h>

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "cli/batch_table.h"
#include "cli/exit_status.h"
#include "cli/file_list.h"
#include "cli/invocation.h"
#include "json/json.h"

namespace vhdx::cli {

struct BatchArguments {
  FileListArguments files;
  uint64_t jobs = 1;
  bool json_lines = false;
};

/// Adds what AddFileList adds, --jobs and --json-lines.
void AddBatch(CLI::App& app, const std::string& name, BatchArguments& arguments,
              const std::string& help);

/// What the command has to say of one file.
struct FileResult {
  ExitStatus status = ExitStatus::kDone;
  Json json = {};         ///< the document
  std::string text = {};  ///< the same for people
  /// The same with advice that one file a run is to come with; empty if there is none.
  std::string text_with_advice = {};
  BatchRow row = {};  ///< of the table after all files

  /// The text of a file; `advised` says whether one before it came with advice.
  std::string TextFor(bool& advised) {
    if (advised || text_with_advice.empty()) return std::move(text);
    advised = true;
    return std::move(text_with_advice);
  }
};

/// Does the work for one file. Called by several threads at once, with an invocation of its own.
using WorkOnFile = std::function<Result<FileResult>(const Invocation&, const std::string& path)>;

/// Runs it on all files. One that fails does not stop the others. A single file that is named by
/// itself gives its own document and its own error; else --json prints an array in the order of the
/// names, and --json-lines one object a file as it ends. Text ends with a table under these
/// headings, if there are any; a file that failed is in it with its error. Returns the worst
/// status: 2, 1, 63, 3, 0.
Result<ExitStatus> RunBatch(const Invocation& invocation, const BatchArguments& arguments,
                            const WorkOnFile& work, const std::vector<std::string>& headings = {});

}  // namespace vhdx::cli

#endif  // VHDXKIT_CLI_BATCH_H_

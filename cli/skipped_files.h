// Files that a command for many files leaves out although it could be told to change them: images
// in use, and images with children.

#ifndef VHDXKIT_CLI_SKIPPED_FILES_H_
#define VHDXKIT_CLI_SKIPPED_FILES_H_

#include <vhdxkit/error.h>

#include <functional>
#include <string>

#include "cli/batch.h"
#include "cli/invocation.h"

namespace CLI {
class App;
}  // namespace CLI

namespace vhdx::cli {

struct SkipArguments {
  bool in_use = false;         ///< `--skip-in-use`
  bool with_children = false;  ///< `--skip-with-children`
};

void AddSkips(CLI::App& app, SkipArguments& arguments);

/// The result for a file to which nothing is done. Its document is `document` with the member
/// "skipped", the reason.
FileResult SkippedFile(const Invocation& invocation, const std::string& path,
                       const std::string& reason, Json document = {});

/// Does the work on the file, unless it is to be skipped.
Result<FileResult> WorkUnlessSkipped(const Invocation& invocation, const SkipArguments& arguments,
                                     const std::string& path,
                                     const std::function<Result<FileResult>()>& work);

}  // namespace vhdx::cli

#endif  // VHDXKIT_CLI_SKIPPED_FILES_H_

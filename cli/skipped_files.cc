#include "cli/skipped_files.h"

#include <vhdxkit/image_tree.h>

#include <utility>

#include "bytes/formatting.h"
#include "cli/arguments.h"
#include "cli/printable.h"

namespace vhdx::cli {
namespace {

// An image with children is busy, too, but then nothing else is expected of it.
bool IsInUse(const Error& error) {
  return error.code == ErrorCode::kBusy && (!error.expected.empty() || error.found.empty());
}

std::string ReasonOf(const Error& error, const std::string& path) {
  const std::string use = error.found.empty() ? "in use" : error.found;
  // It may be a parent that is in use.
  if (error.file.empty() || error.file == path) return Format("it is {}", use);
  return Format("{} is {}", error.file, use);
}

}  // namespace

void AddSkips(CLI::App& app, SkipArguments& arguments) {
  AddFlag(app, "--skip-in-use", arguments.in_use,
          "skip images that another program uses, instead of failing");
  AddFlag(app, "--skip-with-children", arguments.with_children,
          "skip images that are the parent of others, instead of failing");
}

FileResult SkippedFile(const Invocation& invocation, const std::string& path,
                       const std::string& reason, Json document) {
  if (document.is_null()) document = {{"filename", path}};
  document["skipped"] = reason;
  FileResult result{.json = std::move(document),
                    .row = {.cells = {}, .remark = "skipped: " + reason}};
  if (!invocation.options.json && !invocation.options.quiet) {
    result.text = Format("{}: skipped: {}\n", Printable(path), Printable(reason));
  }
  return result;
}

Result<FileResult> WorkUnlessSkipped(const Invocation& invocation, const SkipArguments& arguments,
                                     const std::string& path,
                                     const std::function<Result<FileResult>()>& work) {
  if (arguments.with_children) {
    const auto childless = RefuseIfParent(invocation.files, path, invocation.options.search);
    if (!childless && childless.error().code == ErrorCode::kBusy) {
      return SkippedFile(invocation, path,
                         Format("it is the parent of {}", childless.error().found));
    }
    if (!childless && childless.error().code != ErrorCode::kNotFound) {
      return std::unexpected(childless.error());
    }
  }
  auto result = work();
  if (!result && arguments.in_use && IsInUse(result.error())) {
    return SkippedFile(invocation, path, ReasonOf(result.error(), path));
  }
  return result;
}

}  // namespace vhdx::cli

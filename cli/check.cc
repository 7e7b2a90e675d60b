// vhdx check: every rule of the format, over an image and all its parents.

#include <vhdxkit/check.h>

#include <memory>
#include <utility>

#include "cli/arguments.h"
#include "cli/batch.h"
#include "cli/check_document.h"
#include "cli/commands.h"
#include "cli/disk_source.h"

namespace vhdx::cli {
namespace {

struct CheckArguments {
  BatchArguments batch;
  ReadOptions read;
  bool verbose = false;
};

ExitStatus StatusFor(CheckVerdict verdict) {
  switch (verdict) {
    case CheckVerdict::kClean:
      return ExitStatus::kDone;
    case CheckVerdict::kWarnings:
      return ExitStatus::kWarnings;
    case CheckVerdict::kIncomplete:
      return ExitStatus::kFailed;
    case CheckVerdict::kChainBroken:
    case CheckVerdict::kCorrupt:
      return ExitStatus::kCorrupt;
    case CheckVerdict::kNotVhdx:
      return ExitStatus::kNotVhdx;
  }
  return ExitStatus::kFailed;
}

Result<CheckReport> CheckImage(const Invocation& invocation, const CheckArguments& arguments,
                               const std::string& path) {
  Progress progress(invocation.options.progress, invocation.error_fd);
  return Check(invocation.files, path, invocation.ChainFor(arguments.read),
               invocation.control(progress));
}

// A file that is not a VHDX may be of another format that we can name.
void NameOtherFormats(const Invocation& invocation, CheckReport& report) {
  for (Finding& finding : report.findings) {
    if (finding.rule->id != "file.signature") continue;
    Error error;
    error.rule = finding.rule->id;
    error.file = finding.file;
    error.found = finding.found;
    error.expected = finding.expected;
    error.sentence = finding.sentence;
    error = ExplainWrongFormat(invocation.files, std::move(error));
    finding.found = error.found;
    finding.expected = error.expected;
    finding.sentence = error.sentence;
  }
}

Result<FileResult> CheckOf(const Invocation& invocation, const CheckArguments& arguments,
                           const std::string& path) {
  WarnOfForceShare(invocation, path, arguments.read);
  auto report = CheckImage(invocation, arguments, path);
  if (!report) {
    return std::unexpected(ExplainWrongFormat(invocation.files, std::move(report.error())));
  }
  WarnOfMissingLocks(invocation, report->findings);  // the others are shown anyway
  NameOtherFormats(invocation, *report);
  FileResult result{.status = StatusFor(report->verdict)};
  if (invocation.options.json) {
    result.json = CheckToJson(*report);
  } else if (!invocation.options.quiet) {
    result.text = CheckToText(*report, arguments.verbose ? Notes::kShow : Notes::kHide);
  }
  return result;
}

}  // namespace

Command AddCheck(CLI::App& root) {
  auto arguments = std::make_shared<CheckArguments>();
  CLI::App& app = AddCommand(
      root, "check",
      "Check an image and its parents against every rule of the format. The image is not modified. "
      "Exit status: 0 no rule is broken, 1 could not be checked to the end, 2 errors, 3 warnings "
      "only, 63 not a VHDX file.");
  AddBatch(app, "FILE", arguments->batch, "VHDX images");
  AddFlag(app, "-v,--verbose", arguments->verbose,
          "also show notes (what is normal but worth knowing)");
  AddForceShare(app, arguments->read);
  AddOverrides(app, arguments->read);
  return {&app, [arguments](const Invocation& invocation) {
            return RunBatch(invocation, arguments->batch,
                            [&](const Invocation& each, const std::string& path) {
                              return CheckOf(each, *arguments, path);
                            });
          }};
}

}  // namespace vhdx::cli

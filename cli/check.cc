// vhdx check: every rule of the format, over an image and all its parents.

#include <vhdxkit/check.h>

#include <memory>
#include <utility>

#include "cli/arguments.h"
#include "cli/check_document.h"
#include "cli/commands.h"
#include "cli/disk_source.h"

namespace vhdx::cli {
namespace {

struct CheckArguments {
  std::string path;
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
    case CheckVerdict::kCorrupt:
      return ExitStatus::kCorrupt;
    case CheckVerdict::kNotVhdx:
      return ExitStatus::kNotVhdx;
  }
  return ExitStatus::kFailed;
}

Result<CheckReport> CheckImage(const Invocation& invocation, const CheckArguments& arguments) {
  Progress progress(invocation.options.progress, invocation.error_fd);
  return Check(invocation.files, arguments.path, invocation.open_options(arguments.read),
               invocation.control(progress));
}

// What is no VHDX is perhaps something else that can be named.
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

Result<ExitStatus> RunCheck(const Invocation& invocation, const CheckArguments& arguments) {
  WarnOfForceShare(invocation, arguments.path, arguments.read);
  auto report = CheckImage(invocation, arguments);
  if (!report) {
    return std::unexpected(ExplainWrongFormat(invocation.files, std::move(report.error())));
  }
  WarnOfMissingLocks(invocation, report->findings);  // the others are shown anyway
  NameOtherFormats(invocation, *report);
  if (invocation.options.json) {
    invocation.out.Write(ToDocument(CheckToJson(*report)));
  } else if (!invocation.options.quiet) {
    invocation.out.Write(CheckToText(*report, arguments.verbose ? Notes::kShow : Notes::kHide));
  }
  return StatusFor(report->verdict);
}

}  // namespace

Command AddCheck(CLI::App& root) {
  auto arguments = std::make_shared<CheckArguments>();
  CLI::App& app = AddCommand(
      root, "check",
      "Checks an image and its parents against every rule of the format, and changes nothing. Ends "
      "with 0 if no rule is broken, 1 if it could not be checked to the end, 2 if there is an "
      "error, 3 if there are only warnings, 63 if it is not a VHDX file.");
  AddFile(app, "FILE", arguments->path, "a VHDX image");
  AddFlag(app, "-v,--verbose", arguments->verbose,
          "show notes too: what is normal, but worth knowing");
  AddForceShare(app, arguments->read);
  AddOverrides(app, arguments->read);
  return {&app,
          [arguments](const Invocation& invocation) { return RunCheck(invocation, *arguments); }};
}

}  // namespace vhdx::cli

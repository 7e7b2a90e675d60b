// vhdx compare: whether two disks have the same contents.

#include <vhdxkit/compare.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "bytes/formatting.h"
#include "bytes/try.h"
#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/disk_source.h"
#include "cli/printable.h"
#include "cli/size_text.h"
#include "json/json.h"

namespace vhdx::cli {
namespace {

struct CompareArguments {
  SourceArguments a;
  SourceArguments b;
  bool strict = false;
};

Result<CompareReport> CompareDisks(const Invocation& invocation, const CompareArguments& arguments,
                                   BlockDevice& a, BlockDevice& b) {
  Progress progress(invocation.options.progress, invocation.error_fd);
  const CompareOptions options{.strict = arguments.strict,
                               .all_differences = invocation.options.json};
  return Compare(a, b, options, invocation.control(progress));
}

Json ToJson(const CompareReport& report) {
  Json differences = Json::array();
  for (const DiskRange& range : report.differences) {
    differences.push_back({{"start", range.disk_offset}, {"length", range.length_bytes}});
  }
  return {{"identical", report.identical},
          {"first-difference", NumberOrNull(report.first_difference)},
          {"differences", differences}};
}

std::string ToText(const CompareArguments& arguments, const CompareReport& report) {
  if (report.first_difference) {
    return Format("{} ({}) and {} ({}) differ, first at byte {}.\n", Printable(arguments.a.path),
                  FormatSize(report.size_a_bytes), Printable(arguments.b.path),
                  FormatSize(report.size_b_bytes), *report.first_difference);
  }
  if (!report.identical) {
    return Format("The disks have different sizes: {} has {}, {} has {}.\n",
                  Printable(arguments.a.path), FormatSizeExactly(report.size_a_bytes),
                  Printable(arguments.b.path), FormatSizeExactly(report.size_b_bytes));
  }
  return "The disks are identical.\n";
}

void NoteSizes(const Invocation& invocation, const CompareArguments& arguments,
               const CompareReport& report) {
  if (report.size_a_bytes == report.size_b_bytes || !report.identical) return;
  const bool a_is_longer = report.size_a_bytes > report.size_b_bytes;
  const uint64_t longer = std::max(report.size_a_bytes, report.size_b_bytes);
  const uint64_t shorter = std::min(report.size_a_bytes, report.size_b_bytes);
  invocation.messages.Note(a_is_longer ? arguments.a.path : arguments.b.path,
                           Format("is longer than the other disk by {}, which read as zeros",
                                  FormatSizeExactly(longer - shorter)));
}

Result<ExitStatus> RunCompare(const Invocation& invocation, const CompareArguments& arguments) {
  auto a = VHDX_TRY(OpenDiskSource(invocation, arguments.a));
  auto b = VHDX_TRY(OpenDiskSource(invocation, arguments.b));
  auto report = VHDX_TRY(CompareDisks(invocation, arguments, *a.device, *b.device));
  NoteSizes(invocation, arguments, report);
  if (invocation.options.json) {
    invocation.out.Write(ToDocument(invocation.messages.WithWarnings(ToJson(report))));
  } else if (!invocation.options.quiet) {
    invocation.out.Write(ToText(arguments, report));
  }
  return report.identical ? ExitStatus::kDone : ExitStatus::kDiffer;
}

}  // namespace

Command AddCompare(CLI::App& root) {
  auto arguments = std::make_shared<CompareArguments>();
  CLI::App& app =
      AddCommand(root, "compare",
                 "Compare the contents of two disks and report the first difference "
                 "(with --json, all differences). If one disk is longer, the rest of it "
                 "must be zeros. Exit status: 0 identical, 1 different, 2 could not be "
                 "compared.");
  AddFile(app, "A", arguments->a.path, "a VHDX image, or a raw disk");
  AddFile(app, "B", arguments->b.path, "another VHDX image or raw disk");
  AddFormat(app, "-f", arguments->a, "A");
  AddFormat(app, "-F", arguments->b, "B");
  AddFlag(app, "--strict", arguments->strict, "also require equal sizes");
  ReadOptions& read = arguments->a.read;
  AddForceShare(app, read);
  AddOverrides(app, read);
  return {&app,
          [arguments](const Invocation& invocation) {
            arguments->b.read = arguments->a.read;
            arguments->b.read.parents.clear();  // those of A
            return RunCompare(invocation, *arguments);
          },
          ExitStatus::kNotCompared};
}

}  // namespace vhdx::cli

// vhdx convert: the contents of a disk into a raw file, a block device, or a pipe.

#include <fmt/format.h>
#include <vhdxkit/convert.h>

#include <chrono>
#include <memory>
#include <utility>

#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/disk_source.h"
#include "cli/json_text.h"
#include "cli/printable.h"
#include "cli/size_text.h"
#include "cli/standard_output_file.h"

namespace vhdx::cli {
namespace {

constexpr uint64_t kMaxThreads = 64;

struct ConvertArguments {
  SourceArguments source;
  std::string target;
  std::string target_format;  // empty: not said
  bool force = false;
  bool into_existing = false;
  bool sync = false;
  uint64_t threads = 0;

  bool to_standard_output() const { return target == "-"; }
};

// What was done, and how long it took.
struct Outcome {
  ConvertReport report;
  double seconds = 0;
};

Result<ConvertReport> Stream(const Invocation& invocation, const ConvertArguments& arguments,
                             StandardOutputFile& stream, BlockDevice& source) {
  if (source.Uses(stream.identity())) {
    return Fail(ErrorCode::kInvalidArgument, "standard output is (part of) the source",
                arguments.source.path);
  }
  Progress progress(invocation.options.progress, invocation.error_fd);
  auto copied = StreamContents(source, stream, invocation.control(progress));
  if (!copied) return std::unexpected(std::move(copied.error()));
  auto finished = arguments.sync ? stream.Sync() : stream.Finish();
  if (!finished) return std::unexpected(std::move(finished.error()));
  return ConvertReport{.copy = *copied,
                       .source_size_bytes = source.size_bytes(),
                       .target_size_bytes = source.size_bytes()};
}

Result<ConvertReport> ConvertToFile(const Invocation& invocation, const ConvertArguments& arguments,
                                    BlockDevice& source) {
  const ConvertOptions options{.existing = arguments.into_existing ? ExistingTarget::kInto
                                           : arguments.force       ? ExistingTarget::kReplace
                                                                   : ExistingTarget::kRefuse,
                               .sync = arguments.sync,
                               .threads = static_cast<unsigned>(arguments.threads)};
  Progress progress(invocation.options.progress, invocation.error_fd);
  return ConvertToRaw(invocation.files, source, arguments.target, options,
                      invocation.control(progress));
}

Result<ConvertReport> Convert(const Invocation& invocation, const ConvertArguments& arguments,
                              BlockDevice& source) {
  if (!arguments.to_standard_output()) return ConvertToFile(invocation, arguments, source);
  auto stream = StandardOutputFile::Open(invocation.out.stream());
  if (!stream) return std::unexpected(std::move(stream.error()));
  return Stream(invocation, arguments, **stream, source);
}

std::string TargetName(const ConvertArguments& arguments) {
  return arguments.to_standard_output() ? std::string(kStandardOutputName) : arguments.target;
}

Json ToJson(const ConvertArguments& arguments, std::string_view source_format,
            const Outcome& outcome) {
  const CopyReport& copy = outcome.report.copy;
  return {{"source", arguments.source.path},
          {"source-format", source_format},
          {"target", TargetName(arguments)},
          {"target-format", "raw"},
          {"virtual-size", outcome.report.source_size_bytes},
          {"target-size", outcome.report.target_size_bytes},
          {"copied", copy.copied_bytes},
          {"cloned", copy.cloned_bytes},
          {"zero", copy.zero_bytes},
          {"seconds", outcome.seconds}};
}

std::string ToText(const ConvertArguments& arguments, const Outcome& outcome) {
  const ConvertReport& report = outcome.report;
  std::string parts = fmt::format("{} copied", FormatSize(report.copy.copied_bytes));
  if (report.copy.cloned_bytes > 0) {
    parts += fmt::format(", {} shared with the source", FormatSize(report.copy.cloned_bytes));
  }
  if (report.copy.zero_bytes > 0) {
    parts += fmt::format(", {} zeros", FormatSize(report.copy.zero_bytes));
  }
  std::string text =
      fmt::format("{}: {} written ({}) in {:.2f} s", Printable(TargetName(arguments)),
                  FormatSize(report.source_size_bytes), parts, outcome.seconds);
  const uint64_t rest = report.target_size_bytes - report.source_size_bytes;
  if (rest > 0) text += fmt::format("; the {} behind that stay as they were", FormatSize(rest));
  return text + "\n";
}

void Print(const Invocation& invocation, const ConvertArguments& arguments,
           std::string_view source_format, const Outcome& outcome) {
  const bool json = invocation.options.json;
  if (!json && invocation.options.quiet) return;
  if (!arguments.to_standard_output()) {
    invocation.out.Write(json ? ToDocument(ToJson(arguments, source_format, outcome))
                              : ToText(arguments, outcome));
    return;
  }
  // Standard output carries the disk; what was done is told on standard error.
  TextOutput errors({.fd = invocation.error_fd, .interrupted = nullptr});
  errors.Write(json ? ToLine(ToJson(arguments, source_format, outcome)) + "\n"
                    : ToText(arguments, outcome));
  (void)errors.Finish();
}

// Who names a target so and says no format may expect another one.
Result<void> CheckTargetName(const ConvertArguments& arguments) {
  const std::string_view name = arguments.target;
  if (!arguments.target_format.empty()) return {};
  if (!name.ends_with(".vhdx") && !name.ends_with(".avhdx")) return {};
  return Fail(ErrorCode::kInvalidArgument,
              "the name says VHDX, but a raw disk would be written; say -O raw if that is meant",
              arguments.target);
}

Result<ExitStatus> RunConvert(const Invocation& invocation, const ConvertArguments& arguments) {
  if (auto checked = CheckTargetName(arguments); !checked) {
    return std::unexpected(std::move(checked.error()));
  }
  auto source = OpenDiskSource(invocation, arguments.source);
  if (!source) return std::unexpected(std::move(source.error()));
  const auto start = std::chrono::steady_clock::now();
  auto report = Convert(invocation, arguments, *source->device);
  if (!report) return std::unexpected(std::move(report.error()));
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
  Print(invocation, arguments, source->format, {.report = *report, .seconds = elapsed.count()});
  return ExitStatus::kDone;
}

}  // namespace

Command AddConvert(CLI::App& root) {
  auto arguments = std::make_shared<ConvertArguments>();
  CLI::App& app =
      AddCommand(root, "convert",
                 "Copies the contents of a disk, parents included, to raw. What is zero becomes "
                 "holes. A new file gets its name when it is whole.");
  AddFile(app, "SRC", arguments->source.path, "a VHDX image, or a raw disk");
  AddFile(app, "DST", arguments->target, "a file, a block device, or - for standard output");
  AddFormat(app, "-f,--format", arguments->source);
  AddChoice(app, "-O,--output-format", arguments->target_format, {"raw"}, "the format of DST");
  AddFlag(app, "--force", arguments->force, "replaces DST if it exists, once the new one is whole");
  AddFlag(app, "-n,--no-create", arguments->into_existing,
          "writes into DST, which exists and is large enough; the rest of it stays");
  AddCount(app, "-j,--threads", arguments->threads, {.least = 1, .most = kMaxThreads},
           "this many threads copy");
  AddFlag(app, "--sync", arguments->sync, "makes DST durable before it gets its name");
  AddForceShare(app, arguments->source.read);
  return {&app,
          [arguments](const Invocation& invocation) { return RunConvert(invocation, *arguments); }};
}

}  // namespace vhdx::cli

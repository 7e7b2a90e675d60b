// vhdx measure: the bytes that a conversion would need.

#include <fmt/format.h>
#include <vhdxkit/measure.h>

#include <memory>
#include <utility>

#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/disk_source.h"
#include "cli/json_text.h"
#include "cli/size_text.h"

namespace vhdx::cli {
namespace {

struct MeasureArguments {
  SourceArguments source;
  std::string target_format = "raw";
  bool fixed = false;
  uint64_t block_size_bytes = 0;
  uint64_t log_size_bytes = 0;
};

Result<MeasureReport> Measure(const Invocation& invocation, const MeasureArguments& arguments,
                              BlockDevice& source) {
  if (arguments.target_format == "raw") return MeasureRaw(source);
  Progress progress(invocation.options.progress, invocation.error_fd);
  return MeasureVhdx(source,
                     {.fixed = arguments.fixed,
                      .block_size_bytes = arguments.block_size_bytes,
                      .log_size_bytes = arguments.log_size_bytes},
                     invocation.control(progress));
}

Result<ExitStatus> RunMeasure(const Invocation& invocation, const MeasureArguments& arguments) {
  auto source = OpenDiskSource(invocation, arguments.source);
  if (!source) return std::unexpected(std::move(source.error()));
  auto report = Measure(invocation, arguments, *source->device);
  if (!report) return std::unexpected(std::move(report.error()));
  if (invocation.options.json) {
    invocation.out.Write(ToDocument({{"required", report->required_bytes},
                                     {"fully-allocated", report->fully_allocated_bytes}}));
  } else {
    invocation.out.Print("required         {}\nfully allocated  {}\n",
                         FormatSizeExactly(report->required_bytes),
                         FormatSizeExactly(report->fully_allocated_bytes));
  }
  return ExitStatus::kDone;
}

}  // namespace

Command AddMeasure(CLI::App& root) {
  auto arguments = std::make_shared<MeasureArguments>();
  CLI::App& app = AddCommand(root, "measure",
                             "Tells how large a converted image would be. Nothing is written.");
  AddFile(app, "FILE", arguments->source.path, "a VHDX image, or a raw disk");
  AddFormat(app, "-f,--format", arguments->source);
  AddChoice(app, "-O,--output-format", arguments->target_format, {"raw", "vhdx"},
            "the format of the result; raw if it is not said");
  AddFlag(app, "--fixed", arguments->fixed, "vhdx: every block allocated");
  AddSize(app, "--block-size", arguments->block_size_bytes,
          "vhdx: 32M if it is not said, 2M for a fixed one");
  AddSize(app, "--log-size", arguments->log_size_bytes, "vhdx: 8M if it is not said");
  AddForceShare(app, arguments->source.read);
  return {&app,
          [arguments](const Invocation& invocation) { return RunMeasure(invocation, *arguments); }};
}

}  // namespace vhdx::cli

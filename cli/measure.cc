// vhdx measure: the bytes that a conversion would need.

#include <vhdxkit/measure.h>

#include <memory>
#include <utility>

#include "bytes/formatting.h"
#include "bytes/try.h"
#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/disk_source.h"
#include "cli/new_image_arguments.h"
#include "cli/size_text.h"
#include "json/json.h"

namespace vhdx::cli {
namespace {

struct MeasureArguments {
  SourceArguments source;
  std::string target_format{kRaw};
  NewImageArguments image;
};

Result<MeasureReport> Measure(const Invocation& invocation, const MeasureArguments& arguments,
                              BlockDevice& source) {
  if (arguments.target_format == kRaw) return MeasureRaw(source);
  Progress progress(invocation.options.progress, invocation.error_fd);
  const Subformat subformat = arguments.image.fixed ? Subformat::kFixed : Subformat::kDynamic;
  return MeasureVhdx(source, ToCreateOptions(arguments.image, subformat, ""),
                     invocation.control(progress));
}

Result<void> CheckMeasured(const MeasureArguments& arguments) {
  const std::string_view of_new_image = OptionOfNewImage(arguments.image);
  if (!of_new_image.empty() && arguments.target_format == kRaw) {
    return Fail(ErrorCode::kInvalidArgument, Format("{} needs -O vhdx", of_new_image));
  }
  if (const std::string_view option = OverrideOfRaw(arguments.source); !option.empty()) {
    return Fail(ErrorCode::kInvalidArgument,
                Format("{} is for a VHDX, and the source is raw; leave it out", option));
  }
  return {};
}

Result<ExitStatus> RunMeasure(const Invocation& invocation, const MeasureArguments& arguments) {
  if (auto fine = CheckMeasured(arguments); !fine) return invocation.Misused(fine.error());
  SourceArguments wanted = arguments.source;
  wanted.sector_size = arguments.image.padded_sector_size();
  auto source = VHDX_TRY(OpenDiskSource(invocation, wanted));
  auto report = VHDX_TRY(Measure(invocation, arguments, *source.device));
  if (invocation.options.json) {
    invocation.out.Write(ToDocument(invocation.messages.WithWarnings(
        {{"required", report.required_bytes}, {"fully-allocated", report.fully_allocated_bytes}})));
  } else {
    invocation.out.Print("required         {}\nfully allocated  {}\n",
                         FormatSizeExactly(report.required_bytes),
                         FormatSizeExactly(report.fully_allocated_bytes));
  }
  return ExitStatus::kDone;
}

}  // namespace

Command AddMeasure(CLI::App& root) {
  auto arguments = std::make_shared<MeasureArguments>();
  CLI::App& app = AddCommand(
      root, "measure",
      "Show how large the result of a conversion would be, without writing it. Options of convert "
      "that describe the new image and are not listed here do not change its size; they are "
      "accepted.");
  AddFile(app, "FILE", arguments->source.path, "a VHDX image, or a raw disk");
  AddFormat(app, "-f,--format", arguments->source);
  AddOutputFormat(app, arguments->target_format, "format of the result (default: raw)");
  AddBaseDiskOptions(app, arguments->image, NewImageRole::kCopy);
  AddNewImageOptions(app, arguments->image, NewImageRole::kCopy);
  AddGuid(app, "--disk-id", arguments->image.disk_id, "ID of the new disk (default: random)");
  for (const char* const of_no_size : {"--physical-sector", "--preallocate", "--creator",
                                       "--reproducible", "--seed", "--disk-id"}) {
    HideInHelp(app, of_no_size);
  }
  AddForceShare(app, arguments->source.read);
  AddOverrides(app, arguments->source.read);
  return {&app,
          [arguments](const Invocation& invocation) { return RunMeasure(invocation, *arguments); }};
}

}  // namespace vhdx::cli

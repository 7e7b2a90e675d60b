// vhdx convert: the contents of a disk into a VHDX, a raw file, a block device, or a pipe.

#include <unistd.h>
#include <vhdxkit/convert.h>
#include <vhdxkit/image_format.h>

#include <chrono>
#include <memory>
#include <utility>

#include "bytes/formatting.h"
#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/disk_source.h"
#include "cli/json_text.h"
#include "cli/new_image_arguments.h"
#include "cli/printable.h"
#include "cli/reproducible.h"
#include "cli/size_text.h"
#include "cli/standard_input.h"
#include "cli/standard_output_file.h"

namespace vhdx::cli {
namespace {

constexpr uint64_t kMaxThreads = 64;

struct ConvertArguments {
  SourceArguments source;
  std::string target;
  std::string target_format;  // empty: not said
  NewImageArguments image;
  bool force = false;
  bool into_existing = false;
  bool orphan_children = false;
  bool no_lock = false;
  bool sync = false;
  uint64_t threads = 0;

  bool from_standard_input() const { return source.path == "-"; }
  bool to_standard_output() const { return target == "-"; }
};

// What was done, and how long it took.
struct ConversionOutcome {
  ConvertReport report;
  double seconds = 0;
};

Result<ConvertReport> StreamOut(const Invocation& invocation, const ConvertArguments& arguments,
                                StandardOutputFile& stream, BlockDevice& source) {
  if (source.Uses(stream.identity())) {
    return Fail(ErrorCode::kInvalidArgument,
                "standard output is the source itself, or one of its parents",
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

ConvertOptions OptionsFor(const Invocation& invocation, const ConvertArguments& arguments) {
  return {.existing = arguments.into_existing ? ExistingTarget::kInto
                      : arguments.force       ? ExistingTarget::kReplace
                                              : ExistingTarget::kRefuse,
          .sync = arguments.sync,
          // Several threads place blocks in an order that nobody can tell before.
          .threads = arguments.image.reproducible ? 1 : static_cast<unsigned>(arguments.threads),
          .open = invocation.open_options({.force_share = arguments.no_lock}),
          .orphan_children = arguments.orphan_children};
}

// Of the image to be made; `contents` stands for those of the disk.
CreateOptions ImageFor(const ConvertArguments& arguments, const std::string& contents) {
  const Subformat subformat = arguments.image.fixed ? Subformat::kFixed : Subformat::kDynamic;
  CreateOptions image = ToCreateOptions(arguments.image, subformat, contents);
  image.sync = arguments.sync;
  return image;
}

Result<ConvertReport> ConvertToImage(const Invocation& invocation,
                                     const ConvertArguments& arguments, BlockDevice& source,
                                     const OperationControl& control) {
  std::string contents;
  if (arguments.image.reproducible) {
    auto digest = DigestOfContents(source, control);
    if (!digest) return std::unexpected(std::move(digest.error()));
    contents = *std::move(digest);
  }
  return ConvertToVhdx(invocation.files, source, arguments.target, ImageFor(arguments, contents),
                       OptionsFor(invocation, arguments), control);
}

Result<ConvertReport> ConvertToFile(const Invocation& invocation, const ConvertArguments& arguments,
                                    std::string_view format, BlockDevice& source) {
  Progress progress(invocation.options.progress, invocation.error_fd);
  const OperationControl control = invocation.control(progress);
  if (format == kVhdx) return ConvertToImage(invocation, arguments, source, control);
  return ConvertToRaw(invocation.files, source, arguments.target, OptionsFor(invocation, arguments),
                      control);
}

Result<ConvertReport> ConvertStream(const Invocation& invocation, const ConvertArguments& arguments,
                                    std::string_view format, StandardInput& input) {
  Progress progress(invocation.options.progress, invocation.error_fd);
  const OperationControl control = invocation.control(progress);
  const ReadStream stream = [&](MutableByteSpan buffer) { return input.Read(buffer); };
  const ConvertOptions options = OptionsFor(invocation, arguments);
  if (format == kRaw) {
    return ConvertStreamToRaw(invocation.files, stream, arguments.target, options, control);
  }
  return ConvertStreamToVhdx(invocation.files, stream, arguments.target, ImageFor(arguments, ""),
                             options, control);
}

Result<ConvertReport> Convert(const Invocation& invocation, const ConvertArguments& arguments,
                              std::string_view format, BlockDevice& source) {
  if (!arguments.to_standard_output()) {
    return ConvertToFile(invocation, arguments, format, source);
  }
  auto stream = StandardOutputFile::Open(invocation.out.stream());
  if (!stream) return std::unexpected(std::move(stream.error()));
  return StreamOut(invocation, arguments, **stream, source);
}

// What is converted into what, for messages.
struct Conversion {
  std::string_view source_format;
  std::string_view target_format;
};

std::string TargetName(const ConvertArguments& arguments) {
  return arguments.to_standard_output() ? std::string(kStandardOutputName) : arguments.target;
}

Json ToJson(const ConvertArguments& arguments, const Conversion& conversion,
            const ConversionOutcome& outcome) {
  const CopyReport& copy = outcome.report.copy;
  return {{"source", arguments.source.path},
          {"source-format", conversion.source_format},
          {"target", TargetName(arguments)},
          {"target-format", conversion.target_format},
          {"virtual-size", outcome.report.source_size_bytes},
          {"target-size", outcome.report.target_size_bytes},
          {"copied", copy.copied_bytes},
          {"cloned", copy.cloned_bytes},
          {"zero", copy.zero_bytes},
          {"seconds", outcome.seconds}};
}

std::string ToText(const ConvertArguments& arguments, const ConversionOutcome& outcome) {
  const ConvertReport& report = outcome.report;
  std::string parts = Format("{} copied", FormatSize(report.copy.copied_bytes));
  if (report.copy.cloned_bytes > 0) {
    parts += Format(", {} shared with the source", FormatSize(report.copy.cloned_bytes));
  }
  if (report.copy.zero_bytes > 0) {
    parts += Format(", {} zeros", FormatSize(report.copy.zero_bytes));
  }
  std::string text = Format("{}: {} written ({}) in {:.2f} s", Printable(TargetName(arguments)),
                            FormatSize(report.source_size_bytes), parts, outcome.seconds);
  const uint64_t rest = report.target_size_bytes - report.source_size_bytes;
  if (rest > 0 && report.into_existing) {
    text += Format("; the {} after it are unchanged", FormatSize(rest));
  }
  return text + "\n";
}

void Print(const Invocation& invocation, const ConvertArguments& arguments,
           const Conversion& conversion, const ConversionOutcome& outcome) {
  const bool json = invocation.options.json;
  if (!json && invocation.options.quiet) return;
  if (!arguments.to_standard_output()) {
    invocation.out.Write(
        json ? ToDocument(invocation.messages.WithWarnings(ToJson(arguments, conversion, outcome)))
             : ToText(arguments, outcome));
    return;
  }
  // Standard output carries the disk; what was done is told on standard error.
  TextOutput errors({.fd = invocation.error_fd, .interrupted = nullptr});
  errors.Write(json ? ToLine(ToJson(arguments, conversion, outcome)) + "\n"
                    : ToText(arguments, outcome));
  (void)errors.Finish();
}

// Said, or told by the target: by what is there if that is to be written into, else by its name.
Result<std::string_view> DecideTargetFormat(const Invocation& invocation,
                                            const ConvertArguments& arguments) {
  if (!arguments.target_format.empty()) return arguments.target_format == kRaw ? kRaw : kVhdx;
  if (arguments.into_existing && !arguments.to_standard_output()) {
    auto file = invocation.files.Open(arguments.target, {});
    if (!file) return std::unexpected(std::move(file.error()));
    auto format = RecognizeFormat(**file);
    if (!format) return std::unexpected(std::move(format.error()));
    if (*format == nullptr) return kRaw;
    if ((*format)->kind == ImageFormat::Kind::kVhdx) return kVhdx;
    return Fail(
        ErrorCode::kUnsupported,
        Format("this is {}, which vhdx cannot write; -O raw overwrites it", (*format)->title),
        arguments.target);
  }
  for (const std::string_view name :
       {".vhd", ".vhds", ".qcow2", ".qcow", ".vmdk", ".vdi", ".qed"}) {
    if (!arguments.target.ends_with(name)) continue;
    return Fail(ErrorCode::kInvalidArgument,
                Format("cannot write {}; use -O raw or -O vhdx to choose the format whatever the "
                       "name",
                       name.substr(1)),
                arguments.target);
  }
  return IsNamedAsVhdx(arguments.target) ? kVhdx : kRaw;
}

Result<void> CheckFormats(const ConvertArguments& arguments, std::string_view target_format) {
  const auto refuse = [&](std::string sentence) {
    return Fail(ErrorCode::kInvalidArgument, std::move(sentence), TargetName(arguments));
  };
  if (target_format == kVhdx && arguments.to_standard_output()) {
    return refuse("a VHDX cannot be written to standard output; name a file, or use -O raw");
  }
  if (arguments.to_standard_output() && arguments.from_standard_input()) {
    return refuse("cannot convert standard input to standard output; use cat");
  }
  if (arguments.from_standard_input() && arguments.image.reproducible) {
    return refuse(
        "--reproducible needs a file: it reads the disk twice, and a pipe can be read once");
  }
  const std::string_view of_new_image = OptionOfNewImage(arguments.image);
  if (!of_new_image.empty() && target_format == kRaw) {
    return refuse(Format("{} needs -O vhdx", of_new_image));
  }
  if (!of_new_image.empty() && arguments.into_existing) {
    return refuse(Format("{} and --no-create cannot be combined", of_new_image));
  }
  return {};
}

void ReportOutcome(const Invocation& invocation, const ConvertArguments& arguments,
                   const Conversion& conversion, const ConvertReport& report,
                   std::chrono::steady_clock::time_point start) {
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
  Print(invocation, arguments, conversion, {.report = report, .seconds = elapsed.count()});
}

Result<ExitStatus> RunFromStandardInput(const Invocation& invocation,
                                        const ConvertArguments& arguments,
                                        std::string_view target_format) {
  const auto start = std::chrono::steady_clock::now();
  StandardInput input(STDIN_FILENO, invocation.interrupted);
  if (auto fine = CheckStandardInput(input, arguments.source); !fine) {
    return std::unexpected(std::move(fine.error()));
  }
  auto report = ConvertStream(invocation, arguments, target_format, input);
  if (!report) return std::unexpected(std::move(report.error()));
  NotePadding(invocation, std::string(kStandardInputName), report->source_size_bytes,
              arguments.image.padded_sector_size());
  ReportOutcome(invocation, arguments, {kRaw, target_format}, *report, start);
  return ExitStatus::kDone;
}

// Partition tables count sectors: with sectors of another size nobody finds the partitions.
void NoteSectorSize(const Invocation& invocation, const ConvertArguments& arguments,
                    const DiskSource& source, std::string_view target_format) {
  const uint32_t from = source.device->logical_sector_size();
  // A raw file does not say.
  if (source.format == kRaw && from == RawDevice::kSectorSize) return;
  const std::string& path = arguments.target;
  if (target_format == kRaw) {
    if (from == RawDevice::kSectorSize) return;
    invocation.messages.Note(path, Format("the disk has sectors of {} bytes, which a raw file does "
                                          "not say; attach it with `losetup --sector-size {}`",
                                          from, from));
    return;
  }
  const bool chosen = !arguments.image.logical_sector.empty();
  if (!chosen || arguments.image.logical_sector_size() == from) return;
  invocation.messages.Note(path, Format("the sector size changes from {} to {} bytes: partitions, "
                                        "which are counted in sectors, may not be found",
                                        from, arguments.image.logical_sector_size()));
}

Result<ExitStatus> RunConvert(const Invocation& invocation, const ConvertArguments& arguments) {
  auto target_format = DecideTargetFormat(invocation, arguments);
  if (!target_format) {
    // A name that says a format is an argument; the contents of a file are not.
    if (target_format.error().code == ErrorCode::kInvalidArgument) {
      return invocation.Misused(target_format.error());
    }
    return std::unexpected(std::move(target_format.error()));
  }
  if (auto checked = CheckFormats(arguments, *target_format); !checked) {
    return invocation.Misused(checked.error());
  }
  if (arguments.from_standard_input()) {
    return RunFromStandardInput(invocation, arguments, *target_format);
  }
  SourceArguments wanted = arguments.source;
  wanted.sector_size = arguments.image.padded_sector_size();
  auto source = OpenDiskSource(invocation, wanted);
  if (!source) return std::unexpected(std::move(source.error()));
  const auto start = std::chrono::steady_clock::now();
  auto report = Convert(invocation, arguments, *target_format, *source->device);
  if (!report) return std::unexpected(std::move(report.error()));
  if (source->format == kVhdx) {
    NotePadding(invocation, arguments.source.path, report->source_size_bytes,
                arguments.image.padded_sector_size());
  }
  NoteSectorSize(invocation, arguments, *source, *target_format);
  ReportOutcome(invocation, arguments, {source->format, *target_format}, *report, start);
  return ExitStatus::kDone;
}

void AddTargetOptions(CLI::App& app, ConvertArguments& arguments) {
  AddFlag(app, "--force", arguments.force,
          "replace DST if it exists, once the new file is complete");
  AddFlag(app, "-n,--no-create", arguments.into_existing,
          "write into DST, which must exist and be large enough; data after the end of the disk is "
          "unchanged");
  AddFlag(app, "--orphan-children", arguments.orphan_children,
          "overwrite DST even if it is the parent of other images, which become unreadable");
  AddFlag(app, "--no-lock", arguments.no_lock,
          "with -n: do not lock the VHDX, for file systems without locks");
  AddNeed(app, "--no-lock", "--no-create");
  AddFlag(app, "--sync", arguments.sync, "flush DST to stable storage before renaming it");
}

}  // namespace

Command AddConvert(CLI::App& root) {
  auto arguments = std::make_shared<ConvertArguments>();
  CLI::App& app = AddCommand(
      root, "convert",
      "Copy the contents of a disk, including its parents, to a VHDX or a raw disk. Zeros become "
      "holes. The output is written to a temporary file and renamed when complete.");
  AddFile(app, "SRC", arguments->source.path, "a VHDX image, a raw disk, or - for standard input");
  AddFile(app, "DST", arguments->target, "a file, a block device, or - for standard output");
  AddFormat(app, "-f,--format", arguments->source);
  AddOutputFormat(app, arguments->target_format,
                  "format of DST (default: by its name; with -n, by its contents)");
  AddBaseDiskOptions(app, arguments->image);
  AddNewImageOptions(app, arguments->image, kBlockSizesOfACopy);
  AddGuid(app, "--disk-id", arguments->image.disk_id, "id of the new disk (default: random)");
  AddTargetOptions(app, *arguments);
  AddCount(app, "-j,--threads", arguments->threads, {.least = 1, .most = kMaxThreads},
           "number of copy threads (default: one per processor, at most 4)");
  AddForceShare(app, arguments->source.read);
  AddOverrides(app, arguments->source.read);
  return {.app = &app,
          .run = [arguments](
                     const Invocation& invocation) { return RunConvert(invocation, *arguments); },
          .if_parent = "choose another target; --orphan-children overwrites it anyway"};
}

}  // namespace vhdx::cli

// vhdx convert: the contents of a disk into a VHDX, a raw file, a block device, or a pipe.

#include <unistd.h>
#include <vhdxkit/convert.h>
#include <vhdxkit/image_format.h>

#include <chrono>
#include <memory>
#include <utility>

#include "bytes/formatting.h"
#include "bytes/try.h"
#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/disk_source.h"
#include "cli/duration_text.h"
#include "cli/new_image_arguments.h"
#include "cli/printable.h"
#include "cli/reproducible.h"
#include "cli/size_text.h"
#include "cli/standard_input.h"
#include "cli/standard_output_file.h"
#include "json/json.h"

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
  std::chrono::nanoseconds elapsed{};
};

Result<ConvertReport> StreamOut(const Invocation& invocation, const ConvertArguments& arguments,
                                StandardOutputFile& stream, BlockDevice& source) {
  if (source.Uses(stream.identity())) {
    return Fail(ErrorCode::kInvalidArgument,
                "standard output is the source itself, or one of its parents",
                arguments.source.path);
  }
  Progress progress(invocation.options.progress, invocation.error_fd);
  auto copied = VHDX_TRY(StreamContents(source, stream, invocation.control(progress)));
  VHDX_TRY(arguments.sync ? stream.Sync() : stream.Finish());
  return ConvertReport{.copy = copied,
                       .source_size_bytes = source.size_bytes(),
                       .target_size_bytes = source.size_bytes()};
}

ConvertOptions OptionsFor(const Invocation& invocation, const ConvertArguments& arguments) {
  return {.existing = arguments.into_existing ? ExistingTarget::kInto
                      : arguments.force       ? ExistingTarget::kReplace
                                              : ExistingTarget::kRefuse,
          .sync = arguments.sync,
          .threads = arguments.image.reproducible ? 1 : static_cast<unsigned>(arguments.threads),
          .search = invocation.options.search,
          .lock = arguments.no_lock ? LockPolicy::kIgnore : LockPolicy::kLock,
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
    auto digest = VHDX_TRY(DigestOfContents(source, control));
    contents = std::move(digest);
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
  auto stream = VHDX_TRY(StandardOutputFile::Open(invocation.out.stream()));
  return StreamOut(invocation, arguments, *stream, source);
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
          {"seconds", std::chrono::duration<double>(outcome.elapsed).count()}};
}

std::string ToText(const ConvertArguments& arguments, const Conversion& conversion,
                   const ConversionOutcome& outcome) {
  const ConvertReport& report = outcome.report;
  std::string parts = Format("{} copied", FormatSize(report.copy.copied_bytes));
  if (report.copy.cloned_bytes > 0) {
    parts += Format(", {} shared with the source", FormatSize(report.copy.cloned_bytes));
  }
  if (report.copy.zero_bytes > 0) {
    parts += Format(", {} zeros", FormatSize(report.copy.zero_bytes));
  }
  std::string text = Format("{}: {} written as {} ({}) in {}", Printable(TargetName(arguments)),
                            FormatSize(report.source_size_bytes),
                            conversion.target_format == kRaw ? "a raw disk" : "a VHDX", parts,
                            FormatDuration(outcome.elapsed));
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
             : ToText(arguments, conversion, outcome));
    return;
  }
  // Standard output carries the disk; what was done is told on standard error.
  TextOutput errors({.fd = invocation.error_fd, .interrupted = nullptr});
  errors.Write(json ? ToLine(ToJson(arguments, conversion, outcome)) + "\n"
                    : ToText(arguments, conversion, outcome));
  (void)errors.Finish();
}

Result<std::string_view> FormatToWriteInto(File& file, const std::string& path) {
  auto format = VHDX_TRY(RecognizeFormat(file));
  if (format == nullptr) return kRaw;
  if (format->kind == ImageFormat::Kind::kVhdx) return kVhdx;
  return Fail(ErrorCode::kUnsupported,
              Format("this is {}, which vhdx cannot write; -O raw overwrites it", format->title),
              path);
}

// Said, or told by the target: by what is there if that is to be written into, else by its name.
Result<std::string_view> DecideTargetFormat(const Invocation& invocation,
                                            const ConvertArguments& arguments) {
  if (!arguments.target_format.empty()) return arguments.target_format == kRaw ? kRaw : kVhdx;
  if (arguments.into_existing && !arguments.to_standard_output()) {
    auto file = invocation.files.Open(arguments.target, {});
    if (file) return FormatToWriteInto(**file, arguments.target);
    // The conversion says what is to be done then.
    if (file.error().code != ErrorCode::kNotFound) return std::unexpected(std::move(file.error()));
  }
  const std::string_view named = FormatByName(arguments.target);
  if (!IsWritable(named)) {
    const std::string advice = AdviseOnTarget(named, arguments.target);
    return Fail(
        ErrorCode::kInvalidArgument,
        Format("cannot write {}{}{}; -O raw or -O vhdx writes that format whatever the name", named,
               advice.empty() ? "" : "; ", advice),
        arguments.target);
  }
  return named == kVhdx ? kVhdx : kRaw;
}

// An option that means nothing with these streams; else empty.
std::string_view OptionWithoutEffect(const ConvertArguments& arguments) {
  if (arguments.threads != 0) return "-j";
  if (arguments.to_standard_output()) {
    if (arguments.force) return "--force";
    if (arguments.into_existing) return "-n";
  }
  return arguments.from_standard_input() && arguments.source.read.force_share ? "-U" : "";
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
    return refuse("--reproducible reads the source twice, and standard input can be read once");
  }
  if (arguments.from_standard_input() || arguments.to_standard_output()) {
    if (const std::string_view option = OptionWithoutEffect(arguments); !option.empty()) {
      return refuse(Format("{} has no effect with standard {}; leave it out", option,
                           arguments.from_standard_input() ? "input" : "output"));
    }
  }
  if (const std::string_view option = OverrideOfRaw(arguments.source); !option.empty()) {
    return refuse(Format("{} is for a VHDX, and the source is raw; leave it out", option));
  }
  if (arguments.orphan_children && !arguments.force && !arguments.into_existing) {
    return refuse("--orphan-children needs --force or -n");
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

// What the name of a new file and its format have to do with each other.
void ExplainFormat(const Invocation& invocation, const ConvertArguments& arguments,
                   std::string_view target_format) {
  WarnOfName(invocation, arguments.target, target_format);
  if (arguments.target_format.empty() && FormatByName(arguments.target).empty()) {
    invocation.messages.Note(
        arguments.target,
        "its name does not say a format, so it is a raw disk; -O vhdx writes a VHDX");
  }
}

void ReportOutcome(const Invocation& invocation, const ConvertArguments& arguments,
                   const Conversion& conversion, const ConvertReport& report,
                   std::chrono::steady_clock::time_point start) {
  if (!report.into_existing && !arguments.to_standard_output()) {
    ExplainFormat(invocation, arguments, conversion.target_format);
  }
  Print(invocation, arguments, conversion,
        {.report = report, .elapsed = std::chrono::steady_clock::now() - start});
}

Result<ExitStatus> RunFromStandardInput(const Invocation& invocation,
                                        const ConvertArguments& arguments,
                                        std::string_view target_format) {
  const auto start = std::chrono::steady_clock::now();
  StandardInput input(STDIN_FILENO, invocation.interrupted);
  VHDX_TRY(CheckStandardInput(input, arguments.source));
  auto report = VHDX_TRY(ConvertStream(invocation, arguments, target_format, input));
  NotePadding(invocation, std::string(kStandardInputName), report.source_size_bytes,
              arguments.image.padded_sector_size());
  ReportOutcome(invocation, arguments, {kRaw, target_format}, report, start);
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
  auto source = VHDX_TRY(OpenDiskSource(invocation, wanted));
  const auto start = std::chrono::steady_clock::now();
  auto report = VHDX_TRY(Convert(invocation, arguments, *target_format, *source.device));
  if (source.format == kVhdx) {
    NotePadding(invocation, arguments.source.path, report.source_size_bytes,
                arguments.image.padded_sector_size());
  }
  NoteSectorSize(invocation, arguments, source, *target_format);
  ReportOutcome(invocation, arguments, {source.format, *target_format}, report, start);
  return ExitStatus::kDone;
}

// Of the target, when the conversion was interrupted: a new file gets its name at the end.
std::string WhatIsLeft(const Invocation& invocation, const ConvertArguments& arguments) {
  const auto is_device = [&] {
    const auto file = invocation.files.Open(arguments.target, {});
    return file && (*file)->capabilities().block_device;
  };
  const bool is_incomplete =
      arguments.to_standard_output() || arguments.into_existing || is_device();
  return is_incomplete ? "the target is incomplete" : "the target was not written";
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
          "with -n: do not lock DST, for file systems without locks");
  AddNeed(app, "--no-lock", "--no-create");
  AddConflict(app, "--force", "--no-create");
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
  AddBaseDiskOptions(app, arguments->image, NewImageRole::kCopy);
  AddNewImageOptions(app, arguments->image, NewImageRole::kCopy);
  AddGuid(app, "--disk-id", arguments->image.disk_id, "ID of the new disk (default: random)");
  AddTargetOptions(app, *arguments);
  AddCount(app, "-j,--threads", arguments->threads, {.least = 1, .most = kMaxThreads},
           "number of copy threads (default: one per processor, at most 4)");
  // Several threads place blocks in an order that nobody can tell before.
  AddConflict(app, "--threads", "--reproducible");
  AddForceShare(app, arguments->source.read);
  AddOverrides(app, arguments->source.read);
  return {
      .app = &app,
      .run =
          [arguments](const Invocation& invocation) { return RunConvert(invocation, *arguments); },
      .if_parent = "choose another target; --orphan-children overwrites it anyway",
      .if_interrupted =
          [arguments](const Invocation& invocation) { return WhatIsLeft(invocation, *arguments); }};
}

}  // namespace vhdx::cli

#include "cli/disk_source.h"

#include <vhdxkit/image_format.h>
#include <vhdxkit/image_tree.h>
#include <vhdxkit/inspect.h>
#include <vhdxkit/raw_device.h>

#include <algorithm>
#include <utility>

#include "bytes/formatting.h"
#include "bytes/try.h"
#include "cli/arguments.h"
#include "cli/printable.h"
#include "cli/standard_input.h"
#include "ops/shared_space.h"

namespace vhdx::cli {
namespace {

constexpr std::string_view kNoSignature = "file.signature";
constexpr std::string_view kWithoutLocks =
    "another program may write this file meanwhile, and what is read may be a mixture of old and "
    "new";

// What a user can do with a file of that format.
std::string Advice(const ImageFormat& format, const std::string& path) {
  if (format.kind == ImageFormat::Kind::kPacked) return "unpack it first";
  if (format.qemu_name.empty()) return "convert it to raw with a program that reads it";
  return Format("convert it first: `qemu-img convert -f {} -O raw {} disk.raw`", format.qemu_name,
                path == kStandardInputName ? "FILE" : QuoteForShell(path));
}

Error WrongFormat(const ImageFormat& format, const std::string& path) {
  const std::string_view reads =
      format.kind == ImageFormat::Kind::kPacked ? "" : ", which vhdx does not read";
  Error error{.code = ErrorCode::kUnsupported,
              .rule = std::string(kNoSignature),
              .file = path,
              .file_offset = 0};
  error.found = format.title;
  error.expected = "a VHDX image";
  error.sentence =
      Format("this is {}{}; {} [{}]", format.title, reads, Advice(format, path), kNoSignature);
  return error;
}

Error OrAsRaw(Error error, const SourceArguments& source) {
  return BeforeRule(std::move(error),
                    Format("; {} raw takes its bytes as they are", source.format_option));
}

// "raw" or "vhdx", or why it is neither.
Result<std::string_view> FormatByContents(File& file, const SourceArguments& source) {
  auto size = VHDX_TRY(file.Size());
  if (size == 0) {
    return Fail(ErrorCode::kInvalidArgument, "the file is empty", source.path);
  }
  auto format = VHDX_TRY(RecognizeFormat(file));
  if (format == nullptr) {
    const std::string_view named = FormatByName(source.path);
    // Opening it tells what is wrong with it.
    return named == kVhdx || named == "vhds" ? kVhdx : kRaw;
  }
  if (format->kind == ImageFormat::Kind::kVhdx) return kVhdx;
  return std::unexpected(OrAsRaw(WrongFormat(*format, source.path), source));
}

Result<std::string_view> DecideFormat(FileSystem& files, const SourceArguments& source) {
  if (!source.format.empty()) return source.format == kRaw ? kRaw : kVhdx;
  auto file = files.Open(source.path, {});
  if (!file) return std::unexpected(ExplainWrongFormat(files, std::move(file.error())));
  return FormatByContents(**file, source);
}

Result<DiskSource> OpenVhdx(const Invocation& invocation, const SourceArguments& source) {
  auto disk = Disk::Open(invocation.files, source.path,
                         {.access = source.access,
                          .direct = source.read.direct,
                          .chain = invocation.ChainFor(source.read)});
  if (!disk) {
    Error error = ExplainWrongFormat(invocation.files, std::move(disk.error()));
    if (error.rule == kNoSignature && error.file == source.path && source.format.empty()) {
      error = OrAsRaw(std::move(error), source);
    }
    return std::unexpected(std::move(error));
  }
  for (size_t depth = 0; depth < (*disk)->chain_length(); ++depth) {
    WarnOfFindings(invocation, (*disk)->image_at_open(depth).findings);
  }
  if (source.access == DiskAccess::kReadWrite && !source.orphan_children) {
    VHDX_TRY(RefuseIfParent(invocation.files, source.path, invocation.options.search));
  }
  return DiskSource{.device = *std::move(disk), .format = kVhdx};
}

Result<void> LockRaw(const Invocation& invocation, const SourceArguments& source, File& file) {
  if (source.read.force_share) return {};
  const bool writing = source.access == DiskAccess::kReadWrite;
  auto locked = file.Lock(writing ? LockMode::kExclusive : LockMode::kShared);
  if (!locked && !writing && locked.error().code == ErrorCode::kUnsupported) {
    invocation.messages.Warn(source.path,
                             Format("the file system has no locks: {}", kWithoutLocks));
    return {};
  }
  return locked;
}

Result<DiskSource> OpenRaw(const Invocation& invocation, const SourceArguments& source) {
  const bool writing = source.access == DiskAccess::kReadWrite;
  auto file = VHDX_TRY(invocation.files.Open(
      source.path, {.access = writing ? FileAccess::kReadWrite : FileAccess::kReadOnly,
                    .direct = source.read.direct}));
  VHDX_TRY(LockRaw(invocation, source, *file));
  auto size = VHDX_TRY(file->Size());
  auto device = VHDX_TRY(RawDevice::Open(std::move(file)));
  NotePadding(invocation, source.path, size, source.sector_size);
  return DiskSource{.device = std::move(device), .format = kRaw};
}

}  // namespace

Error BeforeRule(Error error, std::string_view words) {
  const size_t end = std::min(error.sentence.rfind(" ["), error.sentence.size());
  error.sentence.insert(end, words);
  return error;
}

void NotePadding(const Invocation& invocation, const std::string& path, uint64_t size_bytes,
                 uint32_t sector_size) {
  const uint64_t rest = size_bytes % sector_size;
  if (rest == 0) return;
  invocation.messages.Note(path, Format("its size, {}, is not a multiple of the sector size, "
                                        "{}; it is padded with {} of zeros",
                                        Counted(size_bytes, "byte", "bytes"), sector_size,
                                        Counted(sector_size - rest, "byte", "bytes")));
}

void AddOutputFormat(CLI::App& app, std::string& target, const std::string& help) {
  AddChoice(app, "-O,--output-format", target, {"raw", "vhdx"}, help,
            [](const std::string& word) { return AdviseOnTarget(word, "FILE"); });
}

void AddFormat(CLI::App& app, const std::string& names, SourceArguments& source,
               const std::string& of) {
  AddChoice(app, names, source.format, {"raw", "vhdx"},
            Format("format of {} (default: by its contents)", of),
            [](const std::string& word) { return AdviseOnSource(word); });
  source.format_option = names.substr(0, names.find(','));
}

void AddForceShare(CLI::App& app, ReadOptions& read) {
  AddFlag(app, "-U,--force-share", read.force_share,
          "read without locks, even if another program is writing");
}

void AddIgnoreLog(CLI::App& app, ReadOptions& read) {
  AddFlag(app, "--ignore-log", read.ignore_log,
          "read as if the log were empty; warn about what may be out of date");
}

void AddOverrides(CLI::App& app, ReadOptions& read) {
  AddRepeatedPath(app, "--parent", read.parents,
                  "use this file as the parent, wherever the image says it is; given again, as the "
                  "parent of that "
                  "one");
  AddFlag(app, "--ignore-parent-id", read.ignore_parent_id,
          "accept a parent whose identity differs; show both identities");
  AddIgnoreLog(app, read);
}

std::string_view OverrideOfRaw(const SourceArguments& source) {
  if (source.format != kRaw && source.path != "-") return {};
  if (!source.read.parents.empty()) return "--parent";
  if (source.read.ignore_parent_id) return "--ignore-parent-id";
  return source.read.ignore_log ? "--ignore-log" : "";
}

void WarnOfForceShare(const Invocation& invocation, const std::string& path,
                      const ReadOptions& read) {
  if (read.force_share) {
    invocation.messages.Warn(path, Format("read without locks: {}", kWithoutLocks));
  }
}

void WarnOfSharedSpace(const Invocation& invocation, BlockDevice& device) {
  const auto shared = RefuseSharedSpace(device);
  if (!shared) invocation.messages.Warn(shared.error().file, shared.error().sentence);
}

void WarnOfMissingLocks(const Invocation& invocation, const std::vector<Finding>& findings) {
  for (const Finding& finding : findings) {
    if (finding.rule->id == "host.no-locks") {
      invocation.messages.Warn(finding.file,
                               Format("the file system has no locks: {}", kWithoutLocks));
    }
  }
}

void WarnOfFindings(const Invocation& invocation, const std::vector<Finding>& findings) {
  WarnOfMissingLocks(invocation, findings);
  constexpr std::string_view kToTell[] = {"log.ignored", "log.never-begun", "parent.id-ignored",
                                          "parent.ambiguous"};
  for (const Finding& finding : findings) {
    if (std::ranges::find(kToTell, finding.rule->id) != std::end(kToTell)) {
      invocation.messages.Warn(finding.file, finding.sentence);
    }
  }
}

void NoteParentElsewhere(const Invocation& invocation, const std::string& child,
                         const std::string& parent) {
  // A server may be writing it.
  const auto inspection =
      Inspect(invocation.files, child, {.images = {.lock = LockPolicy::kIgnore}});
  if (!inspection || !inspection->parent) return;
  if (inspection->parent->identity == ParentState::Identity::kOk) return;
  // Parents are allowed by where they really are, whatever link leads there.
  const auto real_path = invocation.files.RealPath(parent);
  if (!real_path) return;
  invocation.messages.Note(
      child, Format("its parent is in another directory: use --parent-dir {} with every command",
                    Printable(real_path->substr(0, real_path->rfind('/') + 1))));
}

Error ExplainWrongFormat(FileSystem& files, Error error) {
  if (error.rule != kNoSignature) return error;
  if (error.file.ends_with(".vhds")) {
    error.code = ErrorCode::kUnsupported;
    error.sentence = "this is a VHD Set; its disk is in the .avhdx file beside it [file.signature]";
    return error;
  }
  auto file = files.Open(error.file, {});
  if (!file) return error;
  const auto size = (*file)->Size();
  if (size && *size == 0) {
    error.sentence = "the file is empty [file.signature]";
    return error;
  }
  const auto format = RecognizeFormat(**file);
  if (!format) return error;
  if (*format != nullptr) return WrongFormat(**format, error.file);
  const bool may_be_raw = FormatByName(error.file) == kRaw || FormatByName(error.file).empty();
  if (!may_be_raw) return error;
  const std::string advice =
      Format("; if it is a raw disk, `vhdx convert {} disk.vhdx` makes a VHDX of it",
             QuoteForShell(error.file));
  return BeforeRule(std::move(error), advice);
}

Result<void> CheckStandardInput(StandardInput& input, const SourceArguments& source) {
  const std::string name(kStandardInputName);
  const auto seek_needed = [&] {
    return Fail(ErrorCode::kUnsupported,
                "a VHDX cannot be read front to back; save it to a file first", name);
  };
  if (source.format == kVhdx) return seek_needed();
  if (!source.format.empty()) return {};
  auto format = VHDX_TRY(input.Recognize());
  if (format == nullptr) return {};
  Error error =
      format->kind == ImageFormat::Kind::kVhdx ? seek_needed().error() : WrongFormat(*format, name);
  return std::unexpected(OrAsRaw(std::move(error), source));
}

Result<DiskSource> OpenDiskSource(const Invocation& invocation, const SourceArguments& source) {
  if (source.path == "-") {
    return Fail(ErrorCode::kUnsupported,
                "standard input cannot be read at any offset; save it to a file first");
  }
  auto format = VHDX_TRY(DecideFormat(invocation.files, source));
  if (source.access == DiskAccess::kReadOnly) {
    WarnOfForceShare(invocation, source.path, source.read);
  }
  return format == kRaw ? OpenRaw(invocation, source) : OpenVhdx(invocation, source);
}

}  // namespace vhdx::cli

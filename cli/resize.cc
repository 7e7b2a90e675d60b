// vhdx resize: a disk becomes larger or smaller, in place.

#include <vhdxkit/inspect.h>
#include <vhdxkit/resize.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bytes/formatting.h"
#include "bytes/try.h"
#include "cli/arguments.h"
#include "cli/batch.h"
#include "cli/change_tracking.h"
#include "cli/commands.h"
#include "cli/disk_size.h"
#include "cli/disk_source.h"
#include "cli/printable.h"
#include "cli/resize_document.h"
#include "cli/size_text.h"
#include "cli/skipped_files.h"

namespace vhdx::cli {
namespace {

// Of every disk; the disk itself may have larger ones.
constexpr uint32_t kLeastSectorSize = 512;

struct ResizeArguments {
  BatchArguments batch;       // the last name is the size, unless to_minimum is said
  std::string size_for_help;  // never set: the names take all words
  SkipArguments skip;
  bool to_minimum = false;
  bool allow_unsafe = false;
  bool dry_run = false;
  bool no_lock = false;
  bool orphan_children = false;
};

// What the words say: the files, and what to do with each.
struct ResizeTask {
  BatchArguments batch;
  std::optional<NewDiskSize> size;  // nothing: the minimum
};

// "10X" and "+1X", but not "10.vhdx".
bool LooksLikeASize(std::string_view word) {
  if (word.starts_with('+') || word.starts_with('-')) word.remove_prefix(1);
  return !word.empty() && word[0] >= '0' && word[0] <= '9' &&
         word.find_first_of("/.") == std::string_view::npos;
}

Error MissingSize(const std::string& last_word) {
  constexpr std::string_view kExample = "such as 40G, +10G or -10G";
  const size_t sign = last_word.starts_with('+') || last_word.starts_with('-') ? 1 : 0;
  const std::string nearest = NearestSize(last_word.substr(sign));
  if (!nearest.empty()) {
    return {.sentence = Format("SIZE: \"{}\" is not a whole number of bytes; use {}{}",
                               Printable(last_word), last_word.substr(0, sign), nearest)};
  }
  if (LooksLikeASize(last_word)) {
    return {.sentence =
                Format("SIZE: \"{}\" is not a size; use one {}", Printable(last_word), kExample)};
  }
  return {.sentence =
              Format("SIZE is missing: the new size of the disk, {}, or --to-minimum", kExample)};
}

Result<ResizeTask> ParseWords(const ResizeArguments& arguments) {
  ResizeTask task{.batch = arguments.batch, .size = {}};
  std::vector<std::string>& names = task.batch.files.names;
  const std::string last = names.empty() ? "" : names.back();
  const auto size = NewDiskSize::Parse(last);
  if (arguments.to_minimum) {
    if (!size) return task;
    return std::unexpected(
        Error{.sentence = Format("SIZE and --to-minimum cannot be combined; a file of that name is "
                                 "./{}",
                                 Printable(last))});
  }
  if (!size) {
    if (names.size() > 1 && NewDiskSize::Parse(names.front())) {
      return std::unexpected(
          Error{.sentence = Format("the size comes last: `vhdx resize {} {}`",
                                   QuoteForShell(names[1]), QuoteForShell(names.front()))});
    }
    return std::unexpected(MissingSize(last));
  }
  names.pop_back();
  if (names.empty() && task.batch.files.files_from.empty()) {
    return std::unexpected(
        Error{.sentence = Format("FILE is missing: `vhdx resize FILE {}`", QuoteForShell(last))});
  }
  if (!size->is_relative()) {
    VHDX_TRY(CheckDiskSize(size->bytes, kLeastSectorSize, ""));
  }
  task.size = size;
  return task;
}

ResizeOptions OptionsFor(const Invocation& invocation, const ResizeArguments& arguments) {
  return {.to_minimum = arguments.to_minimum,
          .allow_unsafe = arguments.allow_unsafe,
          .dry_run = arguments.dry_run,
          .search = invocation.options.search,
          .lock = arguments.no_lock ? LockPolicy::kIgnore : LockPolicy::kLock,
          .orphan_children = arguments.orphan_children};
}

Result<uint64_t> NewSizeOf(const Invocation& invocation, const ResizeArguments& arguments,
                           const NewDiskSize& size, const std::string& path) {
  if (!size.is_relative()) return size.bytes;
  ReadOptions read;
  read.force_share = arguments.no_lock;
  const auto inspection = VHDX_TRY(Inspect(invocation.files, path, invocation.ChainFor(read)));
  auto new_size = size.Of(inspection.image.parameters.virtual_disk_size_bytes);
  if (!new_size) new_size.error().file = path;
  return new_size;
}

// A size that the user did not type is said before anything is written: after an interruption the
// same words would mean another one.
Result<void> MakeAbsolute(const Invocation& invocation, const std::string& path,
                          ResizeOptions& options, const OperationControl& control) {
  ResizeOptions look = options;
  look.dry_run = true;
  const auto plan = VHDX_TRY(Resize(invocation.files, path, look, control));
  options.to_minimum = false;
  options.size_bytes = plan.new_size_bytes;
  invocation.messages.Note(
      path, Format("resizing the disk from {} to {}", FormatSizeExactly(plan.old_size_bytes),
                   FormatSizeExactly(plan.new_size_bytes)));
  return {};
}

Result<ResizeReport> ResizeImage(const Invocation& invocation, const ResizeArguments& arguments,
                                 const ResizeTask& task, const std::string& path) {
  Progress progress(invocation.options.progress, invocation.error_fd);
  const OperationControl control = invocation.control(progress);
  ResizeOptions options = OptionsFor(invocation, arguments);
  if (task.size) {
    options.size_bytes = VHDX_TRY(NewSizeOf(invocation, arguments, *task.size, path));
  }
  const bool was_typed = task.size && !task.size->is_relative();
  if (!was_typed && !options.dry_run) {
    VHDX_TRY(MakeAbsolute(invocation, path, options, control));
  }
  auto report = Resize(invocation.files, path, options, control);
  if (!report && report.error().code == ErrorCode::kCancelled && !options.dry_run) {
    report.error().sentence +=
        Format("; the image is intact, and `vhdx resize {} {}` does the rest", QuoteForShell(path),
               options.size_bytes);
  }
  return report;
}

Result<FileResult> ResizeOf(const Invocation& invocation, const ResizeArguments& arguments,
                            const ResizeTask& task, const std::string& path) {
  auto report = ResizeImage(invocation, arguments, task, path);
  if (!report) {
    return std::unexpected(ExplainWrongFormat(invocation.files, std::move(report.error())));
  }
  WarnOfChangeTracking(invocation, path, report->change_tracking_files, arguments.dry_run);
  const ResizeOutcome outcome{.report = *std::move(report), .dry_run = arguments.dry_run};
  FileResult result{.row = ResizeToRow(outcome)};
  if (invocation.options.json) {
    result.json = ResizeToJson(outcome);
  } else if (!invocation.options.quiet) {
    result.text = ResizeToText(outcome);
  }
  return result;
}

Result<ExitStatus> RunResize(const Invocation& invocation, const ResizeArguments& arguments) {
  const auto task = ParseWords(arguments);
  if (!task) return invocation.Misused(task.error());
  const WorkOnFile work = [&](const Invocation& each, const std::string& path) {
    return WorkUnlessSkipped(each, arguments.skip, path,
                             [&] { return ResizeOf(each, arguments, *task, path); });
  };
  return RunBatch(invocation, task->batch, work, ResizeHeadings());
}

}  // namespace

Command AddResize(CLI::App& root) {
  auto arguments = std::make_shared<ResizeArguments>();
  CLI::App& app = AddCommand(
      root, "resize",
      "Make a disk larger or smaller, in place. SIZE is the new size, such as 40G, or what to add "
      "or take away, such as +10G or -10G. A disk is not made smaller where data, a partition or a "
      "file system would be cut off.");
  AddBatch(app, "FILE", arguments->batch, "VHDX images");
  AddText(app, "SIZE", arguments->size_for_help, "the new size of the disk, after the last FILE",
          "SIZE");
  AddFlag(
      app, "--to-minimum", arguments->to_minimum,
      "instead of SIZE: the smallest size that keeps everything that is recognized on the disk");
  AddFlag(app, "--allow-unsafe", arguments->allow_unsafe,
          "make the disk smaller even if data may be lost");
  AddFlag(app, "--dry-run", arguments->dry_run, "show what would be done; write nothing");
  AddSkips(app, arguments->skip);
  AddFlag(app, "--no-lock", arguments->no_lock,
          "do not lock the image, for file systems without locks");
  AddFlag(app, "--orphan-children", arguments->orphan_children,
          "resize even a parent of other images, which become unreadable");
  return {.app = &app,
          .run = [arguments](
                     const Invocation& invocation) { return RunResize(invocation, *arguments); },
          .if_parent =
              "resize the last child of the chain; --orphan-children resizes this one "
              "anyway"};
}

}  // namespace vhdx::cli

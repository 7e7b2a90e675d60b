// vhdx compact: unused space of an image goes back to the host, in place.

#include <vhdxkit/compact.h>

#include <algorithm>
#include <charconv>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bytes/formatting.h"
#include "bytes/try.h"
#include "cli/appliance.h"
#include "cli/arguments.h"
#include "cli/batch.h"
#include "cli/change_tracking.h"
#include "cli/commands.h"
#include "cli/compact_document.h"
#include "cli/disk_source.h"
#include "cli/free_space_process.h"
#include "cli/printable.h"
#include "cli/size_text.h"
#include "cli/skipped_files.h"

namespace vhdx::cli {
namespace {

constexpr uint64_t kPercent = 100;

struct CompactArguments {
  BatchArguments batch;
  SkipArguments skip;
  std::string mode = "full";
  std::string filesystems = "own";
  std::vector<std::string> free_maps;
  std::string min_savings;
  bool lvm_free = false;
  bool no_holes = false;
  bool dry_run = false;
  bool no_lock = false;
  bool orphan_children = false;

  bool uses_appliance() const { return filesystems == "appliance"; }
};

// "100M" or "10%".
struct MinSavings {
  std::optional<uint64_t> bytes = {};
  uint64_t percent = 0;

  static std::optional<MinSavings> Parse(std::string_view text) {
    MinSavings savings;
    if (!text.ends_with('%')) {
      savings.bytes = ParseSize(text);
      return savings.bytes ? std::optional(savings) : std::nullopt;
    }
    text.remove_suffix(1);
    const char* const start = text.data();
    const char* const end = start + text.size();
    const auto [parsed, failure] = std::from_chars(start, end, savings.percent);
    const bool is_percentage =
        failure == std::errc() && parsed == end && savings.percent <= kPercent;
    return is_percentage ? std::optional(savings) : std::nullopt;
  }

  bool AreReached(const CompactReport& report) const {
    if (bytes) return SavedBytes(report) >= *bytes;
    // At most 64 TiB and some, so that the products fit.
    return SavedBytes(report) * kPercent >= report.old_allocated_bytes * percent;
  }
};

CompactMode ModeOf(std::string_view name) {
  if (name == "quick") return CompactMode::kQuick;
  if (name == "prezeroed") return CompactMode::kPrezeroed;
  if (name == "pretrimmed") return CompactMode::kPretrimmed;
  return name == "retrim" ? CompactMode::kRetrim : CompactMode::kFull;
}

bool AsksFileSystems(const CompactArguments& arguments) {
  const CompactMode mode = ModeOf(arguments.mode);
  return mode != CompactMode::kPrezeroed && mode != CompactMode::kPretrimmed;
}

// An option that means nothing with the others; else empty.
std::string Contradiction(const CompactArguments& arguments) {
  const bool has_maps = !arguments.free_maps.empty();
  if (has_maps && arguments.batch.files.is_list()) {
    return "--free-map is of one disk, and cannot be used with several files";
  }
  if (has_maps && !AsksFileSystems(arguments)) {
    return Format("--free-map has no effect with --mode {}", arguments.mode);
  }
  if (arguments.uses_appliance()) {
    if (!AsksFileSystems(arguments)) {
      return Format("--filesystems=appliance has no effect with --mode {}", arguments.mode);
    }
    if (has_maps) return "--free-map and --filesystems=appliance cannot be combined";
    if (arguments.lvm_free) return "--lvm-free and --filesystems=appliance cannot be combined";
    if (arguments.dry_run) {
      return "--dry-run and --filesystems=appliance cannot be combined: the appliance writes";
    }
    // Each has memory, processors and Ctrl-C of its own.
    if (arguments.batch.jobs > 1) return "--jobs and --filesystems=appliance cannot be combined";
    if (!arguments.min_savings.empty()) {
      return "--min-savings and --filesystems=appliance cannot be combined: what the appliance "
             "frees is not known before";
    }
  }
  if (!arguments.min_savings.empty() && !MinSavings::Parse(arguments.min_savings)) {
    return Format("--min-savings: \"{}\" is not a size or a percentage, such as 100M or 10%",
                  Printable(arguments.min_savings));
  }
  return {};
}

FreeSpaceArguments FreeSpaceOf(const CompactArguments& arguments) {
  FreeSpaceArguments free{.ask_file_systems = arguments.filesystems == "own",
                          .lvm_free = arguments.lvm_free};
  for (const std::string& map : arguments.free_maps) {
    free.maps.push_back(FreeMapArgument::Parse(map));
  }
  return free;
}

// The volumes of a disk, and what their free space shares its blocks with.
class VolumeMemory {
 public:
  /// The same, and remembers the answers.
  AskFreeSpace Remembering(AskFreeSpace ask) {
    if (!ask) return {};
    return [this, ask = std::move(ask)](
               BlockDevice& disk,
               const std::vector<DiskVolume>& volumes) -> Result<std::vector<VolumeFreeSpace>> {
      auto answers = VHDX_TRY(ask(disk, volumes));
      seen_.clear();
      for (const VolumeFreeSpace& answer : answers) {
        seen_.emplace_back(answer.volume.range, SharedFreeSpace(answer.free));
      }
      return answers;
    };
  }

  std::vector<uint64_t> BetterBlockSizes(const CompactReport& report) const {
    std::vector<uint64_t> sizes;
    for (const CompactReport::Volume& volume : report.volumes) {
      const auto seen = std::ranges::find(seen_, volume.volume.range, &Seen::first);
      const bool helps = seen != seen_.end() && volume.kept_bytes > 0;
      sizes.push_back(helps ? seen->second.BetterBlockSize(report.block_size_bytes) : 0);
    }
    return sizes;
  }

 private:
  using Seen = std::pair<DiskRange, SharedFreeSpace>;
  std::vector<Seen> seen_;
};

// One image, on its way.
class Compaction {
 public:
  Compaction(const Invocation& invocation, const CompactArguments& arguments, std::string path)
      : invocation_(invocation), arguments_(arguments), path_(std::move(path)) {}

  Result<FileResult> Run() {
    if (!arguments_.min_savings.empty()) {
      const auto plan = VHDX_TRY(Work(true));
      if (!MinSavings::Parse(arguments_.min_savings)->AreReached(plan.report))
        return TooLittle(plan);
    }
    std::vector<std::string> notes;
    if (arguments_.uses_appliance()) notes = VHDX_TRY(Trim());
    auto outcome = VHDX_TRY(Work(arguments_.dry_run));
    outcome.notes = std::move(notes);
    WarnOfChangeTracking(invocation_, path_, outcome.report.change_tracking_files,
                         arguments_.dry_run);
    FileResult result{.row = CompactToRow(outcome)};
    if (invocation_.options.json) {
      result.json = CompactToJson(outcome);
    } else if (!invocation_.options.quiet) {
      result.text = CompactToText(outcome);
    }
    return result;
  }

 private:
  LockPolicy lock() const { return arguments_.no_lock ? LockPolicy::kIgnore : LockPolicy::kLock; }

  Result<std::vector<std::string>> Trim() {
    return TrimInAppliance(invocation_, path_,
                           {.lock = lock(), .orphan_children = arguments_.orphan_children});
  }

  Result<CompactOutcome> Work(bool dry_run) {
    VolumeMemory memory;
    Progress progress(invocation_.options.progress, invocation_.error_fd);
    const CompactOptions options{
        .mode = ModeOf(arguments_.mode),
        .ask_free_space = memory.Remembering(AskFreeSpaceFor(invocation_, FreeSpaceOf(arguments_))),
        .no_holes = arguments_.no_holes,
        .dry_run = dry_run,
        .search = invocation_.options.search,
        .lock = lock(),
        .orphan_children = arguments_.orphan_children};
    auto report =
        VHDX_TRY(Compact(invocation_.files, path_, options, invocation_.control(progress)));
    std::vector<uint64_t> better = memory.BetterBlockSizes(report);
    return CompactOutcome{.report = std::move(report),
                          .mode = arguments_.mode,
                          .dry_run = dry_run,
                          .better_block_sizes = std::move(better),
                          .notes = {}};
  }

  FileResult TooLittle(const CompactOutcome& plan) const {
    const std::string reason = Format(
        "it would give back {} of {}, which is less than {}", FormatSize(SavedBytes(plan.report)),
        FormatSize(plan.report.old_allocated_bytes), arguments_.min_savings);
    FileResult result = SkippedFile(invocation_, path_, reason, CompactToJson(plan));
    result.row.cells = CompactToRow(plan).cells;
    return result;
  }

  const Invocation& invocation_;
  const CompactArguments& arguments_;
  const std::string path_;
};

Result<ExitStatus> RunCompact(const Invocation& invocation, const CompactArguments& arguments) {
  if (std::string sentence = Contradiction(arguments); !sentence.empty()) {
    return invocation.Misused({.sentence = std::move(sentence)});
  }
  const WorkOnFile work = [&](const Invocation& each, const std::string& path) {
    return WorkUnlessSkipped(each, arguments.skip, path, [&]() -> Result<FileResult> {
      auto result = Compaction(each, arguments, path).Run();
      if (result) return result;
      return std::unexpected(ExplainWrongFormat(each.files, std::move(result.error())));
    });
  };
  return RunBatch(invocation, arguments.batch, work, CompactHeadings());
}

void AddFreeSpaceOptions(CLI::App& app, CompactArguments& arguments) {
  AddChoice(app, "--mode", arguments.mode, {"full", "quick", "prezeroed", "pretrimmed", "retrim"},
            "what to give back: zeros and what file systems say is free (full, the default), only "
            "the latter (quick), only zeros (prezeroed), only blocks that were trimmed "
            "(pretrimmed), or trim what file systems say is free, and move nothing (retrim)");
  AddChoice(app, "--filesystems", arguments.filesystems, {"own", "appliance", "none"},
            "how to ask file systems: with vhdx-free-space (own, the default), by mounting them in "
            "a virtual machine of libguestfs (appliance), or not at all (none)");
  AddRepeatedPath(app, "--free-map", arguments.free_maps,
                  "FILE[@OFFSET]: the free space of the file system that starts at this offset of "
                  "the disk (default: 0), a ddrescue map as `partclone -D` makes it; can be "
                  "repeated");
  AddFlag(app, "--lvm-free", arguments.lvm_free,
          "also give back the free extents of LVM volume groups");
  AddFlag(app, "--no-holes", arguments.no_holes,
          "make no holes in blocks that are partly used, for images that are copied to Hyper-V");
}

}  // namespace

Command AddCompact(CLI::App& root) {
  auto arguments = std::make_shared<CompactArguments>();
  CLI::App& app = AddCommand(
      root, "compact",
      "Give unused space of an image back to the host, in place. Blocks of zeros and what the file "
      "systems on the disk say is free are given up; blocks at the end of the file are moved into "
      "free space before them, and the file is cut. A file system that was not unmounted cleanly "
      "is left alone.");
  AddBatch(app, "FILE", arguments->batch, "VHDX images");
  AddFreeSpaceOptions(app, *arguments);
  AddFlag(app, "--dry-run", arguments->dry_run, "show what would be given back; write nothing");
  AddText(app, "--min-savings", arguments->min_savings,
          "skip images that would give back less than this, such as 100M or 10%", "SIZE");
  AddSkips(app, arguments->skip);
  AddFlag(app, "--no-lock", arguments->no_lock,
          "do not lock the image, for file systems without locks");
  AddFlag(app, "--orphan-children", arguments->orphan_children,
          "trim even a parent of other images, which become unreadable");
  return {.app = &app,
          .run = [arguments](
                     const Invocation& invocation) { return RunCompact(invocation, *arguments); },
          .if_parent =
              "--filesystems=none compacts it without changing what they read; "
              "--orphan-children trims it anyway",
          .if_interrupted =
              [](const Invocation&) {
                return "the image is intact, and the same command does the rest";
              }};
}

}  // namespace vhdx::cli

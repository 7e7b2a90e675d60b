#include "cli/resize_document.h"

#include <string_view>

#include "bytes/formatting.h"
#include "cli/printable.h"
#include "cli/size_text.h"

namespace vhdx::cli {
namespace {

bool Grows(const ResizeReport& report) { return report.new_size_bytes > report.old_size_bytes; }

// Two sizes; to the byte where the short ones would be the same.
std::string FromTo(uint64_t from_bytes, uint64_t to_bytes) {
  const std::string from = FormatSize(from_bytes);
  const std::string to = FormatSize(to_bytes);
  if (from != to) return Format("from {} to {}", from, to);
  return Format("from {} to {} bytes", from_bytes, to_bytes);
}

std::string SizeLine(const ResizeOutcome& outcome) {
  const ResizeReport& report = outcome.report;
  const std::string name = Printable(report.filename);
  if (report.new_size_bytes == report.old_size_bytes) {
    return Format("{}: the size is {} already\n", name, FormatSizeExactly(report.old_size_bytes));
  }
  const std::string_view verb = outcome.dry_run ? Grows(report) ? "would grow" : "would shrink"
                                : Grows(report) ? "grew"
                                                : "shrank";
  return Format("{}: the disk {} {}\n", name, verb,
                FromTo(report.old_size_bytes, report.new_size_bytes));
}

// A sentence of something that was done, or would be.
std::string Done(const ResizeOutcome& outcome, std::string_view what, std::string_view done,
                 std::string_view rest = {}) {
  return Format("  {} {}{}\n", what,
                outcome.dry_run ? Format("would be {}", done) : Format("was {}", done), rest);
}

std::string BatLine(const ResizeOutcome& outcome) {
  if (!outcome.report.bat_moved) return {};
  return Done(outcome, "the block allocation table", "moved", " to a larger region of the file");
}

std::string BackupGptLine(const ResizeOutcome& outcome) {
  const ResizeReport& report = outcome.report;
  constexpr std::string_view kBackup = "the backup of the GUID partition table";
  if (report.backup_gpt_moved) {
    return Done(outcome, kBackup, "moved", " to the new end of the disk");
  }
  if (report.backup_gpt_stays_because.empty()) return {};
  return Format("  {} stays where it is: {}\n", kBackup,
                Printable(report.backup_gpt_stays_because));
}

std::string CutLines(const ResizeOutcome& outcome) {
  const ResizeReport& report = outcome.report;
  std::string text;
  if (report.cut_blocks > 0) {
    const bool one = report.cut_blocks == 1;
    text +=
        Format("  {} past the new end {} freed\n", Counted(report.cut_blocks, "block", "blocks"),
               outcome.dry_run ? "would be"
               : one           ? "was"
                               : "were");
  }
  if (report.hidden_parent_bytes > 0) {
    text += Format(
        "  {} of the parent {} past the new end: {} no longer accessible through this "
        "image; the parent itself is unchanged\n",
        FormatSize(report.hidden_parent_bytes), outcome.dry_run ? "would be" : "is",
        outcome.dry_run ? "it would be" : "it is");
  }
  return text;
}

std::string FileLine(const ResizeOutcome& outcome) {
  const ResizeReport& report = outcome.report;
  std::string text;
  if (report.new_file_size_bytes != report.old_file_size_bytes) {
    text += Format("  the file {} {}\n", outcome.dry_run ? "would change" : "changed",
                   FromTo(report.old_file_size_bytes, report.new_file_size_bytes));
  }
  if (outcome.dry_run && report.host_space_needed_bytes > 0) {
    text +=
        Format("  the host needs {} of free space\n", FormatSize(report.host_space_needed_bytes));
  }
  return text;
}

std::string NextCommands(const ResizeOutcome& outcome) {
  if (outcome.report.next_commands.empty() || outcome.dry_run) return {};
  std::string text = "To use the new space, run in the guest:\n";
  for (const std::string& command : outcome.report.next_commands) {
    text += Format("  {}\n", Printable(command));
  }
  return text;
}

}  // namespace

Json ResizeToJson(const ResizeOutcome& outcome) {
  const ResizeReport& report = outcome.report;
  Json json = {{"filename", report.filename},
               {"old-size", report.old_size_bytes},
               {"new-size", report.new_size_bytes},
               {"old-file-size", report.old_file_size_bytes},
               {"new-file-size", report.new_file_size_bytes},
               {"bat-moved", report.bat_moved},
               {"host-space-needed", report.host_space_needed_bytes},
               {"dry-run", outcome.dry_run}};
  if (report.cut_blocks > 0) json["blocks-freed"] = report.cut_blocks;
  if (report.hidden_parent_bytes > 0) json["parent-hidden"] = report.hidden_parent_bytes;
  if (!report.backup_gpt_stays_because.empty()) {
    json["backup-gpt-stays"] = report.backup_gpt_stays_because;
  }
  if (!report.next_commands.empty()) json["next-commands"] = report.next_commands;
  return json;
}

std::string ResizeToText(const ResizeOutcome& outcome) {
  std::string text = SizeLine(outcome) + CutLines(outcome) + BatLine(outcome) +
                     BackupGptLine(outcome) + FileLine(outcome) + NextCommands(outcome);
  if (outcome.dry_run) text += "Nothing was written, because of --dry-run.\n";
  return text;
}

std::vector<std::string> ResizeHeadings() { return {"old size", "new size"}; }

BatchRow ResizeToRow(const ResizeOutcome& outcome) {
  const ResizeReport& report = outcome.report;
  return {.cells = {FormatSize(report.old_size_bytes), FormatSize(report.new_size_bytes)},
          .remark = report.backup_gpt_stays_because.empty()
                        ? ""
                        : "the backup of the GUID partition table stays where it is"};
}

}  // namespace vhdx::cli

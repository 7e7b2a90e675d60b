#include "cli/compact_document.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "bytes/formatting.h"
#include "cli/field_list.h"
#include "cli/printable.h"
#include "cli/size_text.h"

namespace vhdx::cli {
namespace {

using Volume = CompactReport::Volume;

std::string PlaceOf(const DiskVolume& volume) {
  return volume.partition ? Format("partition {} ({})", *volume.partition, volume.type)
                          : Format("whole disk ({})", volume.type);
}

std::string VolumeText(const Volume& volume, uint64_t better_block_size, bool dry_run) {
  if (!volume.skipped_because.empty()) return "left alone: " + volume.skipped_because;
  std::string text = Format("{} free, {} {}given back", FormatSize(volume.free_bytes),
                            FormatSize(volume.given_back_bytes), dry_run ? "would be " : "");
  if (volume.kept_bytes == 0) return text;
  text += Format(", {} kept in blocks that are partly used", FormatSize(volume.kept_bytes));
  if (better_block_size > 0) {
    text += Format(" (a copy with blocks of {} would keep less)", FormatSize(better_block_size));
  }
  return text;
}

std::string BeforeAndAfter(uint64_t before_bytes, uint64_t after_bytes) {
  return Format("{} before, {} after", FormatSize(before_bytes), FormatSize(after_bytes));
}

std::string BlocksText(const CompactReport& report, bool dry_run) {
  const std::string_view would = dry_run ? "would be " : "";
  return Format("{} {}freed, {} {}moved", Counted(report.freed_blocks, "block", "blocks"), would,
                report.moved_blocks, would);
}

std::string Headline(const CompactOutcome& outcome) {
  const CompactReport& report = outcome.report;
  const uint64_t saved = SavedBytes(report);
  const std::string name = Printable(report.filename);
  const bool is_shorter = report.new_file_size_bytes < report.old_file_size_bytes;
  if (saved == 0 && !is_shorter) {
    return Format("{}: nothing {} given back\n", name, outcome.dry_run ? "would be" : "was");
  }
  return Format("{}: {} {} given back to the host\n", name, FormatSize(saved),
                outcome.dry_run ? "would be" : "were");
}

Json VolumeToJson(const Volume& volume) {
  const bool is_skipped = !volume.skipped_because.empty();
  const auto number = [&](uint64_t bytes) { return is_skipped ? Json(nullptr) : Json(bytes); };
  return {{"partition", NumberOrNull(volume.volume.partition)},
          {"type", volume.volume.type},
          {"free", number(volume.free_bytes)},
          {"given-back", number(volume.given_back_bytes)},
          {"kept", number(volume.kept_bytes)},
          {"skipped", TextOrNull(volume.skipped_because)}};
}

}  // namespace

SharedFreeSpace::SharedFreeSpace(std::span<const DiskRange> free) {
  for (size_t i = 0; i < kSizes; ++i) {
    const uint64_t block = kSmallestBlock << i;
    for (const DiskRange& range : free) {
      const uint64_t first = range.disk_offset / block + (range.disk_offset % block == 0 ? 0 : 1);
      const uint64_t end = range.end() / block;
      bytes_[i] += range.length_bytes - (end > first ? (end - first) * block : 0);
    }
  }
}

uint64_t SharedFreeSpace::BetterBlockSize(uint64_t block_size_bytes) const {
  size_t now = 0;
  while (now < kSizes && kSmallestBlock << now != block_size_bytes) ++now;
  if (now == kSizes || bytes_[now] == 0) return 0;
  for (size_t i = now; i-- > 0;) {
    if (bytes_[i] <= bytes_[now] / 4) return kSmallestBlock << i;
  }
  return bytes_[0] <= bytes_[now] - bytes_[now] / 4 ? kSmallestBlock : 0;
}

uint64_t SavedBytes(const CompactReport& report) {
  return report.old_allocated_bytes -
         std::min(report.old_allocated_bytes, report.new_allocated_bytes);
}

Json CompactToJson(const CompactOutcome& outcome) {
  const CompactReport& report = outcome.report;
  Json filesystems = Json::array();
  for (const Volume& volume : report.volumes) filesystems.push_back(VolumeToJson(volume));
  Json json = {{"filename", report.filename},
               {"mode", outcome.mode},
               {"old-file-size", report.old_file_size_bytes},
               {"new-file-size", report.new_file_size_bytes},
               {"old-actual-size", report.old_allocated_bytes},
               {"new-actual-size", report.new_allocated_bytes},
               {"blocks-moved", report.moved_blocks},
               {"blocks-freed", report.freed_blocks},
               {"partly-used", report.partly_used_bytes},
               {"unreferenced", report.unreferenced_bytes},
               {"filesystems", std::move(filesystems)}};
  if (!outcome.notes.empty()) json["appliance"] = outcome.notes;
  if (outcome.dry_run) json["dry-run"] = true;
  return json;
}

std::string CompactToText(const CompactOutcome& outcome) {
  const CompactReport& report = outcome.report;
  std::string text = Headline(outcome);
  for (const std::string& note : outcome.notes) text += Format("  {}\n", Printable(note));
  FieldList fields;
  for (size_t i = 0; i < report.volumes.size(); ++i) {
    const Volume& volume = report.volumes[i];
    const uint64_t better =
        i < outcome.better_block_sizes.size() ? outcome.better_block_sizes[i] : 0;
    fields.Add(PlaceOf(volume.volume), VolumeText(volume, better, outcome.dry_run));
  }
  fields.Add("blocks", BlocksText(report, outcome.dry_run));
  fields.Add("file size", BeforeAndAfter(report.old_file_size_bytes, report.new_file_size_bytes));
  fields.Add("on the host", BeforeAndAfter(report.old_allocated_bytes, report.new_allocated_bytes));
  if (report.partly_used_bytes > 0) {
    fields.Add("holes", Format("{} of the file, in blocks that are partly used",
                               FormatSize(report.partly_used_bytes)));
  }
  text += fields.ToText();
  if (std::ranges::any_of(outcome.better_block_sizes, [](uint64_t size) { return size > 0; })) {
    text += "`vhdx convert --block-size SIZE` makes a copy with smaller blocks.\n";
  }
  if (outcome.dry_run) text += "Nothing was written, because of --dry-run.\n";
  return text;
}

std::vector<std::string> CompactHeadings() { return {"old", "new", "saved"}; }

BatchRow CompactToRow(const CompactOutcome& outcome) {
  const CompactReport& report = outcome.report;
  std::vector<std::string> reasons;
  for (const Volume& volume : report.volumes) {
    if (volume.skipped_because.empty()) continue;
    reasons.push_back(
        Format("{} was left alone: {}", PlaceOf(volume.volume), volume.skipped_because));
  }
  return {.cells = {FormatSize(report.old_allocated_bytes), FormatSize(report.new_allocated_bytes),
                    FormatSize(SavedBytes(report))},
          .remark = Join(reasons, "; ")};
}

}  // namespace vhdx::cli

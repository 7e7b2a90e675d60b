#include "log/replay.h"

#include <algorithm>
#include <limits>

#include "bytes/arithmetic.h"
#include "format/layout.h"
#include "format/rules.h"
#include "log/log_reader.h"

namespace vhdx::log {
namespace {

constexpr uint64_t kMaxFileSize = std::numeric_limits<int64_t>::max();

void ReportOddities(const LogReader& reader, const std::vector<LogEntryInfo>& sequence,
                    const Place& log, Findings& findings) {
  for (const uint64_t offset : reader.entries_with_bad_target()) {
    findings.Add(rules::kLogTarget, log.Plus(offset));
  }
  for (const LogEntryInfo& entry : sequence) {
    if (!IsAligned(entry.flushed_file_offset, format::kAlignment) ||
        !IsAligned(entry.last_file_offset, format::kAlignment)) {
      findings.Add(rules::kLogSizeField, log.Plus(entry.log_offset),
                   std::to_string(entry.flushed_file_offset) + " and " +
                       std::to_string(entry.last_file_offset));
    }
  }
}

// How long the file is after replay: never shorter, long enough for every update and for
// LastFileOffset.
Result<uint64_t> ReplayedSize(uint64_t file_size, uint64_t updates_end, const LogEntryInfo& head,
                              const Place& log) {
  const uint64_t wanted = std::max(updates_end, head.last_file_offset);
  if (wanted > AlignDown(kMaxFileSize, format::kAlignment)) {
    return Corrupt(rules::kLogLastOffset, log.Plus(head.log_offset), std::to_string(wanted));
  }
  return std::max({file_size, updates_end, AlignUp(head.last_file_offset, format::kAlignment)});
}

}  // namespace

Result<ReplayedFile> ReplayInMemory(std::unique_ptr<File> file, const HeaderInfo& header,
                                    Findings& findings) {
  const Place log{file->name(), header.log_offset};
  auto file_size = file->Size();
  if (!file_size) return std::unexpected(std::move(file_size.error()));

  LogReader reader(*file, {header.log_offset, header.log_length_bytes}, header.log_guid);
  auto sequence = reader.FindActiveSequence();
  if (!sequence) return std::unexpected(std::move(sequence.error()));
  ReportOddities(reader, *sequence, log, findings);
  if (sequence->empty()) {
    return Corrupt(rules::kLogSequenceNone, log, "none with LogGuid " + header.log_guid.ToString());
  }
  const LogEntryInfo& head = sequence->back();
  if (*file_size < head.flushed_file_offset) {
    return Corrupt(rules::kLogFileTruncated, log.Plus(head.log_offset),
                   "a file of " + std::to_string(*file_size) + " bytes",
                   "at least " + std::to_string(head.flushed_file_offset));
  }
  findings.Add(rules::kLogDirty, log.Plus(head.log_offset),
               std::to_string(sequence->size()) + (sequence->size() == 1 ? " entry" : " entries"));

  auto overlay = std::make_unique<OverlayFile>(std::move(file));
  uint64_t updates_end = 0;
  for (const LogEntryInfo& entry : *sequence) {
    auto applied = reader.VisitUpdates(entry, [&](const Update& update) -> Result<void> {
      // Zeros of no length change nothing, the length of the file included.
      if (update.target.length_bytes == 0) return {};
      updates_end = std::max(updates_end, update.target.file_offset + update.target.length_bytes);
      if (update.zeros) {
        overlay->AddZeros(update.target);
      } else {
        overlay->AddSector(update.target.file_offset, {.stored_offset = update.stored_at,
                                                       .leading = update.leading,
                                                       .trailing = update.trailing});
      }
      return {};
    });
    if (!applied) return std::unexpected(std::move(applied.error()));
  }
  auto size = ReplayedSize(*file_size, updates_end, head, log);
  if (!size) return std::unexpected(std::move(size.error()));
  overlay->SetSize(*size);
  return ReplayedFile{.file = std::move(overlay), .sequence = *std::move(sequence)};
}

}  // namespace vhdx::log

#include "log/replay.h"

#include <algorithm>
#include <limits>
#include <ranges>
#include <set>
#include <string>

#include "bytes/arithmetic.h"
#include "bytes/formatting.h"
#include "bytes/try.h"
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

// A log without an active sequence: never begun, or lost.
Result<void> CheckNeverBegun(LogReader& reader, const HeaderInfo& header, const Place& log,
                             Findings& findings) {
  auto trace = VHDX_TRY(reader.FindTrace());
  const std::string guid = header.log_guid.ToString();
  if (trace == LogReader::Trace::kOther) {
    return Corrupt(rules::kLogSequenceNone, log, "none with LogGuid " + guid);
  }
  findings.Add(rules::kLogNeverBegun, log,
               trace == LogReader::Trace::kNone
                   ? "no entry with LogGuid " + guid
                   : "a single entry with LogGuid " + guid + ", without its data");
  return {};
}

// Adds what the sequence changes, and sets the length of the file.
Result<void> AddUpdates(LogReader& reader, const std::vector<LogEntryInfo>& sequence,
                        uint64_t file_size, const Place& log, OverlayFile& overlay) {
  uint64_t updates_end = 0;
  for (const LogEntryInfo& entry : sequence) {
    VHDX_TRY(reader.VisitUpdates(entry, [&](const Update& update) -> Result<void> {
      // Zeros of no length change nothing, the length of the file included.
      if (update.target.length_bytes == 0) return {};
      updates_end = std::max(updates_end, update.target.file_offset + update.target.length_bytes);
      if (update.zeros) {
        overlay.AddZeros(update.target);
      } else {
        overlay.AddSector(update.target.file_offset, {.stored_offset = update.stored_at,
                                                      .leading = update.leading,
                                                      .trailing = update.trailing});
      }
      return {};
    }));
  }
  auto size = VHDX_TRY(ReplayedSize(file_size, updates_end, sequence.back(), log));
  overlay.SetSize(size);
  return {};
}

Result<void> Replay(ReplayedFile& result, const HeaderInfo& header, Findings& findings) {
  const Place log{result.file->name(), header.log_offset};
  auto file_size = VHDX_TRY(result.file->Size());
  LogReader reader(*result.file, {header.log_offset, header.log_length_bytes}, header.log_guid);
  auto sequence = VHDX_TRY(reader.FindActiveSequence());
  ReportOddities(reader, sequence, log, findings);
  if (sequence.empty()) return CheckNeverBegun(reader, header, log, findings);
  result.sequence = std::move(sequence);
  const LogEntryInfo& head = result.sequence.back();
  if (file_size < head.flushed_file_offset) {
    return Corrupt(rules::kLogFileTruncated, log.Plus(head.log_offset),
                   "a file of " + std::to_string(file_size) + " bytes",
                   "at least " + std::to_string(head.flushed_file_offset));
  }
  findings.Add(rules::kLogDirty, log.Plus(head.log_offset),
               Counted(result.sequence.size(), "entry", "entries"));

  auto overlay = std::make_unique<OverlayFile>(std::move(result.file));
  OverlayFile* const as_overlay = overlay.get();
  result.file = std::move(overlay);
  auto added = AddUpdates(reader, result.sequence, file_size, log, *as_overlay);
  if (added) {
    result.overlay = as_overlay;
  } else {
    as_overlay->Dissolve();
  }
  return added;
}

}  // namespace

ReplayedFile ReplayInMemory(std::unique_ptr<File> file, const HeaderInfo& header,
                            Findings& findings) {
  ReplayedFile result{.file = std::move(file)};
  if (auto replayed = Replay(result, header, findings); !replayed) {
    result.error = std::move(replayed.error());
  }
  return result;
}

Result<void> ReportIgnoredLog(File& file, const HeaderInfo& header, Findings& findings) {
  constexpr size_t kListed = 8;
  LogReader reader(file, {header.log_offset, header.log_length_bytes}, header.log_guid);
  std::set<uint64_t> stale;  // the starts of the ranges that would change
  auto visited = reader.VisitEntries([&](const LogEntryInfo& entry) {
    return reader.VisitUpdates(entry, [&](const Update& update) -> Result<void> {
      stale.insert(update.target.file_offset);
      return {};
    });
  });
  if (!visited && visited.error().code != ErrorCode::kIo) return visited;
  std::string found;
  if (!visited) {
    found = visited.error().sentence;
  } else if (stale.empty()) {
    found = "no valid entry says what it would change";
  } else {
    found = std::to_string(stale.size()) +
            (stale.size() == 1 ? " range, at the file offset" : " ranges, at the file offsets");
    for (const uint64_t offset : stale | std::views::take(kListed)) {
      found += " " + std::to_string(offset);
    }
    if (stale.size() > kListed) found += " ...";
  }
  findings.Add(rules::kLogIgnored, {file.name(), header.log_offset}, std::move(found));
  return {};
}

}  // namespace vhdx::log

// Reading the log ([MS-VHDX] 2.3): which entries are valid, and which of them count.
//
// A reader reads through a File and never writes. The work is linear in the length of the log,
// whatever is in it: an entry is hashed only if every one of its sectors has the form that it must
// have, so valid entries cannot overlap, no sector is hashed twice, and verdicts are kept.

#ifndef VHDXKIT_LOG_LOG_READER_H_
#define VHDXKIT_LOG_LOG_READER_H_

#include <vhdxkit/error.h>
#include <vhdxkit/file.h>
#include <vhdxkit/guid.h>
#include <vhdxkit/image_info.h>

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "format/findings.h"
#include "format/log_entry.h"

namespace vhdx::log {

/// One thing that an entry does to the file: zeros, or one sector.
struct Update {
  FileRange target;                     ///< multiples of 4096
  bool zeros = false;                   ///< the whole target reads as zeros
  uint64_t stored_at = 0;               ///< a sector: where its data sector is in the file ...
  std::array<std::byte, 8> leading{};   ///< ... of which these are the first bytes,
  std::array<std::byte, 4> trailing{};  ///< and these the last
};

class LogReader {
 public:
  /// `log` is where the header says that the log is, inside the file. Only entries that carry
  /// `log_guid` are valid; without one, entries of any session are (for looking at what is left
  /// over).
  LogReader(File& file, FileRange log, std::optional<Guid> log_guid);

  /// The valid entry that starts there, or nothing. Errors: kIo.
  Result<std::optional<LogEntryInfo>> EntryAt(uint64_t log_offset);

  /// The active sequence, tail first ([MS-VHDX] 2.3.2, 2.3.3); empty if there is none. Errors: kIo.
  Result<std::vector<LogEntryInfo>> FindActiveSequence();

  /// What a log without an active sequence holds of the entries of its session.
  enum class Trace : uint8_t {
    kNone,      ///< no sector carries the LogGuid where an entry has it
    kOneBegun,  ///< only a first entry, some of whose data sectors were never written
    kOther,     ///< entries that were complete once may be lost
  };
  /// Only with a LogGuid. Errors: kIo.
  Result<Trace> FindTrace();

  /// All valid entries in the order of their offsets. Errors: kIo, and what `visit` returns.
  Result<void> VisitEntries(const std::function<Result<void>(const LogEntryInfo&)>& visit);

  /// Calls `visit` for everything that the entry does, in order. Errors: kIo, and what `visit`
  /// returns.
  Result<void> VisitUpdates(const LogEntryInfo& entry,
                            const std::function<Result<void>(const Update&)>& visit);

  /// Offsets of entries with a right checksum that name a target outside of what the log may
  /// change.
  const std::vector<uint64_t>& entries_with_bad_target() const { return bad_targets_; }

 private:
  enum class Verdict : uint8_t { kUnknown, kInvalid, kValid };
  using Sector = std::array<std::byte, format::kLogSectorSize>;

  // A run of valid entries, each following the one before in place and number.
  struct Run {
    std::vector<LogEntryInfo> entries;
    uint64_t end = 0;  // log offset after the last
  };

  uint64_t sector_count() const { return log_.length_bytes / format::kLogSectorSize; }
  uint64_t Wrap(uint64_t log_offset) const {
    return log_offset < log_.length_bytes ? log_offset : log_offset - log_.length_bytes;
  }
  Result<const Sector*> ReadSector(uint64_t log_offset);
  Result<std::optional<LogEntryInfo>> Validate(uint64_t log_offset);
  bool HeaderIsPlausible(const format::LogEntryHeader& header) const;
  Result<bool> SectorsAreWellFormed(uint64_t log_offset, const format::LogEntryHeader& header);
  Result<bool> IsBegunOnly(uint64_t log_offset);
  Result<bool> ChecksumIsRight(uint64_t log_offset, const format::LogEntryHeader& header);
  Result<bool> TargetsAreAllowed(const LogEntryInfo& entry);
  Result<Run> FollowFrom(uint64_t log_offset);

  File& file_;
  const FileRange log_;
  const std::optional<Guid> log_guid_;
  std::vector<Verdict> verdicts_;           // one for each sector of the log
  std::map<uint64_t, LogEntryInfo> valid_;  // by log offset
  std::vector<uint64_t> bad_targets_;
  std::vector<std::byte> window_;  // some sectors of the log
  uint64_t window_start_ = 0;      // log offset
};

}  // namespace vhdx::log

#endif  // VHDXKIT_LOG_LOG_READER_H_

// Writing the log ([MS-VHDX] 2.3): entries one after the other, from the start of the log to its
// end, under one LogGuid.
//
// The log is linear: an entry never wraps. When the next one would pass the end, whoever writes
// retires the log and starts a new generation of it, with a new LogGuid; so free space needs no
// arithmetic, and a reader that ignores tails (QEMU's) comes to the right contents too.
//
// A writer only writes; what must be durable before and after is its owner's business
// (`LogGeneration`). It is told when pages have been checkpointed and when a sync has completed,
// and from that knows the tail. One thread at a time.

#ifndef VHDXKIT_LOG_LOG_WRITER_H_
#define VHDXKIT_LOG_LOG_WRITER_H_

#include <vhdxkit/error.h>
#include <vhdxkit/file.h>
#include <vhdxkit/guid.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <vector>

#include "format/log_entry.h"

namespace vhdx::log {

using PageBytes = std::array<std::byte, format::kLogSectorSize>;

/// A 4 KiB page of metadata, as a checkpoint writes it.
struct Page {
  uint64_t file_offset = 0;  ///< a multiple of 4096
  PageBytes bytes;
};

/// The two lengths that an entry carries (docs/format.md, section 5.6).
struct FileLengths {
  uint64_t flushed_file_offset = 0;  ///< durably at least this long
  uint64_t last_file_offset = 0;     ///< every structure fits into this
};

class LogWriter {
 public:
  /// `log` is the part of the file that is used; entries carry at most `pages_per_entry` pages.
  LogWriter(File& file, FileRange log, uint64_t pages_per_entry);

  /// To be called while no header names the log: has the host allocate what is a hole, which a copy
  /// of the file can have brought. Without space the session fails before it begins, and not a
  /// flush in the middle of it. Errors: kIo, kNoSpace.
  Result<void> Allocate();

  /// Writes the empty entry that begins a log generation, at the start of the log: it names itself
  /// as its tail. Errors: kIo, kNoSpace.
  Result<void> Begin(const Guid& log_guid, FileLengths lengths);

  /// Pages that one entry may carry at most: what fits after the empty one.
  uint64_t pages_per_entry() const { return pages_per_entry_; }
  bool HasSpaceFor(uint64_t page_count) const;
  /// Writes an entry after the last one. There is space for it. Errors: kIo, kNoSpace.
  Result<void> Append(std::span<const Page> pages, FileLengths lengths);

  /// The pages of all entries so far have been written in place, perhaps not durably yet.
  void NoteCheckpointed();
  /// A sync has completed that began after everything up to here: what was checkpointed is durably
  /// in place, and no later tail reaches back to it.
  void NoteSynced();

  /// Bytes of the last entry.
  uint64_t last_entry_bytes() const { return buffer_.size(); }

 private:
  struct Pending {
    uint64_t log_offset = 0;
    bool checkpointed = false;
  };

  static uint64_t EntryBytes(uint64_t page_count);
  Result<void> WriteEntry(std::span<const Page> pages, FileLengths lengths);

  File& file_;
  const FileRange log_;
  const uint64_t pages_per_entry_;
  Guid log_guid_ = {};
  uint64_t head_ = 0;  // log offset of the next entry
  uint64_t sequence_number_ = 0;
  std::deque<Pending> pending_;  // entries whose pages are not durably in place, oldest first
  std::vector<std::byte> buffer_;
};

}  // namespace vhdx::log

#endif  // VHDXKIT_LOG_LOG_WRITER_H_

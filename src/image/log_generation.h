// The log of one image that is being written, from its first entry until no header names it: a
// generation of the log, and then the next.
//
// A generation begins with an empty entry, which is durable before a header names it; both headers
// name it before anything else is logged. It ends when both headers name no log. Where the host has
// no space in between, the step that failed is taken again by the next call. Called by the leader
// of the group commits, one thread at a time.

#ifndef VHDXKIT_IMAGE_LOG_GENERATION_H_
#define VHDXKIT_IMAGE_LOG_GENERATION_H_

#include <vhdxkit/counters.h>
#include <vhdxkit/error.h>
#include <vhdxkit/file.h>
#include <vhdxkit/guid.h>
#include <vhdxkit/image_info.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

#include "image/durable_state.h"
#include "image/header_slots.h"
#include "image/write_limits.h"
#include "log/log_writer.h"

namespace vhdx {

class LogGeneration {
 public:
  /// All of these outlive it. `files` gives LogGuids; `file` is the container itself.
  LogGeneration(FileSystem& files, File& file, DurableState& durability, const ImageInfo& info,
                const WriteLimits& limits);

  HeaderSlots& headers() { return headers_; }
  const HeaderSlots& headers() const { return headers_; }
  /// Whether both headers name it: entries may be appended.
  bool is_named() const { return state_ == State::kNamed; }
  /// Whether a header names it, or may.
  bool may_be_named() const { return state_ != State::kNone; }
  /// Whether an entry was appended since the last sync.
  bool has_unsynced_entries() const { return has_unsynced_entries_; }

  /// LogWriter::Allocate.
  Result<void> AllocateLog() { return log_.Allocate(); }
  /// Begins a generation, unless one is begun. Syncs, so that what was written before is durable
  /// too. Errors: kIo and others poison the disk; kNoSpace.
  Result<void> Begin(const log::FileLengths& lengths);
  /// Errors: as Begin.
  Result<void> Append(std::span<const log::Page> pages, const log::FileLengths& lengths);
  size_t pages_per_entry() const { return log_.pages_per_entry(); }
  bool HasSpaceFor(size_t page_count) const { return log_.HasSpaceFor(page_count); }
  void NoteCheckpointed() { log_.NoteCheckpointed(); }
  /// Ends it, whatever its state: both headers name no log. All that was logged is checkpointed,
  /// durably. Errors: as Begin; it is then to be retired again.
  Result<void> Retire();
  void CountRestart() { ++restarts_; }

  /// Errors: those of DurableState::Sync.
  Result<void> Sync();

  void CountInto(EngineCounters& counters) const;

 private:
  Result<void> NoteAppended(Result<void> appended);

  FileSystem& files_;
  DurableState& durability_;
  HeaderSlots headers_;
  log::LogWriter log_;
  // Between two headers there may be no space.
  enum class State : uint8_t {
    kNone,      // no header names a log
    kBegun,     // the first entry is durable; a header may name it
    kNamed,     // both headers name it
    kRetiring,  // nothing is added to it any more; a header may still name it
  };
  State state_ = State::kNone;
  Guid guid_ = {};
  bool has_unsynced_entries_ = false;
  std::atomic<uint64_t> entries_ = 0;
  std::atomic<uint64_t> restarts_ = 0;
  std::atomic<uint64_t> pages_ = 0;
  std::atomic<uint64_t> bytes_ = 0;
};

}  // namespace vhdx

#endif  // VHDXKIT_IMAGE_LOG_GENERATION_H_

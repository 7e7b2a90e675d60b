// The journal of one image that is being written: sessions, metadata changes and group commits.
//
// A *session* begins with the first change (image/session.h). A *metadata change* is applied to BAT
// entries and sector bitmaps in memory (image/metadata_pages.h). A *group commit* logs all changes
// applied so far and makes them durable (image/group_commits.h, image/log_generation.h).
//
// A failed sync or metadata write poisons the disk: nothing is written any more, and every call
// says so. docs/crash-consistency.md has the argument why what is on disk is right at every moment.
//
// Any number of threads. Order of locks: block reference, bitmap allocation, commit lock, and below
// it those of a shard of sector bitmaps; host space and space are taken alone. The
// leader of a group commit, and whoever begins or ends a session, holds none of them while it
// syncs.

#ifndef VHDXKIT_IMAGE_JOURNAL_H_
#define VHDXKIT_IMAGE_JOURNAL_H_

#include <vhdxkit/counters.h>
#include <vhdxkit/error.h>
#include <vhdxkit/file.h>
#include <vhdxkit/image_info.h>

#include <atomic>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "image/durable_state.h"
#include "image/group_commits.h"
#include "image/log_generation.h"
#include "image/metadata_pages.h"
#include "image/session.h"
#include "image/space.h"
#include "image/write_limits.h"
#include "image/written_image.h"

namespace vhdx {

class Journal {
 public:
  /// What `image` refers to outlives the journal.
  Journal(const WrittenImage& image, const WriteLimits& limits, uint64_t file_length);

  /// Session::Prepare.
  Result<void> Prepare() { return session_.Prepare(); }
  /// To be called before every change; the first call begins the session. Errors: kPoisoned; kIo,
  /// kNoSpace; kInvalidArgument (the journal is closed).
  Result<void> Start();
  /// Whether it has started, and nothing has failed: then Start would do nothing.
  bool IsOpen() const {
    return open_.load(std::memory_order_acquire) && durability_.Check().has_value();
  }

  /// Space for a block. Errors: kNoSpace, kIo.
  Result<Space::Allocation> Allocate(uint64_t length_bytes) {
    return space_.Allocate(length_bytes);
  }
  /// Space::AllocateBelow.
  std::optional<Space::Allocation> AllocateBelow(uint64_t length_bytes, uint64_t limit) {
    return space_.AllocateBelow(length_bytes, limit);
  }
  /// Where the last structure of the file ends, and what is free before that.
  uint64_t EndOfClaims() const { return pages_.EndOfClaims(); }
  std::vector<FileRange> Unclaimed(uint64_t end) const { return pages_.Unclaimed(end); }
  /// Space that was allocated and is not going to be used; it may hold anything.
  void Abandon(const Space::Allocation& allocation) {
    space_.Release(allocation.range, Space::Contents::kStale);
  }

  /// Applies a change to the maps in memory; the next group commit logs it. Everything that the
  /// change exposes has been written. The caller holds a reference to the block: the only one if
  /// the block is allocated or freed. Errors: kIo, kCorrupt (the page of the entry cannot be
  /// changed); kNoSpace (the host has none for a page that is a hole); kPoisoned; kInternal, which
  /// poisons the disk.
  Result<void> Apply(const MetadataChange& change);
  /// Space that changes have freed, of one block or several; kZeroed: a hole was punched in it
  /// since. It is used again when those changes, and the hole, are durable. Errors: kNoMemory,
  /// which poisons the disk.
  Result<void> Free(std::span<const FileRange> ranges, Space::Contents contents);
  /// Replaces pages of structures other than the BAT and the sector bitmaps; the next group commit
  /// logs them, in one entry with whatever else was changed since the last one if there are at most
  /// pages_per_entry pages in all. Errors: kPoisoned; kNoMemory, which poisons the disk.
  Result<void> Replace(std::span<const HeldPage> pages);
  /// The most pages that one entry of the log takes.
  size_t pages_per_entry() const { return log_.pages_per_entry(); }
  /// Pages that were changed since the last group commit.
  size_t dirty_count() const { return pages_.dirty_count(); }

  /// Bytes of the file were changed, perhaps in vain: the next flush has something to do.
  void NoteWrite() { commits_.NoteWrite(); }

  /// GroupCommits::Flush.
  Result<void> Flush() { return commits_.Flush(); }
  /// GroupCommits::Throttle.
  Result<void> Throttle() { return commits_.Throttle(); }
  /// Ends the session for good. Errors: as Flush.
  Result<void> Close();
  /// Ends the session as Close does, durably; the next change begins another. A log that nobody has
  /// replayed is replayed. Nothing may be changed meanwhile. Errors: as Flush; the session then
  /// continues, unless the disk is poisoned.
  Result<void> Rest();
  /// What the headers say now. Nothing may be changed meanwhile.
  const HeaderInfo& header() const { return log_.headers().current(); }

  /// Errors: kPoisoned.
  Result<void> Check() const { return durability_.Check(); }
  /// Adds what the journal counts.
  void CountInto(EngineCounters& counters) const;

 private:
  Result<void> BeginSession();
  Result<void> EndSession();

  File& file_;
  DurableState durability_;
  Space space_;
  MetadataPages pages_;
  LogGeneration log_;
  GroupCommits commits_;
  Session session_;
  std::atomic<bool> open_ = false;  // a session has begun and not ended
  // Only the leader touches these.
  bool has_session_ = false;  // the same; true, too, if a session could not be ended
  bool closed_ = false;
};

}  // namespace vhdx

#endif  // VHDXKIT_IMAGE_JOURNAL_H_

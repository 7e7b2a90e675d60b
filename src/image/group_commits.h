// Group commits: how what was written to one image becomes durable.
//
// A *group commit* writes all changes applied so far to the log and syncs them, for everybody who
// waits for a flush. One thread at a time, the *leader*, does everything that syncs, logs or
// checkpoints: a group commit, or the beginning or end of a session. A flush is satisfied by a
// group commit whose snapshot was taken after the flush was called, so flushes that come together
// share one. A *checkpoint* writes the logged pages in place, later: before a new log generation,
// at the end of a session, or when many pages are only in the log.
//
// Any number of threads. The leader holds no lock while it syncs.

#ifndef VHDXKIT_IMAGE_GROUP_COMMITS_H_
#define VHDXKIT_IMAGE_GROUP_COMMITS_H_

#include <vhdxkit/counters.h>
#include <vhdxkit/error.h>

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>

#include "bytes/mutex.h"
#include "image/durable_state.h"
#include "image/log_generation.h"
#include "image/metadata_pages.h"
#include "image/space.h"
#include "image/write_limits.h"

namespace vhdx {

class GroupCommits {
 public:
  /// All of these outlive it.
  GroupCommits(DurableState& durability, MetadataPages& pages, Space& space, LogGeneration& log,
               const WriteLimits& limits);

  /// While it exists, this thread is the leader.
  class Leadership {
   public:
    /// Waits until no other thread is.
    explicit Leadership(GroupCommits& commits);
    /// This thread is the leader already.
    Leadership(GroupCommits& commits, std::adopt_lock_t) : commits_(commits) {}
    ~Leadership();
    Leadership(const Leadership&) = delete;
    Leadership& operator=(const Leadership&) = delete;

   private:
    GroupCommits& commits_;
  };

  /// Waits until the flag is set, or until this thread is the leader: then true. The flag is set by
  /// a leader.
  bool LeadUnless(const std::atomic<bool>& flag) VHDX_EXCLUDES(mutex_);

  /// Bytes of the file were changed, perhaps in vain: the next flush has something to do.
  void NoteWrite() {
    // Most writes find it set already, and then share the cache line.
    if (!unsynced_.load()) unsynced_.store(true);
  }

  /// Errors: kIo and others poison the disk; kNoSpace; kPoisoned.
  Result<void> Flush() VHDX_EXCLUDES(mutex_);
  /// To be called between changes, with no lock held: runs a group commit if so many pages were
  /// changed since the last one that memory and the next flush would suffer. Errors: as Flush.
  Result<void> Throttle() VHDX_EXCLUDES(mutex_);

  /// Runs a group commit and a checkpoint: all that was written is durable, and in place. The
  /// caller is the leader, and nothing is written meanwhile. Errors: as Flush.
  Result<void> CommitAndCheckpoint() VHDX_EXCLUDES(mutex_);

  void CountInto(EngineCounters& counters) const;

 private:
  using Snapshot = MetadataPages::Snapshot;

  uint64_t NumberOfNext() VHDX_EXCLUDES(mutex_);
  bool LeadUnlessDone(uint64_t number) VHDX_EXCLUDES(mutex_);
  bool LeadOrWait() VHDX_REQUIRES(mutex_);
  /// kInPlace: the pages are checkpointed before the last sync.
  enum class Place : uint8_t { kLog, kInPlace };
  Result<void> Run(Place place);
  Result<void> MakeDurable(Snapshot& snapshot);
  Result<void> Checkpoint();
  Result<void> LogPages(Snapshot& snapshot);
  Result<void> RestartLog(const Snapshot& snapshot);
  log::FileLengths Lengths(const Snapshot& snapshot) const;

  DurableState& durability_;
  MetadataPages& pages_;
  Space& space_;
  LogGeneration& log_;
  const size_t most_only_in_log_;

  std::atomic<bool> unsynced_ = true;  // what was read may be the leavings of a killed process
  Mutex mutex_;
  std::condition_variable changed_;
  bool has_leader_ VHDX_GUARDED_BY(mutex_) = false;
  uint64_t started_ VHDX_GUARDED_BY(mutex_) = 0;
  uint64_t done_ VHDX_GUARDED_BY(mutex_) = 0;

  std::atomic<uint64_t> with_pages_ = 0;
  std::atomic<uint64_t> stalls_ = 0;
};

}  // namespace vhdx

#endif  // VHDXKIT_IMAGE_GROUP_COMMITS_H_

#include "image/group_commits.h"

#include <algorithm>
#include <span>
#include <utility>

#include "bytes/arithmetic.h"
#include "bytes/try.h"
#include "format/layout.h"

namespace vhdx {
namespace {

// 16 MiB of metadata: the BAT of 4 TiB in blocks of 1 MiB.
constexpr size_t kMaxDirtyPages = 4096;

}  // namespace

GroupCommits::GroupCommits(DurableState& durability, MetadataPages& pages, Space& space,
                           LogGeneration& log, const WriteLimits& limits)
    : durability_(durability),
      pages_(pages),
      space_(space),
      log_(log),
      most_only_in_log_(limits.pages_in_log_only) {}

// -- The leader --

GroupCommits::Leadership::Leadership(GroupCommits& commits) : commits_(commits) {
  const MutexLock lock(commits_.mutex_);
  while (!commits_.LeadOrWait()) {
  }
}

GroupCommits::Leadership::~Leadership() {
  const MutexLock lock(commits_.mutex_);
  commits_.has_leader_ = false;
  commits_.changed_.notify_all();
}

// True: this thread is the leader. False: it has waited for a change.
bool GroupCommits::LeadOrWait() {
  if (has_leader_) {
    ++stalls_;
    mutex_.Wait(changed_);
    return false;
  }
  has_leader_ = true;
  return true;
}

bool GroupCommits::LeadUnless(const std::atomic<bool>& flag) {
  const MutexLock lock(mutex_);
  while (!flag) {
    if (LeadOrWait()) return true;
  }
  return false;
}

// The same for a group commit that is done.
bool GroupCommits::LeadUnlessDone(uint64_t number) {
  const MutexLock lock(mutex_);
  while (done_ < number) {
    if (LeadOrWait()) return true;
  }
  return false;
}

// -- Flushing --

Result<void> GroupCommits::Flush() {
  VHDX_TRY(durability_.Check());
  const uint64_t wanted = NumberOfNext();
  while (LeadUnlessDone(wanted)) {
    const Leadership leadership(*this, std::adopt_lock);
    VHDX_TRY(durability_.Check());
    VHDX_TRY(durability_.PoisonIfThrown([this] { return Run(Place::kLog); }));
  }
  return {};
}

// The snapshot of a running group commit may have missed what was written before this call; but if
// nothing was written since that snapshot, there is nothing else to wait for.
uint64_t GroupCommits::NumberOfNext() {
  const MutexLock lock(mutex_);
  return unsynced_.load() ? started_ + 1 : started_;
}

Result<void> GroupCommits::Throttle() {
  if (pages_.dirty_count() < kMaxDirtyPages) return {};
  return Flush();
}

Result<void> GroupCommits::CommitAndCheckpoint() { return Run(Place::kInPlace); }

Result<void> GroupCommits::Run(Place place) {
  const uint64_t number = [this] {
    const MutexLock lock(mutex_);
    return ++started_;
  }();
  const bool was_unsynced = unsynced_.exchange(false);
  auto snapshot = VHDX_TRY(pages_.TakeSnapshot(space_));
  const bool has_pages = !snapshot.pages.empty();
  Result<void> done = has_pages ? MakeDurable(snapshot) : Result<void>{};
  const bool checkpoints = place == Place::kInPlace && log_.is_named();
  if (done && checkpoints) done = Checkpoint();
  // What was overwritten in place is durable with the pages, if there are any.
  if (done && (checkpoints || (!has_pages && (was_unsynced || place == Place::kLog)))) {
    done = log_.Sync();
  }
  if (!done) {
    unsynced_ = true;
    pages_.PutBack(snapshot);
    return done;
  }
  for (const MetadataPages::FreedRange& freed : snapshot.freed) {
    space_.Release(freed.range, freed.contents);
  }
  {
    const MutexLock lock(mutex_);
    done_ = number;
    changed_.notify_all();
  }
  if (has_pages) ++with_pages_;
  // What was flushed is durable. Without space the next group commit tries again.
  if (pages_.count_only_in_log() > most_only_in_log_) (void)Checkpoint();
  return {};
}

Result<void> GroupCommits::MakeDurable(Snapshot& snapshot) {
  if (!log_.is_named()) {
    // Its sync makes the payload durable too.
    VHDX_TRY(log_.Begin(Lengths(snapshot)));
  } else if (snapshot.payload_first || snapshot.last_file_offset > durability_.durable_length()) {
    VHDX_TRY(log_.Sync());
  }
  VHDX_TRY(LogPages(snapshot));
  return log_.Sync();
}

Result<void> GroupCommits::LogPages(Snapshot& snapshot) {
  const std::span<const log::Page> pages(snapshot.pages);
  while (snapshot.logged < pages.size()) {
    const size_t count = std::min(log_.pages_per_entry(), pages.size() - snapshot.logged);
    if (!log_.HasSpaceFor(count)) {
      VHDX_TRY(RestartLog(snapshot));
    }
    VHDX_TRY(log_.Append(pages.subspan(snapshot.logged, count), Lengths(snapshot)));
    pages_.NoteLogged(snapshot, count);
  }
  return {};
}

// The log is full, and the first pages of this group commit may be in it.
Result<void> GroupCommits::RestartLog(const Snapshot& snapshot) {
  VHDX_TRY(Checkpoint());
  VHDX_TRY(log_.Sync());
  VHDX_TRY(log_.Retire());
  log_.CountRestart();
  return log_.Begin(Lengths(snapshot));
}

log::FileLengths GroupCommits::Lengths(const Snapshot& snapshot) const {
  const uint64_t durable = AlignDown(durability_.durable_length(), format::kAlignment);
  return {.flushed_file_offset = std::min(durable, snapshot.last_file_offset),
          .last_file_offset = snapshot.last_file_offset};
}

Result<void> GroupCommits::Checkpoint() {
  // No page is checkpointed before its entry is durable.
  if (log_.has_unsynced_entries()) {
    VHDX_TRY(log_.Sync());
  }
  VHDX_TRY(pages_.Checkpoint());
  log_.NoteCheckpointed();
  return {};
}

void GroupCommits::CountInto(EngineCounters& counters) const {
  counters.group_commits += with_pages_;
  counters.stalls += stalls_;
}

}  // namespace vhdx

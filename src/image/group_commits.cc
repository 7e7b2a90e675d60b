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
  commits_.BecomeLeader();
}

GroupCommits::Leadership::~Leadership() {
  const MutexLock lock(commits_.mutex_);
  commits_.StepDown();
}

void GroupCommits::BecomeLeader() {
  if (has_leader_) ++stalls_;
  while (has_leader_) mutex_.Wait(changed_);
  has_leader_ = true;
}

void GroupCommits::StepDown() {
  has_leader_ = false;
  changed_.notify_all();
}

// -- Flushing --

Result<void> GroupCommits::Flush() {
  mutex_.Lock();
  // The snapshot of a running group commit may have missed what was written before this call; but
  // if nothing was written since that snapshot, there is nothing else to wait for.
  const uint64_t wanted = unsynced_.load() ? started_ + 1 : started_;
  Result<void> result = durability_.Check();
  while (result && done_ < wanted) {
    if (has_leader_) {
      ++stalls_;
      mutex_.Wait(changed_);
    } else {
      has_leader_ = true;
      const uint64_t number = ++started_;
      mutex_.Unlock();
      result = durability_.PoisonIfThrown([&] { return Run(number, WithoutPages::kSync); });
      mutex_.Lock();
      StepDown();
    }
    if (result && done_ < wanted) result = durability_.Check();
  }
  mutex_.Unlock();
  return result;
}

Result<void> GroupCommits::Throttle() {
  if (pages_.dirty_count() < kMaxDirtyPages) return {};
  ++stalls_;
  return Flush();
}

Result<void> GroupCommits::RunAsLeader(WithoutPages without_pages) {
  const uint64_t number = [this] {
    const MutexLock lock(mutex_);
    return ++started_;
  }();
  return Run(number, without_pages);
}

Result<void> GroupCommits::Run(uint64_t number, WithoutPages without_pages) {
  unsynced_.exchange(false);
  auto snapshot = VHDX_TRY(pages_.TakeSnapshot(space_));
  if (snapshot.pages.empty()) {
    const bool sync = without_pages == WithoutPages::kSync;
    VHDX_TRY(sync ? log_.Sync() : Result<void>{});
  } else if (auto durable = MakeDurable(snapshot); !durable) {
    unsynced_ = true;
    pages_.PutBack(snapshot);
    return durable;
  }
  for (const MetadataPages::FreedRange& freed : snapshot.freed) {
    space_.Release(freed.range, freed.contents);
  }
  {
    const MutexLock lock(mutex_);
    done_ = number;
    changed_.notify_all();
  }
  if (snapshot.pages.empty()) return {};
  ++with_pages_;
  // What was flushed is durable; a failure from here on is reported by the next call.
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
  // No page is checkpointed before its entry is durable.
  if (snapshot.logged > 0) {
    VHDX_TRY(log_.Sync());
  }
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
  VHDX_TRY(pages_.Checkpoint());
  log_.NoteCheckpointed();
  return {};
}

void GroupCommits::CountInto(EngineCounters& counters) const {
  counters.group_commits += with_pages_;
  counters.stalls += stalls_;
}

}  // namespace vhdx

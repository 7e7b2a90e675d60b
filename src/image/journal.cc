#include "image/journal.h"

#include <mutex>

#include "bytes/try.h"

namespace vhdx {

Journal::Journal(const WrittenImage& image, const WriteLimits& limits, uint64_t file_length)
    : file_(image.file),
      durability_(image.file, file_length),
      space_(image.file, durability_, limits),
      pages_(image, durability_),
      log_(image.files, image.file, durability_, image.info, limits),
      commits_(durability_, pages_, space_, log_, limits),
      session_(image, durability_, pages_, space_, log_, commits_) {}

Result<void> Journal::Start() {
  if (open_.load(std::memory_order_acquire)) return durability_.Check();
  // If somebody else begins the session, flushes need not let everybody lead in turn.
  if (!commits_.LeadUnless(open_)) return durability_.Check();
  const GroupCommits::Leadership leadership(commits_, std::adopt_lock);
  VHDX_TRY(durability_.Check());
  if (closed_) return Fail(ErrorCode::kInvalidArgument, "the disk was closed", file_.name());
  if (!has_session_) {
    VHDX_TRY(BeginSession());
  }
  open_ = true;
  return {};
}

Result<void> Journal::Apply(const MetadataChange& change) {
  auto applied = durability_.PoisonIfThrown([&] { return pages_.Apply(change); });
  if (applied) NoteWrite();
  return applied;
}

Result<void> Journal::Free(std::span<const FileRange> ranges, Space::Contents contents) {
  auto freed = durability_.PoisonIfThrown([&] {
    pages_.Free(ranges, contents);
    return Result<void>{};
  });
  NoteWrite();
  return freed;
}

Result<void> Journal::Replace(std::span<const HeldPage> pages) {
  VHDX_TRY(durability_.Check());
  auto replaced = durability_.PoisonIfThrown([&] {
    pages_.Replace(pages);
    return Result<void>{};
  });
  NoteWrite();
  return replaced;
}

Result<void> Journal::Close() {
  const GroupCommits::Leadership leadership(commits_);
  VHDX_TRY(durability_.Check());
  if (closed_) return {};
  closed_ = true;
  open_ = false;
  return has_session_ ? EndSession() : Result<void>{};
}

Result<void> Journal::Rest() {
  const GroupCommits::Leadership leadership(commits_);
  open_ = false;
  VHDX_TRY(durability_.Check());
  // A file whose log is to be replayed is of no use to programs that only read.
  if (!has_session_ && session_.NeedsReplay()) {
    VHDX_TRY(BeginSession());
  }
  if (has_session_) {
    VHDX_TRY(EndSession());
  }
  // Of an image that was not written, too: its identity may be the leavings of a killed process.
  return log_.Sync();
}

Result<void> Journal::BeginSession() {
  VHDX_TRY(durability_.PoisonIfThrown([this] { return session_.Begin(); }));
  has_session_ = true;
  return {};
}

Result<void> Journal::EndSession() {
  VHDX_TRY(durability_.PoisonIfThrown([this] { return session_.End(); }));
  has_session_ = false;
  return {};
}

void Journal::CountInto(EngineCounters& counters) const {
  counters.syncs += durability_.sync_count();
  space_.CountInto(counters);
  pages_.CountInto(counters);
  log_.CountInto(counters);
  commits_.CountInto(counters);
}

}  // namespace vhdx

#include "image/journal.h"

#include <algorithm>
#include <new>
#include <ranges>
#include <string>
#include <utility>

#include "bytes/arithmetic.h"
#include "bytes/border.h"
#include "bytes/formatting.h"
#include "bytes/try.h"
#include "format/layout.h"
#include "io/holes.h"
#include "io/random_guid.h"

namespace vhdx {
namespace {

// 16 MiB of metadata: the BAT of 4 TiB in blocks of 1 MiB.
constexpr size_t kMaxDirtyPages = 4096;

// The sectors of the log that the limits allow.
FileRange UsedLog(const HeaderInfo& header, const WriteLimits& limits) {
  const uint64_t sectors =
      std::min(limits.log_sectors, header.log_length_bytes / format::kLogSectorSize);
  return {header.log_offset, sectors * format::kLogSectorSize};
}

}  // namespace

Journal::Journal(const Parts& parts, const WriteLimits& limits, uint64_t file_length)
    : files_(parts.files),
      file_(parts.file),
      overlay_(parts.overlay),
      info_(parts.info),
      block_map_(parts.block_map),
      sector_bitmaps_(parts.sector_bitmaps),
      limits_(limits),
      durability_(parts.file, file_length),
      headers_(parts.file, durability_, parts.info.header(), parts.info.current_header),
      log_(parts.file, UsedLog(parts.info.header(), limits), limits.pages_per_entry) {}

Journal::~Journal() = default;

// An exception in the middle leaves the state in memory incomplete, but nobody waiting.
template <typename Work>
Result<void> Journal::PoisonIfThrown(Work&& work) {
  try {
    return std::forward<Work>(work)();
  } catch (...) {
    return durability_.Poison(std::move(CaughtException().error()));
  }
}

// -- The leader --

void Journal::BecomeLeader() {
  if (has_leader_) ++counters_.stalls;
  while (has_leader_) mutex_.Wait(changed_);
  has_leader_ = true;
}

void Journal::StepDown() {
  has_leader_ = false;
  changed_.notify_all();
}

Result<void> Journal::Start() {
  if (open_.load(std::memory_order_acquire)) return durability_.Check();
  {
    const MutexLock lock(mutex_);
    if (has_leader_) ++counters_.stalls;
    while (has_leader_ && !open_) mutex_.Wait(changed_);
    // Somebody else began the session: flushes need not let everybody lead in turn.
    if (open_) return durability_.Check();
    has_leader_ = true;
  }
  auto result = durability_.Check();
  if (result && !started_) result = PoisonIfThrown([this] { return StartSession(); });
  const MutexLock lock(mutex_);
  if (closed_) {
    if (result) result = Fail(ErrorCode::kInvalidArgument, "the disk was closed", file_.name());
  } else if (result) {
    open_ = true;
  }
  StepDown();
  return result;
}

// -- Metadata changes --

Result<Space::Allocation> Journal::Allocate(uint64_t length_bytes) {
  auto allocation = space_->Allocate(length_bytes);
  if (allocation) {
    ++counters_.allocations;
    if (allocation->reused) ++counters_.reused;
  }
  return allocation;
}

void Journal::Abandon(const Space::Allocation& allocation) {
  space_->Release(allocation.range, Space::Contents::kStale);
}

Result<void> Journal::Apply(const MetadataChange& change) {
  return PoisonIfThrown([&] { return LoadAndApply(change); });
}

// Whatever has to be read is read before the lock is taken: what fails there fails this request and
// nothing else.
Result<void> Journal::LoadAndApply(const MetadataChange& change) {
  if (change.entry) {
    VHDX_TRY(block_map_.MakeReady(change.entry->index));
    const uint64_t page = change.entry->index / format::kBatEntriesPerPage;
    VHDX_TRY(ReserveHostSpace({BatPageOffset(page), format::kLogSectorSize}));
  }
  if (change.bits) {
    auto pages = VHDX_TRY(sector_bitmaps_.PagesOf(change.bits->range));
    VHDX_TRY(ReserveHostSpace(pages));
  }
  for (;;) {
    std::optional<SectorBitmaps::LoadedPages> pages;
    if (change.bits) {
      auto loaded = VHDX_TRY(sector_bitmaps_.LoadPages(change.bits->range));
      pages = std::move(loaded);
    }
    const MutexLock lock(commit_mutex_);
    if (pages && !sector_bitmaps_.AreCurrent(*pages)) continue;
    return ApplyLocked(change, pages);
  }
}

Result<void> Journal::ApplyLocked(const MetadataChange& change,
                                  const std::optional<SectorBitmaps::LoadedPages>& pages) {
  VHDX_TRY(durability_.Check());
  if (change.freed) {
    claims_->Release(*change.freed);
    ++counters_.freed;
  }
  if (change.allocated) {
    claims_->Grow(durability_.length());
    if (!claims_->Claim(*change.allocated)) {
      return SelfCheckFailed("space that is in use was about to be used again",
                             change.allocated->file_offset);
    }
  }
  // Bits before the entry: without its block in that state they mean nothing.
  if (pages) {
    std::vector<uint64_t> changed;
    sector_bitmaps_.SetBits(*pages, change.bits->others, changed);
    dirty_bitmap_pages_.insert(changed.begin(), changed.end());
  }
  if (change.entry) {
    block_map_.SetEntry(change.entry->index, change.entry->value);
    dirty_bat_pages_.insert(change.entry->index / format::kBatEntriesPerPage);
  }
  payload_first_ = payload_first_ || change.payload_first;
  dirty_pages_ = dirty_bat_pages_.size() + dirty_bitmap_pages_.size();
  NoteWrite();
  return {};
}

Result<void> Journal::Free(std::span<const FileRange> ranges, Space::Contents contents) {
  return PoisonIfThrown([&]() -> Result<void> {
    const MutexLock lock(commit_mutex_);
    for (const FileRange& range : ranges) freed_.push_back({range, contents});
    NoteWrite();
    return {};
  });
}

// Before the first change of a page: once the change is in the log, a checkpoint has to write the
// page, and a full host could be reported only to the flush. The contents of the page stay.
Result<void> Journal::ReserveHostSpace(FileRange pages) {
  const MutexLock lock(host_space_mutex_);
  const uint64_t end = pages.file_offset + pages.length_bytes;
  for (uint64_t at = pages.file_offset; at < end; at += format::kLogSectorSize) {
    auto& of_unit = reserved_pages_[at / format::kAlignment];
    const uint64_t page = at % format::kAlignment / format::kLogSectorSize;
    if (of_unit.test(page)) continue;
    VHDX_TRY(AllocateHoles(file_, {at, format::kLogSectorSize}));
    of_unit.set(page);
  }
  return {};
}

uint64_t Journal::BatPageOffset(uint64_t page_index) const {
  return block_map_.rules().bat_offset() + page_index * format::kLogSectorSize;
}

// -- Flushing --

Result<void> Journal::Flush() {
  mutex_.Lock();
  // The snapshot of a running group commit may have missed what was written before this call; but
  // if nothing was written since that snapshot, there is nothing else to wait for.
  const uint64_t wanted = unsynced_.load() ? commits_started_ + 1 : commits_started_;
  Result<void> result = durability_.Check();
  while (result && commits_done_ < wanted) {
    if (has_leader_) {
      ++counters_.stalls;
      mutex_.Wait(changed_);
    } else {
      has_leader_ = true;
      const uint64_t number = ++commits_started_;
      mutex_.Unlock();
      result = PoisonIfThrown([&] { return RunGroupCommit(number, WithoutPages::kSync); });
      mutex_.Lock();
      StepDown();
    }
    if (result && commits_done_ < wanted) result = durability_.Check();
  }
  mutex_.Unlock();
  return result;
}

Result<void> Journal::Throttle() {
  if (dirty_pages_.load(std::memory_order_relaxed) < kMaxDirtyPages) return {};
  ++counters_.stalls;
  return Flush();
}

Result<void> Journal::RunGroupCommit(uint64_t number, WithoutPages without_pages) {
  unsynced_.exchange(false);
  auto snapshot = VHDX_TRY(TakeSnapshot());
  if (snapshot.pages.empty()) {
    const bool sync = without_pages == WithoutPages::kSync;
    VHDX_TRY(sync ? Sync() : Result<void>{});
  } else if (auto durable = MakeDurable(snapshot); !durable) {
    PutBack(snapshot);
    return durable;
  }
  for (const FreedRange& freed : snapshot.freed) {
    space_->Release(freed.range, freed.contents);
  }
  {
    const MutexLock lock(mutex_);
    commits_done_ = number;
    changed_.notify_all();
  }
  if (snapshot.pages.empty()) return {};
  ++counters_.group_commits;
  // What was flushed is durable; a failure from here on is reported by the next call.
  if (in_log_only_.size() > limits_.pages_in_log_only) (void)Checkpoint();
  return {};
}

Result<void> Journal::MakeDurable(Snapshot& snapshot) {
  if (!logging_) {
    // Its sync makes the payload durable too.
    VHDX_TRY(StartLog(snapshot));
  } else if (snapshot.payload_first || snapshot.last_file_offset > durability_.durable_length()) {
    VHDX_TRY(Sync());
  }
  VHDX_TRY(LogPages(snapshot));
  return Sync();
}

Result<void> Journal::Close() {
  {
    const MutexLock lock(mutex_);
    if (closed_) return durability_.Check();
    BecomeLeader();
    closed_ = true;
    open_ = false;
  }
  Result<void> result = durability_.Check();
  if (result && started_) result = PoisonIfThrown([this] { return EndSession(); });
  const MutexLock lock(mutex_);
  StepDown();
  return result;
}

Result<void> Journal::Rest() {
  {
    const MutexLock lock(mutex_);
    BecomeLeader();
    open_ = false;
  }
  Result<void> result = durability_.Check();
  if (result && started_) {
    result = PoisonIfThrown([this] { return EndSession(); });
    if (result) {
      counters_.growth_steps += space_->growth_steps();
      started_ = false;
    }
  }
  // Of an image that was not written, too: its identity may be the leavings of a killed process.
  if (result) result = Sync();
  const MutexLock lock(mutex_);
  StepDown();
  return result;
}

Result<void> Journal::EndSession() {
  const uint64_t number = [this] {
    const MutexLock lock(mutex_);
    return ++commits_started_;
  }();
  // What was overwritten in place is synced below, with the checkpoint, or was synced by a flush.
  const bool synced_elsewhere = logging_ || !unsynced_.load();
  const auto without_pages = synced_elsewhere ? WithoutPages::kNothing : WithoutPages::kSync;
  VHDX_TRY(RunGroupCommit(number, without_pages));
  VHDX_TRY(durability_.Check());
  if (logging_) {
    VHDX_TRY(Checkpoint());
    VHDX_TRY(Sync());
    VHDX_TRY(RetireLog());
  }
  const uint64_t end = [this] {
    const MutexLock lock(commit_mutex_);
    return std::max(claims_->End(), least_length_);
  }();
  return CutFile(end);
}

// -- The log --

Result<void> Journal::Sync() {
  VHDX_TRY(durability_.Sync());
  log_.NoteSynced();
  return {};
}

log::FileLengths Journal::Lengths(const Snapshot& snapshot) const {
  const uint64_t durable = AlignDown(durability_.durable_length(), format::kAlignment);
  return {.flushed_file_offset = std::min(durable, snapshot.last_file_offset),
          .last_file_offset = snapshot.last_file_offset};
}

Result<void> Journal::StartLog(const Snapshot& snapshot) {
  // No header may name the old log any more when its first entry is overwritten.
  if (is_retiring_) {
    VHDX_TRY(RetireLog());
  }
  if (!begun_log_) {
    auto guid = RandomGuid(files_);
    if (!guid) return durability_.Poison(std::move(guid.error()));
    VHDX_TRY(durability_.PoisonIfFailed(log_.Begin(*guid, Lengths(snapshot))));
    ++counters_.log_entries;
    counters_.log_bytes += log_.last_entry_bytes();
    // The entry is durable before a header names its log: else a crash in between would leave a
    // log without a valid entry.
    VHDX_TRY(Sync());
    begun_log_ = *guid;
  }
  HeaderInfo header = headers_.current();
  header.log_guid = *begun_log_;
  // Both are durable before the entry of this group commit is written. After a power cut that entry
  // may be there although its sync never returned. If only one header named its log, what readers
  // have seen since would depend on that one header.
  VHDX_TRY(headers_.Update(header));
  logging_ = true;
  return {};
}

Result<void> Journal::RetireLog() {
  // From here on nothing is added to it, even if only one header forgets it.
  logging_ = false;
  begun_log_.reset();
  is_retiring_ = true;
  HeaderInfo header = headers_.current();
  header.log_guid = {};
  VHDX_TRY(headers_.Update(header));
  is_retiring_ = false;
  return {};
}

// The log is full, and the first `logged` pages of this group commit are in it.
Result<void> Journal::RestartLog(const Snapshot& snapshot, size_t logged) {
  // No page is checkpointed before its entry is durable.
  if (logged > 0) {
    VHDX_TRY(Sync());
  }
  VHDX_TRY(Checkpoint());
  VHDX_TRY(Sync());
  VHDX_TRY(RetireLog());
  ++counters_.log_restarts;
  return StartLog(snapshot);
}

Result<void> Journal::LogPages(Snapshot& snapshot) {
  const std::span<const log::Page> pages(snapshot.pages);
  for (size_t logged = 0; logged < pages.size();) {
    const size_t count = std::min<size_t>(log_.pages_per_entry(), pages.size() - logged);
    if (!log_.HasSpaceFor(count)) {
      VHDX_TRY(RestartLog(snapshot, logged));
    }
    VHDX_TRY(
        durability_.PoisonIfFailed(log_.Append(pages.subspan(logged, count), Lengths(snapshot))));
    ++counters_.log_entries;
    counters_.pages_logged += count;
    counters_.log_bytes += log_.last_entry_bytes();
    for (const log::Page& page : pages.subspan(logged, count)) {
      in_log_only_.insert_or_assign(page.file_offset, page.bytes);
    }
    logged += count;
    snapshot.logged = logged;
  }
  return {};
}

// All entries so far are durable.
Result<void> Journal::Checkpoint() {
  VHDX_TRY(durability_.Check());
  for (const auto& [file_offset, bytes] : in_log_only_) {
    VHDX_TRY(durability_.PoisonIfFailed(file_.WriteAt(file_offset, ByteSpan(bytes))));
    // A page that was changed meanwhile, and perhaps back again, is left to the next group commit.
    const MutexLock lock(commit_mutex_);
    if (!dirty_bitmap_pages_.contains(file_offset)) {
      sector_bitmaps_.NoteCheckpointed(file_offset, bytes);
    }
  }
  in_log_only_.clear();
  log_.NoteCheckpointed();
  return {};
}

// -- Snapshots --

Result<Journal::Snapshot> Journal::TakeSnapshot() {
  Snapshot snapshot;
  const MutexLock lock(commit_mutex_);
  // The change that freed it was applied before, and is in an earlier group commit or in this one.
  snapshot.freed = std::exchange(freed_, {});
  if (dirty_bat_pages_.empty() && dirty_bitmap_pages_.empty() && table_repairs_.empty()) {
    return snapshot;
  }
  snapshot.pages.reserve(dirty_bat_pages_.size() + dirty_bitmap_pages_.size() +
                         table_repairs_.size());
  // An entry must not become durable before what it needs: bitmaps before entries, and since a
  // chunk's bitmap entry comes after those of its blocks, pages of entries from the last one.
  std::ranges::move(table_repairs_, std::back_inserter(snapshot.pages));
  table_repairs_.clear();
  for (const uint64_t file_offset : dirty_bitmap_pages_) {
    VHDX_TRY(CheckBitmapPage(file_offset));
    log::Page& page = snapshot.pages.emplace_back();
    page.file_offset = file_offset;
    sector_bitmaps_.EncodePage(file_offset, page.bytes);
  }
  for (const uint64_t page_index : std::views::reverse(dirty_bat_pages_)) {
    VHDX_TRY(CheckBatPage(page_index));
    log::Page& page = snapshot.pages.emplace_back();
    page.file_offset = BatPageOffset(page_index);
    block_map_.EncodePage(page_index, page.bytes);
  }
  dirty_bitmap_pages_.clear();
  dirty_bat_pages_.clear();
  dirty_pages_ = 0;
  snapshot.payload_first = std::exchange(payload_first_, false);
  snapshot.last_file_offset = space_->end();
  return snapshot;
}

// Pages that are in the log stay there: a crash could have ended the group commit after them as
// well.
void Journal::PutBack(Snapshot& snapshot) {
  unsynced_ = true;
  const MutexLock lock(commit_mutex_);
  for (log::Page& page : std::span(snapshot.pages).subspan(snapshot.logged)) {
    const uint64_t bat = block_map_.rules().bat_offset();
    const uint64_t bat_end =
        BatPageOffset(block_map_.rules().entry_count() / format::kBatEntriesPerPage) +
        format::kLogSectorSize;
    if (page.file_offset < format::kHeaderSectionSize) {
      table_repairs_.push_back(page);
    } else if (page.file_offset >= bat && page.file_offset < bat_end) {
      dirty_bat_pages_.insert((page.file_offset - bat) / format::kLogSectorSize);
    } else {
      dirty_bitmap_pages_.insert(page.file_offset);
    }
  }
  freed_.insert(freed_.end(), snapshot.freed.begin(), snapshot.freed.end());
  payload_first_ = payload_first_ || snapshot.payload_first;
  dirty_pages_ = dirty_bat_pages_.size() + dirty_bitmap_pages_.size();
}

// A wrong entry must not reach the disk, whatever defect made it.
Result<void> Journal::CheckBatPage(uint64_t page_index) {
  const BatRules rules = block_map_.rules().WithFileSize(durability_.length());
  const uint64_t first = page_index * format::kBatEntriesPerPage;
  BatSlots slots(rules, first);
  for (uint64_t i = 0; i < format::kBatEntriesPerPage; ++i) {
    const BatSlot slot = slots.Next();
    if (slot.kind == BatSlot::Kind::kPadding) continue;
    auto entry = block_map_.Entry(first + i);
    if (!entry) return durability_.Poison(std::move(entry.error()));
    if (entry->raw() == 0) continue;  // right in every slot
    const bool is_allocated = entry->file_offset() != 0;
    const bool owns_space = !is_allocated || claims_->IsClaimed(rules.RangeOf(slot, *entry));
    if (!rules.IsUsable(slot, *entry) || !owns_space) {
      return SelfCheckFailed(
          "a wrong BAT entry was about to be written: " + rules.Describe(slot, *entry),
          rules.EntryOffset(first + i));
    }
  }
  return {};
}

Result<void> Journal::CheckBitmapPage(uint64_t file_offset) {
  const FileRange unit{AlignDown(file_offset, format::kAlignment), format::kAlignment};
  if (claims_->IsClaimed(unit) && !block_map_.rules().reserved().Overlap(unit)) return {};
  return SelfCheckFailed("a sector bitmap was about to be written where none is", file_offset);
}

std::unexpected<Error> Journal::SelfCheckFailed(std::string_view sentence, uint64_t file_offset) {
  return durability_.Poison(
      {.code = ErrorCode::kInternal,
       .file = file_.name(),
       .file_offset = file_offset,
       .sentence = Format("this is a defect of vhdxkit, and nothing was harmed: {} (at offset {})",
                          sentence, file_offset)});
}

void Journal::CountInto(EngineCounters& counters) const {
  counters.syncs += durability_.sync_count();
  counters.group_commits += counters_.group_commits;
  counters.log_entries += counters_.log_entries;
  counters.log_restarts += counters_.log_restarts;
  counters.pages_logged += counters_.pages_logged;
  counters.log_bytes += counters_.log_bytes;
  counters.allocations += counters_.allocations;
  counters.reused_blocks += counters_.reused;
  counters.freed_blocks += counters_.freed;
  counters.stalls += counters_.stalls;
  counters.growth_steps += counters_.growth_steps;
  if (started_.load(std::memory_order_acquire)) counters.growth_steps += space_->growth_steps();
}

}  // namespace vhdx

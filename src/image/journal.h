// The journal of one image that is being written: sessions, metadata changes and group commits.
//
// A *session* begins with the first change: what is in the file is made durable, both headers get
// new GUIDs, a dirty log is replayed, the file is cut to its last structure. Until then the file
// stays as it was. A *metadata change* is applied to BAT entries and sector bitmaps in memory. A
// *group commit* writes all changes applied so far to the log and makes them durable. A
// *checkpoint* writes the logged pages in place, later: before a new log generation starts, when
// the disk is closed, or when many pages are only in the log. Group commits never overlap; a flush
// is satisfied by a group commit whose snapshot was taken after the flush was called, so concurrent
// flushes share one.
//
// A failed sync or metadata write poisons the disk: nothing is written any more, and every call
// says so. docs/crash-consistency.md has the argument why what is on disk is right at every moment.
//
// Any number of threads. Order of locks: block reference, host space, commit lock, space; the
// leader of a group commit, and whoever starts the session, holds none of them while it syncs.

#ifndef VHDXKIT_IMAGE_JOURNAL_H_
#define VHDXKIT_IMAGE_JOURNAL_H_

#include <vhdxkit/block_device.h>
#include <vhdxkit/counters.h>
#include <vhdxkit/error.h>
#include <vhdxkit/file.h>
#include <vhdxkit/image_info.h>

#include <atomic>
#include <bitset>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <unordered_map>
#include <vector>

#include "bytes/mutex.h"
#include "format/bat.h"
#include "format/layout.h"
#include "image/block_map.h"
#include "image/durable_state.h"
#include "image/header_slots.h"
#include "image/sector_bitmaps.h"
#include "image/space.h"
#include "image/space_map.h"
#include "image/write_limits.h"
#include "io/overlay_file.h"
#include "log/log_writer.h"

namespace vhdx {

/// A change of metadata that changes what a disk reads, all of it at once.
struct MetadataChange {
  /// An entry of the BAT, by its index.
  struct Entry {
    uint64_t index = 0;
    format::BatEntry value;
  };
  /// Sectors of one block that are in this file from now on.
  struct Bits {
    DiskRange range;
    SectorBitmaps::OtherBits others = SectorBitmaps::OtherBits::kKeep;
  };
  std::optional<Entry> entry = {};
  std::optional<Bits> bits = {};
  std::optional<FileRange> allocated = {};  ///< what the entry now points at
  /// What it pointed at before. Nobody else gets it until the caller has called Journal::Free.
  std::optional<FileRange> freed = {};
  /// Old bytes could show if the entry became durable before what was written.
  bool payload_first = false;
};

class Journal {
 public:
  /// All of these outlive the journal. `file` is the container itself; `overlay` shows it replayed
  /// where its log is dirty, and is null otherwise.
  struct Parts {
    FileSystem& files;
    File& file;
    OverlayFile* overlay;
    const ImageInfo& info;
    BlockMap& block_map;
    SectorBitmaps& sector_bitmaps;
  };
  Journal(const Parts& parts, const WriteLimits& limits, uint64_t file_length);
  ~Journal();

  /// Reads the whole BAT once, before anything else is called. Errors: kCorrupt with the rule that
  /// forbids writing; kUnsupported for a file of more than 256 TiB; kIo.
  Result<void> Prepare();
  /// To be called before every change; the first call starts the session. Errors: kPoisoned; kIo,
  /// kNoSpace.
  Result<void> Start();
  /// Whether it has started, and nothing has failed: then Start would do nothing.
  bool IsOpen() const {
    return open_.load(std::memory_order_acquire) && durability_.Check().has_value();
  }

  /// Space for a block. Errors: kNoSpace, kIo.
  Result<Space::Allocation> Allocate(uint64_t length_bytes);
  /// Space that was allocated and is not going to be used; it may hold anything.
  void Abandon(const Space::Allocation& allocation);

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

  /// Bytes of the file were changed, perhaps in vain: the next flush has something to do.
  void NoteWrite() {
    // Most writes find it set already, and then share the cache line.
    if (!unsynced_.load()) unsynced_.store(true);
  }

  Result<void> Flush();
  /// To be called between changes, with no lock held: runs a group commit if so many pages were
  /// changed since the last one that memory and the next flush would suffer. Errors: as Flush.
  Result<void> Throttle();
  /// Errors: as Flush.
  Result<void> Close();
  /// Ends the session as Close does, durably; the next change begins another. Nothing may be
  /// changed meanwhile. Errors: as Flush; the session then continues, unless the disk is poisoned.
  Result<void> Rest();
  /// What the headers say now. Nothing may be changed meanwhile.
  const HeaderInfo& header() const { return headers_.current(); }

  /// Errors: kPoisoned.
  Result<void> Check() const { return durability_.Check(); }
  /// Adds what the journal counts.
  void CountInto(EngineCounters& counters) const;

 private:
  struct FreedRange {
    FileRange range;
    Space::Contents contents = Space::Contents::kStale;
  };
  struct Snapshot {
    std::vector<log::Page> pages;  // in the order in which they are logged
    std::vector<FreedRange> freed;
    uint64_t last_file_offset = 0;
    bool payload_first = false;
    size_t logged = 0;  // how many of the pages are in the log
  };

  // The leader: one thread at a time syncs, logs and checkpoints.
  void BecomeLeader() VHDX_REQUIRES(mutex_);
  void StepDown() VHDX_REQUIRES(mutex_);

  template <typename Work>
  Result<void> PoisonIfThrown(Work&& work);

  /// Whether the file is older than its log says.
  bool NeedsReplay() const { return overlay_ != nullptr && !overlay_->is_dissolved(); }
  Result<void> StartSession();
  Result<void> EndSession();
  Result<void> Recover();
  Result<void> CutFile(uint64_t end);
  Result<void> FindTableRepairs();

  Result<void> LoadAndApply(const MetadataChange& change);
  Result<void> ApplyLocked(const MetadataChange& change,
                           const std::optional<SectorBitmaps::LoadedPages>& pages)
      VHDX_REQUIRES(commit_mutex_);
  /// What a group commit without a page to log does: sync, because a flush waits for what was
  /// overwritten in place; or, when the disk is closed, nothing, because a sync follows anyway.
  enum class WithoutPages : uint8_t { kSync, kNothing };
  Result<void> RunGroupCommit(uint64_t number, WithoutPages without_pages);
  Result<void> MakeDurable(Snapshot& snapshot);
  Result<Snapshot> TakeSnapshot();
  /// After a group commit that found no space: what it did not log is left to the next one.
  void PutBack(Snapshot& snapshot) VHDX_EXCLUDES(commit_mutex_);
  bool GiveBackSpace() VHDX_EXCLUDES(commit_mutex_);
  uint64_t EndOfClaims() VHDX_EXCLUDES(commit_mutex_);
  Result<void> CheckBatPage(uint64_t page_index) VHDX_REQUIRES(commit_mutex_);
  Result<void> CheckBitmapPage(uint64_t file_offset) VHDX_REQUIRES(commit_mutex_);
  Result<void> ReserveHostSpace(FileRange pages) VHDX_EXCLUDES(host_space_mutex_);
  uint64_t BatPageOffset(uint64_t page_index) const;
  std::unexpected<Error> SelfCheckFailed(std::string_view sentence, uint64_t file_offset);

  Result<void> Sync();
  Result<void> StartLog(const Snapshot& snapshot);
  Result<void> RestartLog(const Snapshot& snapshot, size_t logged);
  Result<void> RetireLog();
  Result<void> LogPages(Snapshot& snapshot);
  Result<void> Checkpoint();
  log::FileLengths Lengths(const Snapshot& snapshot) const;

  FileSystem& files_;  // for new GUIDs
  File& file_;
  OverlayFile* const overlay_;
  const ImageInfo& info_;
  BlockMap& block_map_;
  SectorBitmaps& sector_bitmaps_;
  const WriteLimits limits_;

  DurableState durability_;
  std::atomic<bool> started_ = false;  // the session has begun
  std::atomic<bool> open_ = false;     // ... and not ended
  std::atomic<bool> unsynced_ = true;  // what was read may be the leavings of a killed process
  std::atomic<size_t> dirty_pages_ = 0;
  std::unique_ptr<Space> space_;  // from the start of the session on

  Mutex mutex_;
  std::condition_variable changed_;
  bool has_leader_ VHDX_GUARDED_BY(mutex_) = false;
  bool closed_ VHDX_GUARDED_BY(mutex_) = false;
  uint64_t commits_started_ VHDX_GUARDED_BY(mutex_) = 0;
  uint64_t commits_done_ VHDX_GUARDED_BY(mutex_) = 0;

  Mutex commit_mutex_;
  std::set<uint64_t> dirty_bat_pages_ VHDX_GUARDED_BY(commit_mutex_);     // by page index
  std::set<uint64_t> dirty_bitmap_pages_ VHDX_GUARDED_BY(commit_mutex_);  // by file offset
  std::vector<FreedRange> freed_ VHDX_GUARDED_BY(commit_mutex_);
  bool payload_first_ VHDX_GUARDED_BY(commit_mutex_) = false;
  std::optional<SpaceMap> claims_ VHDX_GUARDED_BY(commit_mutex_);  // what entries point at

  // Pages of metadata for which host space is reserved, by MiB of the file.
  Mutex host_space_mutex_;
  std::unordered_map<uint64_t, std::bitset<format::kAlignment / format::kLogSectorSize>>
      reserved_pages_ VHDX_GUARDED_BY(host_space_mutex_);

  // Only the leader touches these.
  HeaderSlots headers_;
  log::LogWriter log_;
  // A fixed disk keeps space for every block (docs/format.md, section 11.1).
  uint64_t least_length_ = 0;
  bool logging_ = false;  // both headers name a log of this session
  // Between two headers there may be no space. A log whose first entry is durable, and that is not
  // named by both yet; and a log that at most one of them still names.
  std::optional<Guid> begun_log_;
  bool is_retiring_ = false;
  // Pages that the entries of this log generation hold and no checkpoint has written yet, by file
  // offset.
  std::map<uint64_t, log::PageBytes> in_log_only_;
  std::vector<log::Page> table_repairs_;  // of the region table that is not the good one

  struct Counters {
    std::atomic<uint64_t> group_commits = 0;
    std::atomic<uint64_t> log_entries = 0;
    std::atomic<uint64_t> log_restarts = 0;
    std::atomic<uint64_t> pages_logged = 0;
    std::atomic<uint64_t> log_bytes = 0;
    std::atomic<uint64_t> allocations = 0;
    std::atomic<uint64_t> reused = 0;
    std::atomic<uint64_t> freed = 0;
    std::atomic<uint64_t> stalls = 0;
    std::atomic<uint64_t> growth_steps = 0;  // of sessions that have ended
  };
  Counters counters_;
};

}  // namespace vhdx

#endif  // VHDXKIT_IMAGE_JOURNAL_H_

// The 4 KiB pages of metadata of one image that is being written: which are clean, which were
// changed, and which are only in the log.
//
// One owner for every page that goes through the log, whatever it holds. A change is applied to the
// maps in memory, under the commit lock, and makes its pages *dirty*. A group commit takes a
// snapshot of the dirty pages and logs it: they are now *only in the log*. A checkpoint writes them
// in place, and they are *clean*. Whatever has to be read for a change is read before the lock is
// taken. The entries of the BAT and the bits themselves are in `BlockMap` and `SectorBitmaps`,
// where readers find them without this lock; pages that nobody else has in memory are held here.
//
// Any number of threads may change pages; snapshots and checkpoints are made by the leader of the
// group commits, one thread at a time.

#ifndef VHDXKIT_IMAGE_METADATA_PAGES_H_
#define VHDXKIT_IMAGE_METADATA_PAGES_H_

#include <vhdxkit/block_device.h>
#include <vhdxkit/counters.h>
#include <vhdxkit/error.h>
#include <vhdxkit/file.h>

#include <atomic>
#include <bitset>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "bytes/mutex.h"
#include "format/bat.h"
#include "format/layout.h"
#include "image/block_map.h"
#include "image/durable_state.h"
#include "image/page_id.h"
#include "image/sector_bitmaps.h"
#include "image/space.h"
#include "image/space_map.h"
#include "image/written_image.h"
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
  /// What it pointed at before. Nobody else gets it until the caller has called Free.
  std::optional<FileRange> freed = {};
  /// Old bytes could show if the entry became durable before what was written.
  bool payload_first = false;
};

/// A page of a structure that nobody else has in memory, and its new bytes.
struct HeldPage {
  PageId id;
  log::PageBytes bytes;
};

class MetadataPages {
 public:
  /// Both, and what `image` refers to, outlive it.
  MetadataPages(const WrittenImage& image, DurableState& durability);

  /// What the structures and the blocks of the file claim. Before anything else is called.
  void SetClaims(SpaceMap claims) VHDX_EXCLUDES(commit_mutex_);
  /// Where the last claim ends.
  uint64_t EndOfClaims() const VHDX_EXCLUDES(commit_mutex_);
  /// What nothing claims before `end`.
  std::vector<FileRange> Unclaimed(uint64_t end) const VHDX_EXCLUDES(commit_mutex_);

  /// Journal::Apply, but an exception is the caller's business.
  Result<void> Apply(const MetadataChange& change) VHDX_EXCLUDES(commit_mutex_);
  /// Journal::Free, in the same way.
  void Free(std::span<const FileRange> ranges, Space::Contents contents)
      VHDX_EXCLUDES(commit_mutex_);
  /// Replaces pages that nobody else has in memory.
  void Replace(std::span<const HeldPage> pages) VHDX_EXCLUDES(commit_mutex_);

  /// Pages that were changed since the last snapshot.
  size_t dirty_count() const { return dirty_count_.load(std::memory_order_relaxed); }

  struct FreedRange {
    FileRange range;
    Space::Contents contents = Space::Contents::kStale;
  };
  /// What one group commit makes durable.
  struct Snapshot {
    std::vector<PageId> ids;  ///< in the order in which they are logged
    std::vector<log::Page> pages;
    std::vector<FreedRange> freed;  ///< to be released when it is durable
    uint64_t last_file_offset = 0;  ///< every structure fits into this
    bool payload_first = false;     ///< what was written must be durable before the pages are
    size_t logged = 0;              ///< how many of the pages are in the log
  };
  /// Takes all that is dirty, after checking it once more. `space` gives LastFileOffset. Errors
  /// poison the disk: kInternal.
  Result<Snapshot> TakeSnapshot(const Space& space) VHDX_EXCLUDES(commit_mutex_);
  /// The next `count` pages of the snapshot are in the log.
  void NoteLogged(Snapshot& snapshot, size_t count) VHDX_EXCLUDES(commit_mutex_);
  /// After a group commit that found no space: what it did not log is dirty again.
  void PutBack(const Snapshot& snapshot) VHDX_EXCLUDES(commit_mutex_);

  size_t count_only_in_log() const { return only_in_log_.size(); }
  /// Writes the pages that are only in the log in place. Their entries are durable. Errors: kIo and
  /// others poison the disk; kNoSpace.
  Result<void> Checkpoint() VHDX_EXCLUDES(commit_mutex_);

  void CountInto(EngineCounters& counters) const { counters.freed_blocks += freed_blocks_; }

 private:
  Result<uint64_t> FileOffsetOf(PageId id) const;
  Result<void> MakeReady(const MetadataChange& change);
  Result<void> ReserveHostSpace(PageId id) VHDX_EXCLUDES(host_space_mutex_);
  Result<void> ApplyLocked(const MetadataChange& change,
                           const std::optional<SectorBitmaps::LoadedPages>& loaded)
      VHDX_REQUIRES(commit_mutex_);
  void MakeDirty(PageId id) VHDX_REQUIRES(commit_mutex_);
  void Encode(PageId id, std::span<std::byte, format::kLogSectorSize> bytes) const
      VHDX_REQUIRES(commit_mutex_);
  Result<void> CheckPage(PageId id, uint64_t file_offset) VHDX_REQUIRES(commit_mutex_);
  Result<void> CheckBatPage(uint64_t page) VHDX_REQUIRES(commit_mutex_);
  std::unexpected<Error> SelfCheckFailed(std::string_view sentence, uint64_t file_offset);

  File& file_;
  BlockMap& block_map_;
  SectorBitmaps& sector_bitmaps_;
  const uint64_t metadata_offset_;  // file offset of the metadata region
  DurableState& durability_;
  std::atomic<size_t> dirty_count_ = 0;
  std::atomic<uint64_t> freed_blocks_ = 0;

  mutable Mutex commit_mutex_;
  std::set<PageId, LogOrder> dirty_ VHDX_GUARDED_BY(commit_mutex_);
  // Those of the snapshot that are not in the log yet.
  std::set<PageId, LogOrder> in_snapshot_ VHDX_GUARDED_BY(commit_mutex_);
  std::map<PageId, log::PageBytes, LogOrder> held_ VHDX_GUARDED_BY(commit_mutex_);
  std::vector<FreedRange> freed_ VHDX_GUARDED_BY(commit_mutex_);
  bool payload_first_ VHDX_GUARDED_BY(commit_mutex_) = false;
  std::optional<SpaceMap> claims_ VHDX_GUARDED_BY(commit_mutex_);  // what entries point at

  // Pages for which host space is reserved, by MiB of the file.
  Mutex host_space_mutex_;
  std::unordered_map<uint64_t, std::bitset<format::kAlignment / format::kLogSectorSize>> reserved_
      VHDX_GUARDED_BY(host_space_mutex_);

  // Pages that the entries of this log generation hold and no checkpoint has written yet. Only the
  // leader touches it.
  std::map<PageId, log::Page, LogOrder> only_in_log_;
};

}  // namespace vhdx

#endif  // VHDXKIT_IMAGE_METADATA_PAGES_H_

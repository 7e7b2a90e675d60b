#include "image/metadata_pages.h"

#include <algorithm>
#include <utility>

#include "bytes/arithmetic.h"
#include "bytes/formatting.h"
#include "bytes/try.h"
#include "format/region_table.h"
#include "io/holes.h"

namespace vhdx {

MetadataPages::MetadataPages(const WrittenImage& image, DurableState& durability)
    : file_(image.file),
      block_map_(image.block_map),
      sector_bitmaps_(image.sector_bitmaps),
      metadata_offset_(image.info.metadata_region.file_offset),
      durability_(durability) {}

void MetadataPages::SetClaims(SpaceMap claims) {
  const MutexLock lock(commit_mutex_);
  claims_ = std::move(claims);
}

uint64_t MetadataPages::EndOfClaims() const {
  const MutexLock lock(commit_mutex_);
  return claims_->End();
}

std::vector<FileRange> MetadataPages::Unclaimed(uint64_t end) const {
  const MutexLock lock(commit_mutex_);
  return claims_->Unclaimed(end);
}

Result<uint64_t> MetadataPages::FileOffsetOf(PageId id) const {
  constexpr uint64_t kPagesPerTable = format::kRegionTableSize / format::kLogSectorSize;
  switch (id.kind) {
    case PageId::Kind::kRegionTable:
      return format::kRegionTableOffsets[id.number / kPagesPerTable] +
             id.number % kPagesPerTable * format::kLogSectorSize;
    case PageId::Kind::kSectorBitmap:
      return sector_bitmaps_.PageOffset(id.number);
    case PageId::Kind::kMetadata:
      return metadata_offset_ + id.number * format::kLogSectorSize;
    case PageId::Kind::kBat:
      break;
  }
  return block_map_.PageOffset(id.number);
}

// -- Changes --

// Whatever has to be read is read before the lock is taken: what fails there fails this request and
// nothing else.
Result<void> MetadataPages::Apply(const MetadataChange& change) {
  VHDX_TRY(MakeReady(change));
  for (;;) {
    std::optional<SectorBitmaps::LoadedPages> loaded;
    if (change.bits) {
      loaded = VHDX_TRY(sector_bitmaps_.LoadPages(change.bits->range));
    }
    const MutexLock lock(commit_mutex_);
    if (loaded && !sector_bitmaps_.Refresh(*loaded)) continue;
    return ApplyLocked(change, loaded);
  }
}

Result<void> MetadataPages::MakeReady(const MetadataChange& change) {
  if (change.entry) {
    VHDX_TRY(block_map_.MakeReady(change.entry->index));
    VHDX_TRY(
        ReserveHostSpace({PageId::Kind::kBat, change.entry->index / format::kBatEntriesPerPage}));
  }
  if (change.bits) {
    const SectorBitmaps::PageRange pages = sector_bitmaps_.PagesOf(change.bits->range);
    for (uint64_t page = pages.first; page < pages.end; ++page) {
      VHDX_TRY(ReserveHostSpace({PageId::Kind::kSectorBitmap, page}));
    }
  }
  return {};
}

// Before the first change of a page: once the change is in the log, a checkpoint has to write the
// page, and a full host could be reported only to the flush. The contents of the page stay.
Result<void> MetadataPages::ReserveHostSpace(PageId id) {
  const uint64_t offset = VHDX_TRY(FileOffsetOf(id));
  const uint64_t unit = offset / format::kAlignment;
  const uint64_t page = offset % format::kAlignment / format::kLogSectorSize;
  {
    const MutexLock lock(host_space_mutex_);
    if (reserved_[unit].test(page)) return {};
  }
  // Twice does no harm.
  VHDX_TRY(AllocateHoles(file_, {offset, format::kLogSectorSize}));
  const MutexLock lock(host_space_mutex_);
  reserved_[unit].set(page);
  return {};
}

Result<void> MetadataPages::ApplyLocked(const MetadataChange& change,
                                        const std::optional<SectorBitmaps::LoadedPages>& loaded) {
  VHDX_TRY(durability_.Check());
  if (change.freed) {
    claims_->Release(*change.freed);
    ++freed_blocks_;
  }
  if (change.allocated) {
    claims_->Grow(durability_.length());
    if (!claims_->Claim(*change.allocated)) {
      return SelfCheckFailed("space that is in use was about to be used again",
                             change.allocated->file_offset);
    }
  }
  // Bits before the entry: without its block in that state they mean nothing.
  if (loaded) {
    std::vector<uint64_t> changed;
    sector_bitmaps_.SetBits(*loaded, change.bits->others, changed);
    for (const uint64_t page : changed) MakeDirty({PageId::Kind::kSectorBitmap, page});
  }
  if (change.entry) {
    // Last what cannot fail: space that an entry points at is not given back.
    MakeDirty({PageId::Kind::kBat, change.entry->index / format::kBatEntriesPerPage});
    block_map_.SetEntry(change.entry->index, change.entry->value);
  }
  payload_first_ = payload_first_ || change.payload_first;
  return {};
}

void MetadataPages::MakeDirty(PageId id) {
  dirty_.insert(id);
  dirty_count_ = dirty_.size();
}

void MetadataPages::Free(std::span<const FileRange> ranges, Space::Contents contents) {
  const MutexLock lock(commit_mutex_);
  for (const FileRange& range : ranges) freed_.push_back({range, contents});
}

void MetadataPages::Replace(std::span<const HeldPage> pages) {
  const MutexLock lock(commit_mutex_);
  for (const HeldPage& page : pages) {
    held_.insert_or_assign(page.id, page.bytes);
    MakeDirty(page.id);
  }
}

// -- Snapshots --

Result<MetadataPages::Snapshot> MetadataPages::TakeSnapshot(const Space& space) {
  Snapshot snapshot;
  const MutexLock lock(commit_mutex_);
  // The change that freed it was applied before, and is in an earlier group commit or in this one.
  snapshot.freed = std::exchange(freed_, {});
  if (dirty_.empty()) return snapshot;
  snapshot.ids.assign(dirty_.begin(), dirty_.end());
  snapshot.pages.reserve(dirty_.size());
  for (const PageId& id : dirty_) {
    const auto file_offset = FileOffsetOf(id);
    if (!file_offset) return durability_.Poison(file_offset.error());
    VHDX_TRY(CheckPage(id, *file_offset));
    log::Page& page = snapshot.pages.emplace_back();
    page.file_offset = *file_offset;
    Encode(id, page.bytes);
  }
  in_snapshot_.merge(dirty_);
  dirty_.clear();
  dirty_count_ = 0;
  snapshot.payload_first = std::exchange(payload_first_, false);
  snapshot.last_file_offset = space.end();
  return snapshot;
}

void MetadataPages::Encode(PageId id, std::span<std::byte, format::kLogSectorSize> bytes) const {
  switch (id.kind) {
    case PageId::Kind::kRegionTable:
    case PageId::Kind::kMetadata:
      std::ranges::copy(held_.at(id), bytes.begin());
      break;
    case PageId::Kind::kSectorBitmap:
      sector_bitmaps_.EncodePage(id.number, bytes);
      break;
    case PageId::Kind::kBat:
      block_map_.EncodePage(id.number, bytes);
      break;
  }
}

// Pages that are in the log stay there: a crash could have ended the group commit after them as
// well.
void MetadataPages::PutBack(const Snapshot& snapshot) {
  const MutexLock lock(commit_mutex_);
  dirty_.merge(in_snapshot_);
  in_snapshot_.clear();
  dirty_count_ = dirty_.size();
  freed_.insert(freed_.end(), snapshot.freed.begin(), snapshot.freed.end());
  payload_first_ = payload_first_ || snapshot.payload_first;
}

// A wrong page must not reach the disk, whatever defect made it.
Result<void> MetadataPages::CheckPage(PageId id, uint64_t file_offset) {
  if (id.kind == PageId::Kind::kBat) return CheckBatPage(id.number);
  if (id.kind != PageId::Kind::kSectorBitmap) return {};
  const FileRange unit{AlignDown(file_offset, format::kAlignment), format::kAlignment};
  if (claims_->IsClaimed(unit) && !block_map_.rules().reserved().Overlap(unit)) return {};
  return SelfCheckFailed("a sector bitmap was about to be written where none is", file_offset);
}

Result<void> MetadataPages::CheckBatPage(uint64_t page) {
  const BatRules rules = block_map_.rules().WithFileSize(durability_.length());
  const uint64_t first = page * format::kBatEntriesPerPage;
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

std::unexpected<Error> MetadataPages::SelfCheckFailed(std::string_view sentence,
                                                      uint64_t file_offset) {
  return durability_.Poison(
      {.code = ErrorCode::kInternal,
       .file = file_.name(),
       .file_offset = file_offset,
       .sentence = Format("this is a defect of vhdxkit, and nothing was harmed: {} (at offset {})",
                          sentence, file_offset)});
}

// -- Checkpoints --

void MetadataPages::NoteLogged(Snapshot& snapshot, size_t count) {
  const MutexLock lock(commit_mutex_);
  for (; count > 0; --count, ++snapshot.logged) {
    const PageId& id = snapshot.ids[snapshot.logged];
    only_in_log_.insert_or_assign(id, snapshot.pages[snapshot.logged]);
    in_snapshot_.erase(id);
  }
}

Result<void> MetadataPages::Checkpoint() {
  VHDX_TRY(durability_.Check());
  for (const auto& [id, page] : only_in_log_) {
    VHDX_TRY(durability_.PoisonIfFailed(file_.WriteAt(page.file_offset, ByteSpan(page.bytes))));
    if (id.kind != PageId::Kind::kSectorBitmap) continue;
    // A page that was changed meanwhile, and perhaps back again, is still to be logged.
    const MutexLock lock(commit_mutex_);
    if (dirty_.contains(id) || in_snapshot_.contains(id)) continue;
    sector_bitmaps_.NoteCheckpointed(id.number, page.bytes);
  }
  only_in_log_.clear();
  return {};
}

}  // namespace vhdx

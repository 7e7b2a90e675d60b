#include "image/block_map.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "bytes/arithmetic.h"
#include "bytes/endian.h"
#include "bytes/try.h"
#include "bytes/zeros.h"
#include "format/layout.h"
#include "format/rules.h"

namespace vhdx {
namespace {

using format::BatEntry;
using format::kBatEntriesPerPage;
using format::kLogSectorSize;
using format::PayloadState;

constexpr uint64_t kPageSize = kLogSectorSize;

// What the block after the run must be to belong to it.
Block NextInRun(const BatCursor::Run& run, uint64_t block_size) {
  Block next = run.block;
  if (next.kind == Block::Kind::kPresent) next.file_offset += run.count * block_size;
  return next;
}

}  // namespace

BlockMap::BlockMap(File& file, BatRules bat_rules)
    : file_(file),
      rules_(std::move(bat_rules)),
      pages_(DivideRoundingUp(rules_.entry_count(), kBatEntriesPerPage)) {}

BlockMap::~BlockMap() {
  for (const std::atomic<Page*>& slot : pages_) {
    Page* page = slot.load(std::memory_order_relaxed);
    if (page != &zero_page_) delete page;
  }
}

Block BlockMap::ToBlock(BatEntry entry) {
  switch (format::MeaningOf(entry.state()).reads) {
    case format::StateMeaning::Reads::kParent:
      return {Block::Kind::kNotPresent, 0};
    case format::StateMeaning::Reads::kData:
      return {Block::Kind::kPresent, entry.file_offset()};
    case format::StateMeaning::Reads::kBySector:
      return {Block::Kind::kPartial, entry.file_offset()};
    case format::StateMeaning::Reads::kZeros:
      break;
  }
  return {Block::Kind::kZero, 0};
}

Result<uint64_t> BlockMap::BitmapBlockOffset(uint64_t chunk) {
  auto entry = VHDX_TRY(Entry(geometry().BitmapIndex(chunk)));
  return entry.bitmap_state() == format::kBitmapPresent ? entry.file_offset() : 0;
}

Result<BatEntry> BlockMap::EntrySlowly(uint64_t index) {
  const uint64_t page_index = index / kBatEntriesPerPage;
  const Page* page = pages_[page_index].load(std::memory_order_acquire);
  if (page == nullptr) {
    auto loaded = VHDX_TRY(LoadPage(page_index));
    page = loaded;
  }
  const BatEntry entry(page->entries[index % kBatEntriesPerPage].load(std::memory_order_relaxed));
  if ((entry.raw() & kRefused) != 0) return std::unexpected(Diagnose(index, entry));
  return entry;
}

Result<BlockMap::Page*> BlockMap::LoadPage(uint64_t page_index) {
  std::array<std::byte, kPageSize> bytes;
  VHDX_TRY(ReadRawPages(page_index, bytes));
  Page* fresh = &zero_page_;
  std::unique_ptr<Page> owned;
  if (!IsAllZero(bytes)) {
    const RawPage raw = NormalizePage(page_index, bytes);
    owned = std::make_unique<Page>();
    for (size_t i = 0; i < raw.size(); ++i) {
      owned->entries[i].store(raw[i], std::memory_order_relaxed);
    }
    fresh = owned.get();
  }
  Page* expected = nullptr;
  if (!pages_[page_index].compare_exchange_strong(expected, fresh, std::memory_order_acq_rel)) {
    return expected;  // another thread was faster
  }
  (void)owned.release();  // the table owns it now
  return fresh;
}

Result<void> BlockMap::ReadRawPages(uint64_t first_page, std::span<std::byte> bytes) {
  return file_.ReadExactAt(PageOffset(first_page), bytes);
}

uint64_t BlockMap::Normalize(BatSlot slot, uint64_t raw) const {
  const BatEntry entry(raw);
  uint64_t kept = raw & ~BatEntry::kReservedMask;
  if (!rules_.IsUsable(slot, entry)) return kept | kRefused;
  if (slot.kind == BatSlot::Kind::kPadding) return 0;
  if (slot.kind == BatSlot::Kind::kBitmap && !rules_.has_parent()) return 0;
  if (entry.state() == PayloadState::kNotPresent || entry.state() == PayloadState::kZero) {
    kept &= BatEntry::kStateMask;
  }
  return kept;
}

BlockMap::RawPage BlockMap::NormalizePage(uint64_t page_index,
                                          std::span<const std::byte> bytes) const {
  RawPage page;
  BatSlots slots(rules_, page_index * kBatEntriesPerPage);
  for (size_t i = 0; i < page.size(); ++i) {
    const uint64_t raw = LoadFrom<le64>(bytes.subspan(i * format::kBatEntrySize));
    const BatSlot slot = slots.Next();
    page[i] = raw == 0 ? 0 : Normalize(slot, raw);
  }
  return page;
}

Result<void> BlockMap::MakeReady(uint64_t index) {
  const uint64_t page_index = index / kBatEntriesPerPage;
  std::atomic<Page*>& slot = pages_[page_index];
  Page* page = slot.load(std::memory_order_acquire);
  if (page == nullptr) {
    auto loaded = VHDX_TRY(LoadPage(page_index));
    page = loaded;
  }
  if (page == &zero_page_) {
    auto fresh = std::make_unique<Page>();
    fresh->checked = true;
    if (slot.compare_exchange_strong(page, fresh.get(), std::memory_order_acq_rel)) {
      (void)fresh.release();  // the table owns it now
      return {};
    }
  }
  if (page->checked.load(std::memory_order_acquire)) return {};
  for (size_t i = 0; i < page->entries.size(); ++i) {
    const BatEntry entry(page->entries[i].load(std::memory_order_relaxed));
    if ((entry.raw() & kRefused) != 0) {
      return std::unexpected(Diagnose(page_index * kBatEntriesPerPage + i, entry));
    }
  }
  page->checked.store(true, std::memory_order_release);
  return {};
}

void BlockMap::SetEntry(uint64_t index, BatEntry entry) {
  Page* page = pages_[index / kBatEntriesPerPage].load(std::memory_order_acquire);
  assert(page != nullptr && page != &zero_page_ && page->checked);
  changed_.store(true, std::memory_order_release);
  page->entries[index % kBatEntriesPerPage].store(entry.raw(), std::memory_order_release);
}

void BlockMap::EncodePage(uint64_t page_index, std::span<std::byte, kLogSectorSize> bytes) const {
  const Page* page = pages_[page_index].load(std::memory_order_acquire);
  for (size_t i = 0; i < page->entries.size(); ++i) {
    BatEntry entry(page->entries[i].load(std::memory_order_relaxed));
    // Read as UNMAPPED, and written as what stands for that today.
    if (entry.state() == PayloadState::kOldUnmapped) {
      entry = BatEntry(PayloadState::kUnmapped, entry.file_offset());
    }
    StoreTo(bytes.subspan(i * format::kBatEntrySize), le64(entry.raw()));
  }
}

Error BlockMap::Diagnose(uint64_t index, BatEntry entry) const {
  const BatEntry clean(entry.raw() & ~BatEntry::kReservedMask);
  const BatSlot slot = BatSlots(rules_, index).Next();
  const RuleList broken = rules_.Classify(slot, clean).broken;
  // An entry that was refused breaks a rule; the first is the worst.
  const Rule& rule = broken.empty() ? rules::kBatState : broken.front();
  return CorruptError(rule, {file_.name(), rules_.EntryOffset(index)},
                      rules_.Describe(slot, clean));
}

Result<void> BatCursor::Load(uint64_t index) {
  const uint64_t page = index / kBatEntriesPerPage;
  const uint64_t page_count = map_.pages_.size();
  const uint64_t bat_offset = map_.rules_.bat_offset();
  const bool sequential = index == end_index_;
  next_window_ = sequential ? std::min(2 * next_window_, kPagesAhead) : 1;
  first_index_ = page * kBatEntriesPerPage;
  auto data = VHDX_TRY(map_.file_.NextData(bat_offset + page * kPageSize));
  const uint64_t data_page = data <= bat_offset ? 0 : (data - bat_offset) / kPageSize;
  uint64_t hole_end = std::min(data_page, page_count);
  if (map_.changed_.load(std::memory_order_acquire)) {
    // What was written since is in memory, and perhaps not yet in the file.
    const auto first = map_.pages_.begin() + static_cast<ptrdiff_t>(page);
    const auto loaded = std::find_if(first, map_.pages_.begin() + static_cast<ptrdiff_t>(hole_end),
                                     [](const auto& slot) { return slot.load() != nullptr; });
    hole_end = page + static_cast<uint64_t>(loaded - first);
  }
  hole_ = hole_end > page;
  if (hole_) {
    end_index_ = hole_end * kBatEntriesPerPage;
    return {};
  }
  const uint64_t count = std::min(next_window_, page_count - page);
  std::vector<std::byte> bytes(count * kPageSize);
  VHDX_TRY(map_.ReadRawPages(page, bytes));
  entries_.clear();
  entries_.reserve(count * kBatEntriesPerPage);
  for (uint64_t i = 0; i < count; ++i) {
    AppendPage(page + i, std::span(bytes).subspan(i * kPageSize, kPageSize));
  }
  end_index_ = first_index_ + entries_.size();
  return {};
}

void BatCursor::AppendPage(uint64_t page, std::span<const std::byte> bytes) {
  if (map_.changed_.load(std::memory_order_acquire)) {
    if (const BlockMap::Page* loaded = map_.pages_[page].load(std::memory_order_acquire)) {
      for (const auto& entry : loaded->entries) entries_.push_back(entry.load());
      return;
    }
  }
  const auto raw = map_.NormalizePage(page, bytes);
  entries_.insert(entries_.end(), raw.begin(), raw.end());
}

Result<uint64_t> BatCursor::RawEntry(uint64_t index) {
  if (index < first_index_ || index >= end_index_) {
    VHDX_TRY(Load(index));
  }
  return hole_ ? 0 : entries_[index - first_index_];
}

Result<BatCursor::Run> BatCursor::RunAt(uint64_t block, uint64_t max_count) {
  const format::BatGeometry& geometry = map_.geometry();
  max_count = std::min(max_count, geometry.payload_block_count() - block);
  Run run;
  // Inside of what was found last: no need to look again.
  if (block - last_run_start_ < last_run_.count) {
    const uint64_t skipped = block - last_run_start_;
    run = {last_run_.block, std::min(last_run_.count - skipped, max_count)};
    if (run.block.kind == Block::Kind::kPresent) {
      run.block.file_offset += skipped * geometry.block_size();
    }
    return run;
  }
  while (run.count < max_count) {
    const uint64_t index = geometry.PayloadIndex(block + run.count);
    auto raw = VHDX_TRY(RawEntry(index));
    if ((raw & BlockMap::kRefused) != 0) {
      if (run.count > 0) break;  // the next call reports it
      return std::unexpected(map_.Diagnose(index, BatEntry(raw)));
    }
    const Block next = BlockMap::ToBlock(BatEntry(raw));
    if (run.count == 0) {
      run.block = next;
    } else if (next != NextInRun(run, geometry.block_size())) {
      break;
    }
    ++run.count;
    if (next.kind == Block::Kind::kPartial) break;
    // The rest of a hole is all the same: go to its end, or to the end of the chunk, where a bitmap
    // entry stands.
    if (hole_) {
      const uint64_t left_in_hole = end_index_ - index - 1;
      const uint64_t left_in_chunk =
          geometry.chunk_ratio() - 1 - ((block + run.count - 1) & (geometry.chunk_ratio() - 1));
      run.count = std::min(run.count + std::min(left_in_hole, left_in_chunk), max_count);
    }
  }
  last_run_ = run;
  last_run_start_ = block;
  return run;
}

}  // namespace vhdx

#include "image/sector_bitmaps.h"

#include <algorithm>
#include <bit>

#include "bytes/arithmetic.h"
#include "bytes/endian.h"
#include "bytes/try.h"
#include "format/rules.h"

namespace vhdx {
namespace {

constexpr uint64_t kWordBits = 64;

// How many bits from `first` on are equal to the first, at most up to `end`.
template <typename Page>
uint64_t EqualBits(const Page& page, uint64_t first, uint64_t end) {
  const bool value = ((page[first / kWordBits] >> (first % kWordBits)) & 1) != 0;
  uint64_t bit = first;
  while (bit < end) {
    // Ones where a bit differs.
    const uint64_t word = page[bit / kWordBits] ^ (value ? ~uint64_t{0} : 0);
    const uint64_t rest = word >> (bit % kWordBits);
    if (rest != 0)
      return std::min(bit + static_cast<uint64_t>(std::countr_zero(rest)), end) - first;
    bit = AlignDown(bit, kWordBits) + kWordBits;
  }
  return end - first;
}

struct BitRange {
  uint64_t first = 0;
  uint64_t end = 0;
};

template <typename Page>
void AssignBits(Page& page, BitRange range, bool value) {
  for (uint64_t bit = range.first; bit < range.end;) {
    const uint64_t word_end = std::min(range.end, AlignDown(bit, kWordBits) + kWordBits);
    const uint64_t count = word_end - bit;
    const uint64_t ones = count == kWordBits ? ~uint64_t{0} : (uint64_t{1} << count) - 1;
    const uint64_t mask = ones << (bit % kWordBits);
    uint64_t& word = page[bit / kWordBits];
    word = value ? word | mask : word & ~mask;
    bit = word_end;
  }
}

}  // namespace

Result<SectorBitmaps::Run> SectorBitmaps::RunAt(uint64_t disk_offset, uint64_t max_length) {
  const format::BatGeometry& geometry = block_map_.geometry();
  const uint64_t block = geometry.BlockOf(disk_offset);
  const uint64_t chunk = geometry.ChunkOf(block);
  auto bitmap = VHDX_TRY(block_map_.BitmapBlockOffset(chunk));
  if (bitmap == 0) {
    const BatRules& bat = block_map_.rules();
    return Corrupt(rules::kBatPartialWithoutBitmap,
                   {file_.name(), bat.EntryOffset(geometry.PayloadIndex(block))},
                   "block " + std::to_string(block) + ", chunk " + std::to_string(chunk));
  }
  const uint64_t bit = geometry.BitInChunk(disk_offset);
  auto page = VHDX_TRY(GetPage(chunk * kPagesPerChunk + bit / kBitsPerPage));

  const uint64_t sector_size = geometry.logical_sector_size();
  const uint64_t within_sector = disk_offset % sector_size;
  const uint64_t wanted_bits = DivideRoundingUp(within_sector + max_length, sector_size);
  const uint64_t first = bit % kBitsPerPage;
  const uint64_t end = std::min(first + wanted_bits, kBitsPerPage);
  const uint64_t equal = EqualBits(*page, first, end);
  return Run{
      .in_this_file = (((*page)[first / kWordBits] >> (first % kWordBits)) & 1) != 0,
      .length_bytes = std::min(equal * sector_size - within_sector, max_length),
  };
}

Result<SectorBitmaps::PagePointer> SectorBitmaps::GetPage(uint64_t page_number) {
  Shard& shard = ShardOf(page_number);
  for (;;) {
    uint64_t changes = 0;
    {
      const MutexLock lock(shard.mutex);
      if (auto page = shard.Find(page_number)) return page;
      changes = shard.changes;
    }
    auto page = VHDX_TRY(ReadPage(page_number));
    const MutexLock lock(shard.mutex);
    if (auto known = shard.Find(page_number)) return known;
    // While it was read, it may have been changed, checkpointed and dropped from memory.
    if (shard.changes != changes) continue;
    shard.Keep(page_number, page);
    return page;
  }
}

SectorBitmaps::PagePointer SectorBitmaps::Shard::Find(uint64_t page_number) const {
  if (const auto found = changed.find(page_number); found != changed.end()) return found->second;
  const auto found = pages.find(page_number);
  return found == pages.end() ? nullptr : found->second;
}

void SectorBitmaps::Shard::Keep(uint64_t page_number, PagePointer page) {
  if (pages.insert_or_assign(page_number, std::move(page)).second) order.push_back(page_number);
  if (order.size() > kPagesPerShard) {
    pages.erase(order.front());
    order.pop_front();
  }
}

SectorBitmaps::Slice SectorBitmaps::SliceOf(uint64_t block) const {
  const format::BatGeometry& geometry = block_map_.geometry();
  const uint64_t start = geometry.ChunkOf(block) * format::kSectorBitmapBlockSize;
  return {(start + geometry.BitmapSliceOffset(block)) * 8, geometry.BitmapBytesPerBlock() * 8};
}

SectorBitmaps::PageRange SectorBitmaps::PagesOf(DiskRange range) const {
  const format::BatGeometry& geometry = block_map_.geometry();
  const uint64_t sector = geometry.logical_sector_size();
  const uint64_t first = SliceOf(geometry.BlockOf(range.disk_offset)).first_bit +
                         geometry.OffsetInBlock(range.disk_offset) / sector;
  const uint64_t end = first + DivideRoundingUp(range.length_bytes, sector);
  return {first / kBitsPerPage, DivideRoundingUp(end, kBitsPerPage)};
}

Result<uint64_t> SectorBitmaps::PageOffset(uint64_t page_number) const {
  const uint64_t bitmap = VHDX_TRY(block_map_.BitmapBlockOffset(page_number / kPagesPerChunk));
  return bitmap + page_number % kPagesPerChunk * kPageSize;
}

Result<SectorBitmaps::LoadedPages> SectorBitmaps::LoadPages(DiskRange range) {
  LoadedPages loaded;
  loaded.range_ = range;
  loaded.slice_ = SliceOf(block_map_.geometry().BlockOf(range.disk_offset));
  const uint64_t end = loaded.slice_.first_bit + loaded.slice_.bit_count;
  for (uint64_t at = AlignDown(loaded.slice_.first_bit, kBitsPerPage); at < end;
       at += kBitsPerPage) {
    const uint64_t number = at / kBitsPerPage;
    Shard& shard = ShardOf(number);
    uint64_t changes = 0;
    {
      const MutexLock lock(shard.mutex);
      changes = shard.changes;
    }
    auto page = VHDX_TRY(GetPage(number));
    loaded.pages_.push_back({number, std::move(page), changes});
  }
  return loaded;
}

bool SectorBitmaps::Refresh(LoadedPages& loaded) {
  return std::ranges::all_of(loaded.pages_, [&](LoadedPage& page) {
    Shard& shard = ShardOf(page.number);
    const MutexLock lock(shard.mutex);
    if (shard.changes == page.changes) return true;
    // Readers may drop it from memory again, but it stays current.
    page.page = shard.Find(page.number);
    return page.page != nullptr;
  });
}

void SectorBitmaps::SetBits(const LoadedPages& loaded, OtherBits others,
                            std::vector<uint64_t>& changed) {
  const format::BatGeometry& geometry = block_map_.geometry();
  const uint64_t sector = geometry.logical_sector_size();
  const Slice slice = loaded.slice_;
  const BitRange block{slice.first_bit, slice.first_bit + slice.bit_count};
  const uint64_t first =
      slice.first_bit + geometry.OffsetInBlock(loaded.range_.disk_offset) / sector;
  const BitRange set{first, first + loaded.range_.length_bytes / sector};
  for (const LoadedPage& old : loaded.pages_) {
    const uint64_t page_bit = old.number * kBitsPerPage;
    // The part of a range that is in this page, counted from its first bit.
    const auto in_page = [&](BitRange bits) {
      const auto within = [&](uint64_t bit) {
        return std::clamp(bit, page_bit, page_bit + kBitsPerPage) - page_bit;
      };
      return BitRange{within(bits.first), within(bits.end)};
    };
    auto fresh = std::make_shared<Page>(*old.page);
    if (others == OtherBits::kClear) AssignBits(*fresh, in_page(block), false);
    AssignBits(*fresh, in_page(set), true);
    if (*fresh == *old.page) continue;
    changed.push_back(old.number);
    Shard& shard = ShardOf(old.number);
    const MutexLock lock(shard.mutex);
    shard.changed[old.number] = std::move(fresh);
    ++shard.changes;
  }
}

Result<bool> SectorBitmaps::AllSet(uint64_t block) {
  const format::BatGeometry& geometry = block_map_.geometry();
  const uint64_t start = geometry.BlockStart(block);
  const uint64_t end = start + geometry.BytesOnDisk(block);
  for (uint64_t at = start; at < end;) {
    auto run = VHDX_TRY(RunAt(at, end - at));
    if (!run.in_this_file) return false;
    at += run.length_bytes;
  }
  return true;
}

void SectorBitmaps::EncodePage(uint64_t page_number,
                               std::span<std::byte, format::kLogSectorSize> bytes) {
  Shard& shard = ShardOf(page_number);
  const MutexLock lock(shard.mutex);
  const Page& page = *shard.changed.at(page_number);
  for (size_t i = 0; i < page.size(); ++i) {
    StoreTo(bytes.subspan(i * sizeof(uint64_t)), le64(page[i]));
  }
}

void SectorBitmaps::NoteCheckpointed(uint64_t page_number,
                                     std::span<const std::byte, format::kLogSectorSize> bytes) {
  Shard& shard = ShardOf(page_number);
  const MutexLock lock(shard.mutex);
  const auto found = shard.changed.find(page_number);
  if (found == shard.changed.end()) return;
  for (size_t i = 0; i < found->second->size(); ++i) {
    if ((*found->second)[i] != LoadFrom<le64>(bytes.subspan(i * sizeof(uint64_t)))) return;
  }
  shard.Keep(page_number, std::move(found->second));
  shard.changed.erase(found);
}

Result<SectorBitmaps::PagePointer> SectorBitmaps::ReadPage(uint64_t page_number) {
  std::array<std::byte, kPageSize> bytes;
  const uint64_t file_offset = VHDX_TRY(PageOffset(page_number));
  VHDX_TRY(file_.ReadExactAt(file_offset, bytes));
  auto page = std::make_shared<Page>();
  for (size_t i = 0; i < page->size(); ++i) {
    (*page)[i] = LoadFrom<le64>(std::span(bytes).subspan(i * sizeof(uint64_t)));
  }
  return page;
}

}  // namespace vhdx

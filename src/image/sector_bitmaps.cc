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
  auto page = VHDX_TRY(GetPage(bitmap + bit / kBitsPerPage * kPageSize));

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

Result<SectorBitmaps::PagePointer> SectorBitmaps::GetPage(uint64_t file_offset) {
  Shard& shard = ShardOf(file_offset);
  for (;;) {
    uint64_t changes = 0;
    {
      const MutexLock lock(shard.mutex);
      if (auto page = shard.Find(file_offset)) return page;
      changes = shard.changes;
    }
    auto page = VHDX_TRY(ReadPage(file_offset));
    const MutexLock lock(shard.mutex);
    if (auto known = shard.Find(file_offset)) return known;
    // While it was read, it may have been changed, checkpointed and dropped from memory.
    if (shard.changes != changes) continue;
    shard.Keep(file_offset, page);
    return page;
  }
}

SectorBitmaps::PagePointer SectorBitmaps::Shard::Find(uint64_t file_offset) const {
  if (const auto found = changed.find(file_offset); found != changed.end()) return found->second;
  const auto found = pages.find(file_offset);
  return found == pages.end() ? nullptr : found->second;
}

void SectorBitmaps::Shard::Keep(uint64_t file_offset, PagePointer page) {
  if (pages.insert_or_assign(file_offset, std::move(page)).second) order.push_back(file_offset);
  if (order.size() > kPagesPerShard) {
    pages.erase(order.front());
    order.pop_front();
  }
}

Result<FileRange> SectorBitmaps::SliceOf(uint64_t block) {
  const format::BatGeometry& geometry = block_map_.geometry();
  auto bitmap = VHDX_TRY(block_map_.BitmapBlockOffset(geometry.ChunkOf(block)));
  return FileRange{bitmap + geometry.BitmapSliceOffset(block), geometry.BitmapBytesPerBlock()};
}

Result<FileRange> SectorBitmaps::PagesOf(DiskRange range) {
  const format::BatGeometry& geometry = block_map_.geometry();
  auto slice = VHDX_TRY(SliceOf(geometry.BlockOf(range.disk_offset)));
  const uint64_t sector = geometry.logical_sector_size();
  const uint64_t first = geometry.OffsetInBlock(range.disk_offset) / sector;
  const uint64_t end = first + DivideRoundingUp(range.length_bytes, sector);
  const uint64_t start_offset = AlignDown(slice.file_offset + first / 8, kPageSize);
  const uint64_t end_offset =
      AlignUp(slice.file_offset + DivideRoundingUp(end, uint64_t{8}), kPageSize);
  return FileRange{start_offset, end_offset - start_offset};
}

Result<SectorBitmaps::LoadedPages> SectorBitmaps::LoadPages(DiskRange range) {
  auto slice = VHDX_TRY(SliceOf(block_map_.geometry().BlockOf(range.disk_offset)));
  LoadedPages loaded;
  loaded.range_ = range;
  loaded.slice_ = slice;
  const uint64_t slice_end = slice.file_offset + slice.length_bytes;
  for (uint64_t at = AlignDown(slice.file_offset, kPageSize); at < slice_end; at += kPageSize) {
    Shard& shard = ShardOf(at);
    uint64_t changes = 0;
    {
      const MutexLock lock(shard.mutex);
      changes = shard.changes;
    }
    auto page = VHDX_TRY(GetPage(at));
    loaded.pages_.push_back({at, std::move(page), changes});
  }
  return loaded;
}

bool SectorBitmaps::AreCurrent(const LoadedPages& loaded) {
  return std::ranges::all_of(loaded.pages_, [&](const LoadedPage& page) {
    Shard& shard = ShardOf(page.file_offset);
    const MutexLock lock(shard.mutex);
    return shard.changes == page.changes || shard.Find(page.file_offset) != nullptr;
  });
}

void SectorBitmaps::SetBits(const LoadedPages& loaded, OtherBits others,
                            std::vector<uint64_t>& changed) {
  const format::BatGeometry& geometry = block_map_.geometry();
  const FileRange slice = loaded.slice_;
  const uint64_t sector = geometry.logical_sector_size();
  const uint64_t first = geometry.OffsetInBlock(loaded.range_.disk_offset) / sector;
  const BitRange set{first, first + loaded.range_.length_bytes / sector};
  const uint64_t slice_end = slice.file_offset + slice.length_bytes;
  for (const LoadedPage& old : loaded.pages_) {
    const uint64_t at = old.file_offset;
    Shard& shard = ShardOf(at);
    const MutexLock lock(shard.mutex);
    const PagePointer known = shard.Find(at);
    const Page& before = known != nullptr ? *known : *old.page;
    // The part of the slice that is in this page: where it begins in either.
    const uint64_t start = std::max(at, slice.file_offset);
    const uint64_t in_page = (start - at) * 8;
    const uint64_t in_slice = (start - slice.file_offset) * 8;
    const uint64_t bits = (std::min(slice_end, at + kPageSize) - start) * 8;
    const auto to_page = [&](uint64_t bit) {
      return in_page + std::clamp(bit, in_slice, in_slice + bits) - in_slice;
    };
    auto fresh = std::make_shared<Page>(before);
    if (others == OtherBits::kClear) AssignBits(*fresh, {in_page, in_page + bits}, false);
    AssignBits(*fresh, {to_page(set.first), to_page(set.end)}, true);
    if (*fresh == before) continue;
    changed.push_back(at);
    shard.changed[at] = std::move(fresh);
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

void SectorBitmaps::EncodePage(uint64_t file_offset,
                               std::span<std::byte, format::kLogSectorSize> bytes) {
  Shard& shard = ShardOf(file_offset);
  const MutexLock lock(shard.mutex);
  const Page& page = *shard.changed.at(file_offset);
  for (size_t i = 0; i < page.size(); ++i) {
    StoreTo(bytes.subspan(i * sizeof(uint64_t)), le64(page[i]));
  }
}

void SectorBitmaps::NoteCheckpointed(uint64_t file_offset,
                                     std::span<const std::byte, format::kLogSectorSize> bytes) {
  Shard& shard = ShardOf(file_offset);
  const MutexLock lock(shard.mutex);
  const auto found = shard.changed.find(file_offset);
  if (found == shard.changed.end()) return;
  for (size_t i = 0; i < found->second->size(); ++i) {
    if ((*found->second)[i] != LoadFrom<le64>(bytes.subspan(i * sizeof(uint64_t)))) return;
  }
  shard.Keep(file_offset, std::move(found->second));
  shard.changed.erase(found);
}

Result<SectorBitmaps::PagePointer> SectorBitmaps::ReadPage(uint64_t file_offset) {
  std::array<std::byte, kPageSize> bytes;
  VHDX_TRY(file_.ReadExactAt(file_offset, bytes));
  auto page = std::make_shared<Page>();
  for (size_t i = 0; i < page->size(); ++i) {
    (*page)[i] = LoadFrom<le64>(std::span(bytes).subspan(i * sizeof(uint64_t)));
  }
  return page;
}

}  // namespace vhdx

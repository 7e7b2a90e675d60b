#include "image/sector_bitmaps.h"

#include <algorithm>
#include <bit>

#include "bytes/arithmetic.h"
#include "bytes/endian.h"
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

}  // namespace

Result<SectorBitmaps::Run> SectorBitmaps::RunAt(uint64_t disk_offset, uint64_t max_length) {
  const format::BatGeometry& geometry = block_map_.geometry();
  const uint64_t block = geometry.BlockOf(disk_offset);
  const uint64_t chunk = geometry.ChunkOf(block);
  auto bitmap = block_map_.BitmapBlockOffset(chunk);
  if (!bitmap) return std::unexpected(std::move(bitmap.error()));
  if (*bitmap == 0) {
    const BatRules& bat = block_map_.rules();
    return Corrupt(rules::kBatPartialWithoutBitmap,
                   {file_.name(), bat.EntryOffset(geometry.PayloadIndex(block))},
                   "block " + std::to_string(block) + ", chunk " + std::to_string(chunk));
  }
  const uint64_t bit = geometry.BitInChunk(disk_offset);
  auto page = GetPage(*bitmap + bit / kBitsPerPage * kPageSize);
  if (!page) return std::unexpected(std::move(page.error()));

  const uint64_t sector_size = geometry.logical_sector_size();
  const uint64_t within_sector = disk_offset % sector_size;
  const uint64_t wanted_bits = DivideRoundingUp(within_sector + max_length, sector_size);
  const uint64_t first = bit % kBitsPerPage;
  const uint64_t end = std::min(first + wanted_bits, kBitsPerPage);
  const uint64_t equal = EqualBits(**page, first, end);
  return Run{
      .in_this_file = (((**page)[first / kWordBits] >> (first % kWordBits)) & 1) != 0,
      .length_bytes = std::min(equal * sector_size - within_sector, max_length),
  };
}

Result<SectorBitmaps::PagePointer> SectorBitmaps::GetPage(uint64_t file_offset) {
  Shard& shard = shards_[(file_offset / kPageSize) % kShardCount];
  {
    const MutexLock lock(shard.mutex);
    if (const auto found = shard.pages.find(file_offset); found != shard.pages.end()) {
      return found->second;
    }
  }
  auto page = ReadPage(file_offset);
  if (!page) return page;
  const MutexLock lock(shard.mutex);
  if (shard.pages.emplace(file_offset, *page).second) shard.order.push_back(file_offset);
  if (shard.order.size() > kPagesPerShard) {
    shard.pages.erase(shard.order.front());
    shard.order.pop_front();
  }
  return page;
}

Result<SectorBitmaps::PagePointer> SectorBitmaps::ReadPage(uint64_t file_offset) {
  std::array<std::byte, kPageSize> bytes;
  if (auto read = file_.ReadExactAt(file_offset, bytes); !read) {
    return std::unexpected(std::move(read.error()));
  }
  auto page = std::make_shared<Page>();
  for (size_t i = 0; i < page->size(); ++i) {
    (*page)[i] = LoadFrom<le64>(std::span(bytes).subspan(i * sizeof(uint64_t)));
  }
  return page;
}

}  // namespace vhdx

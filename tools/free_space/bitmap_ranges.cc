#include "tools/free_space/bitmap_ranges.h"

#include <algorithm>
#include <bit>
#include <cstddef>

#include "bytes/endian.h"
#include "tools/free_space/free_space.h"

namespace vhdx::free_space {
namespace {

constexpr uint64_t kBitsPerWord = 64;

// Word `index` of the map, with ones for what is after the map.
uint64_t WordOf(ByteSpan bitmap, uint64_t index) {
  const uint64_t byte = index * sizeof(le64);
  if (byte + sizeof(le64) <= bitmap.size()) return LoadFrom<le64>(bitmap.subspan(byte));
  uint64_t word = ~uint64_t{0};
  for (uint64_t i = byte; i < bitmap.size(); ++i) {
    const uint64_t shift = 8 * (i - byte);
    word &= ~(uint64_t{0xFF} << shift);
    word |= std::to_integer<uint64_t>(bitmap[i]) << shift;
  }
  return word;
}

// The first bit from `from` on that is `value`, or `end` if that comes first.
uint64_t FindBit(ByteSpan bitmap, uint64_t from, uint64_t end, bool value) {
  while (from < end) {
    const uint64_t word = WordOf(bitmap, from / kBitsPerWord);
    const uint64_t wanted = (value ? word : ~word) >> (from % kBitsPerWord);
    if (wanted != 0) return std::min(end, from + static_cast<uint64_t>(std::countr_zero(wanted)));
    from += kBitsPerWord - from % kBitsPerWord;
  }
  return end;
}

}  // namespace

uint64_t BitmapRanges::AddZeroBits(ByteSpan bitmap, uint64_t bit_count, uint64_t disk_offset,
                                   uint64_t unit_bytes) {
  uint64_t free = 0;
  uint64_t end = 0;
  while (true) {
    const uint64_t start = FindBit(bitmap, end, bit_count, false);
    if (start == bit_count) return free;
    end = FindBit(bitmap, start, bit_count, true);
    free += end - start;
    Add({disk_offset + start * unit_bytes, (end - start) * unit_bytes});
  }
}

void BitmapRanges::Add(DiskRange range) {
  if (!ranges_.empty() && ranges_.back().end() == range.disk_offset) {
    ranges_.back().length_bytes += range.length_bytes;
  } else if (ranges_.size() < kMaxFreeRanges) {
    ranges_.push_back(range);
  } else {
    too_many_ = true;
  }
}

std::vector<DiskRange> Merged(std::vector<DiskRange> ranges) {
  std::ranges::sort(ranges);
  std::vector<DiskRange> merged;
  for (const DiskRange& range : ranges) {
    if (merged.empty() || merged.back().end() < range.disk_offset) {
      merged.push_back(range);
    } else {
      DiskRange& last = merged.back();
      last.length_bytes = std::max(last.end(), range.end()) - last.disk_offset;
    }
  }
  return merged;
}

}  // namespace vhdx::free_space

#include "testing/block_pattern.h"

#include <algorithm>
#include <cstring>

#include "bytes/endian.h"
#include "bytes/formatting.h"
#include "testing/mix.h"

namespace vhdx::testing {
namespace {

constexpr uint64_t kWordSize = 8;
constexpr uint64_t kWordsPerSector = 64;
// Marks the second word of a sector, so that a pattern is known when it is met.
constexpr uint64_t kTag = 0x7465'7374'0000'0000;  // "test"
constexpr uint64_t kTagMask = 0xFFFF'FFFF'0000'0000;

uint64_t Word(const BlockPattern& pattern, uint64_t base, uint64_t index) {
  switch (index % kWordsPerSector) {
    case 0:
      return index * kWordSize;
    case 1:
      return kTag | pattern.layer;
    default:
      return Mix(base + index * 0x9E3779B97F4A7C15);
  }
}

}  // namespace

void FillPattern(const BlockPattern& pattern, uint64_t disk_offset, MutableByteSpan bytes) {
  const uint64_t base = Mix(pattern.seed ^ Mix(pattern.layer + 1));
  while (!bytes.empty()) {
    const le64 word = Word(pattern, base, disk_offset / kWordSize);
    const uint64_t skipped = disk_offset % kWordSize;
    const size_t length = std::min<size_t>(kWordSize - skipped, bytes.size());
    std::memcpy(bytes.data(), std::as_bytes(std::span(&word, 1)).subspan(skipped).data(), length);
    bytes = bytes.subspan(length);
    disk_offset += length;
  }
}

std::string DescribePattern(ByteSpan sector) {
  if (sector.size() < 2 * kWordSize) return "too few bytes";
  if (std::ranges::all_of(sector, [](std::byte byte) { return byte == std::byte{0}; })) {
    return "zeros";
  }
  const uint64_t address = LoadFrom<le64>(sector);
  const uint64_t tag = LoadFrom<le64>(sector.subspan(kWordSize));
  if ((tag & kTagMask) != kTag) return "unknown bytes";
  return Format("layer {}, address {}", tag & ~kTagMask, address);
}

}  // namespace vhdx::testing

// The check of what somebody says is free.

#include <algorithm>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "bytes/arithmetic.h"
#include "bytes/formatting.h"
#include "bytes/try.h"
#include "guest/free_map.h"

namespace vhdx::guest {
namespace {

std::unexpected<Error> NotBelieved(std::string sentence) {
  return Fail(ErrorCode::kCorrupt, std::move(sentence));
}

std::string RangeText(DiskRange range) {
  return Format("{} bytes at offset {}", range.length_bytes, range.disk_offset);
}

// Everything that looks at one range and the end of the one before it.
Result<void> VerifyRange(DiskRange range, uint64_t end_before, uint64_t unit_bytes,
                         uint64_t volume_bytes) {
  if (range.length_bytes == 0 || !FitsInside(range.disk_offset, range.length_bytes, volume_bytes)) {
    return NotBelieved(Format("its map calls {} free, which are not inside of the volume of {}",
                              RangeText(range), volume_bytes));
  }
  if (range.disk_offset < end_before) {
    return NotBelieved(Format("its map calls {} free, out of order or twice", RangeText(range)));
  }
  if (unit_bytes != 0 &&
      (range.disk_offset % unit_bytes != 0 || range.length_bytes % unit_bytes != 0)) {
    return NotBelieved(Format("its map calls {} free, which are not whole blocks of {}",
                              RangeText(range), unit_bytes));
  }
  return {};
}

// The ranges in order, once those are known to be inside of the volume.
Result<std::vector<DiskRange>> InOrder(std::span<const DiskRange> metadata,
                                       std::span<const DiskRange> superblocks,
                                       uint64_t volume_bytes) {
  std::vector<DiskRange> used(superblocks.begin(), superblocks.end());
  for (const DiskRange& range : metadata) {
    if (!FitsInside(range.disk_offset, range.length_bytes, volume_bytes)) {
      return NotBelieved(Format("it has metadata, {}, outside of the volume of {}",
                                RangeText(range), volume_bytes));
    }
    used.push_back(range);
  }
  std::ranges::sort(used);
  return used;
}

Result<void> VerifyDisjoint(std::span<const DiskRange> free, std::span<const DiskRange> used) {
  auto next = free.begin();
  for (const DiskRange& range : used) {
    while (next != free.end() && next->end() <= range.disk_offset) ++next;
    if (next == free.end()) break;
    // A range of `used` may be longer than one after it, so `next` is not passed yet.
    if (range.length_bytes != 0 && next->disk_offset < range.end()) {
      return NotBelieved(Format("its map calls {} free, but {} of that are its own structures",
                                RangeText(*next),
                                RangeText({std::max(next->disk_offset, range.disk_offset),
                                           std::min(next->end(), range.end()) -
                                               std::max(next->disk_offset, range.disk_offset)})));
    }
  }
  return {};
}

// They may reach past the end of the volume. `size_bytes` is that of the file system.
std::vector<DiskRange> FixedRanges(VolumeKind kind, uint64_t volume_bytes, uint64_t size_bytes) {
  switch (kind) {
    case VolumeKind::kExt2:
    case VolumeKind::kExt3:
    case VolumeKind::kExt4:
      return {{1 * kKiB, 1 * kKiB}};
    case VolumeKind::kXfs:  // and the three headers after it, at least a sector each
    case VolumeKind::kLvm:  // the label is in one of four sectors
      return {{0, 2 * kKiB}};
    case VolumeKind::kBtrfs:
      return {{64 * kKiB, 4 * kKiB}, {64 * kMiB, 4 * kKiB}, {256 * kGiB, 4 * kKiB}};
    case VolumeKind::kNtfs:  // $Boot, and the copy of its first sector
      return {{0, 8 * kKiB}, {size_bytes - std::min<uint64_t>(size_bytes, 512), 512}};
    case VolumeKind::kExfat:  // the main boot region and its backup, of twelve sectors each
      return {{0, uint64_t{24} * 512}};
    case VolumeKind::kFat12:
    case VolumeKind::kFat16:
    case VolumeKind::kFat32:
      return {{0, 512}};
    case VolumeKind::kSwap:
      return {{0, 4 * kKiB}};
    case VolumeKind::kRefs:
    case VolumeKind::kBitLocker:
    case VolumeKind::kLuks1:
    case VolumeKind::kLuks2:
    case VolumeKind::kMdRaid:
    case VolumeKind::kZfs:
      break;
  }
  return {{0, volume_bytes}};
}

}  // namespace

Result<void> VerifyFreeSpace(const FreeSpace& space, uint64_t volume_bytes,
                             std::span<const DiskRange> superblocks) {
  if (space.free.size() > kMaxFreeRanges) return NotBelieved("its map has too many free ranges");
  uint64_t end = 0;
  uint64_t total = 0;
  for (const DiskRange& range : space.free) {
    VHDX_TRY(VerifyRange(range, end, space.unit_bytes, volume_bytes));
    end = range.end();
    total += range.length_bytes;
  }
  if (total != space.counted_free_bytes) {
    return NotBelieved(Format("{} bytes are free by its map, and {} by its own count", total,
                              space.counted_free_bytes));
  }
  const auto used = VHDX_TRY(InOrder(space.metadata, superblocks, volume_bytes));
  return VerifyDisjoint(space.free, used);
}

std::vector<DiskRange> SuperblockRanges(const Superblock& superblock, uint64_t volume_bytes) {
  std::vector<DiskRange> ranges =
      FixedRanges(superblock.kind, volume_bytes,
                  std::min(superblock.size_bytes.value_or(volume_bytes), volume_bytes));
  if (superblock.trailer_offset) ranges.push_back({*superblock.trailer_offset, volume_bytes});
  std::erase_if(ranges, [&](const DiskRange& range) { return range.disk_offset >= volume_bytes; });
  for (DiskRange& range : ranges) {
    range.length_bytes = std::min(range.length_bytes, volume_bytes - range.disk_offset);
  }
  return ranges;
}

}  // namespace vhdx::guest

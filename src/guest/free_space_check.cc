// The check of what somebody says is free.

#include <algorithm>
#include <span>
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

// Where the superblocks of a kind are, and their copies at fixed places.
struct Place {
  VolumeKind kind;
  uint64_t offset;
  uint64_t length_bytes;
};
constexpr Place kPlaces[] = {
    {VolumeKind::kExt2, kKiB, kKiB},
    {VolumeKind::kExt3, kKiB, kKiB},
    {VolumeKind::kExt4, kKiB, kKiB},
    {VolumeKind::kXfs, 0, 2 * kKiB},  // with the three headers after it, at least a sector each
    {VolumeKind::kLvm, 0, 2 * kKiB},  // the label is in one of four sectors
    {VolumeKind::kBtrfs, 64 * kKiB, 4 * kKiB},
    {VolumeKind::kBtrfs, 64 * kMiB, 4 * kKiB},
    {VolumeKind::kBtrfs, 256 * kGiB, 4 * kKiB},
    {VolumeKind::kNtfs, 0, 8 * kKiB},             // $Boot; a copy of its first sector is at the end
    {VolumeKind::kExfat, 0, uint64_t{24} * 512},  // the boot region and its backup
    {VolumeKind::kFat12, 0, 512},
    {VolumeKind::kFat16, 0, 512},
    {VolumeKind::kFat32, 0, 512},
    {VolumeKind::kSwap, 0, 4 * kKiB},
};

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
  std::vector<DiskRange> ranges;
  const uint64_t size = std::min(superblock.size_bytes.value_or(volume_bytes), volume_bytes);
  const auto add = [&](uint64_t offset, uint64_t length) {
    if (offset < volume_bytes) ranges.push_back({offset, std::min(length, volume_bytes - offset)});
  };
  for (const Place& place : kPlaces) {
    if (place.kind == superblock.kind) add(place.offset, place.length_bytes);
  }
  if (superblock.kind == VolumeKind::kNtfs) add(size - std::min<uint64_t>(size, 512), 512);
  // Of a kind that nobody reads, all of it.
  if (ranges.empty()) add(0, volume_bytes);
  if (superblock.trailer_offset) add(*superblock.trailer_offset, volume_bytes);
  return ranges;
}

}  // namespace vhdx::guest

#include "tools/free_space/fat.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "bytes/arithmetic.h"
#include "bytes/endian.h"
#include "bytes/formatting.h"
#include "bytes/try.h"
#include "guest/fat.h"
#include "guest/range_reader.h"
#include "guest/volume_parsers.h"
#include "tools/free_space/found.h"
#include "tools/free_space/free_ranges.h"

namespace vhdx::free_space {
namespace {

using guest::Fat16Tail;
using guest::Fat32Tail;
using guest::FatLayout;

/// The FSInfo sector of FAT32.
struct FatInfo {
  le32 lead_signature;
  std::array<std::byte, 480> reserved;
  le32 signature;
  le32 free_clusters;  ///< all ones: unknown
  le32 next_free;
  std::array<std::byte, 12> reserved_2;
  le32 trail_signature;

  bool IsValid() const {
    return lead_signature == 0x41615252 && signature == 0x61417272 && trail_signature == 0xAA550000;
  }
};
static_assert(offsetof(FatInfo, free_clusters) == 488);
static_assert(sizeof(FatInfo) == 512);

/// What the entries of a FAT of that width mean.
struct FatEntries {
  explicit FatEntries(uint64_t width) : bits(width), end(width == 12 ? 0xFFF : kEnd(width)) {}

  /// The entry at an index of a part of a FAT that begins with a whole entry.
  uint32_t At(ByteSpan bytes, size_t index) const {
    if (bits == 32) return LoadFrom<le32>(bytes.subspan(4 * index)) & end;
    if (bits == 16) return LoadFrom<le16>(bytes.subspan(2 * index));
    const uint32_t pair = LoadFrom<le16>(bytes.subspan(index * 3 / 2));
    return index % 2 == 0 ? pair & end : pair >> 4;
  }

  /// Reserved values, bad clusters and ends of files.
  bool IsSpecial(uint32_t entry) const { return entry >= end - 0xF; }
  /// None may have the number that marks a bad one.
  uint64_t most_clusters() const { return end - 0xB; }
  /// In the second entry: unmounted. FAT12 has no such bits.
  uint32_t clean_bit() const { return bits == 12 ? 0 : (end >> 1) + 1; }
  uint32_t no_error_bit() const { return clean_bit() / 2; }

  uint64_t bits;
  uint32_t end;  ///< of a file

 private:
  static uint32_t kEnd(uint64_t width) { return width == 16 ? 0xFFFF : 0x0FFFFFFF; }
};

class FatReader {
 public:
  FatReader(guest::RangeReader& volume, const FatLayout& fat)
      : volume_(volume),
        fat_(fat),
        entries_(fat.bits_per_cluster()),
        sector_bytes_(fat.bios.bytes_per_sector),
        cluster_bytes_(sector_bytes_ * fat.bios.sectors_per_cluster),
        entry_count_(fat.cluster_count + 2) {}

  Found<FreeSpace> Read() {
    VHDX_TRY(CheckBootSector());
    VHDX_TRY(ReadFat());
    VHDX_TRY(CheckLinks());
    FreeSpace space;
    space.unit_bytes = cluster_bytes_;
    space.counted_free_bytes = CountedClusters().value_or(free_.total_bytes() / cluster_bytes_);
    space.counted_free_bytes *= cluster_bytes_;
    space.metadata = {{0, fat_.first_data_sector * sector_bytes_}};
    if (fat_.is_fat32) space.metadata.push_back(RangeOf(fat_.fat32.root_cluster));
    space.free = free_.Take();
    return space;
  }

 private:
  // A multiple of three, four and eight: whole entries of any width.
  static constexpr uint64_t kPartBytes = 768 * kKiB;

  DiskRange RangeOf(uint64_t cluster) const {
    return {fat_.first_data_sector * sector_bytes_ + (cluster - 2) * cluster_bytes_,
            cluster_bytes_};
  }
  bool IsCluster(uint64_t number) const { return number >= 2 && number < entry_count_; }

  Found<void> CheckBootSector() {
    if (fat_.size_bytes() > volume_.size_bytes()) {
      return LeaveAlone("it is larger than its partition");
    }
    if (fat_.cluster_count > entries_.most_clusters()) {
      return LeaveAlone("it has more clusters than a FAT can number");
    }
    linked_.resize(entry_count_);
    VHDX_TRY(CheckFlags((fat_.common.state & Fat16Tail::kDirty) != 0,
                        (fat_.common.state & Fat16Tail::kNeedsSurfaceTest) != 0));
    if (!fat_.is_fat32) return {};
    if ((fat_.fat32.mirroring & Fat32Tail::kNotMirrored) != 0) {
      return LeaveAlone("its FATs are not mirrored");
    }
    const uint32_t root = fat_.fat32.root_cluster;
    if (!IsCluster(root)) return LeaveAlone("its root directory is outside of the volume");
    linked_[root] = true;
    return {};
  }

  static Found<void> CheckFlags(bool is_dirty, bool has_errors) {
    if (is_dirty) return LeaveAlone("it was not unmounted (dirty flag)");
    if (has_errors) return LeaveAlone("it is marked as having had disk errors");
    return {};
  }

  Found<void> ReadFat() {
    const uint64_t entries_per_part = kPartBytes * 8 / entries_.bits;
    for (uint64_t first = 0; first < entry_count_; first += entries_per_part) {
      const uint64_t count = std::min(entries_per_part, entry_count_ - first);
      const auto part = VHDX_TRY(ReadPartOfFat(first, count));
      for (uint64_t i = 0; i < count; ++i) VHDX_TRY(Take(first + i, entries_.At(part, i)));
    }
    return {};
  }

  // Of all copies, which must agree.
  Found<std::vector<std::byte>> ReadPartOfFat(uint64_t first, uint64_t count) {
    const uint64_t length = DivideRoundingUp<uint64_t>(count * entries_.bits, 8);
    uint64_t offset = fat_.bios.reserved_sectors * sector_bytes_ + first * entries_.bits / 8;
    auto part = VHDX_TRY(ReadPart(volume_, offset, length, "its FAT"));
    for (int copy = 1; copy < fat_.bios.fat_count; ++copy) {
      offset += fat_.fat_sectors * sector_bytes_;
      const auto other = VHDX_TRY(ReadPart(volume_, offset, length, "its FAT"));
      if (!std::ranges::equal(part, other)) return LeaveAlone("the copies of its FAT differ");
    }
    return part;
  }

  Found<void> Take(uint64_t number, uint32_t entry) {
    if (number == 0) return {};
    if (number == 1) {
      const uint32_t zeros = ~entry;
      return CheckFlags((zeros & entries_.clean_bit()) != 0,
                        (zeros & entries_.no_error_bit()) != 0);
    }
    if (entry == 0) return free_.Add(RangeOf(number));
    if (IsCluster(entry)) {
      if (linked_[entry]) return LeaveAlone(Format("two files share its cluster {}", entry));
      linked_[entry] = true;
    } else if (!entries_.IsSpecial(entry)) {
      return LeaveAlone(Format("the entry of cluster {} in its FAT is invalid", number));
    }
    return {};
  }

  // What is free must not belong to a file.
  Found<void> CheckLinks() const {
    for (const DiskRange& range : free_.list()) {
      const uint64_t first = 2 + (range.disk_offset - RangeOf(2).disk_offset) / cluster_bytes_;
      for (uint64_t i = 0; i < range.length_bytes / cluster_bytes_; ++i) {
        if (linked_[first + i]) {
          return LeaveAlone(Format("its cluster {} is both free and in use", first + i));
        }
      }
    }
    return {};
  }

  std::optional<uint64_t> CountedClusters() {
    if (!fat_.is_fat32 || fat_.fat32.info_sector == 0 ||
        fat_.fat32.info_sector >= fat_.bios.reserved_sectors) {
      return std::nullopt;
    }
    const auto info = volume_.Load<FatInfo>(fat_.fat32.info_sector * sector_bytes_);
    if (!info || !info->IsValid() || info->free_clusters > fat_.cluster_count) return std::nullopt;
    return info->free_clusters;
  }

  guest::RangeReader& volume_;
  const FatLayout& fat_;
  const FatEntries entries_;
  const uint64_t sector_bytes_;
  const uint64_t cluster_bytes_;
  const uint64_t entry_count_;
  FreeRanges free_;
  std::vector<bool> linked_;  // clusters that a file continues in, and the root directory
};

}  // namespace

Result<Answer> ReadFatFreeSpace(BlockDevice& volume) {
  guest::RangeReader reader(volume);
  const auto head = reader.ReadHead(guest::kHeadBytes);
  const auto fat = guest::ReadFatLayout({.head = head, .range = reader});
  if (!fat) return Conclude(reader, LeaveAlone("its boot sector is not that of a FAT"));
  return Conclude(reader, FatReader(reader, *fat).Read());
}

}  // namespace vhdx::free_space

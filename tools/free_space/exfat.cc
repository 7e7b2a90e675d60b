#include "tools/free_space/exfat.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "bytes/arithmetic.h"
#include "bytes/endian.h"
#include "bytes/formatting.h"
#include "bytes/try.h"
#include "guest/exfat.h"
#include "guest/range_reader.h"
#include "guest/volume_parsers.h"
#include "tools/free_space/found.h"
#include "tools/free_space/free_ranges.h"

namespace vhdx::free_space {
namespace {

using guest::ExfatBoot;

/// What every entry of a directory begins with, and what those of system files have.
struct ExfatEntry {
  static constexpr uint8_t kEndOfDirectory = 0;
  static constexpr uint8_t kBitmap = 0x81;
  static constexpr uint8_t kUpcaseTable = 0x82;

  uint8_t type;
  uint8_t flags;  ///< of a bitmap: bit 0 is set in the second
  std::array<std::byte, 18> other;
  le32 first_cluster;
  le64 length_bytes;
};
static_assert(sizeof(ExfatEntry) == 32);

constexpr uint64_t kMaxDirectoryBytes = 256 * kMiB;
constexpr uint64_t kMaxUpcaseBytes = 128 * kKiB;  // two bytes for each UTF-16 code unit

// One of the FATs, read a window at a time: most chains are in order.
class ExfatChains {
 public:
  ExfatChains(guest::RangeReader& volume, const ExfatBoot& boot)
      : volume_(volume), boot_(boot), entry_count_(uint64_t{boot.cluster_count} + 2) {
    const uint64_t active = boot.flags & ExfatBoot::kActiveFat;
    offset_ = (boot.fat_sector + active * boot.fat_sectors) << boot.sector_shift;
  }

  /// The FATs are between the boot sectors and the clusters, and have an entry for each cluster.
  bool IsSound() const {
    const uint64_t needed = DivideRoundingUp(entry_count_ * sizeof(le32), sector_bytes());
    const uint64_t end = boot_.fat_sector + uint64_t{boot_.fat_count} * boot_.fat_sectors;
    constexpr uint64_t kBootSectors = 24;
    return boot_.fat_sectors >= needed && boot_.fat_sector >= kBootSectors &&
           end <= boot_.heap_sector;
  }

  uint64_t sector_bytes() const { return uint64_t{1} << boot_.sector_shift; }
  uint64_t cluster_bytes() const { return sector_bytes() << boot_.cluster_shift; }
  DiskRange RangeOf(uint64_t cluster) const {
    const uint64_t heap = uint64_t{boot_.heap_sector} << boot_.sector_shift;
    return {heap + (cluster - 2) * cluster_bytes(), cluster_bytes()};
  }

  /// The clusters of a chain from its first one on, adjacent ones as one range: all of them, which
  /// must not be more than `most`.
  Found<std::vector<DiskRange>> Read(uint32_t cluster, uint64_t most, std::string_view what) {
    std::vector<DiskRange> ranges;
    for (uint64_t count = 0; cluster != kEndOfChain; ++count) {
      if (count == most) return LeaveAlone(Format("{} has too many clusters", what));
      if (cluster < 2 || cluster >= entry_count_) {
        return LeaveAlone(Format("{} is outside of the volume", what));
      }
      const DiskRange range = RangeOf(cluster);
      if (!ranges.empty() && ranges.back().end() == range.disk_offset) {
        ranges.back().length_bytes += range.length_bytes;
      } else {
        ranges.push_back(range);
      }
      cluster = VHDX_TRY(Next(cluster));
    }
    return ranges;
  }

 private:
  static constexpr uint32_t kEndOfChain = 0xFFFFFFFF;
  static constexpr uint64_t kWindowEntries = 16 * kKiB;

  Found<uint32_t> Next(uint32_t cluster) {
    const uint64_t first = AlignDown(cluster, kWindowEntries);
    if (window_.empty() || first != window_first_) {
      const uint64_t count = std::min(kWindowEntries, entry_count_ - first);
      window_ = VHDX_TRY(
          ReadPart(volume_, offset_ + first * sizeof(le32), count * sizeof(le32), "its FAT"));
      window_first_ = first;
    }
    return LoadFrom<le32>(std::span(window_).subspan((cluster - first) * sizeof(le32)));
  }

  guest::RangeReader& volume_;
  const ExfatBoot& boot_;
  const uint64_t entry_count_;
  uint64_t offset_ = 0;
  std::vector<std::byte> window_;
  uint64_t window_first_ = 0;
};

class ExfatReader {
 public:
  ExfatReader(guest::RangeReader& volume, const ExfatBoot& boot)
      : volume_(volume), boot_(boot), chains_(volume, boot) {}

  Found<FreeSpace> Read() {
    VHDX_TRY(CheckBootSector());
    metadata_ = {{0, chains_.RangeOf(2).disk_offset}};
    VHDX_TRY(ReadRootDirectory());
    VHDX_TRY(ReadBitmap());
    VHDX_TRY(CheckPercentage());
    FreeSpace space;
    space.unit_bytes = chains_.cluster_bytes();
    space.counted_free_bytes = free_.total_bytes();
    space.metadata = metadata_;
    space.free = free_.Take();
    return space;
  }

 private:
  static constexpr uint64_t kPartBytes = kMiB;

  Found<void> CheckBootSector() const {
    if (boot_.size_bytes() > volume_.size_bytes()) {
      return LeaveAlone("it is larger than its partition");
    }
    if ((boot_.flags & ExfatBoot::kVolumeDirty) != 0) {
      return LeaveAlone("it was not unmounted (VolumeDirty)");
    }
    if ((boot_.flags & ExfatBoot::kMediaFailure) != 0) {
      return LeaveAlone("it is marked as having had disk errors (MediaFailure)");
    }
    if ((boot_.flags & ExfatBoot::kActiveFat) != 0 && boot_.fat_count != 2) {
      return LeaveAlone("it uses a second FAT that it does not have");
    }
    if (!chains_.IsSound()) return LeaveAlone("its FAT is not where a FAT can be");
    return {};
  }

  Found<void> ReadRootDirectory() {
    const uint64_t most = std::min<uint64_t>(
        boot_.cluster_count, std::max(kMaxDirectoryBytes / chains_.cluster_bytes(), uint64_t{1}));
    const auto ranges = VHDX_TRY(chains_.Read(boot_.root_cluster, most, "its root directory"));
    AddMetadata(ranges);
    VHDX_TRY(FindSystemFiles(ranges));
    if (!bitmap_ || !upcase_table_) {
      return LeaveAlone("its root directory has no allocation bitmap or no up-case table");
    }
    const uint64_t bytes = upcase_table_->length_bytes;
    if (bytes == 0 || bytes > kMaxUpcaseBytes) return LeaveAlone("its up-case table is invalid");
    return AddFile(*upcase_table_, "its up-case table");
  }

  Found<void> FindSystemFiles(const std::vector<DiskRange>& directory) {
    for (const DiskRange& range : directory) {
      for (uint64_t done = 0; done < range.length_bytes; done += kPartBytes) {
        const uint64_t length = std::min(kPartBytes, range.length_bytes - done);
        const auto part =
            VHDX_TRY(ReadPart(volume_, range.disk_offset + done, length, "its root directory"));
        if (!TakeEntries(part)) return {};
      }
    }
    return {};
  }

  // Whether the directory goes on.
  bool TakeEntries(ByteSpan bytes) {
    for (; bytes.size() >= sizeof(ExfatEntry); bytes = bytes.subspan(sizeof(ExfatEntry))) {
      const auto entry = LoadFrom<ExfatEntry>(bytes);
      if (entry.type == ExfatEntry::kEndOfDirectory) return false;
      const bool is_active = (entry.flags & 1) == (boot_.flags & ExfatBoot::kActiveFat);
      if (entry.type == ExfatEntry::kBitmap && is_active && !bitmap_) bitmap_ = entry;
      if (entry.type == ExfatEntry::kUpcaseTable && !upcase_table_) upcase_table_ = entry;
    }
    return true;
  }

  Found<std::vector<DiskRange>> RangesOf(const ExfatEntry& file, std::string_view what) {
    const uint64_t length = file.length_bytes;
    return chains_.Read(file.first_cluster, DivideRoundingUp(length, chains_.cluster_bytes()),
                        what);
  }

  Found<void> AddFile(const ExfatEntry& file, std::string_view what) {
    const auto ranges = VHDX_TRY(RangesOf(file, what));
    AddMetadata(ranges);
    return {};
  }

  void AddMetadata(const std::vector<DiskRange>& ranges) {
    metadata_.insert(metadata_.end(), ranges.begin(), ranges.end());
  }

  Found<void> ReadBitmap() {
    const uint64_t needed = DivideRoundingUp<uint64_t>(boot_.cluster_count, 8);
    if (bitmap_->length_bytes < needed ||
        bitmap_->length_bytes > needed + chains_.cluster_bytes()) {
      return LeaveAlone("its allocation bitmap has the wrong size");
    }
    const auto ranges = VHDX_TRY(RangesOf(*bitmap_, "its allocation bitmap"));
    AddMetadata(ranges);
    uint64_t left = needed;
    for (const DiskRange& range : ranges) {
      const uint64_t in_range = std::min(left, range.length_bytes);
      for (uint64_t done = 0; done < in_range; done += kPartBytes) {
        const uint64_t length = std::min(kPartBytes, in_range - done);
        const auto part =
            VHDX_TRY(ReadPart(volume_, range.disk_offset + done, length, "its allocation bitmap"));
        VHDX_TRY(TakeBits(needed - left + done, part));
      }
      left -= in_range;
    }
    if (left != 0) return LeaveAlone("its allocation bitmap ends too early");
    return {};
  }

  // The bits from a byte of the bitmap on; the first of all is that of cluster 2.
  Found<void> TakeBits(uint64_t first_byte, ByteSpan bytes) {
    for (size_t i = 0; i < bytes.size(); ++i) {
      const auto byte = std::to_integer<unsigned>(bytes[i]);
      if (byte == 0xFF) continue;
      const uint64_t bit = (first_byte + i) * 8;
      const uint64_t count = std::min<uint64_t>(8, boot_.cluster_count - bit);
      for (uint64_t j = 0; j < count; ++j) {
        if ((byte >> j & 1) == 0) VHDX_TRY(free_.Add(chains_.RangeOf(bit + j + 2)));
      }
    }
    return {};
  }

  // Not every system keeps the percentage up to date: after files were deleted it may be too large,
  // and nothing is wrong. But a bitmap that lost bits looks just so; what cannot be told apart is
  // left alone.
  Found<void> CheckPercentage() const {
    const uint64_t percent = boot_.percent_in_use;
    if (percent == ExfatBoot::kPercentUnknown || boot_.cluster_count == 0) return {};
    const uint64_t free = free_.total_bytes() / chains_.cluster_bytes();
    const uint64_t used = (boot_.cluster_count - free) * 100 / boot_.cluster_count;
    if (used + 1 >= percent) return {};
    return LeaveAlone(
        Format("{} % of it are in use by its boot sector, {} % by its bitmap", percent, used));
  }

  guest::RangeReader& volume_;
  const ExfatBoot& boot_;
  ExfatChains chains_;
  std::optional<ExfatEntry> bitmap_;
  std::optional<ExfatEntry> upcase_table_;
  std::vector<DiskRange> metadata_;
  FreeRanges free_;
};

}  // namespace

Result<Answer> ReadExfatFreeSpace(BlockDevice& volume) {
  guest::RangeReader reader(volume);
  const auto head = reader.ReadHead(guest::kHeadBytes);
  const auto boot = guest::ReadExfatBoot({.head = head, .range = reader});
  if (!boot) return Conclude(reader, LeaveAlone("its boot sectors are not those of an exFAT"));
  return Conclude(reader, ExfatReader(reader, *boot).Read());
}

}  // namespace vhdx::free_space

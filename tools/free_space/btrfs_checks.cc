#include "tools/free_space/btrfs_checks.h"

#include <array>
#include <bit>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "bytes/arithmetic.h"
#include "bytes/formatting.h"
#include "bytes/try.h"

namespace vhdx::free_space {
namespace {

using guest::BtrfsSuperblock;

struct BtrfsBit {
  uint64_t bit;
  std::string_view meaning;
};

// Flags of the superblock. Those that are not here, written (1) and relocated (2), say nothing.
constexpr std::array kBtrfsBadFlags = {
    BtrfsBit{uint64_t{1} << 2, "errors were found in it"},
    BtrfsBit{uint64_t{1} << 32, "it is a seed of other file systems"},
    BtrfsBit{uint64_t{1} << 33, "it is an image of metadata alone"},
    BtrfsBit{uint64_t{1} << 34, "it is an image of metadata alone"},
    BtrfsBit{uint64_t{1} << 35, "the change of its UUID was not finished"},
    BtrfsBit{uint64_t{1} << 36, "the change of its UUID was not finished"},
    BtrfsBit{uint64_t{1} << 38, "the move of its block groups to another tree was not finished"},
    BtrfsBit{uint64_t{1} << 39, "the change of its checksums was not finished"},
    BtrfsBit{uint64_t{1} << 40, "the change of its checksums was not finished"},
};
constexpr uint64_t kBtrfsHarmlessFlags = 3;

// Features that change nothing about where extents are listed: mixed references (0), a default
// subvolume, mixed groups, LZO, zstd, large blocks, references in inodes, RAID 5 and 6 (whose
// chunks are left alone by themselves), skinny metadata, no holes, a UUID of the metadata, RAID 1
// with more copies (11); simple quotas (16).
constexpr uint64_t kBtrfsKnownFeatures = 0xFFF | uint64_t{1} << 16;
constexpr std::array kBtrfsOtherFeatures = {
    BtrfsBit{uint64_t{1} << 12, "it is for zoned devices"},
    BtrfsBit{uint64_t{1} << 13, "its extent tree is of version 2"},
    BtrfsBit{uint64_t{1} << 14, "it has a tree of RAID stripes"},
    BtrfsBit{uint64_t{1} << 17, "it has a tree of moved chunks"},
};

constexpr uint64_t kBtrfsBlockGroupTreeFeature = 1 << 3;
// A tree of free space (0), which may be out of date (1); verity.
constexpr uint64_t kBtrfsKnownReadOnlyFeatures = 7 | kBtrfsBlockGroupTreeFeature;

template <size_t kSize>
std::optional<std::string> FirstOf(const std::array<BtrfsBit, kSize>& bits, uint64_t set) {
  for (const BtrfsBit& bit : bits) {
    if ((bit.bit & set) != 0) return std::string(bit.meaning);
  }
  return std::nullopt;
}

std::optional<std::string> WhyNotKnown(const BtrfsSuperblock& btrfs) {
  constexpr std::array<std::string_view, 4> kChecksums = {"CRC-32C", "xxHash", "SHA-256",
                                                          "BLAKE2b"};
  if (btrfs.checksum_type != BtrfsSuperblock::kCrc32c) {
    return Format("its checksums are of a type that is not verified ({})",
                  kChecksums[btrfs.checksum_type]);
  }
  if (auto why = FirstOf(kBtrfsOtherFeatures, btrfs.incompatible_features)) return why;
  const uint64_t features = btrfs.incompatible_features & ~kBtrfsKnownFeatures;
  if (features != 0) return Format("it has unknown features ({:#x})", features);
  const uint64_t read_only = btrfs.read_only_features & ~kBtrfsKnownReadOnlyFeatures;
  if (read_only != 0) return Format("it has unknown features for reading only ({:#x})", read_only);
  return std::nullopt;
}

std::optional<std::string> WhyNotClean(const BtrfsSuperblock& btrfs) {
  if (btrfs.log_tree != 0) return "its log has not been replayed (log_root)";
  if (auto why = FirstOf(kBtrfsBadFlags, btrfs.flags)) return why;
  if ((btrfs.flags & ~kBtrfsHarmlessFlags) != 0) {
    return Format("its superblock has unknown flags ({:#x})", uint64_t{btrfs.flags});
  }
  return std::nullopt;
}

std::optional<std::string> WhyNotAlone(const BtrfsSuperblock& btrfs, uint64_t volume_bytes) {
  if (btrfs.device_count != 1) return Format("it has {} devices", uint64_t{btrfs.device_count});
  if (btrfs.device.id == 0) return "it is the replacement of another device, and not complete";
  const uint64_t total = btrfs.device.total_bytes;
  if (total > volume_bytes) {
    return Format("it has {} bytes, and the volume {}", total, volume_bytes);
  }
  if (AlignDown(btrfs.total_bytes, btrfs.sector_size) != AlignDown(total, btrfs.sector_size)) {
    return Format("it has {} bytes, and its only device {}", uint64_t{btrfs.total_bytes}, total);
  }
  return std::nullopt;
}

// All copies are written when a file system is unmounted; only the first is read when it is
// mounted.
bool HasNewerCopy(guest::RangeReader& volume, const BtrfsSuperblock& btrfs) {
  for (const uint64_t offset : BtrfsSuperblock::kCopyOffsets) {
    if (!FitsInside(offset, sizeof(BtrfsSuperblock), btrfs.device.total_bytes)) continue;
    const auto copy = volume.Load<BtrfsSuperblock>(offset);
    if (copy && IsBtrfsSuperblock(*copy, offset) && copy->uuid == btrfs.uuid &&
        copy->generation > btrfs.generation) {
      return true;
    }
  }
  return false;
}

}  // namespace

bool HasBlockGroupTree(const BtrfsSuperblock& btrfs) {
  return (btrfs.read_only_features & kBtrfsBlockGroupTreeFeature) != 0;
}

Found<BtrfsSuperblock> ReadCleanBtrfsSuperblock(guest::RangeReader& volume) {
  const auto btrfs = volume.Load<BtrfsSuperblock>(BtrfsSuperblock::kOffset);
  if (!btrfs || !IsBtrfsSuperblock(*btrfs, BtrfsSuperblock::kOffset)) {
    return LeaveAlone("its superblock is damaged");
  }
  if (auto why = WhyNotKnown(*btrfs)) return LeaveAlone(*std::move(why));
  if (auto why = WhyNotClean(*btrfs)) return LeaveAlone(*std::move(why));
  if (auto why = WhyNotAlone(*btrfs, volume.size_bytes())) return LeaveAlone(*std::move(why));
  if (HasNewerCopy(volume, *btrfs)) {
    return LeaveAlone("a copy of its superblock is newer than the superblock");
  }
  return *btrfs;
}

}  // namespace vhdx::free_space

// The superblock of ext2, ext3 and ext4.

#include <array>
#include <cstddef>

#include "bytes/arithmetic.h"
#include "bytes/crc32c.h"
#include "guest/superblock_fields.h"
#include "guest/volume_parsers.h"

namespace vhdx::guest {
namespace {

/// ext2, ext3 and ext4: the superblock at byte 1024, as far as it is of interest here.
struct ExtSuperblock {
  static constexpr size_t kOffset = 1024;
  static constexpr size_t kBytes = 1024;
  static constexpr size_t kChecksumOffset = 1020;

  le32 inodes_count;
  le32 blocks_count_low;
  std::array<std::byte, 12> free_counts;
  le32 first_data_block;  ///< 1 with blocks of 1024 bytes
  le32 log_block_size;    ///< 0: 1024 bytes
  le32 log_cluster_size;
  le32 blocks_per_group;
  le32 clusters_per_group;
  le32 inodes_per_group;
  std::array<std::byte, 12> mount_times;
  le16 magic;
  std::array<std::byte, 18> state;
  le32 revision;  ///< 0: none of what follows
  std::array<std::byte, 8> reserved_ids;
  le16 inode_size;
  le16 block_group_number;  ///< of this copy: 0 is the superblock itself
  le32 compatible;
  le32 incompatible;
  le32 read_only_compatible;
  Uuid uuid;
  std::array<std::byte, 16> label;
  std::array<std::byte, 200> mount_and_journal;
  le32 blocks_count_high;
  std::array<std::byte, 33> options;
  uint8_t checksum_type;  ///< 1: CRC-32C

  uint64_t block_size() const { return uint64_t{1024} << log_block_size; }
  uint64_t blocks_count() const {
    const bool has_high = revision != 0 && (incompatible & kIncompat64Bit) != 0;
    return blocks_count_low + (has_high ? uint64_t{blocks_count_high} << 32 : 0);
  }

  static constexpr uint32_t kCompatJournal = 0x4;
  static constexpr uint32_t kIncompat64Bit = 0x80;
  static constexpr uint32_t kRoCompatBigalloc = 0x200;
  static constexpr uint32_t kRoCompatMetadataChecksum = 0x400;
  // What ext3 knows: file types, recovery, meta_bg; sparse superblocks, large files, hashed trees.
  static constexpr uint32_t kIncompatOfExt3 = 0x2 | 0x4 | 0x10;
  static constexpr uint32_t kRoCompatOfExt3 = 0x1 | 0x2 | 0x4;
};
static_assert(offsetof(ExtSuperblock, magic) == 56);
static_assert(offsetof(ExtSuperblock, uuid) == 104);
static_assert(offsetof(ExtSuperblock, blocks_count_high) == 336);
static_assert(offsetof(ExtSuperblock, checksum_type) == 373);

// Whether the groups have as many inodes as the whole says.
bool ExtCountsAgree(const ExtSuperblock& ext) {
  const uint64_t blocks = ext.blocks_count();
  const uint64_t per_group = ext.blocks_per_group;
  if (per_group == 0 || blocks <= ext.first_data_block) return false;
  const uint64_t groups = DivideRoundingUp(blocks - ext.first_data_block, per_group);
  return CheckedMultiply(groups, ext.inodes_per_group) == ext.inodes_count;
}

bool ExtIsPlausible(const ExtSuperblock& ext) {
  if (ext.magic != 0xEF53 || ext.log_block_size > 6 || ext.first_data_block > 1) return false;
  const uint64_t bits_per_block = 8 * ext.block_size();
  const bool bigalloc =
      ext.revision != 0 && (ext.read_only_compatible & ExtSuperblock::kRoCompatBigalloc) != 0;
  const uint32_t bitmap_bits = bigalloc ? ext.clusters_per_group : ext.blocks_per_group;
  if (bitmap_bits > bits_per_block || ext.inodes_per_group > bits_per_block) return false;
  if (ext.revision != 0 &&
      (ext.block_group_number != 0 || !IsPowerOfTwoWithin(ext.inode_size, 128, ext.block_size()))) {
    return false;
  }
  return ExtCountsAgree(ext);
}

VolumeKind ExtKind(const ExtSuperblock& ext) {
  if (ext.revision == 0) return VolumeKind::kExt2;
  if ((ext.incompatible & ~ExtSuperblock::kIncompatOfExt3) != 0 ||
      (ext.read_only_compatible & ~ExtSuperblock::kRoCompatOfExt3) != 0) {
    return VolumeKind::kExt4;
  }
  const bool journal = (ext.compatible & ExtSuperblock::kCompatJournal) != 0;
  return journal ? VolumeKind::kExt3 : VolumeKind::kExt2;
}

}  // namespace

std::optional<Superblock> ParseExt(const RangeStart& start) {
  const auto ext = start.At<ExtSuperblock>(ExtSuperblock::kOffset);
  if (!ExtIsPlausible(ext)) return std::nullopt;
  const auto bytes = start.head.subspan(ExtSuperblock::kOffset, ExtSuperblock::kBytes);
  const bool has_checksum = ext.revision != 0 && (ext.read_only_compatible &
                                                  ExtSuperblock::kRoCompatMetadataChecksum) != 0;
  // It is stored without the usual final inversion.
  if (has_checksum &&
      (ext.checksum_type != 1 || ~Crc32c(bytes.first(ExtSuperblock::kChecksumOffset)) !=
                                     LoadFrom<le32>(bytes.last(sizeof(le32))))) {
    return std::nullopt;
  }
  const auto size = CheckedMultiply(ext.blocks_count(), ext.block_size());
  if (!size) return std::nullopt;
  return Superblock{.kind = ExtKind(ext),
                    .size_bytes = size,
                    .label = FieldText(ext.label),
                    .uuid = UuidText(ext.uuid)};
}

}  // namespace vhdx::guest

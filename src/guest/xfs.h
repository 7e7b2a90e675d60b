// The superblock of XFS.

#ifndef VHDXKIT_GUEST_XFS_H_
#define VHDXKIT_GUEST_XFS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "bytes/endian.h"
#include "guest/superblock_fields.h"
#include "guest/volume_parsers.h"

namespace vhdx::guest {

/// The bits of version 5 that matter here, and those that are known.
struct XfsFeatures {
  static constexpr uint32_t kFreeInodes = 1;  ///< read_only_compatible
  static constexpr uint32_t kReverseMap = 2;
  static constexpr uint32_t kReflink = 4;
  /// And a count of the blocks of the trees of inodes.
  static constexpr uint32_t kKnownReadOnlyCompatible = 0xF;

  static constexpr uint32_t kMetadataUuid = 4;  ///< incompatible
  static constexpr uint32_t kNeedsRepair = 0x10;
  /// And types in directories, sparse inodes, large timestamps and counts of extents, exchanged
  /// ranges, parent pointers. Not known: metadata directories and zones.
  static constexpr uint32_t kKnownIncompatible = 0xFF;
};

/// At the start of the volume, in one sector; a block of the file system is larger.
struct XfsSuperblock {
  std::array<char, 4> magic;  ///< "XFSB"
  be32 block_size;
  be64 data_blocks;
  be64 realtime_blocks;
  be64 realtime_extents;
  Uuid uuid;
  be64 log_start;  ///< block number, with the group in the high bits; 0: on another device
  be64 root_inode;
  std::array<std::byte, 16> realtime_inodes;
  be32 realtime_extent_size;
  be32 group_blocks;  ///< of an allocation group
  be32 group_count;
  be32 realtime_bitmap_blocks;
  be32 log_blocks;
  be16 version;  ///< the low four bits: 4 or 5
  be16 sector_size;
  be16 inode_size;
  be16 inodes_per_block;
  std::array<std::byte, 12> label;
  uint8_t log_block_size;
  uint8_t log_sector_size;
  uint8_t log_inode_size;
  uint8_t log_inodes_per_block;
  uint8_t log_group_blocks;  ///< rounded up
  uint8_t log_realtime_extents;
  uint8_t in_progress;  ///< mkfs has not finished
  uint8_t inode_percent;
  be64 inode_count;
  be64 free_inodes;
  be64 free_data_blocks;
  std::array<std::byte, 48> quotas_and_geometry;
  be32 features_2;
  be32 bad_features_2;
  be32 compatible;  ///< from here on only in version 5
  be32 read_only_compatible;
  be32 incompatible;
  be32 log_incompatible;
  le32 crc;  ///< CRC-32C of the sector
  be32 sparse_inode_alignment;
  be64 project_quota_inode;
  be64 log_sequence_number;
  Uuid metadata_uuid;  ///< what other structures carry, if it is not `uuid`

  uint32_t version_number() const { return uint32_t{version} & 0xF; }
  bool has_checksums() const { return version_number() == 5; }
  uint64_t size_bytes() const { return data_blocks * uint64_t{block_size}; }
};
static_assert(offsetof(XfsSuperblock, uuid) == 32);
static_assert(offsetof(XfsSuperblock, group_blocks) == 84);
static_assert(offsetof(XfsSuperblock, label) == 108);
static_assert(offsetof(XfsSuperblock, free_data_blocks) == 144);
static_assert(offsetof(XfsSuperblock, features_2) == 200);
static_assert(offsetof(XfsSuperblock, crc) == 224);
static_assert(sizeof(XfsSuperblock) == 264);

/// Nothing if the range is not an XFS. Its checksum, if it has one, is right; its size fits into
/// 64 bits; all groups but the last have group_blocks.
std::optional<XfsSuperblock> ReadXfsSuperblock(const RangeStart& start);

}  // namespace vhdx::guest

#endif  // VHDXKIT_GUEST_XFS_H_

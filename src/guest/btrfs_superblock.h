// The superblock of Btrfs, and its copies.

#ifndef VHDXKIT_GUEST_BTRFS_SUPERBLOCK_H_
#define VHDXKIT_GUEST_BTRFS_SUPERBLOCK_H_

#include <array>
#include <cstddef>
#include <cstdint>

#include "bytes/arithmetic.h"
#include "bytes/endian.h"
#include "guest/superblock_fields.h"

namespace vhdx::guest {

/// A device of the file system: in its superblock this one, in the chunk tree each.
struct BtrfsDevice {
  le64 id;           ///< from 1
  le64 total_bytes;  ///< of this device that the file system uses
  le64 used_bytes;   ///< of it that chunks take
  le32 io_alignment;
  le32 io_width;
  le32 sector_size;
  le64 type;
  le64 generation;
  le64 start_offset;
  le32 group;
  uint8_t seek_speed;
  uint8_t bandwidth;
  Uuid uuid;
  Uuid file_system_uuid;
};
static_assert(sizeof(BtrfsDevice) == 98 && offsetof(BtrfsDevice, uuid) == 66);

struct BtrfsSuperblock {
  static constexpr uint64_t kOffset = 64 * kKiB;
  /// Of the copies: those that are inside the device exist.
  static constexpr std::array<uint64_t, 2> kCopyOffsets = {64 * kMiB, 256 * kGiB};
  static constexpr uint16_t kCrc32c = 0;  ///< a checksum_type

  std::array<std::byte, 32> checksum;  ///< of all that follows
  Uuid uuid;
  le64 own_offset;
  le64 flags;
  std::array<char, 8> magic;  ///< "_BHRfS_M"
  le64 generation;
  le64 root_tree;  ///< logical address of its root, as of the next two
  le64 chunk_tree;
  le64 log_tree;  ///< 0: nothing has to be replayed
  le64 log_generation;
  le64 total_bytes;  ///< of all devices
  le64 used_bytes;   ///< of all extents, each counted once
  le64 root_directory;
  le64 device_count;
  le32 sector_size;
  le32 node_size;
  le32 leaf_size;
  le32 stripe_size;
  le32 system_chunks_bytes;  ///< of system_chunks that are used
  le64 chunk_generation;
  le64 compatible_features;
  le64 read_only_features;     ///< unknown ones: may be read
  le64 incompatible_features;  ///< unknown ones: may not be read
  le16 checksum_type;
  uint8_t root_level;
  uint8_t chunk_level;
  uint8_t log_level;
  BtrfsDevice device;  ///< the one that this superblock is on
  std::array<std::byte, 256> label;
  le64 cache_generation;
  le64 uuid_tree_generation;
  Uuid metadata_uuid;  ///< in the blocks of the trees, if a feature says so
  std::array<std::byte, 224> reserved;
  std::array<std::byte, 2048> system_chunks;  ///< keys and chunks in turn
  std::array<std::byte, 1237> root_backups_and_padding;
};
static_assert(sizeof(BtrfsSuperblock) == 4096);
static_assert(offsetof(BtrfsSuperblock, magic) == 64);
static_assert(offsetof(BtrfsSuperblock, sector_size) == 144);
static_assert(offsetof(BtrfsSuperblock, incompatible_features) == 188);
static_assert(offsetof(BtrfsSuperblock, checksum_type) == 196);
static_assert(offsetof(BtrfsSuperblock, device) == 201);
static_assert(offsetof(BtrfsSuperblock, label) == 299);
static_assert(offsetof(BtrfsSuperblock, metadata_uuid) == 571);
static_assert(offsetof(BtrfsSuperblock, system_chunks) == 811);

/// Whether these are the bytes of a superblock whose place is that offset of its device. Of the
/// kinds of checksum only CRC-32C is verified.
bool IsBtrfsSuperblock(const BtrfsSuperblock& btrfs, uint64_t offset);

}  // namespace vhdx::guest

#endif  // VHDXKIT_GUEST_BTRFS_SUPERBLOCK_H_

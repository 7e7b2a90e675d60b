// What the trees of Btrfs store of chunks, devices and extents.

#ifndef VHDXKIT_TOOLS_FREE_SPACE_BTRFS_ITEMS_H_
#define VHDXKIT_TOOLS_FREE_SPACE_BTRFS_ITEMS_H_

#include <array>
#include <cstddef>
#include <cstdint>

#include "bytes/endian.h"
#include "guest/superblock_fields.h"

namespace vhdx::free_space {

// The trees, by the owner that their blocks name.
inline constexpr uint64_t kBtrfsRootTree = 1;
inline constexpr uint64_t kBtrfsExtentTree = 2;
inline constexpr uint64_t kBtrfsChunkTree = 3;
inline constexpr uint64_t kBtrfsDeviceTree = 4;
inline constexpr uint64_t kBtrfsBlockGroupTree = 11;

// The types of items, as keys name them.
inline constexpr uint8_t kBtrfsRoot = 132;
inline constexpr uint8_t kBtrfsExtent = 168;    ///< offset: its length
inline constexpr uint8_t kBtrfsMetadata = 169;  ///< a tree block; offset: its level
inline constexpr uint8_t kBtrfsBlockGroup = 192;
inline constexpr uint8_t kBtrfsDeviceExtent = 204;
inline constexpr uint8_t kBtrfsDevice = 216;
inline constexpr uint8_t kBtrfsChunk = 228;
inline constexpr uint8_t kBtrfsDeviceReplace = 250;

/// Object of the items of all devices.
inline constexpr uint64_t kBtrfsDevices = 1;
/// Object of all chunks, which block groups name, too.
inline constexpr uint64_t kBtrfsFirstChunkTree = 256;

/// In the type of a chunk or block group: data, system and metadata. The rest is the profile.
inline constexpr uint64_t kBtrfsChunkUses = 7;

struct BtrfsDiskKey {
  le64 object_id;
  uint8_t type;
  le64 offset;
};
static_assert(sizeof(BtrfsDiskKey) == 17);

/// A chunk, before its stripes.
struct BtrfsChunkItem {
  le64 length;
  le64 owner;
  le64 stripe_length;
  le64 type;
  le32 io_alignment;
  le32 io_width;
  le32 sector_size;
  le16 stripe_count;
  le16 sub_stripe_count;
};
static_assert(sizeof(BtrfsChunkItem) == 48);

struct BtrfsStripe {
  le64 device_id;
  le64 offset;  ///< on the device
  guest::Uuid device_uuid;
};
static_assert(sizeof(BtrfsStripe) == 32);

/// What a chunk takes of a device: key is the device and the offset on it.
struct BtrfsDeviceExtentItem {
  le64 chunk_tree;
  le64 chunk_object;
  le64 chunk_logical;
  le64 length;
  guest::Uuid chunk_tree_uuid;
};
static_assert(sizeof(BtrfsDeviceExtentItem) == 48);

/// What is in use of a chunk: key is its logical address and length.
struct BtrfsBlockGroupItem {
  le64 used;
  le64 chunk_object;
  le64 type;
};
static_assert(sizeof(BtrfsBlockGroupItem) == 24);

/// The root of a tree, as far as every version has it.
struct BtrfsRootItem {
  std::array<std::byte, 160> inode;
  le64 generation;
  le64 root_directory;
  le64 logical;
  std::array<std::byte, 54> limits_and_progress;
  uint8_t level;
};
static_assert(sizeof(BtrfsRootItem) == 239 && offsetof(BtrfsRootItem, level) == 238);

/// How far a device has been replaced by another, up to the state.
struct BtrfsDeviceReplaceItem {
  static constexpr uint64_t kStarted = 1;
  static constexpr uint64_t kSuspended = 4;

  std::array<std::byte, 32> progress;
  le64 state;
};
static_assert(sizeof(BtrfsDeviceReplaceItem) == 40);

}  // namespace vhdx::free_space

#endif  // VHDXKIT_TOOLS_FREE_SPACE_BTRFS_ITEMS_H_

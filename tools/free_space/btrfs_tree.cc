#include "tools/free_space/btrfs_tree.h"

#include <array>
#include <cstddef>
#include <optional>
#include <string_view>
#include <utility>

#include "bytes/crc32c.h"
#include "bytes/endian.h"
#include "bytes/formatting.h"
#include "bytes/try.h"
#include "guest/superblock_fields.h"
#include "tools/free_space/btrfs_items.h"

namespace vhdx::free_space {
namespace {

constexpr uint8_t kBtrfsLevels = 8;
constexpr uint64_t kBtrfsMetadataUuid = 1 << 10;  // a feature

struct BtrfsHeader {
  std::array<std::byte, 32> checksum;  ///< of all that follows
  guest::Uuid uuid;
  le64 logical;  ///< its own
  le64 flags;
  guest::Uuid chunk_tree_uuid;
  le64 generation;
  le64 owner;
  le32 item_count;
  uint8_t level;
};
static_assert(sizeof(BtrfsHeader) == 101 && offsetof(BtrfsHeader, generation) == 80);

/// In a block of level 0. The data of the first item is at the end of the block, and that of each
/// other before it.
struct BtrfsLeafItem {
  BtrfsDiskKey key;
  le32 data_offset;  ///< from the end of the header
  le32 data_size;
};
static_assert(sizeof(BtrfsLeafItem) == 25);

/// In a block of a higher level.
struct BtrfsPointer {
  BtrfsDiskKey key;  ///< the first one of the block
  le64 logical;
  le64 generation;
};
static_assert(sizeof(BtrfsPointer) == 33);

BtrfsKey KeyFrom(const BtrfsDiskKey& key) { return {key.object_id, key.type, key.offset}; }

// What is known of a block before it is read.
struct ExpectedBlock {
  uint64_t logical = 0;
  uint64_t generation = 0;
  uint8_t level = 0;
  std::optional<BtrfsKey> first_key;  // of all but roots
};

}  // namespace

class BtrfsWalk {
 public:
  BtrfsWalk(BtrfsTreeReader& reader, uint64_t tree, const BtrfsTreeReader::Visit& visit)
      : reader_(reader), tree_(tree), visit_(visit) {}

  Found<void> Block(const ExpectedBlock& expected) {
    const std::vector<std::byte> bytes = VHDX_TRY(Read(expected));
    const auto header = LoadFrom<BtrfsHeader>(bytes);
    const ByteSpan entries = ByteSpan(bytes).subspan(sizeof(BtrfsHeader));
    if (header.item_count == 0 && expected.first_key) return Damaged(expected, "empty");
    if (expected.level == 0) return Leaf(expected, header.item_count, entries);
    return Node(expected, header.item_count, entries);
  }

 private:
  std::unexpected<LeftAlone> Damaged(const ExpectedBlock& expected, std::string_view why) const {
    return LeaveAlone(Format("its tree {} is damaged (block at logical address {}: {})", tree_,
                             expected.logical, why));
  }

  // The first copy; the others are not looked at, since a file system with a bad one is damaged.
  Found<std::vector<std::byte>> Read(const ExpectedBlock& expected) {
    const uint32_t size = reader_.btrfs_.node_size;
    const auto number = reader_.chunks_.Find(expected.logical, size);
    if (!number) return Damaged(expected, "in no chunk");
    const BtrfsChunk& chunk = reader_.chunks_.chunks()[*number];
    const DiskRange range{expected.logical, size};
    auto bytes = reader_.volume_.Read(chunk.InStripe(chunk.stripes[0], range).disk_offset, size);
    if (!bytes) return Damaged(expected, "cannot be read");
    if (const auto why = Mismatch(expected, *bytes); !why.empty()) return Damaged(expected, why);
    for (const uint64_t stripe : chunk.stripes) {
      reader_.blocks_.push_back(chunk.InStripe(stripe, range));
    }
    return *std::move(bytes);
  }

  // What is wrong with the block, if anything.
  std::string_view Mismatch(const ExpectedBlock& expected, ByteSpan bytes) const {
    const auto header = LoadFrom<BtrfsHeader>(bytes);
    const guest::BtrfsSuperblock& btrfs = reader_.btrfs_;
    const bool own_uuid = (btrfs.incompatible_features & kBtrfsMetadataUuid) != 0;
    if (Crc32c(bytes.subspan(sizeof(header.checksum))) != LoadFrom<le32>(header.checksum)) {
      return "wrong checksum";
    }
    if (header.logical != expected.logical) return "of another address";
    if (header.uuid != (own_uuid ? btrfs.metadata_uuid : btrfs.uuid)) {
      return "of another file system";
    }
    if (header.owner != tree_) return "of another tree";
    if (header.generation != expected.generation || header.generation > btrfs.generation) {
      return "of another generation";
    }
    if (header.level != expected.level) return "of another level";
    return "";
  }

  Found<void> Node(const ExpectedBlock& expected, uint32_t count, ByteSpan entries) {
    if (count > entries.size() / sizeof(BtrfsPointer)) return Damaged(expected, "too many entries");
    for (uint32_t i = 0; i < count; ++i) {
      const auto pointer = LoadFrom<BtrfsPointer>(entries.subspan(i * sizeof(BtrfsPointer)));
      const BtrfsKey key = KeyFrom(pointer.key);
      if (i == 0 && expected.first_key && key != *expected.first_key) {
        return Damaged(expected, "another first key");
      }
      VHDX_TRY(Block({.logical = pointer.logical,
                      .generation = pointer.generation,
                      .level = static_cast<uint8_t>(expected.level - 1),
                      .first_key = key}));
    }
    return {};
  }

  Found<void> Leaf(const ExpectedBlock& expected, uint32_t count, ByteSpan entries) {
    if (count > entries.size() / sizeof(BtrfsLeafItem)) {
      return Damaged(expected, "too many entries");
    }
    size_t data_end = entries.size();
    for (uint32_t i = 0; i < count; ++i) {
      const auto item = LoadFrom<BtrfsLeafItem>(entries.subspan(i * sizeof(BtrfsLeafItem)));
      const BtrfsKey key = KeyFrom(item.key);
      if (i == 0 && expected.first_key && key != *expected.first_key) {
        return Damaged(expected, "another first key");
      }
      if (last_key_ && key <= *last_key_) return Damaged(expected, "keys that do not ascend");
      last_key_ = key;
      if (item.data_size > data_end || item.data_offset != data_end - item.data_size ||
          item.data_offset < count * sizeof(BtrfsLeafItem)) {
        return Damaged(expected, "data in the wrong place");
      }
      VHDX_TRY(visit_({key, entries.subspan(item.data_offset, item.data_size)}));
      data_end = item.data_offset;
    }
    return {};
  }

  BtrfsTreeReader& reader_;
  uint64_t tree_;
  const BtrfsTreeReader::Visit& visit_;
  std::optional<BtrfsKey> last_key_;
};

Found<void> BtrfsTreeReader::Walk(const BtrfsTree& tree, const Visit& visit) {
  if (tree.level >= kBtrfsLevels)
    return LeaveAlone(Format("its tree {} is damaged (its level)", tree.id));
  return BtrfsWalk(*this, tree.id, visit)
      .Block({.logical = tree.logical,
              .generation = tree.generation,
              .level = tree.level,
              .first_key = std::nullopt});
}

}  // namespace vhdx::free_space

#include "tools/free_space/xfs_group.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "bytes/crc32c.h"
#include "bytes/endian.h"
#include "bytes/formatting.h"
#include "bytes/try.h"
#include "guest/superblock_fields.h"

namespace vhdx::free_space {
namespace {

using guest::be16;
using guest::be32;
using guest::be64;
using guest::FieldIs;
using guest::Uuid;
using guest::XfsFeatures;
using guest::XfsSuperblock;

/// The second sector of a group: its free space. Numbers of blocks count from its start.
struct XfsFreeHeader {
  static constexpr size_t kSector = 1;

  std::array<char, 4> magic;  ///< "XAGF"
  be32 version;
  be32 number;
  be32 length;
  be32 by_number_root;
  be32 by_size_root;
  be32 owners_root;  ///< with kReverseMap
  be32 by_number_levels;
  be32 by_size_levels;
  be32 owners_levels;
  be32 list_first;
  be32 list_last;
  be32 list_count;
  be32 free_blocks;
  be32 longest;
  be32 tree_blocks;  ///< of the trees of free space and of owners, without their roots
  Uuid uuid;
  be32 owners_blocks;
  be32 references_blocks;
  be32 references_root;  ///< with kReflink
  be32 references_levels;
  std::array<std::byte, 112> spare;
  be64 log_sequence_number;
  le32 crc;
  be32 spare_2;
};
static_assert(offsetof(XfsFreeHeader, uuid) == 64);
static_assert(offsetof(XfsFreeHeader, crc) == 216);
static_assert(sizeof(XfsFreeHeader) == 224);

/// The third sector of a group: its inodes.
struct XfsInodeHeader {
  static constexpr size_t kSector = 2;

  std::array<char, 4> magic;  ///< "XAGI"
  be32 version;
  be32 number;
  be32 length;
  be32 count;
  be32 root;
  be32 levels;
  be32 free_count;
  be32 newest;
  be32 directory;
  std::array<be32, 64> unlinked;
  Uuid uuid;
  le32 crc;
  be32 padding;
  be64 log_sequence_number;
  be32 free_root;  ///< with kFreeInodes
  be32 free_levels;
};
static_assert(offsetof(XfsInodeHeader, crc) == 312);
static_assert(sizeof(XfsInodeHeader) == 336);

/// The fourth sector of a group in version 5: blocks kept for its trees, in a ring. In version 4
/// there is only the ring.
struct XfsFreeListHeader {
  static constexpr size_t kSector = 3;

  std::array<char, 4> magic;  ///< "XAFL"
  be32 number;
  Uuid uuid;
  be64 log_sequence_number;
  le32 crc;
};
static_assert(offsetof(XfsFreeListHeader, crc) == 32);
static_assert(sizeof(XfsFreeListHeader) == 36);

/// A block of a tree in a group; version 4 has the first 16 bytes.
struct XfsTreeBlock {
  static constexpr size_t kBytesWithoutChecksum = 16;

  std::array<char, 4> magic;
  be16 level;  ///< 0: records, otherwise keys and then pointers
  be16 count;
  be32 left;
  be32 right;
  be64 address;
  be64 log_sequence_number;
  Uuid uuid;
  be32 group;
  le32 crc;
};
static_assert(offsetof(XfsTreeBlock, crc) == 52);
static_assert(sizeof(XfsTreeBlock) == 56);

/// A record of the tree of free space, and a key of it.
struct XfsFreeRecord {
  be32 first;
  be32 count;
};
static_assert(sizeof(XfsFreeRecord) == 8);

constexpr uint32_t kMaxLevels = 9;
constexpr uint64_t kHeaderSectors = 4;

class XfsGroupReader {
 public:
  XfsGroupReader(guest::RangeReader& volume, const XfsSuperblock& xfs, uint32_t number,
                 XfsGroups& groups)
      : volume_(volume),
        xfs_(xfs),
        groups_(groups),
        number_(number),
        block_bytes_(xfs.block_size),
        length_(number + 1 < xfs.group_count
                    ? uint64_t{xfs.group_blocks}
                    : xfs.data_blocks - uint64_t{number} * xfs.group_blocks),
        start_(uint64_t{number} * xfs.group_blocks * block_bytes_) {}

  Found<void> Read() {
    groups_.metadata.push_back({start_, kHeaderSectors * xfs_.sector_size});
    header_ = VHDX_TRY(ReadHeader<XfsFreeHeader>("XAGF"));
    if (header_.length != length_) return Damaged("its length");
    VHDX_TRY(AddRoots());
    VHDX_TRY(ReadFreeList());
    const uint64_t before = groups_.free.total_bytes();
    if (header_.by_number_levels == 0 || header_.by_number_levels > kMaxLevels) {
      return Damaged("the depth of its tree of free space");
    }
    VHDX_TRY(Walk(header_.by_number_root, header_.by_number_levels - 1, true));
    const uint64_t found = (groups_.free.total_bytes() - before) / block_bytes_;
    if (found != header_.free_blocks) return Damaged("its count of free blocks");
    if (header_.tree_blocks > length_) return Damaged("its count of tree blocks");
    groups_.reserve_blocks += header_.list_count + uint64_t{header_.tree_blocks};
    return {};
  }

 private:
  std::unexpected<LeftAlone> Damaged(std::string_view what) const {
    return LeaveAlone(Format("allocation group {} is damaged: {}", number_, what));
  }

  bool Has(uint64_t block) const { return block < length_; }

  Found<void> AddBlock(uint32_t block, std::string_view what) {
    if (!Has(block)) return Damaged(what);
    groups_.metadata.push_back({start_ + block * block_bytes_, block_bytes_});
    return {};
  }

  // One of the sectors at the start of the group, without its magic number being looked at.
  Found<std::vector<std::byte>> ReadSector(size_t index) {
    return ReadPart(volume_, start_ + index * xfs_.sector_size, xfs_.sector_size,
                    "an allocation group");
  }

  bool IsIntact(ByteSpan bytes, size_t crc_offset, const Uuid& uuid) const {
    if (!xfs_.has_checksums()) return true;
    const bool has_own_uuid = (xfs_.incompatible & XfsFeatures::kMetadataUuid) != 0;
    return uuid == (has_own_uuid ? xfs_.metadata_uuid : xfs_.uuid) &&
           Crc32cWithoutField(bytes, crc_offset) == LoadFrom<le32>(bytes.subspan(crc_offset));
  }

  template <OnDisk Header>
  Found<Header> ReadHeader(std::string_view magic) {
    const auto sector = VHDX_TRY(ReadSector(Header::kSector));
    const auto header = LoadFrom<Header>(sector);
    if (!FieldIs(header.magic, magic) || header.number != number_ ||
        !IsIntact(sector, offsetof(Header, crc), header.uuid)) {
      return Damaged(magic);
    }
    return header;
  }

  Found<void> AddRoots() {
    const auto inodes = VHDX_TRY(ReadHeader<XfsInodeHeader>("XAGI"));
    VHDX_TRY(AddBlock(header_.by_size_root, "its tree of free space by size"));
    VHDX_TRY(AddBlock(inodes.root, "its tree of inodes"));
    if (!xfs_.has_checksums()) return {};
    const uint32_t features = xfs_.read_only_compatible;
    if ((features & XfsFeatures::kFreeInodes) != 0) {
      VHDX_TRY(AddBlock(inodes.free_root, "its tree of free inodes"));
    }
    if ((features & XfsFeatures::kReverseMap) != 0) {
      VHDX_TRY(AddBlock(header_.owners_root, "its tree of owners"));
    }
    if ((features & XfsFeatures::kReflink) != 0) {
      VHDX_TRY(AddBlock(header_.references_root, "its tree of references"));
    }
    return {};
  }

  Found<void> ReadFreeList() {
    const auto sector = VHDX_TRY(ReadSector(XfsFreeListHeader::kSector));
    ByteSpan ring(sector);
    if (xfs_.has_checksums()) {
      (void)VHDX_TRY(ReadHeader<XfsFreeListHeader>("XAFL"));
      ring = ring.subspan(sizeof(XfsFreeListHeader));
    }
    const uint64_t size = ring.size() / sizeof(be32);
    const uint64_t count = header_.list_count;
    if (count == 0) return {};
    const uint64_t first = header_.list_first;
    if (first >= size || count > size || (first + count - 1) % size != header_.list_last) {
      return Damaged("its free list");
    }
    for (uint64_t i = 0; i < count; ++i) {
      const uint64_t at = (first + i) % size;
      VHDX_TRY(AddBlock(LoadFrom<be32>(ring.subspan(at * sizeof(be32))), "its free list"));
    }
    return {};
  }

  // Every block has a record that comes after all before it, so none is met twice.
  Found<void> Walk(uint32_t block, uint32_t level, bool is_root) {
    VHDX_TRY(AddBlock(block, "its tree of free space"));
    const auto bytes = VHDX_TRY(
        ReadPart(volume_, start_ + block * block_bytes_, block_bytes_, "an allocation group"));
    const size_t header_bytes =
        xfs_.has_checksums() ? sizeof(XfsTreeBlock) : XfsTreeBlock::kBytesWithoutChecksum;
    const auto header = LoadFrom<XfsTreeBlock>(bytes);
    const bool is_whole = FieldIs(header.magic, xfs_.has_checksums() ? "AB3B" : "ABTB") &&
                          header.level == level &&
                          IsIntact(bytes, offsetof(XfsTreeBlock, crc), header.uuid) &&
                          (!xfs_.has_checksums() || header.group == number_) &&
                          (header.count != 0 || (is_root && level == 0));
    if (!is_whole) return Damaged("its tree of free space");
    const auto body = std::span(bytes).subspan(header_bytes);
    return level == 0 ? TakeRecords(body, header.count) : WalkChildren(body, header.count, level);
  }

  Found<void> WalkChildren(ByteSpan body, uint32_t count, uint32_t level) {
    const size_t most = body.size() / (sizeof(XfsFreeRecord) + sizeof(be32));
    if (count > most) return Damaged("its tree of free space");
    const auto pointers = body.subspan(most * sizeof(XfsFreeRecord));
    for (uint32_t i = 0; i < count; ++i) {
      VHDX_TRY(Walk(LoadFrom<be32>(pointers.subspan(i * sizeof(be32))), level - 1, false));
    }
    return {};
  }

  Found<void> TakeRecords(ByteSpan body, uint32_t count) {
    if (count > body.size() / sizeof(XfsFreeRecord)) return Damaged("its tree of free space");
    for (uint32_t i = 0; i < count; ++i) {
      const auto record = LoadFrom<XfsFreeRecord>(body.subspan(i * sizeof(XfsFreeRecord)));
      const uint64_t first = record.first;
      const uint64_t end = first + record.count;
      if (first < next_ || end == first || end > length_) return Damaged("its tree of free space");
      next_ = end;
      VHDX_TRY(groups_.free.Add({start_ + first * block_bytes_, (end - first) * block_bytes_}));
    }
    return {};
  }

  guest::RangeReader& volume_;
  const XfsSuperblock& xfs_;
  XfsGroups& groups_;
  const uint32_t number_;
  const uint64_t block_bytes_;
  const uint64_t length_;  // in blocks
  const uint64_t start_;   // in bytes
  XfsFreeHeader header_ = {};
  uint64_t next_ = 0;  // the end of the last record
};

}  // namespace

Found<void> ReadXfsGroup(guest::RangeReader& volume, const XfsSuperblock& xfs, uint32_t number,
                         XfsGroups& groups) {
  return XfsGroupReader(volume, xfs, number, groups).Read();
}

}  // namespace vhdx::free_space

// The superblock of XFS.

#include <array>
#include <cstddef>

#include "bytes/arithmetic.h"
#include "bytes/crc32c.h"
#include "guest/superblock_fields.h"
#include "guest/volume_parsers.h"

namespace vhdx::guest {
namespace {

/// XFS: the superblock at the start.
struct XfsSuperblock {
  static constexpr size_t kCrcOffset = 224;

  std::array<char, 4> magic;  ///< "XFSB"
  be32 block_size;
  be64 data_blocks;
  std::array<std::byte, 16> realtime;
  Uuid uuid;
  std::array<std::byte, 36> inodes_and_realtime;
  be32 group_blocks;  ///< of an allocation group
  be32 group_count;
  std::array<std::byte, 8> bitmap_and_log;
  be16 version;  ///< the low four bits: 4 or 5
  be16 sector_size;
  be16 inode_size;
  be16 inodes_per_block;
  std::array<std::byte, 12> label;
  uint8_t log_block_size;
  std::array<std::byte, 5> more_logs;
  uint8_t in_progress;  ///< mkfs has not finished
  std::array<std::byte, 97> counters;
  le32 crc;  ///< version 5: CRC-32C of the sector
};
static_assert(offsetof(XfsSuperblock, group_blocks) == 84);
static_assert(offsetof(XfsSuperblock, label) == 108);
static_assert(offsetof(XfsSuperblock, crc) == XfsSuperblock::kCrcOffset);

bool XfsIsPlausible(const XfsSuperblock& xfs) {
  const int version = xfs.version & 0xF;
  if (!FieldIs(xfs.magic, "XFSB") || version < 1 || version > 5 || xfs.in_progress != 0)
    return false;
  if (!IsPowerOfTwoWithin(xfs.block_size, 512, 64 * kKiB) || xfs.log_block_size > 16 ||
      xfs.block_size != uint32_t{1} << xfs.log_block_size ||
      !IsPowerOfTwoWithin(xfs.sector_size, 512, 32 * kKiB)) {
    return false;
  }
  // All groups but the last are full.
  const uint64_t group_blocks = xfs.group_blocks;
  return group_blocks != 0 &&
         DivideRoundingUp<uint64_t>(xfs.data_blocks, group_blocks) == uint64_t{xfs.group_count};
}

}  // namespace

std::optional<Superblock> ParseXfs(const RangeStart& start) {
  const auto xfs = start.At<XfsSuperblock>(0);
  if (!XfsIsPlausible(xfs)) return std::nullopt;
  const auto sector = start.head.first(xfs.sector_size);
  if ((xfs.version & 0xF) == 5 &&
      Crc32cWithoutField(sector, XfsSuperblock::kCrcOffset) != xfs.crc) {
    return std::nullopt;
  }
  const auto size = CheckedMultiply(xfs.data_blocks, xfs.block_size);
  if (!size) return std::nullopt;
  return Superblock{.kind = VolumeKind::kXfs,
                    .size_bytes = size,
                    .label = FieldText(xfs.label),
                    .uuid = UuidText(xfs.uuid)};
}

}  // namespace vhdx::guest

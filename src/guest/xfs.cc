#include "guest/xfs.h"

#include <cstddef>

#include "bytes/arithmetic.h"
#include "bytes/crc32c.h"
#include "guest/superblock_fields.h"

namespace vhdx::guest {
namespace {

bool XfsIsPlausible(const XfsSuperblock& xfs) {
  const uint32_t version = xfs.version_number();
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

std::optional<XfsSuperblock> ReadXfsSuperblock(const RangeStart& start) {
  const auto xfs = start.At<XfsSuperblock>(0);
  if (!XfsIsPlausible(xfs) || !CheckedMultiply(xfs.data_blocks, xfs.block_size)) {
    return std::nullopt;
  }
  const auto sector = start.head.first(xfs.sector_size);
  if (xfs.has_checksums() && Crc32cWithoutField(sector, offsetof(XfsSuperblock, crc)) != xfs.crc) {
    return std::nullopt;
  }
  return xfs;
}

std::optional<Superblock> ParseXfs(const RangeStart& start) {
  const auto xfs = ReadXfsSuperblock(start);
  if (!xfs) return std::nullopt;
  return Superblock{.kind = VolumeKind::kXfs,
                    .size_bytes = xfs->size_bytes(),
                    .label = FieldText(xfs->label),
                    .uuid = UuidText(xfs->uuid)};
}

}  // namespace vhdx::guest

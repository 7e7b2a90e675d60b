#include "tools/free_space/xfs.h"

#include <cstdint>
#include <string_view>
#include <utility>

#include "bytes/arithmetic.h"
#include "bytes/formatting.h"
#include "bytes/try.h"
#include "guest/range_reader.h"
#include "guest/volume_parsers.h"
#include "guest/xfs.h"
#include "tools/free_space/found.h"
#include "tools/free_space/xfs_group.h"
#include "tools/free_space/xfs_log.h"

namespace vhdx::free_space {
namespace {

using guest::XfsFeatures;
using guest::XfsSuperblock;

constexpr uint32_t kLeastGroupBlocks = 64;
constexpr uint64_t kInodesPerChunk = 64;

Found<void> CheckSuperblock(const XfsSuperblock& xfs, uint64_t volume_bytes) {
  if (xfs.version_number() < 4) return LeaveAlone("its version of XFS is too old");
  if (xfs.size_bytes() > volume_bytes) return LeaveAlone("it is larger than its partition");
  if (xfs.realtime_blocks != 0) return LeaveAlone("a part of its data is on a realtime device");
  if (xfs.log_start == 0) return LeaveAlone("its log is on another device");
  if (xfs.has_checksums()) {
    if ((xfs.incompatible & XfsFeatures::kNeedsRepair) != 0) {
      return LeaveAlone("it is marked as damaged (needsrepair)");
    }
    const uint32_t unknown = xfs.incompatible & ~XfsFeatures::kKnownIncompatible;
    const uint32_t unknown_read_only =
        xfs.read_only_compatible & ~XfsFeatures::kKnownReadOnlyCompatible;
    if (unknown != 0 || unknown_read_only != 0) {
      return LeaveAlone(
          Format("it has unknown features ({:#x}, {:#x})", unknown, unknown_read_only));
    }
  }
  const uint32_t log_blocks = xfs.log_group_blocks;
  if (xfs.group_blocks < kLeastGroupBlocks || log_blocks > 31 ||
      uint64_t{xfs.group_blocks} > uint64_t{1} << log_blocks) {
    return LeaveAlone("the size of its allocation groups is invalid");
  }
  return {};
}

// A block number has the group in its high bits. Nothing if it has no such block, or if the range
// reaches past the end of the group or of the volume.
Found<DiskRange> RangeInGroup(const XfsSuperblock& xfs, uint64_t block, uint64_t count,
                              std::string_view what) {
  const uint64_t group = block >> xfs.log_group_blocks;
  const uint64_t in_group = block & ((uint64_t{1} << xfs.log_group_blocks) - 1);
  if (group >= xfs.group_count || !FitsInside(in_group, count, xfs.group_blocks)) {
    return LeaveAlone(Format("{} is outside of the volume", what));
  }
  const uint64_t first = group * xfs.group_blocks + in_group;
  if (!FitsInside(first, count, xfs.data_blocks)) {
    return LeaveAlone(Format("{} is outside of the volume", what));
  }
  return DiskRange{first * xfs.block_size, count * xfs.block_size};
}

Found<DiskRange> RootInodes(const XfsSuperblock& xfs) {
  const uint64_t chunk_bytes = kInodesPerChunk * xfs.inode_size;
  const uint64_t blocks = DivideRoundingUp<uint64_t>(chunk_bytes, xfs.block_size);
  if (xfs.log_inodes_per_block > 31) return LeaveAlone("the size of its inodes is invalid");
  return RangeInGroup(xfs, xfs.root_inode >> xfs.log_inodes_per_block, blocks,
                      "its root directory");
}

Found<FreeSpace> FreeSpaceOfXfs(guest::RangeReader& volume, const XfsSuperblock& xfs) {
  VHDX_TRY(CheckSuperblock(xfs, volume.size_bytes()));
  const DiskRange log = VHDX_TRY(RangeInGroup(xfs, xfs.log_start, xfs.log_blocks, "its log"));
  const DiskRange root = VHDX_TRY(RootInodes(xfs));
  VHDX_TRY(CheckXfsLog(volume, log));
  XfsGroups groups;
  groups.metadata = {log, root};
  for (uint32_t number = 0; number < xfs.group_count; ++number) {
    VHDX_TRY(ReadXfsGroup(volume, xfs, number, groups));
  }
  const uint64_t found = groups.free.total_bytes() / xfs.block_size + groups.reserve_blocks;
  if (found != xfs.free_data_blocks) {
    return LeaveAlone(Format("{} of its blocks are free by its superblock, {} by its groups",
                             uint64_t{xfs.free_data_blocks}, found));
  }
  FreeSpace space;
  space.unit_bytes = xfs.block_size;
  space.counted_free_bytes = (xfs.free_data_blocks - groups.reserve_blocks) * xfs.block_size;
  space.metadata = std::move(groups.metadata);
  space.free = groups.free.Take();
  return space;
}

}  // namespace

Result<Answer> ReadXfsFreeSpace(BlockDevice& volume) {
  guest::RangeReader reader(volume);
  const auto head = reader.ReadHead(guest::kHeadBytes);
  const auto xfs = guest::ReadXfsSuperblock({.head = head, .range = reader});
  if (!xfs) return Conclude(reader, LeaveAlone("its superblock is not that of an XFS"));
  return Conclude(reader, FreeSpaceOfXfs(reader, *xfs));
}

}  // namespace vhdx::free_space

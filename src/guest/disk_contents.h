// Everything that was recognized on a disk: its partition table, and what the disk itself and each
// partition contain. This is what must not be lost when a disk is cut.

#ifndef VHDXKIT_GUEST_DISK_CONTENTS_H_
#define VHDXKIT_GUEST_DISK_CONTENTS_H_

#include <vhdxkit/block_device.h>
#include <vhdxkit/error.h>
#include <vhdxkit/statistics.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "guest/contradictions.h"
#include "guest/partition_table.h"
#include "guest/superblock.h"

namespace vhdx::guest {

/// A superblock, and where it was found.
struct Volume {
  DiskRange range;                                ///< of the partition, or the whole disk
  std::optional<uint32_t> partition_number = {};  ///< empty: the whole disk
  Superblock superblock;
};

struct DiskContents {
  uint64_t disk_size_bytes = 0;
  uint32_t logical_sector_size = 0;
  PartitionTable table;
  /// The table is left over from an earlier use of the disk: a file system on the whole disk covers
  /// the start of each partition, and nothing is recognized there. (Or it has one partition from
  /// byte 0 on, as mkfs.fat makes it for Windows.) Then the table does not count, and neither do
  /// its contradictions.
  bool table_is_leftover = false;
  std::vector<Volume> volumes;
  Contradictions contradictions;  ///< those of the table included

  /// All ranges that something recognized takes: the table and both copies of a GPT, partitions,
  /// and volumes on the whole disk. In no order; they may overlap, and may reach past the end of
  /// the disk.
  std::vector<DiskRange> OccupiedRanges() const;

  /// The smallest size, in bytes, to which the disk could be cut without touching what was
  /// recognized, with room for the backup of a GPT. A multiple of the logical sector size, and at
  /// most the size of the disk. Unknown if nothing is recognized, a volume on the whole disk has no
  /// size, or there are contradictions.
  DiskMinimum MinimumSize() const;
};

/// Reads what is on the disk: its table, and the start and the end of the disk and of each
/// partition: at most 104 KiB of each, one after the other. Errors: those of BlockDevice::Read.
Result<DiskContents> ReadDiskContents(BlockDevice& disk);

}  // namespace vhdx::guest

#endif  // VHDXKIT_GUEST_DISK_CONTENTS_H_

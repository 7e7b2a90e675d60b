// Statistics about an image that require its whole BAT, or what the guest has put on its disk.

#ifndef VHDXKIT_STATISTICS_H_
#define VHDXKIT_STATISTICS_H_

#include <vhdxkit/block_device.h>
#include <vhdxkit/chain_options.h>
#include <vhdxkit/error.h>
#include <vhdxkit/export.h>
#include <vhdxkit/operation.h>

#include <cstdint>
#include <optional>
#include <string>

namespace vhdx {

/// Payload blocks by their state ([MS-VHDX] 2.5.1.1).
struct BlockStatistics {
  uint64_t total = 0;
  uint64_t not_present = 0;
  uint64_t present = 0;  ///< FULLY_PRESENT
  uint64_t partial = 0;
  uint64_t zero = 0;
  uint64_t unmapped = 0;
  uint64_t undefined = 0;
  uint64_t beyond_end = 0;  ///< present or partial blocks that end past the end of the file
  uint64_t fragmented =
      0;  ///< present or partial blocks that do not start where the previous one ends

  /// Fragmented blocks in percent of present and partial blocks.
  double fragmentation() const {
    const uint64_t in_file = present + partial;
    return in_file == 0 ? 0
                        : 100.0 * static_cast<double>(fragmented) / static_cast<double>(in_file);
  }
};

/// Counts the blocks of the image at `path`, without its parents, in one scan of the BAT. Memory:
/// one bit for each MiB of the file. Errors: those of Disk::Open for one image; kCancelled.
VHDXKIT_EXPORT
Result<BlockStatistics> CountBlocks(FileSystem& files, const std::string& path,
                                    const ImageOptions& options = {},
                                    const OperationControl& control = {});

/// How far a disk could be cut.
struct DiskMinimum {
  std::optional<uint64_t> size_bytes = {};  ///< empty if it is unknown
  /// If it is unknown, why: a clause for users, such as "partition 1 and partition 2 overlap".
  std::string unknown_because = {};
};

/// The smallest size to which the disk could be cut, in bytes, so that nothing that is recognized
/// on it is lost: the end of the last partition (logical ones included), with room for the backup
/// of a GPT, or the end of what is on the whole disk (a file system, swap space, an LVM volume),
/// even beside a partition table that an earlier use has left. A multiple of the logical sector
/// size. It is unknown if
///
///   * no partition and nothing else is recognized;
///   * what is on the whole disk does not say where it ends (LUKS, BitLocker, ReFS), or has
///     something at the end of the disk (ZFS, a member of a Linux RAID 0.90 or 1.0);
///   * the contents contradict each other: partitions that overlap or reach past the end of the
///     disk, a damaged GPT or one for sectors of another size, a file system larger than its
///     partition.
///
/// Errors: those of BlockDevice::Read.
VHDXKIT_EXPORT
Result<DiskMinimum> MinimumSize(BlockDevice& disk);

}  // namespace vhdx

#endif  // VHDXKIT_STATISTICS_H_

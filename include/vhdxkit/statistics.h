// Statistics about an image that require its whole BAT or the guest's partition table.

#ifndef VHDXKIT_STATISTICS_H_
#define VHDXKIT_STATISTICS_H_

#include <vhdxkit/block_device.h>
#include <vhdxkit/disk.h>
#include <vhdxkit/error.h>
#include <vhdxkit/export.h>
#include <vhdxkit/operation.h>

#include <cstdint>
#include <optional>

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

/// Counts the blocks of the image at `path`, without its parents. The BAT is streamed, and its
/// holes are skipped. Errors: those of Inspect; kCorrupt; kCancelled.
VHDXKIT_EXPORT
Result<BlockStatistics> CountBlocks(FileSystem& files, const std::string& path,
                                    const OpenOptions& options = {},
                                    const OperationControl& control = {});

/// The smallest size to which the disk could be shrunk, in bytes: the end of the last partition,
/// plus 33 sectors for the backup of a GPT. Empty if it is unknown: no partitions; a file system,
/// an LVM volume, LUKS or BitLocker on the whole disk, even beside a table of partitions; a
/// protective MBR without a GPT at the disk's own sector size. Errors: those of BlockDevice::Read.
VHDXKIT_EXPORT
Result<std::optional<uint64_t>> MinimumSize(BlockDevice& disk);

}  // namespace vhdx

#endif  // VHDXKIT_STATISTICS_H_

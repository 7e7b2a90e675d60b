// Figures about an image that need its whole BAT, or the guest's partition table.

#ifndef VHDXKIT_STATISTICS_H_
#define VHDXKIT_STATISTICS_H_

#include <vhdxkit/block_device.h>
#include <vhdxkit/disk.h>
#include <vhdxkit/error.h>
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
  uint64_t fragmented = 0;  ///< present or partial, and not where the one before it ends

  /// Percent of present and partial blocks that are fragmented.
  double fragmentation() const {
    const uint64_t in_file = present + partial;
    return in_file == 0 ? 0
                        : 100.0 * static_cast<double>(fragmented) / static_cast<double>(in_file);
  }
};

/// Counts the blocks of the image at `path` alone, parents aside. The BAT is streamed and its holes
/// are skipped. Errors: as Inspect; kCancelled.
Result<BlockStatistics> CountBlocks(FileSystem& files, const std::string& path,
                                    const OpenOptions& options = {},
                                    const OperationControl& control = {});

/// The smallest size to which the disk could be cut: the end of the last partition (and 33 sectors
/// more for the backup of a GPT). Nothing without a partition table. Errors: as BlockDevice::Read.
Result<std::optional<uint64_t>> MinimumSize(BlockDevice& disk);

}  // namespace vhdx

#endif  // VHDXKIT_STATISTICS_H_

// A GUID partition table with all of its bytes, as it must be known to move its backup.

#ifndef VHDXKIT_GUEST_GPT_ON_DISK_H_
#define VHDXKIT_GUEST_GPT_ON_DISK_H_

#include <vhdxkit/block_device.h>
#include <vhdxkit/error.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "guest/gpt_copy.h"

namespace vhdx::guest {

struct GptOnDisk {
  uint32_t sector_size = 0;  ///< the disk's logical sectors, in bytes
  std::vector<std::byte> boot_sector = {};
  GptPair copies = {};  ///< those that are valid for sectors of that size
  /// With a valid copy: room for a backup in the first gap outside the partitions and both copies
  /// that reads as zeros, or has what is left of a backup that was begun there. Empty if there is
  /// none.
  std::optional<DiskRange> spare = {};
};

/// Reads both copies, and at most eight gaps between what is in use, each only as far as a backup
/// would reach. Errors: those of BlockDevice::Read.
Result<GptOnDisk> ReadGptOnDisk(BlockDevice& disk);

}  // namespace vhdx::guest

#endif  // VHDXKIT_GUEST_GPT_ON_DISK_H_

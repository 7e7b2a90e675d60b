// The MBR that protects a GUID partition table from programs that know only MBRs ([UEFI] 5.2.3).

#ifndef VHDXKIT_GUEST_PROTECTIVE_MBR_H_
#define VHDXKIT_GUEST_PROTECTIVE_MBR_H_

#include <vhdxkit/block_device.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace vhdx::guest {

/// Whether the sector, of 512 bytes or more, is an MBR with a protective entry.
bool HasProtectiveEntry(std::span<const std::byte> boot_sector);

/// The partitions that a hybrid MBR has beside its protective entry, in no order.
std::vector<DiskRange> HybridPartitions(std::span<const std::byte> boot_sector,
                                        uint64_t sector_size);

/// The sector with the protective entry covering a disk of that many sectors, if it does not do so
/// yet. Empty also for an MBR with other partitions (a hybrid one) or a protective entry that
/// starts elsewhere than at sector 1: those are not changed. The largest size covers a disk of any
/// size.
std::optional<std::vector<std::byte>> ResizeProtectiveMbr(std::span<const std::byte> boot_sector,
                                                          uint64_t disk_sectors);

}  // namespace vhdx::guest

#endif  // VHDXKIT_GUEST_PROTECTIVE_MBR_H_

// The plan to move the backup of a GUID partition table ([UEFI] 5.3) when the size of its disk
// changes.
//
// The backup belongs at the end of the disk. Before a disk is cut, and after it has grown, it is
// written to its new place, and only then does the primary header, which is one sector, name that
// place. So whenever the power fails, the primary copy is valid, and so is the backup that it
// names. Entries are never rewritten: partitions, and bytes that nobody knows, stay as they are.
//
// Making a plan has no effect and needs no disk: it follows from what was read. To continue after a
// power cut, read again and make a new plan: it contains what is left to do.

#ifndef VHDXKIT_GUEST_GPT_MOVE_H_
#define VHDXKIT_GUEST_GPT_MOVE_H_

#include <vhdxkit/block_device.h>
#include <vhdxkit/error.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "guest/disk_contents.h"
#include "guest/gpt_on_disk.h"

namespace vhdx::guest {

struct GptWrite {
  uint64_t disk_offset = 0;
  std::vector<std::byte> bytes;  ///< whole sectors
};

/// Writes in any order, and then a flush.
struct GptStep {
  std::string purpose;  ///< for users: "write the backup GPT to the end of the disk"
  std::vector<GptWrite> writes;
};

struct GptPlan {
  /// Rebuilds the primary copy from its backup, if only that is valid. To be carried out before the
  /// size changes, whether the disk grows or shrinks: after growing, nothing leads to the backup.
  std::vector<GptStep> repair;
  /// Moves the backup: before the disk is cut, and after it has grown.
  std::vector<GptStep> move;
  /// If only one copy is valid: which one is rebuilt from the other, as a clause for users.
  std::string rebuilt = {};

  bool empty() const { return repair.empty() && move.empty(); }
};

/// The plan for a disk that is to have, or already has, `new_size_bytes`. It is empty if the disk
/// has no GPT that counts, or if everything is in its place. A hybrid MBR is kept as it is; in a
/// protective one, the size is updated. The old backup is wiped where neither a partition nor the
/// other copy is. If the new place overlaps the old one, the backup is moved through a gap that
/// reads as zeros.
///
/// Errors: kInvalidArgument if the size is not a multiple of the sector, ends before a partition,
/// or leaves no room for the backup; kUnsupported if the table cannot be moved: neither copy is
/// valid, it was written for sectors of another size, no MBR protects it, the copies differ,
/// partitions overlap each other or the table, something else is on the whole disk, or there is no
/// gap to move the backup through. The sentence gives the reason.
Result<GptPlan> PlanGptMove(const DiskContents& contents, const GptOnDisk& gpt,
                            uint64_t new_size_bytes);

/// Carries out the steps, with a flush after each. Errors: those of BlockDevice::Write and Flush.
Result<void> CarryOut(std::span<const GptStep> steps, BlockDevice& disk);

}  // namespace vhdx::guest

#endif  // VHDXKIT_GUEST_GPT_MOVE_H_

// The GUID partition table of a disk ([UEFI] 5.3): its primary copy after the protective MBR, and
// its backup.

#ifndef VHDXKIT_GUEST_GPT_H_
#define VHDXKIT_GUEST_GPT_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "guest/contradictions.h"
#include "guest/partition_table.h"
#include "guest/range_reader.h"

namespace vhdx::guest {

struct Gpt {
  GptCopies copies;
  std::vector<Partition> partitions;  ///< of the primary copy, else of the backup
  uint64_t structures_end = 0;        ///< of the primary header and its entries, in bytes
  Contradictions contradictions;
};

/// The table, if a copy of it is valid for sectors of that size. The backup is where the primary
/// header says, or else in the last sector.
std::optional<Gpt> ReadGpt(RangeReader& disk, uint32_t sector_size);

}  // namespace vhdx::guest

#endif  // VHDXKIT_GUEST_GPT_H_

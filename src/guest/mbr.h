// The master boot record of a disk and the chain of its extended boot records.

#ifndef VHDXKIT_GUEST_MBR_H_
#define VHDXKIT_GUEST_MBR_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "guest/contradictions.h"
#include "guest/partition_table.h"
#include "guest/range_reader.h"

namespace vhdx::guest {

struct Mbr {
  bool protective = false;            ///< an entry of type 0xEE: the disk has a GPT
  std::vector<Partition> partitions;  ///< without the protective ones
  Contradictions contradictions;
};

/// Nothing if the first sector has no signature, or code in the place of the partitions.
std::optional<Mbr> ReadMbr(RangeReader& disk, uint32_t sector_size);

}  // namespace vhdx::guest

#endif  // VHDXKIT_GUEST_MBR_H_

// The metadata of an LVM physical volume: its label, and the text in its metadata areas.

#ifndef VHDXKIT_TOOLS_FREE_SPACE_LVM_METADATA_H_
#define VHDXKIT_TOOLS_FREE_SPACE_LVM_METADATA_H_

#include <vhdxkit/block_device.h>

#include <string>
#include <vector>

#include "guest/range_reader.h"
#include "tools/free_space/found.h"
#include "tools/free_space/lvm_text.h"

namespace vhdx::free_space {

struct LvmMetadata {
  std::string uuid;              ///< of the physical volume: 32 characters
  LvmSection group;              ///< of the newest text
  std::vector<DiskRange> areas;  ///< the metadata areas
};

/// Left alone: what has no volume group, no metadata area in use, or one that is damaged or in the
/// middle of a change.
Found<LvmMetadata> ReadLvmMetadata(guest::RangeReader& volume);

}  // namespace vhdx::free_space

#endif  // VHDXKIT_TOOLS_FREE_SPACE_LVM_METADATA_H_

// What is on an LVM physical volume: its linear logical volumes, which can be read through a
// MappedVolume, and the physical extents that no logical volume has.

#ifndef VHDXKIT_TOOLS_FREE_SPACE_LVM_H_
#define VHDXKIT_TOOLS_FREE_SPACE_LVM_H_

#include <vhdxkit/block_device.h>
#include <vhdxkit/error.h>

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "tools/free_space/free_space.h"
#include "tools/free_space/mapped_volume.h"

namespace vhdx::free_space {

/// A logical volume that is wholly on the physical volume, each of its segments in one piece.
struct LvmLinearVolume {
  std::string name;
  uint64_t size_bytes = 0;
  std::vector<MappedSegment> segments;  ///< for MappedVolume
};

/// Another logical volume that the user sees.
struct LvmOtherVolume {
  std::string name;
  std::string reason;  ///< "it is striped"
};

struct LvmPhysicalVolume {
  std::string group;  ///< the name of its volume group
  std::vector<LvmLinearVolume> linear;
  std::vector<LvmOtherVolume> others;
  /// The physical extents that are free. Left alone if a segment that is not striped names the
  /// physical volume itself, since then it is not known which extents it has.
  Answer free_extents;
};

/// Left alone is a physical volume whose metadata is damaged or in the middle of a change, or whose
/// volume group is exported or lacks a physical volume.
using LvmAnswer = std::variant<LvmPhysicalVolume, LeftAlone>;

/// Reads the newest metadata that the physical volume has. Errors: those of Read.
Result<LvmAnswer> ReadLvmPhysicalVolume(BlockDevice& volume);

}  // namespace vhdx::free_space

#endif  // VHDXKIT_TOOLS_FREE_SPACE_LVM_H_

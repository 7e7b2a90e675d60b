// A volume group as its metadata describes it, seen from one of its physical volumes.

#ifndef VHDXKIT_TOOLS_FREE_SPACE_LVM_GROUP_H_
#define VHDXKIT_TOOLS_FREE_SPACE_LVM_GROUP_H_

#include <vhdxkit/block_device.h>

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "tools/free_space/found.h"
#include "tools/free_space/lvm.h"
#include "tools/free_space/lvm_metadata.h"
#include "tools/free_space/lvm_text.h"

namespace vhdx::free_space {

/// The physical volume, by its entry in the metadata.
struct LvmExtents {
  std::string_view name;  ///< in the metadata: "pv0"
  uint64_t start = 0;     ///< of the first extent, in bytes
  uint64_t extent_bytes = 0;
  uint64_t count = 0;

  uint64_t end() const { return start + count * extent_bytes; }
};

class LvmGroup {
 public:
  /// The metadata must exist as long as this does. Left alone: see LvmAnswer; also extents that two
  /// segments have, or that the physical volume does not have.
  static Found<LvmGroup> Of(const LvmMetadata& metadata, uint64_t volume_bytes);

  LvmPhysicalVolume Describe() const;

 private:
  struct Segment {
    const LvmSection* section = nullptr;
    uint64_t first_extent = 0;  ///< in its logical volume
    uint64_t extent_count = 0;
  };

  explicit LvmGroup(const LvmMetadata& metadata) : metadata_(metadata), group_(metadata.group) {}

  /// Of a logical volume, in order. Left alone: segments that leave gaps.
  Found<std::vector<Segment>> SegmentsOf(const LvmSection& volume) const;
  /// Notes what a segment uses of the physical volume, and the volumes that it names.
  Found<void> AddUses(const LvmSection& volume, const Segment& segment);
  Found<void> AddStripes(const Segment& segment);
  /// Why the volume is not linear, or an empty text.
  std::string WhyNotLinear(const LvmSection& volume) const;
  std::string WhyNotLinear(const Segment& segment) const;
  LvmLinearVolume Linear(const LvmSection& volume, const std::vector<Segment>& segments) const;
  FreeSpace FreeExtents() const;

  const LvmMetadata& metadata_;
  const LvmSection& group_;
  LvmExtents extents_;
  std::map<const LvmSection*, std::vector<Segment>> segments_;  ///< of each logical volume
  std::vector<DiskRange> used_;                                 ///< in order
  std::map<std::string_view, std::string_view> users_;  ///< of a name, the volume that uses it
  std::string unknown_use_;  ///< a volume that uses the physical volume in another way
};

}  // namespace vhdx::free_space

#endif  // VHDXKIT_TOOLS_FREE_SPACE_LVM_GROUP_H_

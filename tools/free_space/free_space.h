// What a file system says is free of the volume that it is on.
//
// One function for each kind of volume. Each reads a volume through a BlockDevice whose byte 0 is
// the first of the volume, and answers with the free ranges, or with the reason why the file
// system's word is not taken: its map of free space lies while its journal has to be replayed, and
// while it is damaged. The contents are hostile: whatever they are, a function ends, and its memory
// is bounded. What a function returns is verified once more by the command that asked for it
// (guest/free_map.h), which believes nothing.

#ifndef VHDXKIT_TOOLS_FREE_SPACE_FREE_SPACE_H_
#define VHDXKIT_TOOLS_FREE_SPACE_FREE_SPACE_H_

#include <vhdxkit/block_device.h>
#include <vhdxkit/error.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace vhdx::free_space {

/// More free ranges than that are not reported: then the volume is left alone.
inline constexpr size_t kMaxFreeRanges = size_t{8} << 20;

struct FreeSpace {
  uint64_t unit_bytes = 0;  ///< a block or cluster: every range is a whole number of them
  /// In order; none touches the next. Offsets from the start of the volume.
  std::vector<DiskRange> free;
  /// What is free by the file system's own count, which is stored elsewhere than its map; without
  /// such a count, the sum of the ranges.
  uint64_t counted_free_bytes = 0;
  /// Superblocks and their copies, allocation maps, journals, tables of inodes or files: what is in
  /// use whatever the map says. In any order; they may overlap.
  std::vector<DiskRange> metadata;
};

/// Why a volume is left alone, for a person: "its journal has not been replayed (needs_recovery)".
struct LeftAlone {
  std::string reason;
};

using Answer = std::variant<FreeSpace, LeftAlone>;

}  // namespace vhdx::free_space

#endif  // VHDXKIT_TOOLS_FREE_SPACE_FREE_SPACE_H_

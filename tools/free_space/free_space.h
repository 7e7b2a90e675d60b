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

#include "guest/free_map.h"

namespace vhdx::free_space {

using guest::FreeSpace;
using guest::kMaxFreeRanges;
using guest::LeftAlone;

using Answer = guest::FreeSpaceAnswer;

}  // namespace vhdx::free_space

#endif  // VHDXKIT_TOOLS_FREE_SPACE_FREE_SPACE_H_

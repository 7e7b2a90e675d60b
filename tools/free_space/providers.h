// Which function reads which kind of volume.

#ifndef VHDXKIT_TOOLS_FREE_SPACE_PROVIDERS_H_
#define VHDXKIT_TOOLS_FREE_SPACE_PROVIDERS_H_

#include <vhdxkit/block_device.h>
#include <vhdxkit/error.h>

#include <optional>
#include <string_view>

#include "guest/superblock.h"
#include "tools/free_space/free_space.h"

namespace vhdx::free_space {

/// The kind of that name (guest::VolumeKindName), in upper or lower case.
std::optional<guest::VolumeKind> KindNamed(std::string_view name);

/// What is free of a volume of that kind. A kind that nobody reads is left alone. Errors: those of
/// BlockDevice::Read, kNoMemory.
Result<Answer> ReadFreeSpace(guest::VolumeKind kind, BlockDevice& volume);

}  // namespace vhdx::free_space

#endif  // VHDXKIT_TOOLS_FREE_SPACE_PROVIDERS_H_

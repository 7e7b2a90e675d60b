// What the targets that read the free space of a volume share. Input: one sparse file
// (sparse_input.h), the volume.

#ifndef VHDXKIT_FUZZ_FREE_SPACE_H_
#define VHDXKIT_FUZZ_FREE_SPACE_H_

#include <vhdxkit/block_device.h>
#include <vhdxkit/error.h>

#include <cstddef>
#include <span>

#include "testing/guest_disk.h"
#include "tools/free_space/free_space.h"

namespace vhdx::fuzz {

using FreeSpaceReader = Result<free_space::Answer> (*)(BlockDevice& volume);

/// The volume of an input; what would make it larger than 16 MiB is cut off.
testing::GuestDisk VolumeOf(std::span<const std::byte> input);

/// The reader has an answer: a reason, or ranges that are in order, apart from each other, inside
/// the volume and in units.
void ExpectAnswer(FreeSpaceReader read, const testing::GuestDisk& volume);

}  // namespace vhdx::fuzz

#endif  // VHDXKIT_FUZZ_FREE_SPACE_H_

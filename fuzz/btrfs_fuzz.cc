// The free space of Btrfs. Input: one sparse file, the volume, which is tried as it is and with the
// checksums of its superblocks and trees made right.

#include <cstddef>
#include <cstdint>
#include <span>

#include "fuzz/free_space.h"
#include "testing/btrfs_volume.h"
#include "testing/guest_disk.h"
#include "tools/free_space/btrfs.h"

namespace vhdx::fuzz {
namespace {

void TryBtrfs(std::span<const std::byte> input) {
  // Large enough for a copy of the superblock.
  const testing::GuestDisk volume = VolumeOf(input, testing::BtrfsVolume::kBytes);
  ExpectAnswer(free_space::ReadBtrfsFreeSpace, volume);
  testing::FixBtrfsChecksums(*volume.contents());
  ExpectAnswer(free_space::ReadBtrfsFreeSpace, volume);
}

}  // namespace
}  // namespace vhdx::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  vhdx::fuzz::TryBtrfs(std::as_bytes(std::span(data, size)));
  return 0;
}

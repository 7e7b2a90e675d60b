// The free space of XFS. Input: one sparse file, the volume, which is tried as it is and with
// its checksums made right.

#include <cstddef>
#include <cstdint>
#include <span>

#include "fuzz/free_space.h"
#include "testing/free_space_volumes.h"
#include "testing/guest_disk.h"
#include "tools/free_space/xfs.h"

namespace vhdx::fuzz {
namespace {

void TryXfs(std::span<const std::byte> input) {
  testing::GuestDisk volume = VolumeOf(input);
  ExpectAnswer(free_space::ReadXfsFreeSpace, volume);
  testing::FixXfsChecksums(volume);
  ExpectAnswer(free_space::ReadXfsFreeSpace, volume);
}

}  // namespace
}  // namespace vhdx::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  vhdx::fuzz::TryXfs(std::as_bytes(std::span(data, size)));
  return 0;
}

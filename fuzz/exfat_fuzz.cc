// The free space of exFAT. Input: one sparse file, the volume, which is tried as it is and
// with the checksum of its boot sectors made right.

#include <cstddef>
#include <cstdint>
#include <span>

#include "fuzz/free_space.h"
#include "testing/free_space_volumes.h"
#include "testing/guest_disk.h"
#include "tools/free_space/exfat.h"

namespace vhdx::fuzz {
namespace {

void TryExfat(std::span<const std::byte> input) {
  testing::GuestDisk volume = VolumeOf(input);
  ExpectAnswer(free_space::ReadExfatFreeSpace, volume);
  testing::FixExfatChecksum(volume);
  ExpectAnswer(free_space::ReadExfatFreeSpace, volume);
}

}  // namespace
}  // namespace vhdx::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  vhdx::fuzz::TryExfat(std::as_bytes(std::span(data, size)));
  return 0;
}

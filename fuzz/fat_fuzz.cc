// The free space of FAT. Input: one sparse file, the volume.

#include <cstddef>
#include <cstdint>
#include <span>

#include "fuzz/free_space.h"
#include "tools/free_space/fat.h"

namespace vhdx::fuzz {
namespace {

void TryFat(std::span<const std::byte> input) {
  ExpectAnswer(free_space::ReadFatFreeSpace, VolumeOf(input));
}

}  // namespace
}  // namespace vhdx::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  vhdx::fuzz::TryFat(std::as_bytes(std::span(data, size)));
  return 0;
}

// What the target bat_fuzz takes.

#ifndef VHDXKIT_FUZZ_BAT_INPUT_H_
#define VHDXKIT_FUZZ_BAT_INPUT_H_

#include <vhdxkit/image_info.h>

#include <algorithm>
#include <cstdint>

#include "bytes/arithmetic.h"
#include "bytes/endian.h"
#include "format/bat.h"
#include "format/layout.h"

namespace vhdx::fuzz {

/// The disk. One sparse file (sparse_input.h) follows, in which the BAT stands at kBatOffset.
struct BatInput {
  static constexpr uint64_t kBatOffset = 2 * kMiB;

  le64 virtual_disk_size;
  uint8_t block_size_shift = 0;  ///< 20 to 28, modulo 9
  uint8_t flags = 0;             ///< bit 0: sectors of 4096 bytes; bit 1: has a parent

  DiskParameters Parameters() const {
    DiskParameters parameters{
        .block_size_bytes = uint32_t{1} << (20 + block_size_shift % 9),
        .has_parent = (flags & 2) != 0,
        .logical_sector_size = (flags & 1) != 0 ? 4096U : 512U,
        .physical_sector_size = 4096,
    };
    const uint64_t size = AlignDown(virtual_disk_size, parameters.logical_sector_size);
    parameters.virtual_disk_size_bytes =
        std::clamp<uint64_t>(size, parameters.logical_sector_size, format::kMaxVirtualDiskSize);
    return parameters;
  }
};
static_assert(sizeof(BatInput) == 10);

}  // namespace vhdx::fuzz

#endif  // VHDXKIT_FUZZ_BAT_INPUT_H_

// The label of an LVM physical volume.

#ifndef VHDXKIT_GUEST_LVM_LABEL_H_
#define VHDXKIT_GUEST_LVM_LABEL_H_

#include <vhdxkit/file.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "bytes/endian.h"

namespace vhdx::guest {

/// Where checksums of LVM start: the register of CRC-32, which is not inverted at the end.
inline constexpr uint32_t kLvmInitialCrc = 0xF597A6CF;

/// In one of the first four sectors of 512 bytes.
struct LvmLabel {
  static constexpr size_t kSectorBytes = 512;
  static constexpr size_t kLastSector = 3;
  static constexpr size_t kChecksummed = 20;  ///< from here to the end of the sector

  std::array<char, 8> id;  ///< "LABELONE"
  le64 sector;             ///< its own
  le32 crc;
  le32 header_offset;        ///< of the header of the physical volume, from the label
  std::array<char, 8> type;  ///< "LVM2 001"
};
static_assert(sizeof(LvmLabel) == 32);

/// The start of the header of a physical volume. Two lists of LvmArea follow, each ended by one of
/// zeros: the areas of the data, and those of the metadata.
struct LvmHeader {
  std::array<std::byte, 32> uuid;
  le64 device_size;  ///< in bytes
};
static_assert(sizeof(LvmHeader) == 40);

struct LvmArea {
  le64 offset;  ///< from the start of the physical volume, in bytes
  le64 size;    ///< in bytes; 0: to the end
};
static_assert(sizeof(LvmArea) == 16);

/// Where the header starts in the sector of that number, if the sector is a label.
std::optional<size_t> LvmHeaderIn(ByteSpan sector, uint64_t number);

}  // namespace vhdx::guest

#endif  // VHDXKIT_GUEST_LVM_LABEL_H_

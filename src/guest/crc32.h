// CRC-32 (ISO 3309, reflected polynomial 0xEDB88320): the checksum of GUID partition tables and of
// LVM's labels. What it covers is small, so one byte at a time is fast enough.

#ifndef VHDXKIT_GUEST_CRC32_H_
#define VHDXKIT_GUEST_CRC32_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace vhdx::guest {

/// The shift register after `bytes`, from any start and without the final inversion.
constexpr uint32_t Crc32Register(uint32_t start, std::span<const std::byte> bytes) {
  constexpr auto kTable = [] {
    std::array<uint32_t, 256> table{};
    for (uint32_t value = 0; value < table.size(); ++value) {
      uint32_t crc = value;
      for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0xEDB88320 : 0);
      table[value] = crc;
    }
    return table;
  }();
  for (const std::byte byte : bytes) {
    start = (start >> 8) ^ kTable[(start ^ std::to_integer<uint32_t>(byte)) & 0xFF];
  }
  return start;
}

/// The CRC as [UEFI] has it: all ones at the start, inverted at the end.
constexpr uint32_t Crc32(std::span<const std::byte> bytes) {
  return ~Crc32Register(0xFFFFFFFF, bytes);
}

}  // namespace vhdx::guest

#endif  // VHDXKIT_GUEST_CRC32_H_

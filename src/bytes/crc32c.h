// CRC-32C (Castagnoli), the checksum of every VHDX structure ([MS-VHDX] 2).
//
// The fastest implementation for this processor is chosen at run time; all give the same result.

#ifndef VHDXKIT_BYTES_CRC32C_H_
#define VHDXKIT_BYTES_CRC32C_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace vhdx {

/// The CRC of `bytes` if they follow bytes whose CRC is `crc`; 0 is the CRC of nothing.
uint32_t Crc32cExtend(uint32_t crc, std::span<const std::byte> bytes);

inline uint32_t Crc32c(std::span<const std::byte> bytes) { return Crc32cExtend(0, bytes); }

/// The CRC of `bytes` with the four bytes at `field_offset` taken as zeros, as every checksummed
/// structure of the format has it; the field must lie inside.
uint32_t Crc32cWithoutField(std::span<const std::byte> bytes, size_t field_offset);

/// One implementation, for tests: all that this machine can run must agree.
struct Crc32cVariant {
  std::string_view name;
  bool available;
  uint32_t (*extend)(uint32_t crc, std::span<const std::byte> bytes);
};
std::span<const Crc32cVariant> Crc32cVariants();

}  // namespace vhdx

#endif  // VHDXKIT_BYTES_CRC32C_H_

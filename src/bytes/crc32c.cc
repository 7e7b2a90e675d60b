#include "bytes/crc32c.h"

#include <array>
#include <cassert>
#include <cstring>

#if defined(__aarch64__)
#include <arm_acle.h>
#include <sys/auxv.h>
#ifndef HWCAP_CRC32
#define HWCAP_CRC32 (1 << 7)
#endif
#endif

namespace vhdx {
namespace {

constexpr uint32_t kReflectedPolynomial = 0x82F63B78;

// Table k holds the CRC of each byte value followed by k zero bytes: eight look-ups take in eight
// bytes.
constexpr std::array<std::array<uint32_t, 256>, 8> MakeTables() {
  std::array<std::array<uint32_t, 256>, 8> tables{};
  for (uint32_t value = 0; value < 256; ++value) {
    uint32_t crc = value;
    for (int bit = 0; bit < 8; ++bit) {
      crc = (crc >> 1) ^ ((crc & 1) != 0 ? kReflectedPolynomial : 0);
    }
    tables[0][value] = crc;
  }
  for (size_t k = 1; k < tables.size(); ++k) {
    for (size_t value = 0; value < 256; ++value) {
      const uint32_t previous = tables[k - 1][value];
      tables[k][value] = (previous >> 8) ^ tables[0][previous & 0xFF];
    }
  }
  return tables;
}

constexpr auto kTables = MakeTables();

uint32_t ExtendPortable(uint32_t crc, std::span<const std::byte> bytes) {
  const auto byte_at = [&](size_t i) { return static_cast<uint32_t>(bytes[i]); };
  crc = ~crc;
  while (bytes.size() >= 8) {
    const uint32_t low =
        crc ^ (byte_at(0) | (byte_at(1) << 8) | (byte_at(2) << 16) | (byte_at(3) << 24));
    crc = kTables[7][low & 0xFF] ^ kTables[6][(low >> 8) & 0xFF] ^ kTables[5][(low >> 16) & 0xFF] ^
          kTables[4][low >> 24] ^ kTables[3][byte_at(4)] ^ kTables[2][byte_at(5)] ^
          kTables[1][byte_at(6)] ^ kTables[0][byte_at(7)];
    bytes = bytes.subspan(8);
  }
  for (const std::byte byte : bytes) {
    crc = (crc >> 8) ^ kTables[0][(crc ^ static_cast<uint32_t>(byte)) & 0xFF];
  }
  return ~crc;
}

#if defined(__x86_64__)

__attribute__((target("sse4.2"))) uint32_t ExtendHardware(uint32_t crc,
                                                          std::span<const std::byte> bytes) {
  uint64_t wide = ~crc;
  while (bytes.size() >= 8) {
    uint64_t word = 0;
    std::memcpy(&word, bytes.data(), sizeof(word));
    wide = __builtin_ia32_crc32di(wide, word);
    bytes = bytes.subspan(8);
  }
  auto narrow = static_cast<uint32_t>(wide);
  for (const std::byte byte : bytes) {
    narrow = __builtin_ia32_crc32qi(narrow, static_cast<uint8_t>(byte));
  }
  return ~narrow;
}
bool HardwareAvailable() { return __builtin_cpu_supports("sse4.2") != 0; }
constexpr std::string_view kHardwareName = "sse4.2";

#elif defined(__aarch64__)

__attribute__((target("+crc"))) uint32_t ExtendHardware(uint32_t crc,
                                                        std::span<const std::byte> bytes) {
  crc = ~crc;
  while (bytes.size() >= 8) {
    uint64_t word = 0;
    std::memcpy(&word, bytes.data(), sizeof(word));
    crc = __crc32cd(crc, word);
    bytes = bytes.subspan(8);
  }
  for (const std::byte byte : bytes) crc = __crc32cb(crc, static_cast<uint8_t>(byte));
  return ~crc;
}
bool HardwareAvailable() { return (getauxval(AT_HWCAP) & HWCAP_CRC32) != 0; }
constexpr std::string_view kHardwareName = "armv8-crc";

#else

uint32_t ExtendHardware(uint32_t crc, std::span<const std::byte> bytes) {
  return ExtendPortable(crc, bytes);
}
bool HardwareAvailable() { return false; }
constexpr std::string_view kHardwareName = "none";

#endif

}  // namespace

uint32_t Crc32cExtend(uint32_t crc, std::span<const std::byte> bytes) {
  static const auto kExtend = HardwareAvailable() ? ExtendHardware : ExtendPortable;
  return kExtend(crc, bytes);
}

uint32_t Crc32cWithoutField(std::span<const std::byte> bytes, size_t field_offset) {
  constexpr std::array<std::byte, 4> kZeros{};
  assert(field_offset + kZeros.size() <= bytes.size());
  uint32_t crc = Crc32c(bytes.first(field_offset));
  crc = Crc32cExtend(crc, kZeros);
  return Crc32cExtend(crc, bytes.subspan(field_offset + kZeros.size()));
}

std::span<const Crc32cVariant> Crc32cVariants() {
  static const std::array<Crc32cVariant, 2> kVariants = {{
      {"portable", true, ExtendPortable},
      {kHardwareName, HardwareAvailable(), ExtendHardware},
  }};
  return kVariants;
}

}  // namespace vhdx

// Little-endian integers as stored in a file: alignment 1, no padding, any host byte order.

#ifndef VHDXKIT_BYTES_ENDIAN_H_
#define VHDXKIT_BYTES_ENDIAN_H_

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace vhdx {

/// An unsigned integer in little-endian byte order, which converts to its value.
template <std::unsigned_integral T>
class LittleEndian {
 public:
  constexpr LittleEndian() = default;
  // NOLINTNEXTLINE(google-explicit-constructor)
  constexpr LittleEndian(T value) {
    for (size_t i = 0; i < sizeof(T); ++i) bytes_[i] = static_cast<uint8_t>(value >> (8 * i));
  }
  // NOLINTNEXTLINE(google-explicit-constructor)
  constexpr operator T() const {
    T value = 0;
    for (size_t i = 0; i < sizeof(T); ++i) {
      value = static_cast<T>(value | static_cast<T>(static_cast<T>(bytes_[i]) << (8 * i)));
    }
    return value;
  }

 private:
  std::array<uint8_t, sizeof(T)> bytes_{};
};

using le16 = LittleEndian<uint16_t>;
using le32 = LittleEndian<uint32_t>;
using le64 = LittleEndian<uint64_t>;

static_assert(sizeof(le16) == 2 && alignof(le16) == 1);
static_assert(sizeof(le32) == 4 && alignof(le32) == 1);
static_assert(sizeof(le64) == 8 && alignof(le64) == 1);

/// A type whose bytes may be copied to and from a file.
template <typename T>
concept OnDisk = std::is_trivially_copyable_v<T> && alignof(T) == 1;

/// The structure at the start of `bytes`, which must be large enough.
template <OnDisk T>
T LoadFrom(std::span<const std::byte> bytes) {
  T value;
  std::memcpy(&value, bytes.first(sizeof(T)).data(), sizeof(T));
  return value;
}

/// Stores the structure at the start of `bytes`, which must be large enough.
template <OnDisk T>
void StoreTo(std::span<std::byte> bytes, const T& value) {
  std::memcpy(bytes.first(sizeof(T)).data(), &value, sizeof(T));
}

}  // namespace vhdx

#endif  // VHDXKIT_BYTES_ENDIAN_H_

// Checked arithmetic on offsets and lengths. Numbers from a file may be anything, so a sum that
// does not fit into 64 bits is an error.

#ifndef VHDXKIT_BYTES_ARITHMETIC_H_
#define VHDXKIT_BYTES_ARITHMETIC_H_

#include <bit>
#include <concepts>
#include <cstdint>
#include <optional>

namespace vhdx {

inline constexpr uint64_t kKiB = uint64_t{1} << 10;
inline constexpr uint64_t kMiB = uint64_t{1} << 20;
inline constexpr uint64_t kGiB = uint64_t{1} << 30;
inline constexpr uint64_t kTiB = uint64_t{1} << 40;

constexpr std::optional<uint64_t> CheckedAdd(uint64_t a, uint64_t b) {
  uint64_t sum = 0;
  if (__builtin_add_overflow(a, b, &sum)) return std::nullopt;
  return sum;
}

constexpr std::optional<uint64_t> CheckedMultiply(uint64_t a, uint64_t b) {
  uint64_t product = 0;
  if (__builtin_mul_overflow(a, b, &product)) return std::nullopt;
  return product;
}

/// Whether [offset, offset + length) lies inside [0, limit).
constexpr bool FitsInside(uint64_t offset, uint64_t length, uint64_t limit) {
  return offset <= limit && length <= limit - offset;
}

/// `alignment` is a power of two.
constexpr bool IsAligned(uint64_t value, uint64_t alignment) {
  return (value & (alignment - 1)) == 0;
}
constexpr uint64_t AlignDown(uint64_t value, uint64_t alignment) {
  return value & ~(alignment - 1);
}
/// The value must not lie within `alignment` of 2^64.
constexpr uint64_t AlignUp(uint64_t value, uint64_t alignment) {
  return AlignDown(value + (alignment - 1), alignment);
}

template <std::unsigned_integral T>
constexpr T DivideRoundingUp(T value, T divisor) {
  return static_cast<T>(value / divisor + (value % divisor != 0 ? 1 : 0));
}

}  // namespace vhdx

#endif  // VHDXKIT_BYTES_ARITHMETIC_H_

// The fields of which superblocks consist, and what several parsers ask of them.

#ifndef VHDXKIT_GUEST_SUPERBLOCK_FIELDS_H_
#define VHDXKIT_GUEST_SUPERBLOCK_FIELDS_H_

#include <vhdxkit/file.h>

#include <array>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "bytes/endian.h"

namespace vhdx::guest {

/// An unsigned integer in big-endian byte order.
template <std::unsigned_integral T>
struct BigEndian {
  LittleEndian<T> reversed;
  // NOLINTNEXTLINE(google-explicit-constructor)
  constexpr operator T() const { return std::byteswap(T{reversed}); }
};
using be16 = BigEndian<uint16_t>;
using be32 = BigEndian<uint32_t>;
using be64 = BigEndian<uint64_t>;

/// A UUID as most file systems store it: in the order in which it is printed.
using Uuid = std::array<std::byte, 16>;

template <size_t kSize>
bool FieldIs(const std::array<char, kSize>& field, std::string_view text) {
  return std::string_view(field.data(), kSize) == text;
}

inline bool IsPowerOfTwoWithin(uint64_t value, uint64_t least, uint64_t most) {
  return std::has_single_bit(value) && value >= least && value <= most;
}

/// The bytes up to the first zero, without spaces at the end; empty if that is not UTF-8.
std::string FieldText(ByteSpan field);

std::string UuidText(const Uuid& uuid);

}  // namespace vhdx::guest

#endif  // VHDXKIT_GUEST_SUPERBLOCK_FIELDS_H_

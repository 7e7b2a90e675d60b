// A GUID as stored in VHDX files ([MS-VHDX] 2: three little-endian fields and eight bytes).
//
// A plain, comparable value.

#ifndef VHDXKIT_GUID_H_
#define VHDXKIT_GUID_H_

#include <vhdxkit/export.h>

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace vhdx {

struct VHDXKIT_EXPORT Guid {
  std::array<uint8_t, 16> bytes{};  ///< in file order

  bool IsZero() const { return *this == Guid{}; }
  friend auto operator<=>(const Guid&, const Guid&) = default;

  /// Lower-case text without braces, such as "2dc27766-f623-4200-9d64-115e9bfd4a08". May throw
  /// std::bad_alloc.
  std::string ToString() const;

  /// Parses such text, in upper or lower case, with or without braces. Empty if it is anything
  /// else.
  static std::optional<Guid> Parse(std::string_view text);

  /// The GUID with these fields, as the specification prints them.
  static constexpr Guid FromFields(uint32_t data1, uint16_t data2, uint16_t data3,
                                   std::array<uint8_t, 8> data4) {
    Guid guid;
    for (size_t i = 0; i < 4; ++i) guid.bytes[i] = static_cast<uint8_t>(data1 >> (8 * i));
    for (size_t i = 0; i < 2; ++i) guid.bytes[4 + i] = static_cast<uint8_t>(data2 >> (8 * i));
    for (size_t i = 0; i < 2; ++i) guid.bytes[6 + i] = static_cast<uint8_t>(data3 >> (8 * i));
    for (size_t i = 0; i < 8; ++i) guid.bytes[8 + i] = data4[i];
    return guid;
  }
};

}  // namespace vhdx

#endif  // VHDXKIT_GUID_H_

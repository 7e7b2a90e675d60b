// Bytes as text, for tables of expected bytes and for messages of tests.

#ifndef VHDXKIT_TESTING_HEX_H_
#define VHDXKIT_TESTING_HEX_H_

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace vhdx::testing {

/// Two lower-case digits a byte, nothing between them.
std::string HexFromBytes(std::span<const std::byte> bytes);

/// Reads pairs of digits of either case, with spaces and line ends anywhere between pairs; ends the
/// program at anything else, since only tables in tests are read by it.
std::vector<std::byte> BytesFromHex(std::string_view text);

/// The characters of `text` as bytes.
std::vector<std::byte> BytesFromText(std::string_view text);

}  // namespace vhdx::testing

#endif  // VHDXKIT_TESTING_HEX_H_

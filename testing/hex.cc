#include "testing/hex.h"

#include <cstdio>
#include <cstdlib>

namespace vhdx::testing {
namespace {

constexpr std::string_view kDigits = "0123456789abcdef";

unsigned DigitValue(char digit) {
  const char lower = digit >= 'A' && digit <= 'F' ? static_cast<char>(digit - 'A' + 'a') : digit;
  const size_t value = kDigits.find(lower);
  if (value == std::string_view::npos) {
    std::fprintf(stderr, "BytesFromHex: '%c' is no hex digit\n", digit);
    std::abort();
  }
  return static_cast<unsigned>(value);
}

}  // namespace

std::string HexFromBytes(std::span<const std::byte> bytes) {
  std::string text;
  text.reserve(2 * bytes.size());
  for (const std::byte byte : bytes) {
    text += kDigits[static_cast<size_t>(byte) >> 4];
    text += kDigits[static_cast<size_t>(byte) & 0xF];
  }
  return text;
}

std::vector<std::byte> BytesFromHex(std::string_view text) {
  std::vector<std::byte> bytes;
  for (size_t i = 0; i < text.size();) {
    if (text[i] == ' ' || text[i] == '\n') {
      ++i;
      continue;
    }
    const unsigned high = DigitValue(text[i]);
    const unsigned low = DigitValue(i + 1 < text.size() ? text[i + 1] : ' ');
    bytes.push_back(static_cast<std::byte>((high << 4) | low));
    i += 2;
  }
  return bytes;
}

std::vector<std::byte> BytesFromText(std::string_view text) {
  std::vector<std::byte> bytes;
  bytes.reserve(text.size());
  for (const char character : text) bytes.push_back(static_cast<std::byte>(character));
  return bytes;
}

}  // namespace vhdx::testing

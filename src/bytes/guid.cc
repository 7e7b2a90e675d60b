#include <vhdxkit/guid.h>

namespace vhdx {
namespace {

// The bytes of a GUID in the order in which its text shows them; -1 stands for a hyphen.
constexpr std::array<int, 20> kTextOrder = {3,  2, 1, 0,  -1, 5,  4,  -1, 7,  6,
                                            -1, 8, 9, -1, 10, 11, 12, 13, 14, 15};
constexpr size_t kTextLength = 36;

std::optional<uint8_t> HexDigit(char digit) {
  if (digit >= '0' && digit <= '9') return static_cast<uint8_t>(digit - '0');
  if (digit >= 'a' && digit <= 'f') return static_cast<uint8_t>(digit - 'a' + 10);
  if (digit >= 'A' && digit <= 'F') return static_cast<uint8_t>(digit - 'A' + 10);
  return std::nullopt;
}

}  // namespace

std::string Guid::ToString() const {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  text.reserve(kTextLength);
  for (const int index : kTextOrder) {
    if (index < 0) {
      text += '-';
      continue;
    }
    const uint8_t byte = bytes[static_cast<size_t>(index)];
    text += kDigits[byte >> 4];
    text += kDigits[byte & 0xF];
  }
  return text;
}

std::optional<Guid> Guid::Parse(std::string_view text) {
  if (text.size() == kTextLength + 2 && text.front() == '{' && text.back() == '}') {
    text = text.substr(1, kTextLength);
  }
  if (text.size() != kTextLength) return std::nullopt;
  Guid guid;
  size_t position = 0;
  for (const int index : kTextOrder) {
    if (index < 0) {
      if (text[position++] != '-') return std::nullopt;
      continue;
    }
    const auto high = HexDigit(text[position]);
    const auto low = HexDigit(text[position + 1]);
    if (!high || !low) return std::nullopt;
    guid.bytes[static_cast<size_t>(index)] = static_cast<uint8_t>((*high << 4) | *low);
    position += 2;
  }
  return guid;
}

}  // namespace vhdx

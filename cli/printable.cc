#include "cli/printable.h"

#include <cstdint>
#include <optional>

#include "bytes/formatting.h"
#include "bytes/utf16.h"

namespace vhdx::cli {
namespace {

bool IsControl(uint32_t code_point) {
  const bool is_c0_or_c1 = code_point < 0x20 || (code_point >= 0x7f && code_point < 0xa0);
  const bool is_line_break = code_point == 0x2028 || code_point == 0x2029;
  // Marks that change the direction of what follows.
  const bool is_direction = (code_point >= 0x202a && code_point <= 0x202e) ||
                            (code_point >= 0x2066 && code_point <= 0x2069) ||
                            code_point == 0x200e || code_point == 0x200f;
  return is_c0_or_c1 || is_line_break || is_direction;
}

struct CodePoint {
  uint32_t value;
  size_t length_bytes;
};

// The first code point of text that is known to be UTF-8.
CodePoint First(std::string_view text) {
  const auto byte_at = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t lead = byte_at(0);
  if (lead < 0x80) return {lead, 1};
  const size_t length = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  uint32_t value = lead & (0x7fU >> length);
  for (size_t i = 1; i < length; ++i) value = value << 6 | (byte_at(i) & 0x3fU);
  return {value, length};
}

std::string EscapeUtf8(std::string_view text) {
  std::string escaped;
  while (!text.empty()) {
    const CodePoint point = First(text);
    if (!IsControl(point.value)) {
      escaped += text.substr(0, point.length_bytes);
    } else if (point.value < 0x80) {
      escaped += Format("\\x{:02x}", point.value);
    } else {
      escaped += Format("\\u{{{:x}}}", point.value);
    }
    text.remove_prefix(point.length_bytes);
  }
  return escaped;
}

std::string EscapeBytes(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    const auto byte = static_cast<uint8_t>(c);
    if (byte >= 0x20 && byte < 0x7f) {
      escaped += c;
    } else {
      escaped += Format("\\x{:02x}", byte);
    }
  }
  return escaped;
}

}  // namespace

std::string Printable(std::string_view text) {
  const bool is_utf8 = Utf16FromUtf8(text).has_value();
  return is_utf8 ? EscapeUtf8(text) : EscapeBytes(text);
}

}  // namespace vhdx::cli

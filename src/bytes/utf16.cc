#include "bytes/utf16.h"

#include <utf8cpp/utf8.h>

#include <algorithm>
#include <cstdint>
#include <iterator>

#include "bytes/endian.h"

namespace vhdx {
namespace {

constexpr uint16_t kReplacement = 0xFFFD;

std::vector<uint16_t> CodeUnits(std::span<const std::byte> text) {
  std::vector<uint16_t> units;
  units.reserve(text.size() / 2);
  for (; text.size() >= 2; text = text.subspan(2)) units.push_back(LoadFrom<le16>(text));
  return units;
}

bool IsHighSurrogate(uint16_t unit) { return unit >= 0xD800 && unit <= 0xDBFF; }
bool IsLowSurrogate(uint16_t unit) { return unit >= 0xDC00 && unit <= 0xDFFF; }

void ReplaceLoneSurrogates(std::vector<uint16_t>& units) {
  for (size_t i = 0; i < units.size(); ++i) {
    if (IsHighSurrogate(units[i]) && i + 1 < units.size() && IsLowSurrogate(units[i + 1])) {
      ++i;
    } else if (IsHighSurrogate(units[i]) || IsLowSurrogate(units[i])) {
      units[i] = kReplacement;
    }
  }
}

}  // namespace

std::optional<std::string> Utf8FromUtf16(std::span<const std::byte> text) {
  if (text.size() % 2 != 0) return std::nullopt;
  const std::vector<uint16_t> units = CodeUnits(text);
  if (std::ranges::find(units, uint16_t{0}) != units.end()) return std::nullopt;
  std::string result;
  try {
    utf8::utf16to8(units.begin(), units.end(), std::back_inserter(result));
  } catch (const utf8::exception&) {
    return std::nullopt;
  }
  return result;
}

std::string DisplayableUtf8FromUtf16(std::span<const std::byte> text) {
  std::vector<uint16_t> units = CodeUnits(text);
  units.erase(std::ranges::find(units, uint16_t{0}), units.end());
  ReplaceLoneSurrogates(units);
  std::string result;
  try {
    utf8::utf16to8(units.begin(), units.end(), std::back_inserter(result));
  } catch (const utf8::exception&) {
    // Lone surrogates are gone; what the library still refuses is not worth showing.
    return {};
  }
  return result;
}

std::optional<std::vector<std::byte>> Utf16FromUtf8(std::string_view text) {
  std::vector<uint16_t> units;
  try {
    utf8::utf8to16(text.begin(), text.end(), std::back_inserter(units));
  } catch (const utf8::exception&) {
    return std::nullopt;
  }
  std::vector<std::byte> bytes(units.size() * 2);
  for (size_t i = 0; i < units.size(); ++i) {
    StoreTo(std::span(bytes).subspan(2 * i), le16(units[i]));
  }
  return bytes;
}

}  // namespace vhdx

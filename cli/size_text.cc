#include "cli/size_text.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>

#include "bytes/arithmetic.h"
#include "bytes/formatting.h"

namespace vhdx::cli {
namespace {

struct Unit {
  char letter;
  std::string_view name;
  uint64_t bytes;
};

constexpr std::array kUnits = {
    Unit{'t', "TiB", kTiB},
    Unit{'g', "GiB", kGiB},
    Unit{'m', "MiB", kMiB},
    Unit{'k', "KiB", kKiB},
};

constexpr size_t kMaxFractionDigits = 9;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// Takes the digits off the front of `text`.
std::string_view TakeDigits(std::string_view& text) {
  const auto end = std::ranges::find_if_not(text, IsDigit);
  const auto digits = text.substr(0, static_cast<size_t>(end - text.begin()));
  text.remove_prefix(digits.size());
  return digits;
}

std::optional<uint64_t> ParseNumber(std::string_view digits) {
  uint64_t number = 0;
  const auto [end, failure] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (failure != std::errc() || digits.empty()) return std::nullopt;
  return number;
}

// "", "B", "k", "KB" and "KiB", in either case.
std::optional<uint64_t> ParseUnit(std::string_view text) {
  std::string unit(text);
  std::ranges::transform(unit, unit.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (unit.empty() || unit == "b") return 1;
  const std::string_view rest = std::string_view(unit).substr(1);
  if (!rest.empty() && rest != "b" && rest != "ib") return std::nullopt;
  const auto found = std::ranges::find(kUnits, unit[0], &Unit::letter);
  return found == kUnits.end() ? std::nullopt : std::optional(found->bytes);
}

// The bytes of "0.digits" of a unit, if they are whole.
std::optional<uint64_t> ParseFraction(std::string_view digits, uint64_t unit) {
  if (digits.empty()) return 0;
  const auto number = ParseNumber(digits);
  if (!number || digits.size() > kMaxFractionDigits) return std::nullopt;
  uint64_t divisor = 1;
  for (size_t i = 0; i < digits.size(); ++i) divisor *= 10;
  const auto product = CheckedMultiply(*number, unit);
  if (!product || *product % divisor != 0) return std::nullopt;
  return *product / divisor;
}

}  // namespace

std::optional<uint64_t> ParseSize(std::string_view text) {
  const auto whole = ParseNumber(TakeDigits(text));
  std::string_view fraction;
  if (text.starts_with('.')) {
    text.remove_prefix(1);
    fraction = TakeDigits(text);
    if (fraction.empty()) return std::nullopt;
  }
  if (text.starts_with(' ') && text.size() > 1) text.remove_prefix(1);
  const auto unit = ParseUnit(text);
  if (!whole || !unit) return std::nullopt;
  const auto whole_bytes = CheckedMultiply(*whole, *unit);
  const auto fraction_bytes = ParseFraction(fraction, *unit);
  if (!whole_bytes || !fraction_bytes) return std::nullopt;
  return CheckedAdd(*whole_bytes, *fraction_bytes);
}

std::string FormatSize(uint64_t bytes) {
  if (bytes < kKiB) return Format("{} byte{}", bytes, bytes == 1 ? "" : "s");
  // 1023.9 KiB would be shown as 1024 KiB: the next unit begins a little earlier.
  const auto unit = std::ranges::find_if(
      kUnits, [&](const Unit& u) { return bytes >= u.bytes - u.bytes / 2048; });
  if (bytes % unit->bytes == 0) return Format("{} {}", bytes / unit->bytes, unit->name);
  const double value = static_cast<double>(bytes) / static_cast<double>(unit->bytes);
  const int decimals = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
  std::string text = Format("{:.{}f}", value, decimals);
  if (decimals > 0) {
    text.erase(text.find_last_not_of('0') + 1);
    if (text.ends_with('.')) text.pop_back();
  }
  return Format("{} {}", text, unit->name);
}

std::string FormatSizeExactly(uint64_t bytes) {
  if (bytes < kKiB) return FormatSize(bytes);
  return Format("{} ({} bytes)", FormatSize(bytes), bytes);
}

}  // namespace vhdx::cli

#include "cli/size_text.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cmath>

#include "bytes/arithmetic.h"
#include "bytes/formatting.h"

namespace vhdx::cli {
namespace {

struct Unit {
  char letter;  ///< as it is usually written
  uint64_t bytes;
};

// From the largest to the smallest.
constexpr std::array kUnits = {Unit{'T', kTiB}, Unit{'G', kGiB}, Unit{'M', kMiB}, Unit{'k', kKiB}};

constexpr size_t kMaxFractionDigits = 9;

char Lower(char c) { return static_cast<char>(std::tolower(static_cast<unsigned char>(c))); }
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
  std::ranges::transform(unit, unit.begin(), Lower);
  if (unit.empty() || unit == "b") return 1;
  const std::string_view rest = std::string_view(unit).substr(1);
  if (!rest.empty() && rest != "b" && rest != "ib") return std::nullopt;
  const auto found = std::ranges::find(
      kUnits, unit[0], [](const Unit& candidate) { return Lower(candidate.letter); });
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

std::string NearestSize(std::string_view text) {
  constexpr double kMost = 1e9;  // larger numbers are not meant as sizes
  double number = 0;
  const auto [end, failure] =
      std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
  if (failure != std::errc() || !(number > 0 && number < kMost) || ParseSize(text)) return {};
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  if (text.starts_with(' ')) text.remove_prefix(1);
  const uint64_t unit = ParseUnit(text).value_or(1);
  if (unit == 1) return {};
  std::string nearest = Format("{}", std::llround(number * kKiB));
  const auto smaller = std::ranges::find(kUnits, unit / kKiB, &Unit::bytes);
  if (smaller != kUnits.end()) nearest += smaller->letter;
  return nearest;
}

}  // namespace vhdx::cli

#include "bytes/size_format.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "bytes/arithmetic.h"
#include "bytes/formatting.h"

namespace vhdx {
namespace {

struct Unit {
  std::string_view name;
  uint64_t bytes;
};

// From the largest to the smallest.
constexpr std::array kUnits = {Unit{"TiB", kTiB}, Unit{"GiB", kGiB}, Unit{"MiB", kMiB},
                               Unit{"KiB", kKiB}};

}  // namespace

std::string FormatSize(uint64_t bytes) {
  if (bytes < kKiB) return Counted(bytes, "byte", "bytes");
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

}  // namespace vhdx

#include "cli/duration_text.h"

#include "bytes/formatting.h"

namespace vhdx::cli {

std::string FormatDuration(std::chrono::nanoseconds time) {
  const auto nanoseconds = static_cast<double>(time.count());
  if (time < std::chrono::microseconds(1)) return Format("{} ns", time.count());
  if (time < std::chrono::milliseconds(1)) return Format("{:.1f} us", nanoseconds / 1e3);
  if (time < std::chrono::seconds(1)) return Format("{:.1f} ms", nanoseconds / 1e6);
  return Format("{:.2f} s", nanoseconds / 1e9);
}

}  // namespace vhdx::cli

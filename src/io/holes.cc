#include "io/holes.h"

#include <algorithm>
#include <cstdint>
#include <utility>

namespace vhdx {
namespace {

enum class Part : uint8_t { kData, kHole };

// Zeros the parts of the range that are of that kind.
Result<void> ZeroParts(File& file, FileRange range, Part kind) {
  const uint64_t end = range.file_offset + range.length_bytes;
  for (uint64_t position = range.file_offset; position < end;) {
    auto start = kind == Part::kData ? file.NextData(position) : file.NextHole(position);
    if (!start) return std::unexpected(std::move(start.error()));
    if (*start >= end) return {};
    auto stop = kind == Part::kData ? file.NextHole(*start) : file.NextData(*start);
    if (!stop) return std::unexpected(std::move(stop.error()));
    position = std::min(*stop, end);
    if (position <= *start) return {};  // the file ends here
    if (auto zeroed = file.ZeroRange({*start, position - *start}); !zeroed) return zeroed;
  }
  return {};
}

}  // namespace

Result<void> ZeroData(File& file, FileRange range) { return ZeroParts(file, range, Part::kData); }

Result<void> AllocateHoles(File& file, FileRange range) {
  return ZeroParts(file, range, Part::kHole);
}

Result<void> PunchOrZero(File& file, FileRange range) {
  auto punched = file.PunchHole(range);
  const bool cannot = !punched && punched.error().code == ErrorCode::kUnsupported;
  return cannot ? file.ZeroRange(range) : punched;
}

}  // namespace vhdx

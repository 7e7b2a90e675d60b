#include "io/holes.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include "bytes/aligned_buffer.h"
#include "bytes/arithmetic.h"
#include "bytes/try.h"
#include "bytes/zeros.h"

namespace vhdx {
namespace {

constexpr uint64_t kReadPiece = 256 * kKiB;
constexpr uint64_t kCopyPiece = kMiB;

enum class Part : uint8_t { kData, kHole };

// Zeros the parts of the range that are of that kind.
Result<void> ZeroParts(File& file, FileRange range, Part kind) {
  const uint64_t end = range.file_offset + range.length_bytes;
  for (uint64_t position = range.file_offset; position < end;) {
    auto start = VHDX_TRY(kind == Part::kData ? file.NextData(position) : file.NextHole(position));
    if (start >= end) return {};
    auto stop = VHDX_TRY(kind == Part::kData ? file.NextHole(start) : file.NextData(start));
    position = std::min(stop, end);
    if (position <= start) return {};  // the file ends here
    VHDX_TRY(file.ZeroRange({start, position - start}));
  }
  return {};
}

}  // namespace

Result<void> ZeroData(File& file, FileRange range) { return ZeroParts(file, range, Part::kData); }

Result<void> AllocateHoles(File& file, FileRange range) {
  return ZeroParts(file, range, Part::kHole);
}

Result<void> CopyData(File& file, FileRange source, uint64_t target) {
  const AlignedBuffer buffer(std::min(kCopyPiece, source.length_bytes));
  const uint64_t end = source.file_offset + source.length_bytes;
  for (uint64_t position = source.file_offset; position < end;) {
    position = VHDX_TRY(file.NextData(position));
    if (position >= end) break;
    const std::span bytes = buffer.bytes().first(std::min(kCopyPiece, end - position));
    const size_t length = VHDX_TRY(file.ReadAt(position, bytes));
    if (length == 0) break;  // the file ends here
    VHDX_TRY(file.WriteAt(target + (position - source.file_offset), ByteSpan(bytes.first(length))));
    position += length;
  }
  return {};
}

Result<bool> ReadsAsZeros(File& file, FileRange range) {
  const AlignedBuffer buffer(std::min(kReadPiece, range.length_bytes));
  const uint64_t end = range.file_offset + range.length_bytes;
  for (uint64_t position = range.file_offset; position < end;) {
    position = VHDX_TRY(file.NextData(position));
    if (position >= end) break;
    const std::span bytes = buffer.bytes().first(std::min(kReadPiece, end - position));
    const size_t length = VHDX_TRY(file.ReadAt(position, bytes));
    if (length == 0) break;  // the file ends here
    if (!IsAllZero(bytes.first(length))) return false;
    position += length;
  }
  return true;
}

Result<void> PunchOrZero(File& file, FileRange range) {
  auto punched = file.PunchHole(range);
  const bool cannot = !punched && punched.error().code == ErrorCode::kUnsupported;
  return cannot ? file.ZeroRange(range) : punched;
}

}  // namespace vhdx

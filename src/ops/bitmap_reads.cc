#include "ops/bitmap_reads.h"

#include <algorithm>
#include <cstdint>
#include <span>
#include <utility>

#include "bytes/arithmetic.h"
#include "bytes/formatting.h"
#include "bytes/try.h"
#include "format/layout.h"
#include "format/rules.h"

namespace vhdx {
namespace {

constexpr uint64_t kPageSize = format::kLogSectorSize;
constexpr uint64_t kBytesAtATime = 256 * kKiB;

}  // namespace

Result<void> BitmapReads::Add(FileRange bits) {
  const uint64_t start = AlignDown(bits.file_offset, kPageSize);
  const uint64_t end = AlignUp(bits.file_offset + bits.length_bytes, kPageSize);
  const uint64_t pending_end = pending_.file_offset + pending_.length_bytes;
  const bool follows = start >= pending_.file_offset && start <= pending_end;
  if (follows && end - pending_.file_offset <= kBytesAtATime) {
    pending_.length_bytes = std::max(end, pending_end) - pending_.file_offset;
    return {};
  }
  VHDX_TRY(Finish());
  pending_ = {start, end - start};
  return {};
}

Result<void> BitmapReads::Finish() {
  FileRange rest = std::exchange(pending_, {});
  while (rest.length_bytes > 0) {
    const uint64_t length = std::min(rest.length_bytes, kBytesAtATime);
    VHDX_TRY(ReadPages({rest.file_offset, length}));
    rest = {rest.file_offset + length, rest.length_bytes - length};
  }
  return {};
}

Result<void> BitmapReads::ReadPages(FileRange pages) {
  buffer_.resize(kBytesAtATime);
  auto read = file_.ReadExactAt(pages.file_offset, std::span(buffer_).first(pages.length_bytes));
  if (read || read.error().code != ErrorCode::kIo) return read;
  return ReadEachPage(pages);
}

Result<void> BitmapReads::ReadEachPage(FileRange pages) {
  for (uint64_t at = 0; at < pages.length_bytes; at += kPageSize) {
    const uint64_t page = pages.file_offset + at;
    auto read = file_.ReadExactAt(page, std::span(buffer_).first(kPageSize));
    if (read) continue;
    if (read.error().code != ErrorCode::kIo) return read;
    findings_.Add(rules::kFileUnreadable, {file_.name(), page},
                  Format("a sector bitmap: {}", read.error().sentence));
  }
  return {};
}

}  // namespace vhdx

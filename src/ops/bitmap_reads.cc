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

Result<void> ReadBitmaps(File& file, BlockMap& block_map, Findings& findings,
                         const OperationControl& control) {
  const format::BatGeometry& geometry = block_map.geometry();
  const uint64_t block_count = geometry.payload_block_count();
  BitmapReads reads(file, findings);
  BatCursor cursor(block_map);
  for (uint64_t block = 0; block < block_count;) {
    if (control.cancelled()) return Fail(ErrorCode::kCancelled, "the operation was cancelled");
    const auto run = cursor.RunAt(block, block_count - block);
    if (!run && run.error().code != ErrorCode::kCorrupt) return std::unexpected(run.error());
    if (run && run->block.kind == Block::Kind::kPartial) {
      const auto bitmap = block_map.BitmapBlockOffset(geometry.ChunkOf(block));
      if (!bitmap && bitmap.error().code != ErrorCode::kCorrupt) {
        return std::unexpected(bitmap.error());
      }
      if (bitmap.value_or(0) != 0) {
        VHDX_TRY(reads.Add(
            {*bitmap + geometry.BitmapSliceOffset(block), geometry.BitmapBytesPerBlock()}));
      }
    }
    block += run ? run->count : 1;
  }
  return reads.Finish();
}

}  // namespace vhdx

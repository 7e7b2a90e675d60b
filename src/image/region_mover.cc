#include "image/region_mover.h"

#include <algorithm>
#include <span>

#include "bytes/aligned_buffer.h"
#include "bytes/arithmetic.h"
#include "bytes/try.h"
#include "format/layout.h"
#include "image/structure_pages.h"

namespace vhdx {
namespace {

constexpr uint64_t kPiece = kMiB;

// Copies what is not a hole.
Result<void> CopyData(File& file, FileRange source, uint64_t target) {
  const AlignedBuffer buffer(kPiece);
  const uint64_t end = source.file_offset + source.length_bytes;
  for (uint64_t at = source.file_offset; at < end;) {
    auto data = VHDX_TRY(file.NextData(at));
    at = std::max(at, AlignDown(data, format::kLogSectorSize));
    if (at >= end) break;
    const auto bytes = buffer.bytes().first(std::min(kPiece, end - at));
    VHDX_TRY(file.ReadExactAt(at, bytes));
    VHDX_TRY(file.WriteAt(target + (at - source.file_offset), ByteSpan(bytes)));
    at += bytes.size();
  }
  return {};
}

// The session has just begun: no page of the BAT is dirty or only in the log, so the file has all
// of it. Entries past the last one of the disk are not copied: they are zeros in the new region.
Result<void> CopyBat(Image& image, const Space::Allocation& space) {
  const BatRules& bat_rules = image.block_map().rules();
  File& file = image.writer()->file();
  if (space.contents == Space::Contents::kStale) {
    VHDX_TRY(file.ZeroRange(space.range));
  }
  return CopyData(file, {bat_rules.bat_offset(), bat_rules.entry_count() * format::kBatEntrySize},
                  space.range.file_offset);
}

}  // namespace

Result<void> MoveBat(ImageOpener& opener, uint64_t length_bytes) {
  const auto image = VHDX_TRY(opener.Open());
  ImageWriter& writer = *image->writer();
  Journal& journal = writer.journal();
  // A copy of the region table that was repaired, too.
  VHDX_TRY(journal.Flush());
  const auto space = VHDX_TRY(journal.Allocate(AlignUp(length_bytes, format::kAlignment)));
  VHDX_TRY(journal.Apply({.allocated = space.range}));
  VHDX_TRY(CopyBat(*image, space));
  // The region, and the length of the file, are durable before anything names it.
  journal.NoteWrite();
  VHDX_TRY(journal.Flush());
  auto pages = VHDX_TRY(PagesWithRegion(*image, format::kBatRegionGuid, space.range));
  VHDX_TRY(journal.Replace(pages));
  VHDX_TRY(journal.Flush());
  return writer.Close();
}

}  // namespace vhdx

#include "image/resizer.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "bytes/arithmetic.h"
#include "bytes/try.h"
#include "format/layout.h"
#include "image/block_forgetter.h"
#include "image/region_mover.h"
#include "image/structure_pages.h"
#include "image/table_padding.h"
#include "io/holes.h"

namespace vhdx {
namespace {

using format::BatEntry;
using format::PayloadState;

format::BatGeometry GeometryFor(const Image& image, uint64_t size) {
  DiskParameters parameters = image.info().parameters;
  parameters.virtual_disk_size_bytes = size;
  return format::BatGeometry(parameters);
}

// What we write in every image: room for the bitmap entries, too, which dynamic disks do not use.
uint64_t TableBytes(const format::BatGeometry& geometry) {
  return geometry.EntryCountWithParent() * format::kBatEntrySize;
}

bool IsFixed(const Image& image) {
  return image.info().parameters.subformat() == Subformat::kFixed;
}

// The deciding entry, with whatever was changed since the last flush.
Result<void> SetSize(Image& image, uint64_t size) {
  const auto pages = VHDX_TRY(PagesWithDiskSize(image, size));
  Journal& journal = image.writer()->journal();
  VHDX_TRY(journal.Replace(pages));
  return journal.Flush();
}

// Blocks for all of the new part of a fixed disk: contiguous, and allocated on the host before any
// entry points at them.
Result<void> AllocateFixed(Image& image, uint64_t first_block) {
  const format::BatGeometry& geometry = image.geometry();
  const uint64_t count = geometry.payload_block_count() - first_block;
  if (count == 0) return {};
  Journal& journal = image.writer()->journal();
  const auto space = VHDX_TRY(journal.Allocate(count * geometry.block_size()));
  File& file = image.writer()->file();
  if (space.contents == Space::Contents::kStale) {
    VHDX_TRY(file.ZeroRange(space.range));
  }
  VHDX_TRY(AllocateHoles(file, space.range));
  journal.NoteWrite();
  for (uint64_t i = 0; i < count; ++i) {
    const FileRange place{space.range.file_offset + i * geometry.block_size(),
                          geometry.block_size()};
    VHDX_TRY(journal.Apply(
        {.entry = MetadataChange::Entry{geometry.PayloadIndex(first_block + i),
                                        BatEntry(PayloadState::kFullyPresent, place.file_offset)},
         .allocated = place,
         .payload_first = true}));
    VHDX_TRY(journal.Throttle());
  }
  return {};
}

}  // namespace

Result<Resizer::Needs> Resizer::Look(uint64_t new_size) {
  const auto image = VHDX_TRY(opener_.Look());
  const format::BatGeometry& old = image->geometry();
  const format::BatGeometry larger = GeometryFor(*image, new_size);
  Needs needs{.old_size = old.virtual_disk_size()};
  if (new_size < needs.old_size) {
    needs.cut_blocks = VHDX_TRY(CountPresent(*image, larger.payload_block_count()));
    return needs;
  }
  needs.moves_bat = TableBytes(larger) > image->info().bat_region.length_bytes;
  if (needs.moves_bat) needs.new_bytes += AlignUp(TableBytes(larger), format::kAlignment);
  if (IsFixed(*image)) {
    needs.new_bytes +=
        (larger.payload_block_count() - old.payload_block_count()) * old.block_size();
  }
  return needs;
}

Result<void> Resizer::Resize(uint64_t new_size) {
  const uint64_t old_size = VHDX_TRY(opener_.Look())->geometry().virtual_disk_size();
  if (new_size > old_size) return Grow(old_size, new_size);
  if (new_size < old_size) {
    VHDX_TRY(Shrink(new_size));
  }
  return CutTail(new_size);
}

// -- Larger --

Result<void> Resizer::Grow(uint64_t old_size, uint64_t new_size) {
  VHDX_TRY(PrepareTable(new_size));
  const auto image = VHDX_TRY(opener_.OpenAsIf(new_size));
  const uint64_t block_size = image->geometry().block_size();
  VHDX_TRY(FillTail(*image, old_size, new_size));
  VHDX_TRY(HideParent(*image, old_size, new_size));
  if (IsFixed(*image)) {
    VHDX_TRY(AllocateFixed(*image, DivideRoundingUp(old_size, block_size)));
  }
  VHDX_TRY(image->writer()->Flush());
  VHDX_TRY(SetSize(*image, new_size));
  return image->writer()->Close();
}

// The BAT has room for the entries of the larger disk, and those that become live are zero.
Result<void> Resizer::PrepareTable(uint64_t new_size) {
  const auto image = VHDX_TRY(opener_.Look());
  const format::BatGeometry larger = GeometryFor(*image, new_size);
  const auto padding = VHDX_TRY(DirtyPadding(*image, larger));
  const bool is_cut_short = !IsAligned(image->info().file_size_bytes, format::kAlignment);
  if (!padding.empty() || is_cut_short) {
    // The session makes the last block of the file whole.
    const auto written = VHDX_TRY(opener_.Open());
    VHDX_TRY(ClearPadding(*written, padding));
    VHDX_TRY(written->writer()->Close());
  }
  const uint64_t needed = TableBytes(larger);
  return needed > image->info().bat_region.length_bytes ? MoveBat(opener_, needed) : Result<void>{};
}

// The last block may be partly past the end of the disk, where its bytes and bits mean nothing.
Result<void> Resizer::FillTail(Image& image, uint64_t old_size, uint64_t new_size) const {
  const format::BatGeometry& geometry = image.geometry();
  const uint64_t end = std::min(AlignUp(old_size, geometry.block_size()), new_size);
  if (end <= old_size) return {};
  const auto entry =
      VHDX_TRY(image.block_map().Entry(geometry.PayloadIndex(geometry.BlockOf(old_size))));
  const bool shows_parent = entry.state() == PayloadState::kNotPresent && below_size_ > old_size;
  if (!format::OwnsSpace(entry.state()) && !shows_parent) return {};
  return image.writer()->WriteZeroes({old_size, end - old_size});
}

// What a parent has past the end of a smaller child must not come up.
Result<void> Resizer::HideParent(Image& image, uint64_t old_size, uint64_t new_size) const {
  const uint64_t block_size = image.geometry().block_size();
  const uint64_t first = AlignUp(old_size, block_size);
  const uint64_t end = std::min(AlignUp(below_size_, block_size), new_size);
  return end > first ? image.writer()->WriteZeroes({first, end - first}) : Result<void>{};
}

// -- Smaller --

// If the entries that go do not fit into one entry of the log, the disk becomes smaller in steps.
Result<void> Resizer::Shrink(uint64_t new_size) {
  const auto image = VHDX_TRY(opener_.Open());
  const format::BatGeometry& geometry = image->geometry();
  const uint64_t kept = DivideRoundingUp(new_size, geometry.block_size());
  // A copy of the region table that was repaired is an entry of its own.
  VHDX_TRY(image->writer()->Flush());
  BlockForgetter forgetter(*image, kept);
  do {
    const uint64_t left = VHDX_TRY(forgetter.Forget());
    VHDX_TRY(SetSize(*image, left == kept ? new_size : geometry.BlockStart(left)));
  } while (!forgetter.done());
  VHDX_TRY(forgetter.GiveBack());
  VHDX_TRY(image->writer()->Close());
  if (!IsFixed(*image)) return {};
  // A fixed disk keeps space for every block: only as a smaller one it has too much.
  const auto smaller = VHDX_TRY(opener_.Open());
  return smaller->writer()->Close();
}

// What a smaller disk has in its last block past its end: other programs may show it when the disk
// grows again.
Result<void> Resizer::CutTail(uint64_t new_size) {
  const auto image = VHDX_TRY(opener_.Look());
  const format::BatGeometry& geometry = image->geometry();
  const uint64_t within = geometry.OffsetInBlock(new_size);
  if (within == 0) return {};
  const Block block = VHDX_TRY(image->block_map().PayloadBlock(geometry.BlockOf(new_size)));
  if (block.file_offset == 0) return {};
  const uint64_t file_size = VHDX_TRY(image->file().Size());
  const uint64_t start = block.file_offset + within;
  const uint64_t end = std::min(block.file_offset + geometry.block_size(), file_size);
  if (start >= end) return {};
  const FileRange tail{start, end - start};
  const bool is_clean = VHDX_TRY(ReadsAsZeros(image->file(), tail));
  if (is_clean) return {};
  const auto written = VHDX_TRY(opener_.Open());
  File& file = written->writer()->file();
  VHDX_TRY(IsFixed(*written) ? file.ZeroRange(tail) : PunchOrZero(file, tail));
  written->writer()->journal().NoteWrite();
  return written->writer()->Close();
}

}  // namespace vhdx

#include "image/block_forgetter.h"

#include "bytes/try.h"
#include "format/layout.h"

namespace vhdx {
namespace {

// Pages that one more step may add: an entry of a block, one of a bitmap, and the size of the disk
// where another program's item lies in two pages.
constexpr size_t kPagesOfAStep = 4;

}  // namespace

BlockForgetter::BlockForgetter(Image& image, uint64_t kept)
    : image_(image), kept_(kept), left_(image.geometry().payload_block_count()) {}

Result<uint64_t> BlockForgetter::Forget() {
  const format::BatGeometry& geometry = image_.geometry();
  const Journal& journal = image_.writer()->journal();
  if (journal.pages_per_entry() < kPagesOfAStep) {
    return Fail(ErrorCode::kUnsupported, "the log is too short for an entry of several pages",
                image_.info().filename);
  }
  while (left_ > kept_ && journal.dirty_count() + kPagesOfAStep <= journal.pages_per_entry()) {
    const uint64_t block = --left_;
    VHDX_TRY(ForgetEntry(geometry.PayloadIndex(block), geometry.block_size(), true));
    // Only with the first block of the chunk: those before it may need their bits.
    const bool is_first = block % geometry.chunk_ratio() == 0;
    if (is_first && image_.info().parameters.has_parent) {
      VHDX_TRY(ForgetEntry(geometry.BitmapIndex(geometry.ChunkOf(block)),
                           format::kSectorBitmapBlockSize, false));
    }
  }
  return left_;
}

// A bitmap may be in the log: its space is nobody's until the log is another one.
Result<void> BlockForgetter::ForgetEntry(uint64_t index, uint64_t length_bytes, bool give_back) {
  const auto entry = VHDX_TRY(image_.block_map().Entry(index));
  if (entry.raw() == 0) return {};
  MetadataChange change{.entry = MetadataChange::Entry{index, format::BatEntry()}};
  if (entry.file_offset() != 0) change.freed = {entry.file_offset(), length_bytes};
  VHDX_TRY(image_.writer()->journal().Apply(change));
  if (change.freed && give_back) NoteFreed(*change.freed);
  return {};
}

// From the last block on, most blocks follow each other.
void BlockForgetter::NoteFreed(FileRange range) {
  if (!freed_.empty() && range.file_offset + range.length_bytes == freed_.back().file_offset) {
    freed_.back() = {range.file_offset, freed_.back().length_bytes + range.length_bytes};
  } else {
    freed_.push_back(range);
  }
}

Result<void> BlockForgetter::GiveBack() {
  if (image_.info().parameters.subformat() == Subformat::kFixed) return {};
  return image_.writer()->GiveBack(freed_);
}

Result<uint64_t> CountPresent(Image& image, uint64_t first) {
  BatCursor cursor(image.block_map());
  const uint64_t end = image.geometry().payload_block_count();
  uint64_t count = 0;
  for (uint64_t block = first; block < end;) {
    const BatCursor::Run run = VHDX_TRY(cursor.RunAt(block, end - block));
    if (run.block.file_offset != 0) count += run.count;
    block += run.count;
  }
  return count;
}

}  // namespace vhdx

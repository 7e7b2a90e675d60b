#include "image/image_writer.h"

#include <algorithm>
#include <cassert>
#include <utility>
#include <vector>

#include "bytes/arithmetic.h"
#include "bytes/buffer_cursor.h"
#include "bytes/try.h"
#include "format/layout.h"
#include "io/holes.h"

namespace vhdx {
namespace {

using format::BatEntry;
using format::PayloadState;
using format::Transition;

// Blocks whose space is punched together, at most: 1 MiB of memory.
constexpr uint64_t kMostFreed = 65536;

}  // namespace

ImageWriter::ImageWriter(const WrittenImage& image, const WriteLimits& limits, uint64_t file_length)
    : file_(image.file),
      block_map_(image.block_map),
      sector_bitmaps_(image.sector_bitmaps),
      geometry_(image.block_map.geometry()),
      subformat_(image.info.parameters.subformat()),
      journal_(image, limits, file_length),
      references_(std::make_unique<BlockReferences>()) {}

Result<void> ImageWriter::WriteWithin(
    DiskRange range, std::span<const ByteSpan> buffers,
    const std::function<Result<void>(uint64_t disk_offset, MutableByteSpan sector)>& read) {
  VHDX_TRY(journal_.Start());
  const uint64_t start = AlignDown(range.disk_offset, geometry_.logical_sector_size());
  std::vector<std::byte> sector(geometry_.logical_sector_size());
  const Part part{.block = geometry_.BlockOf(start),
                  .within = geometry_.OffsetInBlock(start),
                  .length_bytes = sector.size()};
  const BlockReference only = references_->Exclude(part.block);
  VHDX_TRY(read(start, sector));
  const std::vector<std::byte> before = sector;
  auto target = sector.begin() + static_cast<ptrdiff_t>(range.disk_offset - start);
  for (const ByteSpan bytes : buffers) target = std::ranges::copy(bytes, target).out;
  // Zeros on zeros allocate nothing.
  if (sector == before) return {};
  auto entry = VHDX_TRY(block_map_.Entry(geometry_.PayloadIndex(part.block)));
  const ByteSpan whole(sector);
  FreedSpace freed;  // a write frees none
  return ApplyTransition(part, {.buffers = {&whole, 1}}, entry, freed);
}

Result<void> ImageWriter::WriteZeroes(DiskRange range) {
  return Change(range, {.kind = Contents::Kind::kZeroes});
}

Result<void> ImageWriter::Trim(DiskRange range) {
  return Change(range, {.kind = Contents::Kind::kTrim});
}

Result<void> ImageWriter::Clone(uint64_t disk_offset, BlockDevice& source, DiskRange source_range) {
  return Change({disk_offset, source_range.length_bytes},
                {.kind = Contents::Kind::kClone,
                 .source = &source,
                 .source_offset = source_range.disk_offset});
}

void ImageWriter::CountInto(EngineCounters& counters) const {
  journal_.CountInto(counters);
  counters.payload_bytes += payload_bytes_;
  counters.padding_bytes += padding_bytes_;
  counters.punches += punches_;
}

bool ImageWriter::IsWhole(const Part& part) const {
  return part.within == 0 && part.length_bytes == geometry_.BytesOnDisk(part.block);
}

DiskRange ImageWriter::RangeOf(const Part& part) const {
  return {geometry_.BlockStart(part.block) + part.within, part.length_bytes};
}

Result<void> ImageWriter::Change(DiskRange range, const Contents& contents) {
  assert(IsAligned(range.disk_offset | range.length_bytes, geometry_.logical_sector_size()));
  VHDX_TRY(journal_.Start());
  FreedSpace freed;
  if (contents.zeros() && !keeps_blocks()) {
    freed.reserve(std::min(range.length_bytes / geometry_.block_size() + 1, kMostFreed));
  }
  auto changed = ChangeParts(range, contents, freed);
  auto gave = GiveBack(freed);
  return changed ? gave : changed;
}

Result<void> ImageWriter::ChangeParts(DiskRange range, const Contents& contents,
                                      FreedSpace& freed) {
  BufferCursor<ByteSpan> cursor(contents.buffers);
  for (uint64_t done = 0; done < range.length_bytes;) {
    const uint64_t at = range.disk_offset + done;
    Part part{.block = geometry_.BlockOf(at), .within = geometry_.OffsetInBlock(at)};
    part.length_bytes = std::min(range.length_bytes - done, geometry_.block_size() - part.within);
    Contents of_part = contents;
    if (!of_part.buffers.empty()) of_part.buffers = cursor.Take(part.length_bytes);
    of_part.source_offset += done;
    VHDX_TRY(ChangePart(part, of_part, freed));
    if (freed.size() == kMostFreed) {
      VHDX_TRY(GiveBack(freed));
    }
    VHDX_TRY(journal_.Throttle());
    done += part.length_bytes;
  }
  return {};
}

// A request that neither allocates nor frees the block runs side by side with others to it.
Result<void> ImageWriter::ChangePart(const Part& part, const Contents& contents,
                                     FreedSpace& freed) {
  const uint64_t index = geometry_.PayloadIndex(part.block);
  {
    const BlockReference shared = references_->Share(part.block);
    auto entry = VHDX_TRY(block_map_.Entry(index));
    const Transition::Step step = TransitionFor(part, contents, entry).step;
    if (step == Transition::Step::kNothing || step == Transition::Step::kInPlace) {
      return ApplyTransition(part, contents, entry, freed);
    }
  }
  const BlockReference only = references_->Exclude(part.block);
  // Somebody may have been faster.
  auto entry = VHDX_TRY(block_map_.Entry(index));
  return ApplyTransition(part, contents, entry, freed);
}

const Transition& ImageWriter::TransitionFor(const Part& part, const Contents& contents,
                                             BatEntry entry) const {
  return format::TransitionOf(subformat_, entry.state(), contents.request(),
                              IsWhole(part) ? format::BlockPart::kWhole : format::BlockPart::kPart);
}

Result<void> ImageWriter::ApplyTransition(const Part& part, const Contents& contents,
                                          BatEntry entry, FreedSpace& freed) {
  const Transition& transition = TransitionFor(part, contents, entry);
  switch (transition.step) {
    case Transition::Step::kNothing:
      break;
    case Transition::Step::kInPlace:
      return ChangeInPlace(part, contents, entry, transition);
    case Transition::Step::kAllocate:
      return AllocateBlock(part, contents, entry, transition);
    case Transition::Step::kFreeIfAllocated:
      if (entry.file_offset() == 0) break;
      [[fallthrough]];
    case Transition::Step::kFree:
      return FreeBlock(part, entry, transition, freed);
  }
  return {};
}

// -- Blocks that are allocated --

Result<void> ImageWriter::ChangeInPlace(const Part& part, const Contents& contents, BatEntry entry,
                                        const Transition& transition) {
  auto put = Put(part, contents, entry.file_offset() + part.within);
  journal_.NoteWrite();
  return put && transition.sets_bits ? ApplyBits(part, entry) : put;
}

Result<void> ImageWriter::ApplyBits(const Part& part, BatEntry entry) {
  auto known = VHDX_TRY(IsWholeInFile(part));
  if (known) return {};
  const MetadataChange change{.bits = MetadataChange::Bits{.range = RangeOf(part)},
                              .payload_first = true};
  VHDX_TRY(journal_.Apply(change));
  auto complete = VHDX_TRY(sector_bitmaps_.AllSet(part.block));
  if (!complete) return {};
  // Every sector is here: from now on nobody has to look at its bits.
  return journal_.Apply(
      {.entry = MetadataChange::Entry{geometry_.PayloadIndex(part.block),
                                      BatEntry(PayloadState::kFullyPresent, entry.file_offset())},
       .payload_first = true});
}

Result<bool> ImageWriter::IsWholeInFile(const Part& part) {
  const DiskRange range = RangeOf(part);
  for (uint64_t at = range.disk_offset; at < range.end();) {
    auto run = VHDX_TRY(sector_bitmaps_.RunAt(at, range.end() - at));
    if (!run.in_this_file) return false;
    at += run.length_bytes;
  }
  return true;
}

// -- Allocating blocks --

Result<void> ImageWriter::AllocateBlock(const Part& part, const Contents& contents, BatEntry entry,
                                        const Transition& transition) {
  if (transition.sets_bits) {
    VHDX_TRY(EnsureBitmap(geometry_.ChunkOf(part.block)));
  }
  auto allocation = VHDX_TRY(journal_.Allocate(geometry_.block_size()));
  auto done = FillAllocation(part, contents, allocation, transition.sets_bits);
  journal_.NoteWrite();
  if (done) {
    MetadataChange change{
        .entry = MetadataChange::Entry{geometry_.PayloadIndex(part.block),
                                       BatEntry(transition.to, allocation.range.file_offset)},
        .allocated = allocation.range,
        .payload_first = transition.order == Transition::Order::kPayloadFirst ||
                         allocation.contents == Space::Contents::kStale};
    if (transition.sets_bits) {
      change.bits = {.range = RangeOf(part), .others = SectorBitmaps::OtherBits::kClear};
    }
    // An unmapped block may have kept its old space.
    if (entry.file_offset() != 0) {
      change.freed = {entry.file_offset(), geometry_.block_size()};
    }
    done = journal_.Apply(change);
    if (done && change.freed) {
      return journal_.Free({&*change.freed, 1}, Space::Contents::kStale);
    }
  }
  if (!done) journal_.Abandon(allocation);
  return done;
}

Result<void> ImageWriter::FillAllocation(const Part& part, const Contents& contents,
                                         const Space::Allocation& allocation, bool partial) {
  const uint64_t start = allocation.range.file_offset;
  const uint64_t end = start + part.within + part.length_bytes;
  const bool zeroed = allocation.contents == Space::Contents::kZeroed;
  if (!zeroed) {
    // No bit covers what is past the end of the disk, which may become larger.
    const uint64_t rest = partial ? start + geometry_.BytesOnDisk(part.block) : end;
    VHDX_TRY(partial ? Result<void>{} : Pad({start, part.within}));
    VHDX_TRY(Pad({rest, start + allocation.range.length_bytes - rest}));
  }
  if (contents.zeros() && zeroed) return {};
  return Put(part, contents, start + part.within);
}

Result<void> ImageWriter::EnsureBitmap(uint64_t chunk) {
  const MutexLock lock(bitmap_mutex_);
  auto offset = VHDX_TRY(block_map_.BitmapBlockOffset(chunk));
  if (offset != 0) return {};
  auto allocation = VHDX_TRY(journal_.Allocate(format::kSectorBitmapBlockSize));
  const bool stale = allocation.contents == Space::Contents::kStale;
  auto done = stale ? Pad(allocation.range) : Result<void>{};
  if (done) {
    done = journal_.Apply(
        {.entry = MetadataChange::Entry{geometry_.BitmapIndex(chunk),
                                        BatEntry(PayloadState::kFullyPresent,  // the same number
                                                 allocation.range.file_offset)},
         .allocated = allocation.range,
         .payload_first = stale});
  }
  if (!done) journal_.Abandon(allocation);
  return done;
}

// -- Freeing blocks --

Result<void> ImageWriter::FreeBlock(const Part& part, BatEntry entry, const Transition& transition,
                                    FreedSpace& freed) {
  MetadataChange change{.entry = MetadataChange::Entry{geometry_.PayloadIndex(part.block),
                                                       BatEntry(transition.to, 0)}};
  if (entry.file_offset() != 0) {
    change.freed = {entry.file_offset(), geometry_.block_size()};
  }
  auto applied = journal_.Apply(change);
  if (applied && change.freed) freed.push_back(*change.freed);
  return applied;
}

// Nothing points at it any more, and nobody else gets it before it is free.
Result<void> ImageWriter::GiveBack(FreedSpace& freed) {
  if (freed.empty()) return {};
  VHDX_TRY(journal_.Check());
  std::ranges::sort(freed, {}, &FileRange::file_offset);
  size_t runs = 0;
  for (const FileRange& range : freed) {
    if (runs > 0 &&
        freed[runs - 1].file_offset + freed[runs - 1].length_bytes == range.file_offset) {
      freed[runs - 1].length_bytes += range.length_bytes;
    } else {
      freed[runs++] = range;
    }
  }
  freed.resize(runs);
  Result<void> result;
  for (const FileRange& run : freed) {
    auto punched = file_.PunchHole(run);
    punches_.fetch_add(1, std::memory_order_relaxed);
    if (!punched && punched.error().code != ErrorCode::kUnsupported && result) {
      result = std::unexpected(punched.error());
    }
    VHDX_TRY(
        journal_.Free({&run, 1}, punched ? Space::Contents::kZeroed : Space::Contents::kStale));
  }
  freed.clear();
  return result;
}

// -- Bytes --

Result<void> ImageWriter::Put(const Part& part, const Contents& contents, uint64_t file_offset) {
  const FileRange range{file_offset, part.length_bytes};
  switch (contents.kind) {
    case Contents::Kind::kBytes:
      payload_bytes_.fetch_add(part.length_bytes, std::memory_order_relaxed);
      return file_.WriteAt(file_offset, contents.buffers);
    case Contents::Kind::kClone:
      return contents.source->CloneTo({contents.source_offset, part.length_bytes}, file_,
                                      file_offset);
    case Contents::Kind::kZeroes:
      break;
    case Contents::Kind::kTrim:
      if (keeps_blocks()) break;
      punches_.fetch_add(1, std::memory_order_relaxed);
      return PunchOrZero(file_, range);
  }
  return file_.ZeroRange(range);
}

Result<void> ImageWriter::Pad(FileRange range) {
  if (range.length_bytes == 0) return {};
  padding_bytes_.fetch_add(range.length_bytes, std::memory_order_relaxed);
  // Of a dynamic disk what is a hole stays one.
  return keeps_blocks() ? file_.ZeroRange(range) : ZeroData(file_, range);
}

}  // namespace vhdx

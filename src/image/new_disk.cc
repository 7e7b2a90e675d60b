#include "image/new_disk.h"

#include <algorithm>
#include <string>
#include <utility>

#include "bytes/arithmetic.h"
#include "bytes/buffer_cursor.h"
#include "bytes/endian.h"
#include "bytes/try.h"
#include "bytes/zeros.h"
#include "format/layout.h"
#include "io/device_checks.h"

namespace vhdx {
namespace {

using format::BatEntry;
using format::PayloadState;

constexpr uint64_t kZeroUnit = kMiB;
// Mostly the first bytes of a block tell whether it is zero, so little is read at first.
constexpr uint64_t kFirstLook = 4 * kKiB;

uint64_t FullyPresentAt(uint64_t file_offset) {
  return BatEntry(PayloadState::kFullyPresent, file_offset).raw();
}

// Zeros that are written and not only allocated, so that the first use of the log changes nothing
// in the host's own tables.
Result<void> FillWithZeros(File& file, FileRange range) {
  const std::vector<std::byte> zeros(kZeroUnit);
  for (uint64_t done = 0; done < range.length_bytes; done += zeros.size()) {
    const uint64_t length = std::min<uint64_t>(zeros.size(), range.length_bytes - done);
    VHDX_TRY(file.WriteAt(range.file_offset + done, ByteSpan(zeros).first(length)));
  }
  return {};
}

Result<bool> ReadsAsZeros(BlockDevice& source, DiskRange range) {
  std::vector<std::byte> buffer(std::min(range.length_bytes, kZeroUnit));
  uint64_t look = kFirstLook;
  for (uint64_t done = 0; done < range.length_bytes; look = kZeroUnit) {
    const auto bytes = std::span(buffer).first(std::min(look, range.length_bytes - done));
    VHDX_TRY(source.Read(range.disk_offset + done, bytes));
    if (!IsAllZero(bytes)) return false;
    done += bytes.size();
  }
  return true;
}

}  // namespace

NewDisk::NewDisk(File& file, NewImage image, bool size_is_known)
    : file_(file),
      image_(std::move(image)),
      size_is_known_(size_is_known),
      geometry_(image_.parameters),
      layout_(PlaceStructures(geometry_, image_.log_length_bytes)),
      first_block_offset_(size_is_known ? layout_.end : layout_.bat.file_offset),
      next_offset_(first_block_offset_) {}

Result<std::unique_ptr<NewDisk>> NewDisk::Begin(File& file, NewImage image) {
  uint64_t& size_bytes = image.parameters.virtual_disk_size_bytes;
  const bool size_is_known = size_bytes != 0;
  if (!size_is_known) size_bytes = format::kMaxVirtualDiskSize;
  VHDX_TRY(CheckNewImage(image));
  std::unique_ptr<NewDisk> disk(new NewDisk(file, std::move(image), size_is_known));
  const bool length_is_known = size_is_known && disk->is_fixed();
  const uint64_t length = length_is_known
                              ? disk->FixedBlockOffset(disk->geometry_.payload_block_count())
                              : disk->first_block_offset_;
  // The host says at once if it has no files of that length.
  auto begun = file.Resize(length);
  if (begun) begun = FillWithZeros(file, disk->layout_.log);
  if (!begun) return std::unexpected(std::move(begun.error()));
  return disk;
}

Result<void> NewDisk::Allocate(DiskRange range) {
  // The last block is whole in the file, however little of it lies on the disk.
  const uint64_t end = AlignUp(range.end(), geometry_.block_size());
  return file_.ZeroRange(
      {first_block_offset_ + range.disk_offset, end - AlignDown(range.disk_offset, kMiB)});
}

void NewDisk::SetSize(uint64_t size_bytes) {
  image_.parameters.virtual_disk_size_bytes = size_bytes;
  geometry_ = format::BatGeometry(image_.parameters);
}

// -- Writing --

NewDisk::Part NewDisk::PartAt(DiskRange range) const {
  const uint64_t within = geometry_.OffsetInBlock(range.disk_offset);
  return {.block = geometry_.BlockOf(range.disk_offset),
          .offset_in_block = within,
          .length_bytes = std::min(range.length_bytes, geometry_.block_size() - within)};
}

NewDisk::BatPage& NewDisk::PageOf(uint64_t index) {
  const uint64_t number = index / format::kBatEntriesPerPage;
  if (number >= pages_.size()) pages_.resize(number + 1);
  if (pages_[number] == nullptr) pages_[number] = std::make_unique<BatPage>();
  return *pages_[number];
}

uint64_t NewDisk::FindBlock(uint64_t block) {
  if (is_fixed()) return FixedBlockOffset(block);
  const uint64_t index = geometry_.PayloadIndex(block);
  const uint64_t number = index / format::kBatEntriesPerPage;
  const MutexLock lock(mutex_);
  if (number >= pages_.size() || pages_[number] == nullptr) return 0;
  return BatEntry((*pages_[number])[index % format::kBatEntriesPerPage]).file_offset();
}

uint64_t NewDisk::AllocateBlock(uint64_t block) {
  if (is_fixed()) return FixedBlockOffset(block);
  const uint64_t index = geometry_.PayloadIndex(block);
  const MutexLock lock(mutex_);
  uint64_t& entry = PageOf(index)[index % format::kBatEntriesPerPage];
  if (entry == 0) {
    entry = FullyPresentAt(next_offset_);
    next_offset_ += geometry_.block_size();
  }
  return BatEntry(entry).file_offset();
}

Result<void> NewDisk::Write(uint64_t disk_offset, std::span<const ByteSpan> buffers, WriteFlag) {
  DiskRange left{disk_offset, TotalBytes(buffers)};
  VHDX_TRY(CheckInside(*this, left));
  BufferCursor<ByteSpan> cursor(buffers);
  while (left.length_bytes > 0) {
    const Part part = PartAt(left);
    const uint64_t file_offset = AllocateBlock(part.block) + part.offset_in_block;
    VHDX_TRY(file_.WriteAt(file_offset, cursor.Take(part.length_bytes)));
    left = {left.disk_offset + part.length_bytes, left.length_bytes - part.length_bytes};
  }
  return {};
}

Result<void> NewDisk::WriteZeroes(DiskRange range) {
  VHDX_TRY(CheckInside(*this, range));
  while (range.length_bytes != 0) {
    const Part part = PartAt(range);
    if (const uint64_t start = FindBlock(part.block); start != 0) {
      VHDX_TRY(file_.ZeroRange({start + part.offset_in_block, part.length_bytes}));
    }
    range = {range.disk_offset + part.length_bytes, range.length_bytes - part.length_bytes};
  }
  return {};
}

Result<void> NewDisk::CloneFrom(uint64_t disk_offset, BlockDevice& source, DiskRange source_range) {
  const DiskRange target{disk_offset, source_range.length_bytes};
  VHDX_TRY(CheckInside(*this, target));
  if (!file_.capabilities().clone_range) {
    return Fail(ErrorCode::kUnsupported, "the host cannot share bytes between these files", name());
  }
  for (uint64_t done = 0; done < target.length_bytes;) {
    const Part part = PartAt({disk_offset + done, target.length_bytes - done});
    const DiskRange from{source_range.disk_offset + done, part.length_bytes};
    done += part.length_bytes;
    if (FindBlock(part.block) == 0) {
      auto zeros = VHDX_TRY(ReadsAsZeros(source, from));
      if (zeros) {
        zeros_not_cloned_ += from.length_bytes;
        continue;
      }
    }
    VHDX_TRY(source.CloneTo(from, file_, AllocateBlock(part.block) + part.offset_in_block));
  }
  return {};
}

Result<void> NewDisk::Read(uint64_t, std::span<const MutableByteSpan>) {
  return Fail(ErrorCode::kUnsupported, "a disk that is being made can only be written", name());
}

Result<std::vector<Extent>> NewDisk::Extents(DiskRange, size_t) {
  return Fail(ErrorCode::kUnsupported, "a disk that is being made can only be written", name());
}

// -- Finishing --

Result<void> NewDisk::Finish(WriteOrder order) {
  uint64_t end = 0;
  {
    const MutexLock lock(mutex_);
    end = is_fixed() ? FixedBlockOffset(geometry_.payload_block_count()) : next_offset_;
  }
  Result<void> done;
  if (!size_is_known_) {
    if (is_fixed()) done = AllocateRestOfLastBlock();
    layout_.bat = {end, BatRegionLength(geometry_)};
    end += layout_.bat.length_bytes;
  }
  if (done) done = file_.Resize(end);
  if (done) done = is_fixed() ? WriteFixedBat(layout_.bat) : WriteBat(layout_.bat);
  if (done) done = WriteStructures(file_, image_, layout_, order);
  return done;
}

Result<void> NewDisk::AllocateRestOfLastBlock() {
  const uint64_t end = geometry_.BlockStart(geometry_.payload_block_count());
  return file_.ZeroRange({first_block_offset_ + size_bytes(), end - size_bytes()});
}

Result<void> NewDisk::WriteBat(FileRange bat) {
  const MutexLock lock(mutex_);
  std::array<le64, format::kBatEntriesPerPage> entries;
  for (uint64_t number = 0; number < pages_.size(); ++number) {
    if (pages_[number] == nullptr) continue;
    std::ranges::copy(*pages_[number], entries.begin());
    VHDX_TRY(file_.WriteAt(bat.file_offset + number * format::kLogSectorSize,
                           std::as_bytes(std::span(entries))));
  }
  return {};
}

// Every block follows the one before it; the bitmap of a chunk is not allocated.
uint64_t NewDisk::FixedEntry(uint64_t index) const {
  const uint64_t chunk = index / (geometry_.chunk_ratio() + 1);
  const uint64_t in_chunk = index % (geometry_.chunk_ratio() + 1);
  const uint64_t block = chunk * geometry_.chunk_ratio() + in_chunk;
  if (in_chunk == geometry_.chunk_ratio() || block >= geometry_.payload_block_count()) return 0;
  return FullyPresentAt(FixedBlockOffset(block));
}

Result<void> NewDisk::WriteFixedBat(FileRange bat) {
  constexpr uint64_t kEntriesAtATime = 64 * kKiB;
  const uint64_t count = geometry_.EntryCountWithoutParent();
  std::vector<le64> entries;
  for (uint64_t first = 0; first < count; first += kEntriesAtATime) {
    entries.resize(std::min(kEntriesAtATime, count - first));
    for (uint64_t i = 0; i < entries.size(); ++i) entries[i] = FixedEntry(first + i);
    VHDX_TRY(file_.WriteAt(bat.file_offset + first * format::kBatEntrySize,
                           std::as_bytes(std::span(entries))));
  }
  return {};
}

}  // namespace vhdx

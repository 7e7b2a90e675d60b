#include "builder/new_disk.h"

#include <algorithm>
#include <string>
#include <utility>

#include "bytes/arithmetic.h"
#include "bytes/border.h"
#include "bytes/buffer_cursor.h"
#include "bytes/endian.h"
#include "bytes/try.h"
#include "bytes/zeros.h"
#include "format/layout.h"
#include "io/device_checks.h"
#include "io/holes.h"

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

// Whether what is at `start` in the file (0: nowhere) can be a part of the extent before it.
bool Continues(const Extent& extent, uint64_t start) {
  if (!extent.place) return start == 0;
  return start == extent.place->file_offset + extent.range.length_bytes;
}

}  // namespace

NewDisk::NewDisk(File& file, NewImage image, bool size_is_known)
    : file_(file),
      image_(std::move(image)),
      size_is_known_(size_is_known),
      geometry_(image_.parameters),
      layout_(PlaceStructures(geometry_, image_.log_length_bytes)),
      first_block_offset_(size_is_known ? layout_.end : layout_.bat.file_offset),
      next_offset_(first_block_offset_),
      covered_(first_block_offset_) {}

Result<std::unique_ptr<NewDisk>> NewDisk::Begin(File& file, NewImage image) {
  uint64_t& size_bytes = image.parameters.virtual_disk_size_bytes;
  const bool size_is_known = size_bytes != 0;
  if (!size_is_known) size_bytes = format::kMaxVirtualDiskSize;
  if (auto checked = CheckNewImage(image); !checked) {
    checked.error().file = file.name();
    return std::unexpected(std::move(checked.error()));
  }
  std::unique_ptr<NewDisk> disk(new NewDisk(file, std::move(image), size_is_known));
  const bool length_is_known = size_is_known && disk->is_fixed();
  const uint64_t length = length_is_known
                              ? disk->FixedBlockOffset(disk->geometry_.payload_block_count())
                              : disk->first_block_offset_;
  // The host says at once if it has no files of that length.
  VHDX_TRY(file.Resize(length));
  VHDX_TRY(FillWithZeros(file, disk->layout_.log));
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

NewDisk::Part NewDisk::FirstPart(DiskRange range) const {
  const uint64_t within = geometry_.OffsetInBlock(range.disk_offset);
  const uint64_t length = std::min(range.length_bytes, geometry_.block_size() - within);
  return {.block = geometry_.BlockOf(range.disk_offset),
          .offset_in_block = within,
          .range = {range.disk_offset, length}};
}

template <typename Use>
Result<void> NewDisk::ForEachPart(DiskRange range, Use&& use) const {
  while (range.length_bytes > 0) {
    const Part part = FirstPart(range);
    VHDX_TRY(use(part));
    range = {part.range.end(), range.length_bytes - part.range.length_bytes};
  }
  return {};
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

Result<void> NewDisk::Write(uint64_t disk_offset, std::span<const ByteSpan> buffers,
                            WriteFlag flag) {
  return DoRequest(gate_, *this, [&]() -> Result<void> {
    const DiskRange range{disk_offset, TotalBytes(buffers)};
    VHDX_TRY(CheckInside(*this, range));
    BufferCursor<ByteSpan> cursor(buffers);
    VHDX_TRY(ForEachPart(range, [&](const Part& part) {
      return file_.WriteAt(AllocateBlock(part.block) + part.offset_in_block,
                           cursor.Take(part.range.length_bytes));
    }));
    return flag == WriteFlag::kFua && range.length_bytes > 0 ? file_.Sync() : Result<void>{};
  });
}

Result<void> NewDisk::WriteZeroes(DiskRange range) {
  return DoRequest(gate_, *this, [&]() -> Result<void> {
    VHDX_TRY(CheckInside(*this, range));
    return ForEachPart(range, [&](const Part& part) -> Result<void> {
      const uint64_t start = FindBlock(part.block);
      if (start == 0) return {};
      return file_.ZeroRange({start + part.offset_in_block, part.range.length_bytes});
    });
  });
}

Result<void> NewDisk::CloneFrom(uint64_t disk_offset, BlockDevice& source, DiskRange source_range) {
  return DoRequest(gate_, *this, [&]() -> Result<void> {
    const DiskRange target{disk_offset, source_range.length_bytes};
    VHDX_TRY(CheckInside(*this, target));
    if (!file_.capabilities().clone_range) {
      return Fail(ErrorCode::kUnsupported, "the host cannot share bytes between these files",
                  name());
    }
    return ForEachPart(target, [&](const Part& part) {
      return CloneOne(part, source,
                      source_range.disk_offset + (part.range.disk_offset - disk_offset));
    });
  });
}

Result<void> NewDisk::CloneOne(const Part& part, BlockDevice& source, uint64_t source_offset) {
  const DiskRange from{source_offset, part.range.length_bytes};
  if (FindBlock(part.block) == 0) {
    const bool zeros = VHDX_TRY(ReadsAsZeros(source, from));
    if (zeros) {
      zeros_not_cloned_ += from.length_bytes;
      return {};
    }
  }
  return source.CloneTo(from, file_, AllocateBlock(part.block) + part.offset_in_block);
}

Result<void> NewDisk::Flush() {
  return DoRequest(gate_, *this, [&] { return file_.Sync(); });
}

Result<void> NewDisk::Close() try {
  if (!gate_.Shut()) return IsClosed(*this);
  return file_.Sync();
} catch (...) {
  return CaughtException();
}

// -- Reading --

// A block of which not all has been written may reach past the end of the file. Nobody writes
// there before it has a block there, so the file is not cut.
Result<uint64_t> NewDisk::FindToRead(const Part& part) {
  const uint64_t start = FindBlock(part.block);
  const MutexLock lock(mutex_);
  if (covered_ < next_offset_) {
    VHDX_TRY(file_.Resize(next_offset_));
    covered_ = next_offset_;
  }
  return start == 0 ? 0 : start + part.offset_in_block;
}

Result<void> NewDisk::Read(uint64_t disk_offset, std::span<const MutableByteSpan> buffers) {
  return DoRequest(gate_, *this, [&]() -> Result<void> {
    const DiskRange range{disk_offset, TotalBytes(buffers)};
    VHDX_TRY(CheckInside(*this, range));
    BufferCursor<MutableByteSpan> cursor(buffers);
    return ForEachPart(range, [&](const Part& part) -> Result<void> {
      const uint64_t length = part.range.length_bytes;
      const uint64_t start = VHDX_TRY(FindToRead(part));
      const auto targets = cursor.Take(length);
      if (start != 0) return file_.ReadExactAt(start, targets, length);
      for (const MutableByteSpan target : targets) std::ranges::fill(target, std::byte{0});
      return {};
    });
  });
}

Result<std::vector<Extent>> NewDisk::Extents(DiskRange range, size_t max_extents) {
  return DoRequest(gate_, *this, [&]() -> Result<std::vector<Extent>> {
    VHDX_TRY(CheckExtents(*this, range, max_extents));
    std::vector<Extent> extents;
    while (range.length_bytes > 0) {
      const Part part = FirstPart(range);
      const uint64_t start = VHDX_TRY(FindToRead(part));
      if (!extents.empty() && Continues(extents.back(), start)) {
        extents.back().range.length_bytes += part.range.length_bytes;
      } else if (extents.size() == max_extents) {
        break;
      } else if (start == 0) {
        extents.push_back({.range = part.range});
      } else {
        extents.push_back({.range = part.range,
                           .kind = ExtentKind::kData,
                           .present = true,
                           .place = FilePlace{file_.identity(), start}});
      }
      range = {part.range.end(), range.length_bytes - part.range.length_bytes};
    }
    return extents;
  });
}

Result<uint64_t> NewDisk::NextData(DiskRange range) {
  return DoRequest(gate_, *this, [&]() -> Result<uint64_t> {
    VHDX_TRY(CheckInside(*this, range));
    while (range.length_bytes > 0) {
      const Part part = FirstPart(range);
      const uint64_t length = part.range.length_bytes;
      const uint64_t start = VHDX_TRY(FindToRead(part));
      if (start != 0) {
        const uint64_t data = VHDX_TRY(file_.NextData(start));
        if (data - start < length) return part.range.disk_offset + (data - start);
      }
      range = {part.range.end(), range.length_bytes - length};
    }
    return range.disk_offset;
  });
}

Result<void> NewDisk::CloneTo(DiskRange range, File& target, uint64_t file_offset) {
  return DoShare(gate_, *this, [&]() -> Result<void> {
    VHDX_TRY(CheckInside(*this, range));
    return ForEachPart(range, [&](const Part& part) -> Result<void> {
      const uint64_t to = file_offset + (part.range.disk_offset - range.disk_offset);
      const uint64_t length = part.range.length_bytes;
      const uint64_t start = VHDX_TRY(FindToRead(part));
      if (start == 0) return PunchOrZero(target, {to, length});
      return target.CloneRange(to, file_, {start, length});
    });
  });
}

// -- Finishing --

Result<void> NewDisk::Finish() {
  static_cast<void>(gate_.Shut());  // unless it has been closed
  uint64_t end = 0;
  {
    const MutexLock lock(mutex_);
    end = is_fixed() ? FixedBlockOffset(geometry_.payload_block_count()) : next_offset_;
  }
  if (!size_is_known_) {
    if (is_fixed()) {
      VHDX_TRY(AllocateRestOfLastBlock());
    }
    layout_.bat = {end, BatRegionLength(geometry_)};
    end += layout_.bat.length_bytes;
  }
  VHDX_TRY(file_.Resize(end));
  VHDX_TRY(is_fixed() ? WriteFixedBat(layout_.bat) : WriteBat(layout_.bat));
  return WriteStructures(file_, image_, layout_);
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

#include "io/overlay_file.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "bytes/arithmetic.h"
#include "bytes/buffer_cursor.h"
#include "bytes/formatting.h"
#include "bytes/try.h"
#include "io/holes.h"

namespace vhdx {
namespace {

FileCapabilities ReadOnly(FileCapabilities capabilities) {
  capabilities.writable = false;
  capabilities.punch_hole = false;
  capabilities.clone_range = false;
  return capabilities;
}

/// The end of a range that may claim to reach past 2^64.
uint64_t EndOf(FileRange range) {
  return CheckedAdd(range.file_offset, range.length_bytes).value_or(UINT64_MAX);
}

/// Puts `patch`, which stands at `patch_offset`, over what `buffer` at `buffer_offset` has of it.
void Patch(MutableByteSpan buffer, uint64_t buffer_offset, ByteSpan patch, uint64_t patch_offset) {
  const uint64_t from = std::max(buffer_offset, patch_offset);
  const uint64_t to = std::min(buffer_offset + buffer.size(), patch_offset + patch.size());
  if (from >= to) return;
  std::memcpy(buffer.data() + (from - buffer_offset), patch.data() + (from - patch_offset),
              to - from);
}

void FillZeros(MutableByteSpan buffer) { std::ranges::fill(buffer, std::byte{0}); }

}  // namespace

OverlayFile::OverlayFile(std::unique_ptr<File> base)
    : base_(std::move(base)),
      base_size_(base_->Size()),
      capabilities_(ReadOnly(base_->capabilities())),
      size_(base_size_.value_or(0)) {}

// -- Building --

OverlayFile::Segment OverlayFile::Segment::Behind(uint64_t bytes) const {
  Segment rest = *this;
  if (zeros()) return rest;
  rest.skipped = static_cast<uint16_t>(skipped + bytes);
  rest.length_bytes = static_cast<uint16_t>(length_bytes - bytes);
  return rest;
}

OverlayFile::Segment OverlayFile::Segment::Until(uint64_t start, uint64_t end) const {
  Segment part = *this;
  if (zeros()) {
    part.place = end;
  } else {
    part.length_bytes = static_cast<uint16_t>(end - start);
  }
  return part;
}

void OverlayFile::AddZeros(FileRange range) {
  const uint64_t end = EndOf(range);
  Insert(range.file_offset, end, {.place = end});
}

void OverlayFile::AddSector(uint64_t file_offset, const RelocatedSector& sector) {
  Insert(file_offset, EndOf({file_offset, kRelocatedSectorBytes}),
         {.place = sector.stored_offset,
          .leading = sector.leading,
          .trailing = sector.trailing,
          .length_bytes = kRelocatedSectorBytes});
}

void OverlayFile::SetSize(uint64_t length_bytes) { size_ = length_bytes; }

void OverlayFile::Insert(uint64_t start, uint64_t end, const Segment& segment) {
  if (start == end) return;
  Cut(start, end);
  segments_.emplace(start, segment);
}

/// Takes [start, end) out of the segments that there are; what stands out on either side of it
/// stays.
void OverlayFile::Cut(uint64_t start, uint64_t end) {
  auto it = segments_.lower_bound(start);
  if (it != segments_.begin() && std::prev(it)->second.EndFrom(std::prev(it)->first) > start) --it;
  while (it != segments_.end() && it->first < end) {
    const auto [old_start, old] = *it;
    const uint64_t old_end = old.EndFrom(old_start);
    it = segments_.erase(it);
    if (old_start < start) segments_.emplace(old_start, old.Until(old_start, start));
    if (old_end > end) segments_.emplace(end, old.Behind(end - old_start));
  }
}

// -- Reading --

OverlayFile::Segments::const_iterator OverlayFile::SegmentFrom(uint64_t file_offset) const {
  auto it = segments_.upper_bound(file_offset);
  if (it == segments_.begin()) return it;
  const auto before = std::prev(it);
  return before->second.EndFrom(before->first) > file_offset ? before : it;
}

uint64_t OverlayFile::GapEnd(Segments::const_iterator segment, uint64_t size) const {
  return segment == segments_.end() ? size : std::min(segment->first, size);
}

Result<void> OverlayFile::PutInPlace(const std::function<Result<void>(Result<void>)>& after_write) {
  VHDX_TRY(base_size_);
  std::array<std::byte, kRelocatedSectorBytes> buffer;
  for (const auto& [start, segment] : segments_) {
    if (segment.zeros()) {
      VHDX_TRY(after_write(ZeroData(*base_, {start, segment.place - start})));
      continue;
    }
    const MutableByteSpan part = MutableByteSpan(buffer).first(segment.length_bytes);
    VHDX_TRY(ReadSector(0, segment, part));
    VHDX_TRY(after_write(base_->WriteAt(start, ByteSpan(part))));
  }
  auto size = VHDX_TRY(base_->Size());
  return size < size_ ? after_write(base_->Resize(size_)) : Result<void>{};
}

template <typename Overlaid, typename Base>
auto OverlayFile::Choose(Overlaid through_overlay, Base on_base) {
  if (!dissolved_.load(std::memory_order_acquire)) {
    const SharedLock lock(mutex_);
    if (!dissolved_.load(std::memory_order_relaxed)) return through_overlay();
  }
  return on_base();
}

void OverlayFile::Dissolve() {
  const ExclusiveLock lock(mutex_);
  dissolved_.store(true, std::memory_order_release);
  segments_.clear();
}

Result<size_t> OverlayFile::ReadAt(uint64_t file_offset, std::span<const MutableByteSpan> buffers) {
  return Choose([&] { return ReadOverlaid(file_offset, buffers); },
                [&] { return base_->ReadAt(file_offset, buffers); });
}

Result<size_t> OverlayFile::ReadOverlaid(uint64_t file_offset,
                                         std::span<const MutableByteSpan> buffers) {
  const uint64_t base_size = VHDX_TRY(base_size_);
  if (file_offset >= size_) return size_t{0};
  const uint64_t wanted = TotalBytes(buffers);
  const uint64_t inside = std::min(wanted, size_ - file_offset);
  if (inside == wanted && file_offset + wanted <= GapEnd(SegmentFrom(file_offset), base_size)) {
    return base_->ReadAt(file_offset, buffers);  // nothing of it is replaced
  }
  uint64_t done = 0;
  for (const MutableByteSpan buffer : buffers) {
    const MutableByteSpan part = buffer.first(std::min<uint64_t>(buffer.size(), inside - done));
    VHDX_TRY(ReadInside(file_offset + done, part));
    done += part.size();
  }
  return done;
}

/// Fills the buffer from a range that lies inside the file.
Result<void> OverlayFile::ReadInside(uint64_t file_offset, MutableByteSpan buffer) {
  auto segment = SegmentFrom(file_offset);
  while (!buffer.empty()) {
    const bool gap = segment == segments_.end() || file_offset < segment->first;
    const uint64_t end =
        gap ? GapEnd(segment, UINT64_MAX) : segment->second.EndFrom(segment->first);
    const MutableByteSpan part = buffer.first(std::min<uint64_t>(buffer.size(), end - file_offset));
    if (gap) {
      VHDX_TRY(ReadBase(file_offset, part));
    } else if (segment->second.zeros()) {
      FillZeros(part);
    } else {
      VHDX_TRY(ReadSector(file_offset - segment->first, segment->second, part));
    }
    file_offset += part.size();
    buffer = buffer.subspan(part.size());
    if (!gap) ++segment;
  }
  return {};
}

/// Bytes of the base, and zeros behind its end.
Result<void> OverlayFile::ReadBase(uint64_t file_offset, MutableByteSpan buffer) {
  const uint64_t start = std::min(file_offset, *base_size_);
  const uint64_t stored = std::min<uint64_t>(buffer.size(), *base_size_ - start);
  FillZeros(buffer.subspan(stored));
  return stored == 0 ? Result<void>() : base_->ReadExactAt(file_offset, buffer.first(stored));
}

Result<void> OverlayFile::ReadSector(uint64_t in_part, const Segment& segment,
                                     MutableByteSpan buffer) {
  const uint64_t in_sector = segment.skipped + in_part;
  VHDX_TRY(base_->ReadExactAt(segment.place + in_sector, buffer));
  Patch(buffer, in_sector, segment.leading, 0);
  Patch(buffer, in_sector, segment.trailing, kRelocatedSectorBytes - segment.trailing.size());
  return {};
}

// -- Describing --

Result<uint64_t> OverlayFile::Size() {
  return Choose([&] { return base_size_ ? Result<uint64_t>(size_) : base_size_; },
                [&] { return base_->Size(); });
}

Result<uint64_t> OverlayFile::NextData(uint64_t file_offset) {
  return Choose([&] { return NextDataOverlaid(file_offset); },
                [&] { return base_->NextData(file_offset); });
}

Result<uint64_t> OverlayFile::NextDataOverlaid(uint64_t file_offset) {
  const uint64_t base_size = VHDX_TRY(base_size_);
  for (auto segment = SegmentFrom(file_offset); file_offset < size_;) {
    if (segment != segments_.end() && segment->first <= file_offset) {
      if (!segment->second.zeros()) return file_offset;
      file_offset = segment->second.EndFrom(segment->first);
      ++segment;
      continue;
    }
    const uint64_t gap_end = GapEnd(segment, size_);
    if (file_offset < base_size) {
      const uint64_t data = VHDX_TRY(base_->NextData(file_offset));
      if (data < std::min(gap_end, base_size)) return data;
    }
    file_offset = gap_end;
  }
  return size_;
}

Result<uint64_t> OverlayFile::NextHole(uint64_t file_offset) {
  return Choose([&] { return NextHoleOverlaid(file_offset); },
                [&] { return base_->NextHole(file_offset); });
}

Result<uint64_t> OverlayFile::NextHoleOverlaid(uint64_t file_offset) {
  const uint64_t base_size = VHDX_TRY(base_size_);
  for (auto segment = SegmentFrom(file_offset); file_offset < size_;) {
    if (segment != segments_.end() && segment->first <= file_offset) {
      if (segment->second.zeros()) return file_offset;
      file_offset = segment->second.EndFrom(segment->first);
      ++segment;
      continue;
    }
    if (file_offset >= base_size) return file_offset;
    const uint64_t gap_end = GapEnd(segment, size_);
    const uint64_t hole = VHDX_TRY(base_->NextHole(file_offset));
    if (hole < gap_end) return hole;
    file_offset = gap_end;
  }
  return size_;
}

// -- What would change the file --

std::unexpected<Error> OverlayFile::Refused() const {
  return Fail(ErrorCode::kReadOnly, "this view of the file is for reading only", name());
}

Result<void> OverlayFile::WriteAt(uint64_t, std::span<const ByteSpan>) { return Refused(); }
Result<void> OverlayFile::Resize(uint64_t) { return Refused(); }
Result<void> OverlayFile::ZeroRange(FileRange) { return Refused(); }
Result<void> OverlayFile::PunchHole(FileRange) { return Refused(); }
Result<void> OverlayFile::CloneRange(uint64_t, File&, FileRange) { return Refused(); }

}  // namespace vhdx

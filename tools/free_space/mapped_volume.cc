#include "tools/free_space/mapped_volume.h"

#include <algorithm>
#include <iterator>
#include <numeric>
#include <utility>

#include "bytes/arithmetic.h"
#include "bytes/buffer_cursor.h"
#include "bytes/formatting.h"
#include "bytes/try.h"
#include "tools/free_space/disk_ranges.h"

namespace vhdx::free_space {
namespace {

// Adds an extent, as a part of the last one where it continues that.
void AppendExtent(std::vector<Extent>& extents, const Extent& next) {
  if (!extents.empty()) {
    Extent& last = extents.back();
    const bool same_place = last.place.has_value() == next.place.has_value() &&
                            (!last.place || (last.place->file == next.place->file &&
                                             last.place->file_offset + last.range.length_bytes ==
                                                 next.place->file_offset));
    if (last.kind == next.kind && last.present == next.present && last.depth == next.depth &&
        same_place) {
      last.range.length_bytes += next.range.length_bytes;
      return;
    }
  }
  extents.push_back(next);
}

}  // namespace

MappedVolume::MappedVolume(BlockDevice& device, std::vector<MappedSegment> segments,
                           std::string name)
    : device_(device), segments_(std::move(segments)), name_(std::move(name)) {}

MappedVolume::~MappedVolume() = default;

uint64_t MappedVolume::size_bytes() const {
  return segments_.empty() ? 0 : segments_.back().volume_end();
}

std::vector<MappedSegment> MappedVolume::Parts(DiskRange range) const {
  std::vector<MappedSegment> parts;
  auto segment =
      std::ranges::upper_bound(segments_, range.disk_offset, {}, &MappedSegment::volume_offset);
  if (segment != segments_.begin()) --segment;
  for (; segment != segments_.end() && segment->volume_offset < range.end(); ++segment) {
    const uint64_t start = std::max(range.disk_offset, segment->volume_offset);
    const uint64_t end = std::min(range.end(), segment->volume_end());
    if (start >= end) continue;
    parts.push_back({.volume_offset = start,
                     .device_offset = segment->device_offset + (start - segment->volume_offset),
                     .length_bytes = end - start});
  }
  return parts;
}

std::vector<DiskRange> MappedVolume::OnDevice(std::span<const DiskRange> ranges) const {
  std::vector<DiskRange> mapped;
  for (const DiskRange& range : ranges) {
    for (const MappedSegment& part : Parts(range)) {
      mapped.push_back({part.device_offset, part.length_bytes});
    }
  }
  SortAndJoin(mapped);
  return mapped;
}

FreeSpace MappedVolume::OnDevice(const FreeSpace& space) const {
  FreeSpace mapped{.unit_bytes = space.unit_bytes,
                   .free = OnDevice(space.free),
                   .counted_free_bytes = space.counted_free_bytes,
                   .metadata = {}};
  for (const MappedSegment& segment : segments_) {
    mapped.unit_bytes = std::gcd(mapped.unit_bytes, segment.length_bytes);
  }
  for (const DiskRange& range : space.metadata) {
    for (const MappedSegment& part : Parts(range)) {
      mapped.metadata.push_back({part.device_offset, part.length_bytes});
    }
  }
  return mapped;
}

Result<void> MappedVolume::CheckInside(DiskRange range) const {
  if (FitsInside(range.disk_offset, range.length_bytes, size_bytes())) return {};
  return Fail(ErrorCode::kInvalidArgument,
              Format("cannot access {} bytes at {}: the volume has {} bytes", range.length_bytes,
                     range.disk_offset, size_bytes()),
              name_);
}

Result<void> MappedVolume::Read(uint64_t disk_offset, std::span<const MutableByteSpan> buffers) {
  const DiskRange range{disk_offset, TotalBytes(buffers)};
  VHDX_TRY(CheckInside(range));
  BufferCursor<MutableByteSpan> cursor(buffers);
  for (const MappedSegment& part : Parts(range)) {
    VHDX_TRY(device_.Read(part.device_offset, cursor.Take(part.length_bytes)));
  }
  return {};
}

Result<void> MappedVolume::Write(uint64_t /*disk_offset*/, std::span<const ByteSpan> /*buffers*/,
                                 WriteFlag /*flag*/) {
  return Fail(ErrorCode::kReadOnly, "logical volumes are read-only", name_);
}

Result<void> MappedVolume::WriteZeroes(DiskRange range) { return Trim(range); }

Result<void> MappedVolume::Trim(DiskRange /*range*/) {
  return Fail(ErrorCode::kReadOnly, "logical volumes are read-only", name_);
}

Result<std::vector<Extent>> MappedVolume::Extents(DiskRange range, size_t max_extents) {
  VHDX_TRY(CheckInside(range));
  if (max_extents == 0) return Fail(ErrorCode::kInvalidArgument, "no extents asked for", name_);
  std::vector<Extent> extents;
  for (const MappedSegment& part : Parts(range)) {
    DiskRange rest{part.device_offset, part.length_bytes};
    while (rest.length_bytes != 0) {
      const std::vector<Extent> found = VHDX_TRY(device_.Extents(rest, max_extents));
      for (Extent extent : found) {
        extent.range.disk_offset =
            part.volume_offset + (extent.range.disk_offset - part.device_offset);
        AppendExtent(extents, extent);
        // The last one may still grow.
        if (extents.size() > max_extents) {
          extents.pop_back();
          return extents;
        }
      }
      const uint64_t end = rest.end();
      rest = {found.back().range.end(), end - found.back().range.end()};
    }
  }
  return extents;
}

}  // namespace vhdx::free_space

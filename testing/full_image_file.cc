#include "testing/full_image_file.h"

#include <algorithm>

#include "testing/image_builder.h"

namespace vhdx::testing {

FullImageFile::FullImageFile(const DiskShape& shape, BlockOrder order)
    : spec_(DynamicImage(shape)), order_(order), layout_(*Build(spec_, stored_)) {}

uint64_t FullImageFile::block_count() const {
  return DivideRoundingUp(spec_.parameters.virtual_disk_size_bytes,
                          uint64_t{spec_.parameters.block_size_bytes});
}

uint64_t FullImageFile::end() const {
  return layout_.end + block_count() * spec_.parameters.block_size_bytes;
}

uint64_t FullImageFile::PlaceOf(uint64_t block) const {
  const uint64_t rank = order_ == BlockOrder::kAscending ? block : block_count() - 1 - block;
  return layout_.end + rank * spec_.parameters.block_size_bytes;
}

uint64_t FullImageFile::EntryAt(uint64_t index) const {
  const uint64_t chunk = index / (layout_.chunk_ratio + 1);
  const uint64_t in_chunk = index % (layout_.chunk_ratio + 1);
  const uint64_t block = chunk * layout_.chunk_ratio + in_chunk;
  if (in_chunk == layout_.chunk_ratio || block >= block_count()) return 0;
  return format::BatEntry(format::PayloadState::kFullyPresent, PlaceOf(block)).raw();
}

void FullImageFile::FillBat(uint64_t region_offset, MutableByteSpan buffer) const {
  while (!buffer.empty()) {
    const le64 entry = EntryAt(region_offset / format::kBatEntrySize);
    const auto bytes =
        std::as_bytes(std::span(&entry, 1)).subspan(region_offset % format::kBatEntrySize);
    const size_t length = std::min(bytes.size(), buffer.size());
    std::ranges::copy(bytes.first(length), buffer.begin());
    buffer = buffer.subspan(length);
    region_offset += length;
  }
}

Result<size_t> FullImageFile::FillSome(uint64_t file_offset, MutableByteSpan buffer) {
  const uint64_t block_size = spec_.parameters.block_size_bytes;
  const auto up_to = [&](uint64_t limit) {
    return buffer.first(std::min<uint64_t>(buffer.size(), limit - file_offset));
  };
  const uint64_t bat_end = layout_.bat.file_offset + layout_.bat.length_bytes;
  if (file_offset >= layout_.bat.file_offset && file_offset < bat_end) {
    const MutableByteSpan part = up_to(bat_end);
    FillBat(file_offset - layout_.bat.file_offset, part);
    return part.size();
  }
  if (file_offset < layout_.end) {
    const uint64_t limit =
        file_offset < layout_.bat.file_offset ? layout_.bat.file_offset : layout_.end;
    return stored_.ReadAt(file_offset, up_to(limit));
  }
  const uint64_t rank = (file_offset - layout_.end) / block_size;
  const uint64_t block = order_ == BlockOrder::kAscending ? rank : block_count() - 1 - rank;
  const uint64_t in_block = (file_offset - layout_.end) % block_size;
  const MutableByteSpan part = up_to(file_offset - in_block + block_size);
  FillPattern(spec_.pattern, block * block_size + in_block, part);
  return part.size();
}

Result<size_t> FullImageFile::ReadAt(uint64_t file_offset,
                                     std::span<const MutableByteSpan> buffers) {
  size_t total = 0;
  for (MutableByteSpan buffer : buffers) {
    while (!buffer.empty()) {
      const uint64_t offset = file_offset + total;
      if (offset >= end()) return total;
      const auto filled =
          FillSome(offset, buffer.first(std::min<uint64_t>(buffer.size(), end() - offset)));
      if (!filled) return filled;
      buffer = buffer.subspan(*filled);
      total += *filled;
    }
  }
  return total;
}

Result<uint64_t> FullImageFile::Size() { return end(); }

}  // namespace vhdx::testing

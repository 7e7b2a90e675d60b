#include "guest/range_reader.h"

#include <algorithm>
#include <span>
#include <utility>

#include "bytes/arithmetic.h"

namespace vhdx::guest {

RangeReader::RangeReader(BlockDevice& disk, DiskRange range) : disk_(disk), range_(range) {
  const uint64_t size = disk.size_bytes();
  range_.disk_offset = std::min(range.disk_offset, size);
  range_.length_bytes = std::min(range.length_bytes, size - range_.disk_offset);
}

std::optional<std::vector<std::byte>> RangeReader::Read(uint64_t offset, size_t length) {
  if (!FitsInside(offset, length, range_.length_bytes)) return std::nullopt;
  std::vector<std::byte> bytes(length);
  if (!Fill(offset, bytes)) return std::nullopt;
  return bytes;
}

std::vector<std::byte> RangeReader::ReadHead(size_t length) {
  std::vector<std::byte> bytes(length);
  const auto inside = static_cast<size_t>(std::min<uint64_t>(length, range_.length_bytes));
  if (!Fill(0, std::span(bytes).first(inside))) std::ranges::fill(bytes, std::byte{0});
  return bytes;
}

Result<void> RangeReader::Finish() { return std::exchange(status_, {}); }

bool RangeReader::Fill(uint64_t offset, MutableByteSpan buffer) {
  if (status_) status_ = disk_.Read(range_.disk_offset + offset, buffer);
  return status_.has_value();
}

}  // namespace vhdx::guest

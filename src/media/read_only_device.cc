#include "media/read_only_device.h"

#include <algorithm>

#include "bytes/buffer_cursor.h"
#include "bytes/try.h"
#include "io/device_checks.h"

namespace vhdx {
namespace {

DiskRange Clipped(const BlockDevice& device, DiskRange range) {
  const uint64_t start = std::min(range.disk_offset, device.size_bytes());
  return {start, std::min(range.length_bytes, device.size_bytes() - start)};
}

}  // namespace

// CheckWrite fails, because the device is not writable.
Result<void> ReadOnlyDevice::Write(uint64_t disk_offset, std::span<const ByteSpan> buffers,
                                   WriteFlag) try {
  return CheckWrite(*this, {disk_offset, TotalBytes(buffers)});
} catch (...) {
  return CaughtException();
}

Result<void> ReadOnlyDevice::WriteZeroes(DiskRange range) try {
  return CheckWrite(*this, range);
} catch (...) {
  return CaughtException();
}

Result<void> ReadOnlyDevice::Trim(DiskRange range) try {
  return CheckWrite(*this, range);
} catch (...) {
  return CaughtException();
}

Result<std::vector<Extent>> ReadOnlyDevice::Extents(DiskRange range, size_t max_extents) try {
  VHDX_TRY(CheckExtents(*this, range, max_extents));
  if (range.length_bytes == 0) return std::vector<Extent>();
  return std::vector{Extent{.range = range, .kind = ExtentKind::kData, .present = true}};
} catch (...) {
  return CaughtException();
}

DeviceRange::DeviceRange(BlockDevice& device, DiskRange range)
    : ReadOnlyDevice({.name = device.name(),
                      .size_bytes = Clipped(device, range).length_bytes,
                      .logical_sector_size = device.logical_sector_size(),
                      .physical_sector_size = device.physical_sector_size()}),
      device_(device),
      start_(Clipped(device, range).disk_offset) {}

Result<void> DeviceRange::Read(uint64_t disk_offset, std::span<const MutableByteSpan> buffers) try {
  VHDX_TRY(CheckInside(*this, {disk_offset, TotalBytes(buffers)}));
  return device_.Read(start_ + disk_offset, buffers);
} catch (...) {
  return CaughtException();
}

}  // namespace vhdx

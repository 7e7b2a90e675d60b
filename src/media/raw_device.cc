#include <vhdxkit/raw_device.h>

#include <algorithm>
#include <string>
#include <utility>

#include "bytes/arithmetic.h"
#include "bytes/border.h"

namespace vhdx {

Result<std::unique_ptr<RawDevice>> RawDevice::Open(std::unique_ptr<File> file) try {
  auto device = OnFile(*file);
  if (device) (*device)->owned_file_ = std::move(file);
  return device;
} catch (...) {
  return CaughtException();
}

Result<std::unique_ptr<RawDevice>> RawDevice::OnFile(File& file) try {
  auto size = file.Size();
  if (!size) return std::unexpected(std::move(size.error()));
  return std::unique_ptr<RawDevice>(new RawDevice(file, *size));
} catch (...) {
  return CaughtException();
}

const std::string& RawDevice::name() const { return file_.name(); }
uint64_t RawDevice::size_bytes() const { return AlignUp(file_size_, kSectorSize); }
uint32_t RawDevice::logical_sector_size() const {
  // A VHDX can say only 512 or 4096.
  return file_.capabilities().sector_size == kLargeSectorSize ? kLargeSectorSize : kSectorSize;
}
uint32_t RawDevice::physical_sector_size() const { return RawDevice::logical_sector_size(); }
bool RawDevice::writable() const { return file_.capabilities().writable; }

Result<void> RawDevice::Read(uint64_t disk_offset, MutableByteSpan buffer) try {
  if (!FitsInside(disk_offset, buffer.size(), size_bytes())) {
    return Fail(ErrorCode::kInvalidArgument,
                "the " + std::to_string(buffer.size()) + " bytes at " +
                    std::to_string(disk_offset) + " reach past the end of the disk, which has " +
                    std::to_string(size_bytes()),
                name());
  }
  if (disk_offset + buffer.size() <= file_size_) return file_.ReadExactAt(disk_offset, buffer);
  const uint64_t in_file = file_size_ - std::min(disk_offset, file_size_);
  std::ranges::fill(buffer.subspan(in_file), std::byte{0});
  return file_.ReadExactAt(disk_offset, buffer.first(in_file));
} catch (...) {
  return CaughtException();
}

Result<void> RawDevice::Write(uint64_t disk_offset, ByteSpan buffer) try {
  return file_.WriteAt(disk_offset, buffer);
} catch (...) {
  return CaughtException();
}

Result<void> RawDevice::WriteZeroes(DiskRange range) try {
  return file_.ZeroRange({range.disk_offset, range.length_bytes});
} catch (...) {
  return CaughtException();
}

Result<void> RawDevice::Trim(DiskRange range) try {
  auto punched = file_.PunchHole({range.disk_offset, range.length_bytes});
  if (!punched && punched.error().code == ErrorCode::kUnsupported) return WriteZeroes(range);
  return punched;
} catch (...) {
  return CaughtException();
}

Result<void> RawDevice::Flush() try { return file_.Sync(); } catch (...) {
  return CaughtException();
}

Result<std::vector<Extent>> RawDevice::Extents(DiskRange range, size_t max_extents) try {
  std::vector<Extent> extents;
  uint64_t position = range.disk_offset;
  while (position < range.end() && extents.size() < max_extents) {
    auto data = file_.NextData(position);
    if (!data) return std::unexpected(std::move(data.error()));
    Extent extent{.range = {position, 0}};
    uint64_t end = *data;
    if (position >= file_size_) {
      end = range.end();
    } else if (*data == position) {
      auto hole = file_.NextHole(position);
      if (!hole) return std::unexpected(std::move(hole.error()));
      // A file that lost its data meanwhile must not keep us here for ever.
      end = std::max(*hole, position + 1);
      extent.kind = ExtentKind::kData;
      extent.present = true;
      extent.file = &file_;
      extent.file_offset = position;
    }
    extent.range.length_bytes = std::min(end, range.end()) - position;
    position += extent.range.length_bytes;
    // The padding behind the end of the file goes with a hole before it.
    if (!extents.empty() && extents.back().kind == ExtentKind::kHole &&
        extent.kind == ExtentKind::kHole) {
      extents.back().range.length_bytes += extent.range.length_bytes;
    } else {
      extents.push_back(extent);
    }
  }
  return extents;
} catch (...) {
  return CaughtException();
}

bool RawDevice::Uses(const FileIdentity& file) const { return file_.identity() == file; }

Result<void> RawDevice::CloneFrom(uint64_t disk_offset, File& source, FileRange source_range) try {
  return file_.CloneRange(disk_offset, source, source_range);
} catch (...) {
  return CaughtException();
}

}  // namespace vhdx

#include <vhdxkit/raw_device.h>

#include <algorithm>
#include <string>
#include <utility>

#include "bytes/arithmetic.h"
#include "bytes/border.h"
#include "bytes/buffer_cursor.h"
#include "bytes/formatting.h"
#include "bytes/request_gate.h"
#include "bytes/try.h"
#include "bytes/zeros.h"
#include "io/device_checks.h"
#include "io/holes.h"

namespace vhdx {

Result<std::unique_ptr<RawDevice>> RawDevice::Open(std::unique_ptr<File> file) try {
  auto device = OnFile(*file);
  if (device) (*device)->owned_file_ = std::move(file);
  return device;
} catch (...) {
  return CaughtException();
}

Result<std::unique_ptr<RawDevice>> RawDevice::OnFile(File& file) try {
  auto size = VHDX_TRY(file.Size());
  return std::unique_ptr<RawDevice>(new RawDevice(file, size));
} catch (...) {
  return CaughtException();
}

RawDevice::RawDevice(File& file, uint64_t file_size)
    : gate_(std::make_unique<RequestGate>()), file_(file), file_size_(file_size) {}

RawDevice::~RawDevice() = default;

const std::string& RawDevice::name() const { return file_.name(); }
uint64_t RawDevice::size_bytes() const { return AlignUp(file_size_, kSectorSize); }
uint32_t RawDevice::logical_sector_size() const {
  // A VHDX can say only 512 or 4096.
  return file_.capabilities().sector_size == kLargeSectorSize ? kLargeSectorSize : kSectorSize;
}
uint32_t RawDevice::physical_sector_size() const { return RawDevice::logical_sector_size(); }
bool RawDevice::writable() const { return file_.capabilities().writable; }

FileRange RawDevice::InFile(DiskRange range) const {
  const uint64_t start = std::min(range.disk_offset, file_size_);
  return {start, std::min(range.end(), file_size_) - start};
}

Result<void> RawDevice::Read(uint64_t disk_offset, std::span<const MutableByteSpan> buffers) {
  return DoRequest(*gate_, *this, [&]() -> Result<void> {
    const DiskRange range{disk_offset, TotalBytes(buffers)};
    VHDX_TRY(CheckInside(*this, range));
    if (range.length_bytes == 0) return {};
    const FileRange in_file = InFile(range);
    if (in_file.length_bytes == range.length_bytes) [[likely]] {
      return file_.ReadExactAt(disk_offset, buffers, range.length_bytes);
    }
    BufferCursor<MutableByteSpan> cursor(buffers);
    const auto stored = cursor.Take(in_file.length_bytes);
    auto read = file_.ReadExactAt(in_file.file_offset, stored, in_file.length_bytes);
    for (const MutableByteSpan padding : cursor.Take(range.length_bytes - in_file.length_bytes)) {
      std::ranges::fill(padding, std::byte{0});
    }
    return read;
  });
}

Result<void> RawDevice::Write(uint64_t disk_offset, std::span<const ByteSpan> buffers,
                              WriteFlag flag) {
  return DoRequest(*gate_, *this, [&]() -> Result<void> {
    const DiskRange range{disk_offset, TotalBytes(buffers)};
    VHDX_TRY(CheckWrite(*this, range));
    if (range.length_bytes == 0) return {};
    const FileRange in_file = InFile(range);
    if (in_file.length_bytes == range.length_bytes) [[likely]] {
      VHDX_TRY(file_.WriteAt(disk_offset, buffers));
    } else {
      VHDX_TRY(WriteUpToPadding(in_file, range, buffers));
    }
    return flag == WriteFlag::kFua ? file_.Sync() : Result<void>{};
  });
}

Result<void> RawDevice::WriteUpToPadding(FileRange in_file, DiskRange range,
                                         std::span<const ByteSpan> buffers) {
  BufferCursor<ByteSpan> padding(buffers);
  static_cast<void>(padding.Take(in_file.length_bytes));
  for (const ByteSpan bytes : padding.Take(range.length_bytes - in_file.length_bytes)) {
    if (IsAllZero(bytes)) continue;
    return Fail(ErrorCode::kInvalidArgument,
                Format("the file ends at {}, and what follows can only be zeros", file_size_),
                name());
  }
  if (in_file.length_bytes == 0) return {};
  BufferCursor<ByteSpan> stored(buffers);
  return file_.WriteAt(in_file.file_offset, stored.Take(in_file.length_bytes));
}

Result<void> RawDevice::WriteZeroes(DiskRange range) {
  return DoRequest(*gate_, *this, [&]() -> Result<void> {
    VHDX_TRY(CheckWrite(*this, range));
    const FileRange in_file = InFile(range);
    return in_file.length_bytes == 0 ? Result<void>{} : file_.ZeroRange(in_file);
  });
}

Result<void> RawDevice::Trim(DiskRange range) {
  return DoRequest(*gate_, *this, [&]() -> Result<void> {
    VHDX_TRY(CheckWrite(*this, range));
    const FileRange in_file = InFile(range);
    return in_file.length_bytes == 0 ? Result<void>{} : PunchOrZero(file_, in_file);
  });
}

Result<void> RawDevice::Flush() {
  return DoRequest(*gate_, *this,
                   [&]() -> Result<void> { return writable() ? file_.Sync() : Result<void>{}; });
}

Result<void> RawDevice::Close() try {
  if (!gate_->Shut()) return IsClosed(*this);
  auto flushed = Caught([&] { return writable() ? file_.Sync() : Result<void>{}; });
  // The lock of somebody else's file is theirs. Nothing was locked where there are no locks.
  if (owned_file_ != nullptr) static_cast<void>(owned_file_->Lock(LockMode::kNone));
  return flushed;
} catch (...) {
  return CaughtException();
}

Result<std::vector<Extent>> RawDevice::Extents(DiskRange range, size_t max_extents) {
  return DoRequest(*gate_, *this, [&]() -> Result<std::vector<Extent>> {
    VHDX_TRY(CheckExtents(*this, range, max_extents));
    std::vector<Extent> extents;
    uint64_t position = range.disk_offset;
    while (position < range.end()) {
      auto data = VHDX_TRY(file_.NextData(position));
      Extent extent{.range = {position, 0}};
      uint64_t end = data;
      if (position >= file_size_) {
        end = range.end();
      } else if (data == position) {
        auto hole = VHDX_TRY(file_.NextHole(position));
        // A file that lost its data meanwhile must not keep us here for ever.
        end = std::max(hole, position + 1);
        extent.kind = ExtentKind::kData;
        extent.present = true;
        extent.place = {file_.identity(), position};
      }
      extent.range.length_bytes = std::min(end, range.end()) - position;
      position += extent.range.length_bytes;
      // The padding after the end of the file goes with a hole before it.
      if (!extents.empty() && extents.back().kind == ExtentKind::kHole &&
          extent.kind == ExtentKind::kHole) {
        extents.back().range.length_bytes += extent.range.length_bytes;
        continue;
      }
      if (extents.size() == max_extents) break;
      extents.push_back(extent);
    }
    return extents;
  });
}

bool RawDevice::Uses(const FileIdentity& file) const { return file_.identity() == file; }

Result<uint64_t> RawDevice::NextData(DiskRange range) {
  return DoRequest(*gate_, *this, [&]() -> Result<uint64_t> {
    VHDX_TRY(CheckInside(*this, range));
    if (range.length_bytes == 0 || range.disk_offset >= file_size_) return range.end();
    auto data = VHDX_TRY(file_.NextData(range.disk_offset));
    return data < file_size_ ? std::min(data, range.end()) : range.end();
  });
}

Result<void> RawDevice::CloneTo(DiskRange range, File& target, uint64_t file_offset) {
  return DoShare(*gate_, *this, [&]() -> Result<void> {
    VHDX_TRY(CheckInside(*this, range));
    const FileRange in_file = InFile(range);
    if (in_file.length_bytes != range.length_bytes) {
      return Fail(ErrorCode::kUnsupported, "padding cannot be shared", name());
    }
    return target.CloneRange(file_offset, file_, in_file);
  });
}

Result<void> RawDevice::CloneFrom(uint64_t disk_offset, BlockDevice& source,
                                  DiskRange source_range) {
  return DoRequest(*gate_, *this, [&]() -> Result<void> {
    const DiskRange range{disk_offset, source_range.length_bytes};
    VHDX_TRY(CheckWrite(*this, range));
    if (InFile(range).length_bytes != range.length_bytes) {
      return Fail(ErrorCode::kUnsupported, "padding cannot be shared", name());
    }
    return source.CloneTo(source_range, file_, disk_offset);
  });
}

}  // namespace vhdx

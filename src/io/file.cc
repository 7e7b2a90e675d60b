// What every File, FileSystem and BlockDevice gets for free.

#include <vhdxkit/block_device.h>
#include <vhdxkit/file.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>

#include "bytes/arithmetic.h"
#include "bytes/border.h"
#include "bytes/formatting.h"
#include "bytes/try.h"
#include "io/device_checks.h"
#include "io/host_random.h"

namespace vhdx {
namespace {

// The answer of what is not implemented.
std::unexpected<Error> Unsupported(std::string_view sentence, const std::string& file) try {
  return Fail(ErrorCode::kUnsupported, std::string(sentence), file);
} catch (...) {
  return CaughtException();
}

std::unexpected<Error> CanOnlyBeRead(const File& file) {
  return Unsupported("this file can only be read", file.name());
}

std::unexpected<Error> CannotChangeNames(const std::string& path) {
  return Unsupported("the names of this file system cannot be changed", path);
}

}  // namespace

// -- File --

Result<std::string> File::RealPath() const { return Unsupported("this file has no path", name()); }

FileIdentity File::identity() const {
  // No device of the host has this number.
  return {.device = std::numeric_limits<uint64_t>::max(),
          .inode = reinterpret_cast<uintptr_t>(this)};
}

const FileCapabilities& File::capabilities() const {
  static constexpr FileCapabilities kReadable = {};
  return kReadable;
}

Result<void> File::WriteAt(uint64_t, std::span<const ByteSpan>) { return CanOnlyBeRead(*this); }
Result<void> File::Sync() { return CanOnlyBeRead(*this); }
Result<void> File::Resize(uint64_t) { return CanOnlyBeRead(*this); }
Result<void> File::ZeroRange(FileRange) { return CanOnlyBeRead(*this); }
Result<void> File::PunchHole(FileRange) {
  return Unsupported("holes cannot be punched into this file", name());
}
Result<void> File::CloneRange(uint64_t, File&, FileRange) {
  return Unsupported("this file cannot share the bytes of another", name());
}

Result<uint64_t> File::NextData(uint64_t file_offset) {
  const auto size = Size();
  return size ? std::min(file_offset, *size) : size;
}
Result<uint64_t> File::NextHole(uint64_t) { return Size(); }

Result<void> File::Lock(LockMode) { return Unsupported("this file cannot be locked", name()); }

std::unexpected<Error> File::FailedToRead(FileRange range, Result<size_t> read) const try {
  if (!read) return std::unexpected(std::move(read.error()));
  return std::unexpected(Error{
      .code = ErrorCode::kCorrupt,
      .rule = "file.truncated",
      .file = name(),
      .file_offset = range.file_offset,
      .found = Format("{} bytes", *read),
      .expected = Format("{} bytes", range.length_bytes),
      .sentence = Format("the file is cut off: it ends {} into the {} bytes at offset {}",
                         Counted(*read, "byte", "bytes"), range.length_bytes, range.file_offset)});
} catch (...) {
  return CaughtException();
}

// -- FileSystem --

Result<void> FileSystem::Rename(const std::string& from, const std::string&, RenameMode) {
  return CannotChangeNames(from);
}
Result<void> FileSystem::Remove(const std::string& path) { return CannotChangeNames(path); }
Result<void> FileSystem::SyncFolder(const std::string& folder) { return CannotChangeNames(folder); }
Result<void> FileSystem::FillRandom(MutableByteSpan bytes) { return FillWithHostRandom(bytes); }

// -- BlockDevice --

Result<uint64_t> BlockDevice::NextData(DiskRange range) try {
  VHDX_TRY(CheckInside(*this, range));
  return range.disk_offset;
} catch (...) {
  return CaughtException();
}

Result<void> BlockDevice::Close() { return Flush(); }

const std::string& BlockDevice::FileOf(uint32_t) const { return name(); }

Result<void> BlockDevice::CloneTo(DiskRange, File&, uint64_t) {
  return Unsupported("this device cannot share its bytes with a file", name());
}

Result<void> BlockDevice::CloneFrom(uint64_t, BlockDevice&, DiskRange) {
  return Unsupported("this device cannot share the bytes of another", name());
}

Result<void> CheckInside(const BlockDevice& device, DiskRange range) {
  if (FitsInside(range.disk_offset, range.length_bytes, device.size_bytes())) return {};
  return Fail(ErrorCode::kInvalidArgument,
              Format("the {} bytes at {} reach past the end of the disk, which has {}",
                     range.length_bytes, range.disk_offset, device.size_bytes()),
              device.name());
}

Result<void> CheckWrite(const BlockDevice& device, DiskRange range) {
  if (device.writable()) return CheckInside(device, range);
  return Fail(ErrorCode::kReadOnly, "the disk was opened read-only", device.name());
}

Result<void> CheckExtents(const BlockDevice& device, DiskRange range, size_t max_extents) {
  if (max_extents > 0) return CheckInside(device, range);
  return Fail(ErrorCode::kInvalidArgument, "a list of extents needs room for one", device.name());
}

std::unexpected<Error> IsClosed(const BlockDevice& device) {
  return Fail(ErrorCode::kInvalidArgument, "the disk has been closed", device.name());
}

}  // namespace vhdx

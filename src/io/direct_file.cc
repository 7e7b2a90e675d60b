#include "io/direct_file.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>

#include "bytes/aligned_buffer.h"
#include "bytes/arithmetic.h"
#include "bytes/border.h"
#include "bytes/formatting.h"
#include "bytes/try.h"
#include "io/transfer.h"

namespace vhdx {
namespace {

constexpr uint64_t kBounceBytes = kMiB;

uint64_t BounceBytes(uint64_t file_offset, uint64_t length_bytes, uint64_t alignment) {
  const uint64_t units = AlignUp(file_offset % alignment + length_bytes, alignment);
  return std::min(units, std::max(kBounceBytes, alignment));
}

}  // namespace

bool DirectFile::Aligned(uint64_t file_offset, ByteSpan buffer) const {
  const uint64_t alignment = capabilities().io_alignment;
  return IsAligned(file_offset | buffer.size() | reinterpret_cast<uintptr_t>(buffer.data()),
                   alignment);
}

// -- Reading --

Result<size_t> DirectFile::ReadAt(uint64_t file_offset,
                                  std::span<const MutableByteSpan> buffers) try {
  size_t done = 0;
  for (const MutableByteSpan buffer : buffers) {
    const size_t read = VHDX_TRY(ReadOne(file_offset + done, buffer));
    done += read;
    if (read < buffer.size()) break;
  }
  return done;
} catch (...) {
  return CaughtException();
}

Result<size_t> DirectFile::ReadOne(uint64_t file_offset, MutableByteSpan buffer) {
  return Aligned(file_offset, buffer) ? ReadUnits(file_offset, buffer)
                                      : ReadBounced(file_offset, buffer);
}

Result<size_t> DirectFile::ReadUnits(uint64_t file_offset, MutableByteSpan buffer) {
  if (file_offset >= kBeyondEveryFile) return size_t{0};
  iovec vector = VectorOf(buffer);
  const auto read_units = [this](std::span<iovec> left, uint64_t offset) -> ssize_t {
    // The last unit of a file may be short; nothing follows it, and asking on from there is
    // refused.
    if (!IsAligned(offset, capabilities().io_alignment)) return 0;
    return ::pread(fd(), left[0].iov_base, left[0].iov_len, static_cast<off_t>(offset));
  };
  const Transferred read = TransferWhole({&vector, 1}, file_offset, read_units);
  if (read.sys_errno == 0) return read.bytes;
  return FailedAt(read.sys_errno, "read", {file_offset + read.bytes, buffer.size() - read.bytes});
}

Result<size_t> DirectFile::ReadBounced(uint64_t file_offset, MutableByteSpan buffer) {
  const uint64_t alignment = capabilities().io_alignment;
  const AlignedBuffer bounce(BounceBytes(file_offset, buffer.size(), alignment), alignment,
                             std::nothrow);
  if (!bounce.ok()) return std::unexpected(Error{.code = ErrorCode::kNoMemory});
  size_t done = 0;
  while (done < buffer.size()) {
    const uint64_t first_unit = AlignDown(file_offset + done, alignment);
    const uint64_t skipped = file_offset + done - first_unit;
    const size_t read = VHDX_TRY(ReadUnits(first_unit, bounce.bytes()));
    if (read <= skipped) break;
    const size_t piece = std::min<size_t>(read - skipped, buffer.size() - done);
    std::memcpy(buffer.data() + done, bounce.bytes().data() + skipped, piece);
    done += piece;
  }
  return done;
}

// -- Writing --

Result<void> DirectFile::WriteAt(uint64_t file_offset, std::span<const ByteSpan> buffers) try {
  if (!capabilities().writable) return FailedReadOnly();
  for (const ByteSpan buffer : buffers) {
    VHDX_TRY(WriteOne(file_offset, buffer));
    file_offset += buffer.size();
  }
  return {};
} catch (...) {
  return CaughtException();
}

Result<void> DirectFile::WriteOne(uint64_t file_offset, ByteSpan buffer) {
  if (!Aligned(file_offset, buffer)) return WriteBounced(file_offset, buffer);
  const SharedLock lock(unit_mutex_);
  return PosixFile::WriteAt(file_offset, std::span<const ByteSpan>(&buffer, 1));
}

Result<void> DirectFile::WriteBounced(uint64_t file_offset, ByteSpan buffer) {
  const uint64_t alignment = capabilities().io_alignment;
  const AlignedBuffer bounce(BounceBytes(file_offset, buffer.size(), alignment), alignment,
                             std::nothrow);
  if (!bounce.ok()) return std::unexpected(Error{.code = ErrorCode::kNoMemory});
  while (!buffer.empty()) {
    const uint64_t first_unit = AlignDown(file_offset, alignment);
    const uint64_t skipped = file_offset - first_unit;
    const size_t room = static_cast<size_t>(bounce.bytes().size() - skipped);
    const ByteSpan piece = buffer.first(std::min(room, buffer.size()));
    const uint64_t units = AlignUp(skipped + piece.size(), alignment);
    VHDX_TRY(WritePiece(file_offset, piece, first_unit, bounce.bytes().first(units)));
    file_offset += piece.size();
    buffer = buffer.subspan(piece.size());
  }
  return {};
}

Result<void> DirectFile::WritePiece(uint64_t file_offset, ByteSpan piece, uint64_t first_unit,
                                    MutableByteSpan units) {
  const ByteSpan whole = units;
  if (piece.size() == units.size()) {  // only the buffer was unaligned
    std::memcpy(units.data(), piece.data(), piece.size());
    const SharedLock lock(unit_mutex_);
    return PosixFile::WriteAt(first_unit, std::span<const ByteSpan>(&whole, 1));
  }
  const ExclusiveLock lock(unit_mutex_);
  const size_t read = VHDX_TRY(ReadUnits(first_unit, units));
  if (read < units.size()) {
    return Fail(
        ErrorCode::kInvalidArgument,
        Format("writing {} bytes at offset {} past the page cache needs multiples of {} bytes "
               "at the end of the file",
               piece.size(), file_offset, capabilities().io_alignment),
        name());
  }
  std::memcpy(units.data() + (file_offset - first_unit), piece.data(), piece.size());
  return PosixFile::WriteAt(first_unit, std::span<const ByteSpan>(&whole, 1));
}

// -- What the host does by itself, but must not do between our reading and writing a unit --

Result<void> DirectFile::ZeroRange(FileRange range) {
  const SharedLock lock(unit_mutex_);
  return PosixFile::ZeroRange(range);
}

Result<void> DirectFile::PunchHole(FileRange range) {
  const SharedLock lock(unit_mutex_);
  return PosixFile::PunchHole(range);
}

Result<void> DirectFile::CloneRange(uint64_t file_offset, File& source, FileRange source_range) {
  const SharedLock lock(unit_mutex_);
  return PosixFile::CloneRange(file_offset, source, source_range);
}

}  // namespace vhdx

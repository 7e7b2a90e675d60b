#include "testing/memory_file.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "bytes/arithmetic.h"

namespace vhdx::testing {

MemoryFile::MemoryFile(std::shared_ptr<MemoryContents> contents, MemoryFileOptions options)
    : contents_(std::move(contents)), options_(std::move(options)) {}

MemoryFile::~MemoryFile() { contents_->ReleaseLock(this); }

Result<std::string> MemoryFile::RealPath() const {
  std::string path = contents_->path();
  if (path.empty()) return Fail(ErrorCode::kNotFound, "no path leads to this file", name());
  return path;
}

Result<size_t> MemoryFile::ReadAt(uint64_t file_offset, std::span<const MutableByteSpan> buffers) {
  size_t done = 0;
  for (MutableByteSpan buffer : buffers) {
    const size_t read = contents_->Read(file_offset + done, buffer);
    done += read;
    if (read < buffer.size()) break;
  }
  return done;
}

Result<void> MemoryFile::CheckWrite(uint64_t file_offset, uint64_t length_bytes) const {
  if (!capabilities().writable) {
    return Fail(ErrorCode::kReadOnly, "the file is open for reading only", name());
  }
  const uint64_t limit =
      capabilities().block_device ? contents_->size() : MemoryContents::kMaxBytes;
  if (FitsInside(file_offset, length_bytes, limit)) return {};
  return std::unexpected(Error{.code = ErrorCode::kNoSpace,
                               .sys_errno = EFBIG,
                               .file = name(),
                               .file_offset = file_offset,
                               .sentence = "cannot write as far as this"});
}

Result<void> MemoryFile::WriteAt(uint64_t file_offset, std::span<const ByteSpan> buffers) {
  for (ByteSpan buffer : buffers) {
    if (Result<void> fits = CheckWrite(file_offset, buffer.size()); !fits) return fits;
    contents_->Write(file_offset, buffer);
    file_offset += buffer.size();
  }
  return {};
}

Result<void> MemoryFile::Resize(uint64_t length_bytes) {
  if (Result<void> fits = CheckWrite(0, length_bytes); !fits) return fits;
  if (capabilities().block_device && length_bytes != contents_->size()) {
    return Fail(ErrorCode::kUnsupported, "the length of a block device cannot change", name());
  }
  contents_->Resize(length_bytes);
  return {};
}

Result<void> MemoryFile::ZeroRange(FileRange range) {
  if (Result<void> fits = CheckWrite(range.file_offset, range.length_bytes); !fits) return fits;
  if (range.length_bytes != 0) contents_->Zero(range);
  return {};
}

Result<void> MemoryFile::PunchHole(FileRange range) {
  if (Result<void> fits = CheckWrite(range.file_offset, range.length_bytes); !fits) return fits;
  if (!capabilities().punch_hole) {
    return Fail(ErrorCode::kUnsupported, "holes cannot be punched into this file", name());
  }
  contents_->Punch(range);
  return {};
}

Result<void> MemoryFile::CloneRange(uint64_t file_offset, File& source, FileRange source_range) {
  if (!capabilities().clone_range) {
    return Fail(ErrorCode::kUnsupported, "this file shares no bytes", name());
  }
  // Nobody can tell a copy from what a host would share.
  std::array<std::byte, 64 * 1024> piece;
  for (uint64_t done = 0; done < source_range.length_bytes;) {
    const MutableByteSpan part =
        std::span(piece).first(std::min<uint64_t>(piece.size(), source_range.length_bytes - done));
    if (Result<void> read = source.ReadExactAt(source_range.file_offset + done, part); !read) {
      return read;
    }
    if (Result<void> written = WriteAt(file_offset + done, ByteSpan(part)); !written)
      return written;
    done += part.size();
  }
  return {};
}

Result<void> MemoryFile::Lock(LockMode mode) {
  if (contents_->TakeLock(this, BytesOf(mode))) return {};
  return Fail(ErrorCode::kBusy, "the file is in use elsewhere", name());
}

}  // namespace vhdx::testing

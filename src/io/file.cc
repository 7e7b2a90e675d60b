// What every File and BlockDevice gets for free.

#include <vhdxkit/block_device.h>
#include <vhdxkit/file.h>

#include <utility>

#include "bytes/formatting.h"

namespace vhdx {

std::unexpected<Error> File::FailedToRead(FileRange range, Result<size_t> read) const {
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
}

Result<void> BlockDevice::CloneFrom(uint64_t, File&, FileRange) {
  return Fail(ErrorCode::kUnsupported, "this device cannot share the bytes of a file", name());
}

}  // namespace vhdx

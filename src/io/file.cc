// What every File and BlockDevice gets for free.

#include <fmt/format.h>
#include <vhdxkit/block_device.h>
#include <vhdxkit/file.h>

namespace vhdx {

Result<void> File::ReadExactAt(uint64_t file_offset, MutableByteSpan buffer) {
  const Result<size_t> read = ReadAt(file_offset, buffer);
  if (!read) return std::unexpected(read.error());
  if (*read == buffer.size()) return {};
  return std::unexpected(
      Error{.code = ErrorCode::kCorrupt,
            .rule = "file.truncated",
            .file = name(),
            .file_offset = file_offset,
            .found = fmt::format("{} bytes", *read),
            .expected = fmt::format("{} bytes", buffer.size()),
            .sentence = fmt::format("the file ends {} bytes into the {} bytes at offset {}", *read,
                                    buffer.size(), file_offset)});
}

Result<void> BlockDevice::CloneFrom(uint64_t, File&, FileRange) {
  return Fail(ErrorCode::kUnsupported, "this device cannot share the bytes of a file", name());
}

}  // namespace vhdx

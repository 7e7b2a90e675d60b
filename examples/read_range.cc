// read_range DISK OFFSET LENGTH [DIRECTORY...]: writes a part of a disk to standard output. OFFSET
// and LENGTH are in bytes. The parents of a checkpoint are searched for in its own directory, and
// in each DIRECTORY.

#include <vhdxkit/disk.h>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace {

constexpr size_t kBufferBytes = size_t{1} << 20;

std::optional<uint64_t> ParseNumber(const char* text) {
  uint64_t number = 0;
  const char* const end = text + std::strlen(text);
  const auto [stop, error] = std::from_chars(text, end, number);
  if (error != std::errc() || stop != end) return std::nullopt;
  return number;
}

vhdx::Result<void> WriteToOutput(std::span<const std::byte> bytes) {
  if (std::fwrite(bytes.data(), 1, bytes.size(), stdout) != bytes.size()) {
    return vhdx::Fail(vhdx::ErrorCode::kIo, "cannot write to standard output");
  }
  return {};
}

vhdx::Result<void> ReadRange(const char* path, vhdx::DiskRange range,
                             std::vector<std::string> directories) {
  vhdx::HostFileSystem files;
  const auto disk =
      vhdx::Disk::Open(files, path, {.chain = {.search = {.folders = std::move(directories)}}});
  if (!disk) return std::unexpected(disk.error());

  std::vector<std::byte> buffer(std::min<uint64_t>(kBufferBytes, range.length_bytes));
  while (range.length_bytes > 0) {
    const auto part =
        std::span(buffer).first(std::min<uint64_t>(buffer.size(), range.length_bytes));
    if (auto read = (*disk)->Read(range.disk_offset, part); !read) return read;
    if (auto written = WriteToOutput(part); !written) return written;
    range.disk_offset += part.size();
    range.length_bytes -= part.size();
  }
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  const auto offset = argc > 2 ? ParseNumber(argv[2]) : std::nullopt;
  const auto length = argc > 3 ? ParseNumber(argv[3]) : std::nullopt;
  if (!offset || !length) {
    std::fputs("usage: read_range DISK OFFSET LENGTH [DIRECTORY...]\n", stderr);
    return 64;
  }
  if (const auto read = ReadRange(argv[1], {*offset, *length}, {argv + 4, argv + argc}); !read) {
    std::fprintf(stderr, "read_range: %s\n", vhdx::ToString(read.error()).c_str());
    return 1;
  }
  return 0;
}

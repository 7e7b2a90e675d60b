#include "fuzz/real_image.h"

#include <vhdxkit/dump.h>
#include <vhdxkit/file.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "bytes/arithmetic.h"

namespace vhdx::fuzz {
namespace {

using testing::MemoryContents;

// What is kept of a payload block, and of how many.
constexpr uint64_t kBlockStart = 600;
constexpr size_t kMaxBlocks = 16;

// The parts of the file that are payload, in order.
Result<std::vector<FileRange>> PayloadOf(ImageDump& dump) {
  std::vector<FileRange> blocks;
  const uint64_t block_size = dump.structures().metadata.parameters.block_size_bytes;
  auto visited = dump.VisitBat([&](const BatEntryInfo& entry) -> Result<void> {
    if (entry.kind == BatEntryInfo::Kind::kPayload && entry.file_offset != 0) {
      blocks.push_back({entry.file_offset, block_size});
    }
    return {};
  });
  if (!visited) return std::unexpected(visited.error());
  std::ranges::sort(blocks);
  return blocks;
}

Result<void> CopyRange(File& from, FileRange range, MemoryContents& to) {
  const uint64_t end = range.file_offset + range.length_bytes;
  std::vector<std::byte> buffer;
  for (uint64_t position = range.file_offset; position < end;) {
    auto data = from.NextData(position);
    if (!data) return std::unexpected(data.error());
    position = std::max(position, *data);
    if (position >= end) break;
    buffer.resize(std::min<uint64_t>(end - position, kMiB));
    if (auto read = from.ReadExactAt(position, buffer); !read) return read;
    to.Write(position, buffer);
    position += buffer.size();
  }
  return {};
}

}  // namespace

Result<SparseFile> ReadRealImage(const std::string& path) {
  HostFileSystem files;
  auto dump = ImageDump::Open(files, path);
  if (!dump) return std::unexpected(dump.error());
  auto blocks = PayloadOf(**dump);
  if (!blocks) return std::unexpected(blocks.error());
  auto file = files.Open(path, {});
  if (!file) return std::unexpected(file.error());

  MemoryContents contents;
  contents.Resize((*dump)->structures().file_size_bytes);
  uint64_t position = 0;
  size_t kept_blocks = 0;
  blocks->push_back({contents.size(), 0});
  for (const FileRange& block : *blocks) {
    if (block.file_offset < position || block.file_offset > contents.size()) continue;
    const uint64_t kept = kept_blocks++ < kMaxBlocks ? kBlockStart : 0;
    const uint64_t end = std::min(block.file_offset + kept, contents.size());
    if (auto copied = CopyRange(**file, {position, end - position}, contents); !copied) {
      return std::unexpected(copied.error());
    }
    position = block.file_offset + block.length_bytes;
  }
  return Compact(contents);
}

}  // namespace vhdx::fuzz

// memory_image < DISK: reads an image from standard input into memory, and opens it there. A File
// and a FileSystem of a program's own are how images can be opened that are not in files: in an
// archive, on a server, in a database.

#include <vhdxkit/disk.h>

#include <algorithm>
#include <array>
#include <cinttypes>
#include <cstddef>
#include <cstdio>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace {

using vhdx::ErrorCode;
using vhdx::Fail;
using vhdx::Result;

const std::string kName = "/image";

/// The bytes of an image, for reading: a File that is never written needs no more than this.
class MemoryFile final : public vhdx::File {
 public:
  explicit MemoryFile(std::span<const std::byte> bytes) : bytes_(bytes) {}

  const std::string& name() const override { return kName; }
  Result<size_t> ReadAt(uint64_t file_offset,
                        std::span<const vhdx::MutableByteSpan> buffers) override {
    auto rest = bytes_.subspan(std::min<uint64_t>(file_offset, bytes_.size()));
    size_t total = 0;
    for (const vhdx::MutableByteSpan buffer : buffers) {
      const size_t length = std::min(buffer.size(), rest.size());
      std::copy_n(rest.begin(), length, buffer.begin());
      rest = rest.subspan(length);
      total += length;
    }
    return total;
  }
  Result<uint64_t> Size() override { return bytes_.size(); }

 private:
  std::span<const std::byte> bytes_;
};

/// A file system with this one image.
class MemoryFileSystem final : public vhdx::FileSystem {
 public:
  explicit MemoryFileSystem(std::span<const std::byte> image) : image_(image) {}

  Result<std::unique_ptr<vhdx::File>> Open(const std::string& path,
                                           const vhdx::OpenFileOptions& options) override {
    if (path != kName) return NotThere(path);
    if (options.access != vhdx::FileAccess::kReadOnly) {
      return Fail(ErrorCode::kReadOnly, "images in memory are read-only", path);
    }
    return std::make_unique<MemoryFile>(image_);
  }
  Result<std::string> RealPath(const std::string& path) override { return path; }
  Result<std::vector<std::string>> List(const std::string&, size_t) override { return {}; }
  Result<bool> IsFolder(const std::string& path) override { return path == "/"; }

 private:
  static std::unexpected<vhdx::Error> NotThere(const std::string& path) {
    return Fail(ErrorCode::kNotFound, "no such file", path);
  }

  std::span<const std::byte> image_;
};

std::vector<std::byte> ReadInput() {
  std::vector<std::byte> bytes;
  std::array<std::byte, 65536> buffer = {};
  while (const size_t length = std::fread(buffer.data(), 1, buffer.size(), stdin)) {
    bytes.insert(bytes.end(), buffer.begin(), buffer.begin() + static_cast<ptrdiff_t>(length));
  }
  return bytes;
}

}  // namespace

int main() {
  const std::vector<std::byte> image = ReadInput();
  MemoryFileSystem files(image);
  const auto disk = vhdx::Disk::Open(files, kName);
  if (!disk) {
    std::fprintf(stderr, "memory_image: %s\n", vhdx::ToString(disk.error()).c_str());
    return 1;
  }
  std::printf("a disk of %" PRIu64 " bytes in %zu bytes of memory\n", (*disk)->size_bytes(),
              image.size());
  return 0;
}

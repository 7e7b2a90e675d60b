#include "fuzz/placed_files.h"

#include <algorithm>

#include "bytes/arithmetic.h"
#include "bytes/endian.h"
#include "format/header.h"
#include "format/layout.h"

namespace vhdx::fuzz {
namespace {

using testing::MemoryContents;

// Up to 1 GiB is legal, and is searched sector by sector.
constexpr uint64_t kMaxLogLength = 16 * kMiB;

bool AsksForLongLog(const MemoryContents& contents) {
  return std::ranges::any_of(format::kHeaderOffsets, [&](uint64_t offset) {
    std::vector<std::byte> bytes = contents.Bytes({offset, sizeof(format::Header)});
    bytes.resize(sizeof(format::Header));
    return LoadFrom<format::Header>(bytes).log_length > kMaxLogLength;
  });
}

}  // namespace

std::unique_ptr<PlacedFiles> PlaceFiles(std::span<const std::byte> input) {
  auto placed = std::make_unique<PlacedFiles>();
  for (const SparseFile& file : DecodeFiles(input)) {
    const auto contents = Expand(file);
    if (AsksForLongLog(*contents)) return nullptr;
    placed->files.AddFile(kPaths[placed->contents.size()], contents);
    placed->contents.push_back(contents);
  }
  return placed;
}

}  // namespace vhdx::fuzz

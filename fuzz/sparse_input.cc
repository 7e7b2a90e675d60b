#include "fuzz/sparse_input.h"

#include <algorithm>

#include "bytes/arithmetic.h"
#include "bytes/endian.h"
#include "bytes/zeros.h"
#include "fuzz/input.h"
#include "testing/memory_file.h"
#include "testing/patch.h"

namespace vhdx::fuzz {
namespace {

using testing::MemoryContents;
using testing::MemoryFile;

// Zeros that end a piece; a shorter gap costs less inside of one than the start of the next.
constexpr size_t kGapBytes = 32;
// What is kept of a run without zeros: more than any structure has.
constexpr size_t kKeptBytes = 12 * kKiB;

void Append(std::vector<std::byte>& to, std::span<const std::byte> bytes) {
  to.insert(to.end(), bytes.begin(), bytes.end());
}

template <OnDisk T>
void Append(std::vector<std::byte>& to, const T& value) {
  Append(to, std::as_bytes(std::span(&value, 1)));
}

SparseFile DecodeFile(Input& input) {
  SparseFile file{.length_bytes = input.Take<le64>(), .pieces = {}};
  const uint16_t count = input.Take<le16>();
  for (uint16_t i = 0; i < count && !input.empty(); ++i) {
    const uint64_t offset = input.Take<le64>();
    const uint16_t length = input.Take<le16>();
    const auto bytes = input.TakeUpTo(length);
    file.pieces.push_back({offset, {bytes.begin(), bytes.end()}});
  }
  return file;
}

// Cuts `bytes`, which stand at file_offset, into pieces without long zeros.
void AppendPieces(uint64_t file_offset, std::span<const std::byte> bytes,
                  std::vector<Piece>& pieces) {
  size_t start = 0;
  while (start < bytes.size()) {
    if (bytes[start] == std::byte{0}) {
      ++start;
      continue;
    }
    size_t end = start + 1;
    while (end < bytes.size() &&
           !IsAllZero(bytes.subspan(end, std::min(kGapBytes, bytes.size() - end)))) {
      ++end;
    }
    const auto run = bytes.subspan(start, std::min(end - start, kKeptBytes));
    pieces.push_back({file_offset + start, {run.begin(), run.end()}});
    start = end;
  }
}

}  // namespace

std::vector<SparseFile> DecodeFiles(std::span<const std::byte> bytes) {
  Input input(bytes);
  const size_t count = 1 + std::to_integer<size_t>(input.Take(1)[0]) % kMaxFiles;
  std::vector<SparseFile> files;
  for (size_t i = 0; i < count; ++i) files.push_back(DecodeFile(input));
  return files;
}

std::vector<std::byte> EncodeFiles(const std::vector<SparseFile>& files) {
  std::vector<std::byte> bytes = {static_cast<std::byte>(files.size() - 1)};
  for (const SparseFile& file : files) {
    Append(bytes, le64(file.length_bytes));
    Append(bytes, le16(static_cast<uint16_t>(file.pieces.size())));
    for (const Piece& piece : file.pieces) {
      Append(bytes, le64(piece.file_offset));
      Append(bytes, le16(static_cast<uint16_t>(piece.bytes.size())));
      Append(bytes, std::span<const std::byte>(piece.bytes));
    }
  }
  return bytes;
}

std::shared_ptr<MemoryContents> Expand(const SparseFile& file) {
  auto contents = std::make_shared<MemoryContents>();
  contents->Resize(std::min(file.length_bytes, MemoryContents::kMaxBytes));
  for (const Piece& piece : file.pieces) {
    if (piece.file_offset >= contents->size()) continue;
    const uint64_t room = contents->size() - piece.file_offset;
    contents->Write(piece.file_offset, std::span<const std::byte>(piece.bytes)
                                           .first(std::min<uint64_t>(piece.bytes.size(), room)));
  }
  return contents;
}

SparseFile Compact(const MemoryContents& contents) {
  SparseFile file{.length_bytes = contents.size(), .pieces = {}};
  for (uint64_t position = 0;;) {
    position = contents.NextData(position);
    if (position >= contents.size()) return file;
    const uint64_t end = contents.NextHole(position);
    AppendPieces(position, contents.Bytes({position, end - position}), file.pieces);
    position = end;
  }
}

void FixChecksums(SparseFile& file) {
  MemoryFile expanded(Expand(file));
  // Fails only where a file does, and memory does not.
  (void)testing::FixChecksums(expanded);
  for (Piece& piece : file.pieces) {
    (void)expanded.ReadAt(piece.file_offset, std::span(piece.bytes));
  }
}

}  // namespace vhdx::fuzz

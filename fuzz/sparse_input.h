// Whole images as small inputs.
//
// An image has at least 4 MiB, nearly all of it zeros; a fuzzer that changed bytes of that would
// never touch a structure. So an input is a list of files, each a length and the pieces that are
// not zeros, as sparse as archives have them:
//
//   u8   file count less one (3 files at most: an image, its parent, its grandparent)
//   file: le64 length, le16 piece count, pieces
//   piece: le64 file offset, le16 length, bytes
//
// Any bytes are such a list; what is missing is not there.

#ifndef VHDXKIT_FUZZ_SPARSE_INPUT_H_
#define VHDXKIT_FUZZ_SPARSE_INPUT_H_

#include <vhdxkit/file.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "testing/memory_contents.h"

namespace vhdx::fuzz {

struct Piece {
  uint64_t file_offset = 0;
  std::vector<std::byte> bytes;

  uint64_t end() const { return file_offset + bytes.size(); }
};

struct SparseFile {
  uint64_t length_bytes = 0;
  std::vector<Piece> pieces;  ///< a later one stands over an earlier one
};

inline constexpr size_t kMaxFiles = 3;
inline constexpr size_t kMaxPieceBytes = 0xFFFF;

std::vector<SparseFile> DecodeFiles(std::span<const std::byte> input);
std::vector<std::byte> EncodeFiles(const std::vector<SparseFile>& files);

/// The file itself. Pieces end where the file ends.
std::shared_ptr<testing::MemoryContents> Expand(const SparseFile& file);

/// The pieces of a file that are not zeros. Of long runs without zeros, which are payload that no
/// parser looks into, only the start is kept.
SparseFile Compact(const testing::MemoryContents& contents);

/// Makes every checksum of the image right, as far as the pieces hold it.
void FixChecksums(SparseFile& file);

}  // namespace vhdx::fuzz

#endif  // VHDXKIT_FUZZ_SPARSE_INPUT_H_

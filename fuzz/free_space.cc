#include "fuzz/free_space.h"

#include <algorithm>
#include <cstdint>
#include <variant>

#include "bytes/arithmetic.h"
#include "fuzz/expect.h"
#include "fuzz/sparse_input.h"
#include "testing/memory_contents.h"

namespace vhdx::fuzz {

testing::GuestDisk VolumeOf(std::span<const std::byte> input) {
  SparseFile file = DecodeFiles(input).front();
  file.length_bytes = std::min(file.length_bytes, 16 * kMiB);
  testing::GuestDisk volume(file.length_bytes);
  for (const Piece& piece : file.pieces) {
    if (!FitsInside(piece.file_offset, piece.bytes.size(), file.length_bytes)) continue;
    volume.Write(piece.file_offset, piece.bytes);
  }
  return volume;
}

void ExpectAnswer(FreeSpaceReader read, const testing::GuestDisk& volume) {
  const auto answer = read(*volume.Open());
  Expect(answer.has_value(), "a volume that can be read has an answer");
  if (const auto* left = std::get_if<free_space::LeftAlone>(&*answer)) {
    Expect(!left->reason.empty(), "there is a reason");
    return;
  }
  const auto& space = std::get<free_space::FreeSpace>(*answer);
  Expect(space.unit_bytes != 0, "a unit is not empty");
  Expect(space.free.size() <= free_space::kMaxFreeRanges, "there are not too many ranges");
  uint64_t end = 0;
  for (const DiskRange& range : space.free) {
    Expect(range.length_bytes != 0 && range.disk_offset > end, "ranges are in order and apart");
    Expect(range.length_bytes % space.unit_bytes == 0, "a range has whole units");
    Expect(FitsInside(range.disk_offset, range.length_bytes, volume.size_bytes()),
           "a range is inside the volume");
    end = range.end();
  }
}

}  // namespace vhdx::fuzz

// The parts of a file that no block may touch: header section, log, and every region, known or not.

#ifndef VHDXKIT_IMAGE_RESERVED_RANGES_H_
#define VHDXKIT_IMAGE_RESERVED_RANGES_H_

#include <vhdxkit/file.h>

#include <cstdint>
#include <vector>

namespace vhdx {

class ReservedRanges {
 public:
  ReservedRanges() = default;
  /// The ranges do not overlap each other, and no end exceeds 2^64.
  explicit ReservedRanges(std::vector<FileRange> ranges);

  /// Whether [range) shares a byte with any of them. `range` must not wrap.
  bool Overlap(FileRange range) const;

  /// How many bytes from that offset on none of them touches; 0 inside one, and all that is left of
  /// the 2^64 if none follows.
  uint64_t FreeFrom(uint64_t file_offset) const;

  /// Where the last of them ends.
  uint64_t end() const {
    return ranges_.empty() ? 0 : ranges_.back().file_offset + ranges_.back().length_bytes;
  }

  /// Sorted by offset.
  const std::vector<FileRange>& ranges() const { return ranges_; }

 private:
  std::vector<FileRange> ranges_;
};

}  // namespace vhdx

#endif  // VHDXKIT_IMAGE_RESERVED_RANGES_H_

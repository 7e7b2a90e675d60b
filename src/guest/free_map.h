// What a file system says is free, its text form, and the check that believes none of it.
//
// The text is a map as ddrescue has it: comments ("#"), a line with the current status, and then
// lines "position size status" with offsets from the start of the volume. "?" is free and "+" is in
// use; so is what no line covers. `partclone -D` writes such maps. Those of vhdx-free-space begin
// with kFreeMapTitle and say more in comments:
//
//   # vhdx-free-space 1
//   # unit: 4096
//   # counted-free: 57368576
//   # metadata: 0x00000400 0x00000400
//   # current_pos  current_status
//   0x04000000     +
//   #      pos        size  status
//   0x00000000  0x00448000  +
//   0x00448000  0x03BB8000  ?
//   # end
//
// or, instead of unit, count, metadata and ranges, "# left-alone: REASON".
//
// Both the text and what it says are hostile.

#ifndef VHDXKIT_GUEST_FREE_MAP_H_
#define VHDXKIT_GUEST_FREE_MAP_H_

#include <vhdxkit/block_device.h>
#include <vhdxkit/error.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "guest/superblock.h"

namespace vhdx::guest {

/// More free ranges, or ranges of metadata, are not accepted: then the volume is left alone.
inline constexpr size_t kMaxFreeRanges = size_t{8} << 20;

struct FreeSpace {
  /// A block or cluster: every range is a whole number of them. 0 if the map does not say.
  uint64_t unit_bytes = 0;
  /// In order; none touches the next. Offsets from the start of the volume.
  std::vector<DiskRange> free;
  /// What is free by the file system's own count, which is stored elsewhere than its map; without
  /// such a count, the sum of the ranges.
  uint64_t counted_free_bytes = 0;
  /// Superblocks and their copies, allocation maps, journals, tables of inodes or files: what is in
  /// use whatever the map says. In any order; they may overlap.
  std::vector<DiskRange> metadata;
};

/// Why a volume is left alone, for a person: "its journal has not been replayed (needs_recovery)".
struct LeftAlone {
  std::string reason;
};

using FreeSpaceAnswer = std::variant<FreeSpace, LeftAlone>;

inline constexpr std::string_view kFreeMapTitle = "vhdx-free-space 1";

/// Takes a piece of text. An error ends the printing.
using TextSink = std::function<Result<void>(std::string_view text)>;

/// Prints the answer as a map of a volume of that size, in pieces of about 64 KiB. Errors: those of
/// the sink.
Result<void> PrintFreeMap(const FreeSpaceAnswer& answer, uint64_t volume_bytes,
                          const TextSink& sink);

/// Parses a map that arrives in pieces. Needs 16 bytes of memory for each range.
class FreeMapParser {
 public:
  /// Errors: kCorrupt; nothing more can be added then.
  Result<void> Add(std::string_view piece);

  /// What the map says; call it once, after the last piece. The ranges are in order, but nothing
  /// else about them is verified. Errors: kCorrupt (also if a map of vhdx-free-space has no end).
  Result<FreeSpaceAnswer> Finish();

 private:
  Result<void> AddLine(std::string_view line);
  Result<void> AddComment(std::string_view comment);
  Result<void> AddOwnComment(std::string_view key, std::string_view value);
  Result<void> AddRange(std::string_view line);
  std::unexpected<Error> Wrong(std::string_view what) const;

  std::string rest_;  ///< of a line that is not complete
  uint64_t line_number_ = 0;
  bool is_own_ = false;  ///< the first line was kFreeMapTitle
  bool has_status_ = false;
  bool has_end_ = false;
  uint64_t position_ = 0;  ///< the end of the last range
  std::optional<uint64_t> counted_free_bytes_;
  std::optional<std::string> left_alone_;
  FreeSpace space_;
};

/// A whole map. Errors: as FreeMapParser.
Result<FreeSpaceAnswer> ParseFreeMap(std::string_view text);

/// Verifies what somebody says is free of a volume: every range is inside of the volume, a whole
/// number of units, after the one before it, and outside of the metadata and of `superblocks`; and
/// all together are what the file system counts. Errors: kCorrupt, with a sentence that says what
/// is wrong.
Result<void> VerifyFreeSpace(const FreeSpace& space, uint64_t volume_bytes,
                             std::span<const DiskRange> superblocks);

/// Where superblocks of that kind, and what is always beside them, are in a volume of that size:
/// what may never be free, known without asking the file system. All of the volume for a kind of
/// which nobody reads free space.
std::vector<DiskRange> SuperblockRanges(const Superblock& superblock, uint64_t volume_bytes);

}  // namespace vhdx::guest

#endif  // VHDXKIT_GUEST_FREE_MAP_H_

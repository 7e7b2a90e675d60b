// The parts of a file that are in use, in units of 1 MiB, and whether two structures overlap.
//
// One bit per unit for files of up to 256 TiB. For larger files (sparse and hostile) a list of
// claims, so that memory depends on what is claimed and not on what the file's length pretends.

#ifndef VHDXKIT_IMAGE_SPACE_MAP_H_
#define VHDXKIT_IMAGE_SPACE_MAP_H_

#include <vhdxkit/file.h>

#include <cstdint>
#include <vector>

#include "bytes/arithmetic.h"

namespace vhdx {

class SpaceMap {
 public:
  explicit SpaceMap(uint64_t file_size);

  /// Claims the units that the range touches and that lie in the file (whose last unit may be cut
  /// short). False if one of them was claimed before; for a file of more than 256 TiB only
  /// Overlaps() reports that.
  bool Claim(FileRange range);
  /// The same, but claims nothing if one of them was claimed before.
  bool ClaimIfFree(FileRange range);
  /// Claims what the other map of the same file claims, unless something is claimed in both: then
  /// nothing changes, and the result is false. For a file of more than 256 TiB it is always true.
  bool Merge(const SpaceMap& other);
  /// Releases units that were claimed. Only for files of up to 256 TiB, like what follows up to
  /// Unclaimed.
  void Release(FileRange range);
  /// Whether every unit of the range is claimed.
  bool IsClaimed(FileRange range) const;
  /// The file offset of the first unit of the range that is claimed; one of them is.
  uint64_t FirstClaimed(FileRange range) const;
  /// The file is now at least this long.
  void Grow(uint64_t file_size);
  /// The end of the last claimed unit.
  uint64_t End() const;
  /// Every unclaimed range before `end`.
  std::vector<FileRange> Unclaimed(uint64_t end) const;
  static constexpr uint64_t kMaxFileSize = 256 * kTiB;

  struct Summary {
    uint64_t end = 0;                  ///< the end of the last claimed unit
    uint64_t unclaimed_bytes = 0;      ///< unclaimed, before that end
    std::vector<FileRange> unclaimed;  ///< the first of these
  };
  static constexpr size_t kMaxListed = 256;
  /// Totals.
  Summary Summarize();
  /// Only for more than 256 TiB: the file offsets of the first units that were claimed twice, in
  /// order.
  std::vector<uint64_t> Overlaps();

 private:
  struct Units {
    uint64_t first = 0;
    uint64_t end = 0;
  };
  Units UnitsOf(FileRange range) const;
  void ReleaseUnits(Units units);
  template <typename Visit>
  static bool ForEachWord(Units units, Visit visit);
  template <typename Visit>
  void ForEachUnclaimed(uint64_t end_unit, Visit visit) const;
  Summary SummarizeBits() const;
  Summary SummarizeClaims();

  uint64_t unit_count_;
  std::vector<uint64_t> bits_;     // empty if the file is larger than 256 TiB
  std::vector<FileRange> claims_;  // used then
};

}  // namespace vhdx

#endif  // VHDXKIT_IMAGE_SPACE_MAP_H_

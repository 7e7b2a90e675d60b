// Which parts of a file are in use, in units of 1 MiB, and whether two things claim the same.
//
// One bit a unit for files of up to 256 TiB; for larger ones (sparse, hostile) a list of claims, so
// that the memory follows what is claimed and not what the file's length pretends.

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

  /// Claims the units that the range touches, as far as they lie in the file (its last unit may be
  /// cut short). False if one of them was claimed before; in a file of more than 256 TiB that comes
  /// out only in Finish().
  bool Claim(FileRange range);
  /// Gives up units that were claimed. Files of up to 256 TiB only, as all that follows.
  void Release(FileRange range);
  /// Whether every unit of the range is claimed.
  bool IsClaimed(FileRange range) const;
  /// The file is at least that long now.
  void Grow(uint64_t file_size);
  /// Where the last claimed unit ends.
  uint64_t End() const;
  /// Every range before `end` that nothing has claimed.
  std::vector<FileRange> Unclaimed(uint64_t end) const;
  static constexpr uint64_t kMaxFileSize = 256 * kTiB;

  struct Summary {
    uint64_t end = 0;                  ///< where the last claimed unit ends
    uint64_t unclaimed_bytes = 0;      ///< before that end
    std::vector<FileRange> unclaimed;  ///< the first of these
    std::vector<FileRange>
        overlaps;  ///< more than 256 TiB only: ranges claimed again, the first of them
  };
  static constexpr size_t kMaxListed = 256;
  /// What is claimed in all. No claims after this.
  Summary Finish();

 private:
  template <typename Visit>
  void ForEachUnclaimed(uint64_t end_unit, Visit visit) const;
  Summary FinishBits() const;
  Summary FinishClaims();

  uint64_t unit_count_;
  std::vector<uint64_t> bits_;     // empty if the file is larger than 256 TiB
  std::vector<FileRange> claims_;  // used then
};

}  // namespace vhdx

#endif  // VHDXKIT_IMAGE_SPACE_MAP_H_

// Makes the disk of one image larger or smaller: its size, the entries of its BAT and the blocks at
// its end.
//
// At whatever moment the machine dies, the disk has the old size or the new one, or a size in
// between from which the same call continues, and no byte below the smaller of the two is lost. One
// entry of the log decides: it has the size, and of a disk that becomes smaller also the entries of
// all blocks that it loses. What a larger disk needs is durable before that: to every reader it is
// past the end until then.

#ifndef VHDXKIT_IMAGE_RESIZER_H_
#define VHDXKIT_IMAGE_RESIZER_H_

#include <vhdxkit/error.h>
#include <vhdxkit/file.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "image/image.h"
#include "image/image_opener.h"

namespace vhdx {

class Resizer {
 public:
  /// `below_size` is the size of the largest disk among the parents of the image; 0 without one.
  Resizer(ImageOpener& opener, uint64_t below_size) : opener_(opener), below_size_(below_size) {}

  /// What has to be done besides changing the size.
  struct Needs {
    uint64_t old_size = 0;    ///< bytes
    bool moves_bat = false;   ///< its region is too short
    uint64_t new_bytes = 0;   ///< of the file: blocks of a fixed disk, and a longer BAT
    uint64_t cut_blocks = 0;  ///< present blocks that are past the new end
  };
  /// Reads the image, and changes nothing. Errors: those of Image::Open.
  Result<Needs> Look(uint64_t new_size);

  /// Brings the disk to that size: a multiple of its logical sector, at most 64 TiB. If it has that
  /// size, finishes what an earlier call did not. Errors: those of ImageOpener::Open, and those of
  /// writing; kNoSpace.
  Result<void> Resize(uint64_t new_size);

 private:
  Result<void> Grow(uint64_t old_size, uint64_t new_size);
  Result<void> PrepareTable(uint64_t new_size);
  Result<void> FillTail(Image& image, uint64_t old_size, uint64_t new_size) const;
  Result<void> HideParent(Image& image, uint64_t old_size, uint64_t new_size) const;
  Result<void> Shrink(uint64_t new_size);
  Result<void> CutTail(uint64_t new_size);

  ImageOpener& opener_;
  const uint64_t below_size_;
};

}  // namespace vhdx

#endif  // VHDXKIT_IMAGE_RESIZER_H_

// The entries of a BAT past the last block of the disk, which become live when the disk grows.
//
// They mean nothing until then, and may hold anything: what another program wrote, or what a
// growth or a shrinking left that was interrupted. A differencing BAT ends with the bitmap entry of
// its last chunk, so some of them are inside its count.

#ifndef VHDXKIT_IMAGE_TABLE_PADDING_H_
#define VHDXKIT_IMAGE_TABLE_PADDING_H_

#include <vhdxkit/error.h>

#include <cstdint>
#include <vector>

#include "format/bat.h"
#include "image/image.h"

namespace vhdx {

/// The pages of the BAT in which an entry is not zero that is past the end of the disk and would
/// not be if the disk were as large as `larger`, in order; only those inside of the BAT region.
/// Errors: kIo.
Result<std::vector<uint64_t>> DirtyPadding(Image& image, const format::BatGeometry& larger);

/// Makes these entries zero. A session has begun; the next flush makes it durable. Errors: those of
/// Journal::Apply and File::ZeroRange.
Result<void> ClearPadding(Image& image, const std::vector<uint64_t>& pages);

}  // namespace vhdx

#endif  // VHDXKIT_IMAGE_TABLE_PADDING_H_

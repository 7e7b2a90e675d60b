// Moves the BAT region or the metadata region of an image ([MS-VHDX] 2.2.3) to another place in its
// file.
//
// At every moment the region tables name a region that is whole: the copy is complete and durable
// before one entry of the log switches both tables to it, and the old one is not used for anything
// else under the LogGuid of that entry.

#ifndef VHDXKIT_IMAGE_REGION_MOVER_H_
#define VHDXKIT_IMAGE_REGION_MOVER_H_

#include <vhdxkit/error.h>

#include <cstdint>

#include "image/image_opener.h"

namespace vhdx {

/// Gives the BAT a region of at least that length, elsewhere. Errors: those of ImageOpener::Open,
/// Journal::Allocate and Flush.
Result<void> MoveBat(ImageOpener& opener, uint64_t length_bytes);

enum class MovedRegion : uint8_t { kBat, kMetadata };
/// Moves the region to the lowest place before it that is free and long enough. Whether there was
/// one. Errors: those of ImageOpener::Open and Flush.
Result<bool> MoveRegionDown(ImageOpener& opener, MovedRegion region);

}  // namespace vhdx

#endif  // VHDXKIT_IMAGE_REGION_MOVER_H_

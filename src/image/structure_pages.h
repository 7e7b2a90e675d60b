// Changes of structures other than the BAT and the sector bitmaps, as pages for the log.

#ifndef VHDXKIT_IMAGE_STRUCTURE_PAGES_H_
#define VHDXKIT_IMAGE_STRUCTURE_PAGES_H_

#include <vhdxkit/error.h>
#include <vhdxkit/file.h>
#include <vhdxkit/guid.h>

#include <cstdint>
#include <vector>

#include "image/image.h"
#include "image/metadata_pages.h"

namespace vhdx {

/// The pages of the metadata region that hold the size of the disk ([MS-VHDX] 2.6.2.2), with this
/// size: one or, if another program put the item there, two. Errors: kIo.
Result<std::vector<HeldPage>> PagesWithDiskSize(Image& image, uint64_t disk_size);

/// The pages of both copies of the region table ([MS-VHDX] 2.2.3) that change if the region is
/// elsewhere. Everything else in the tables stays, what is unknown included. Errors: kIo; kCorrupt
/// (the copies differ).
Result<std::vector<HeldPage>> PagesWithRegion(Image& image, const Guid& region, FileRange place);

}  // namespace vhdx

#endif  // VHDXKIT_IMAGE_STRUCTURE_PAGES_H_

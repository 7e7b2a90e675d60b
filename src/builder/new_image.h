// The structures of a new image: their places and their bytes (docs/format.md, section 14.2).
//
// The layout is that of Windows: header section, log, metadata, BAT, then blocks.

#ifndef VHDXKIT_BUILDER_NEW_IMAGE_H_
#define VHDXKIT_BUILDER_NEW_IMAGE_H_

#include <vhdxkit/error.h>
#include <vhdxkit/file.h>
#include <vhdxkit/guid.h>
#include <vhdxkit/image_info.h>

#include <cstdint>
#include <string>
#include <vector>

#include "format/bat.h"
#include "format/metadata.h"

namespace vhdx {

inline constexpr uint64_t kDefaultLogLength = 8 * kMiB;
inline constexpr uint64_t kMetadataRegionLength = kMiB;

/// The description of a new image.
struct NewImage {
  DiskParameters parameters;
  uint64_t log_length_bytes = kDefaultLogLength;
  std::string creator = {};
  Guid file_write_guid = {};
  Guid data_write_guid = {};
  std::vector<LocatorEntryInfo> locator_entries = {};  ///< with a parent
  std::vector<format::MetadataItem> inherited_items =
      {};  ///< of the parent, besides those of every image
};

struct NewImageLayout {
  FileRange log;
  FileRange metadata;
  FileRange bat;
  uint64_t end = 0;  ///< end of all of these: where the first block may be placed
};

/// Length of a BAT region in bytes. For every kind of disk it has space for the bitmap entry of
/// each chunk, so that a disk can become a differencing one later.
uint64_t BatRegionLength(const format::BatGeometry& geometry);

NewImageLayout PlaceStructures(const format::BatGeometry& geometry, uint64_t log_length_bytes);

/// Checks whether WriteStructures will accept it. Errors: kInvalidArgument.
Result<void> CheckNewImage(const NewImage& image);

/// Writes everything but the log and the BAT, the identifier last. Nothing is synced: the file does
/// not have its final name yet. Errors: kInvalidArgument; those of File::WriteAt.
Result<void> WriteStructures(File& file, const NewImage& image, const NewImageLayout& layout);

}  // namespace vhdx

#endif  // VHDXKIT_BUILDER_NEW_IMAGE_H_

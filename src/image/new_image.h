// The structures of a new image: their places and their bytes (docs/format.md, section 14.2).
//
// They stand as Windows places them: header section, log, metadata, BAT, then blocks.

#ifndef VHDXKIT_IMAGE_NEW_IMAGE_H_
#define VHDXKIT_IMAGE_NEW_IMAGE_H_

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

/// What a new image says of itself.
struct NewImage {
  DiskParameters parameters;
  uint64_t log_length_bytes = kDefaultLogLength;
  std::string creator = {};
  Guid file_write_guid = {};
  Guid data_write_guid = {};
  std::vector<LocatorEntryInfo> locator_entries = {};      ///< with a parent
  std::vector<format::MetadataItem> inherited_items = {};  ///< of it, besides those of every image
};

struct NewImageLayout {
  FileRange log;
  FileRange metadata;
  FileRange bat;
  uint64_t end = 0;  ///< of all of these: where the first block may stand
};

/// Bytes of a BAT region. For every kind of disk it has room for the bitmap of each chunk, so that
/// a disk can become a differencing one later.
uint64_t BatRegionLength(const format::BatGeometry& geometry);

NewImageLayout PlaceStructures(const format::BatGeometry& geometry, uint64_t log_length_bytes);

/// Whether WriteStructures will take it. Errors: kInvalidArgument.
Result<void> CheckNewImage(const NewImage& image);

enum class WriteOrder : uint8_t {
  kAny,      ///< nothing is synced: the file has no name yet that anybody knows
  kDurable,  ///< all else is durable before the headers and the identifier make it an image
};

/// Writes everything but the log and the BAT, the identifier last. Errors: kInvalidArgument; those
/// of File::WriteAt and Sync.
Result<void> WriteStructures(File& file, const NewImage& image, const NewImageLayout& layout,
                             WriteOrder order);

}  // namespace vhdx

#endif  // VHDXKIT_IMAGE_NEW_IMAGE_H_

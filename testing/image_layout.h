// Where everything of an ImageSpec comes to stand in its file.

#ifndef VHDXKIT_TESTING_IMAGE_LAYOUT_H_
#define VHDXKIT_TESTING_IMAGE_LAYOUT_H_

#include <vhdxkit/file.h>

#include <cstdint>
#include <map>
#include <vector>

#include "testing/image_spec.h"

namespace vhdx::testing {

/// A metadata item with its entry in the table.
struct PlacedItem {
  MetadataItemSpec item;
  uint32_t offset = 0;  ///< bytes from the start of the metadata region
  uint32_t length = 0;
};

struct ImageLayout {
  FileRange log;
  FileRange bat;
  FileRange metadata;
  std::vector<FileRange> regions;               ///< in the order of the table
  std::vector<PlacedItem> items;                ///< in the order of the table
  std::map<uint64_t, uint64_t> block_offsets;   ///< of every allocated block, by number
  std::map<uint64_t, uint64_t> bitmap_offsets;  ///< of every sector bitmap that has one, by chunk
  std::vector<BitmapSpec> bitmaps;              ///< those asked for and those that are needed
  uint64_t end = 0;                             ///< behind the last structure
  std::vector<PlacedLogEntry> log_entries;      ///< filled by Build

  uint64_t chunk_ratio = 0;

  // Where things stand in the file, for patches and for expected offsets.
  uint64_t PayloadEntryIndex(uint64_t block) const { return block + block / chunk_ratio; }
  uint64_t BitmapEntryIndex(uint64_t chunk) const { return (chunk + 1) * chunk_ratio + chunk; }
  uint64_t PayloadEntryOffset(uint64_t block) const;
  uint64_t BitmapEntryOffset(uint64_t chunk) const;
  uint64_t RegionEntryOffset(size_t index, size_t table = 0) const;
  uint64_t MetadataEntryOffset(size_t index) const;
  /// Of the item's entry in the table, and of the item itself; the id must be there.
  uint64_t MetadataEntryOffset(const Guid& item_id) const;
  uint64_t ItemOffset(const Guid& item_id) const;
};

ImageLayout PlanLayout(const ImageSpec& spec);

}  // namespace vhdx::testing

#endif  // VHDXKIT_TESTING_IMAGE_LAYOUT_H_

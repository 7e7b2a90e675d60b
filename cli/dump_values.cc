#include "cli/dump_values.h"

#include "bytes/formatting.h"

namespace vhdx::cli {

Json ValueOfItem(const ImageInfo& image, const MetadataItemInfo& item) {
  const DiskParameters& parameters = image.parameters;
  const std::string_view name = ImageDump::ItemName(item.item_id);
  if (item.is_user) return nullptr;
  if (name == "File Parameters") {
    return {{"block-size", parameters.block_size_bytes},
            {"leave-blocks-allocated", parameters.leave_blocks_allocated},
            {"has-parent", parameters.has_parent}};
  }
  if (name == "Virtual Disk Size") return parameters.virtual_disk_size_bytes;
  if (name == "Virtual Disk ID") return parameters.virtual_disk_id.ToString();
  if (name == "Logical Sector Size") return parameters.logical_sector_size;
  if (name == "Physical Sector Size") return parameters.physical_sector_size;
  return nullptr;
}

uint64_t OffsetOfLocator(const ImageInfo& image) {
  for (const MetadataItemInfo& item : image.metadata_items) {
    if (ImageDump::ItemName(item.item_id) == "Parent Locator") {
      return image.metadata_region.file_offset + item.offset;
    }
  }
  return 0;
}

std::string BytesAsHex(ByteSpan bytes) {
  std::string text;
  text.reserve(2 * bytes.size());
  for (const std::byte byte : bytes) text += Format("{:02x}", std::to_integer<unsigned>(byte));
  return text;
}

}  // namespace vhdx::cli

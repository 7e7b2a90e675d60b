#include "cli/dump_values.h"

#include "bytes/formatting.h"

namespace vhdx::cli {

Json ValueOfItem(const MetadataStructure& metadata, const MetadataItemStructure& item) {
  if (!item.has_value) return nullptr;
  const DiskParameters& parameters = metadata.parameters;
  const std::string_view name = ImageDump::ItemName(item.info.item_id);
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

std::string BytesAsHex(ByteSpan bytes) {
  std::string text;
  text.reserve(2 * bytes.size());
  for (const std::byte byte : bytes) text += Format("{:02x}", std::to_integer<unsigned>(byte));
  return text;
}

std::vector<const StructureVerdict*> VerdictsOf(const ImageStructures& image,
                                                std::string_view part) {
  std::vector<const StructureVerdict*> verdicts;
  const auto add_all = [&](const auto& structures) {
    for (const auto& structure : structures) verdicts.push_back(&structure.verdict);
  };
  if (part == "headers") {
    verdicts = {&image.file, &image.identifier.verdict};
    add_all(image.headers);
    verdicts.push_back(&image.header_pair);
  } else if (part == "regions") {
    for (const RegionTableStructure& table : image.region_tables) {
      verdicts.push_back(&table.verdict);
      add_all(table.regions);
    }
    verdicts.push_back(&image.region_table_pair);
  } else if (part == "metadata") {
    verdicts = {&image.metadata.verdict};
    add_all(image.metadata.items);
  } else if (part == "locator") {
    verdicts = {&image.locator.verdict};
    add_all(image.locator.entries);
  } else if (part == "log") {
    verdicts = {&image.log.verdict};
  } else if (part == "bat") {
    verdicts = {&image.bat.verdict};
  }
  return verdicts;
}

}  // namespace vhdx::cli

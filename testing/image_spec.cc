#include "testing/image_spec.h"

#include "format/layout.h"
#include "format/metadata.h"
#include "testing/hex.h"

namespace vhdx::testing {
namespace {

using format::PayloadState;

template <OnDisk T>
MetadataItemSpec Item(const Guid& item_id, uint32_t flags, const T& value) {
  MetadataItemSpec item{
      .item_id = item_id, .flags = flags, .data = std::vector<std::byte>(sizeof(T))};
  StoreTo(std::span(item.data), value);
  return item;
}

}  // namespace

Guid TestGuid(uint64_t number) {
  Guid guid = Guid::FromFields(0x7e57'0000, 0, 0x4000, {0x80, 0, 0, 0, 0, 0, 0, 0});
  for (size_t i = 0; i < 7; ++i) guid.bytes[9 + i] = static_cast<uint8_t>(number >> (48 - 8 * i));
  return guid;
}

BlockSpec FullBlock(uint64_t block, std::optional<uint64_t> file_offset) {
  return {.block = block, .file_offset = file_offset};
}

BlockSpec PartialBlock(uint64_t block, std::vector<SectorRun> present_sectors) {
  return {.block = block,
          .state = PayloadState::kPartiallyPresent,
          .present_sectors = std::move(present_sectors)};
}

BlockSpec ZeroBlock(uint64_t block) { return StateBlock(block, PayloadState::kZero); }

BlockSpec StateBlock(uint64_t block, PayloadState state, uint64_t file_offset) {
  return {.block = block, .state = state, .file_offset = file_offset};
}

std::vector<BlockSpec> FullBlocks(uint64_t count) {
  std::vector<BlockSpec> blocks;
  for (uint64_t block = 0; block < count; ++block) blocks.push_back(FullBlock(block));
  return blocks;
}

ImageSpec DynamicImage(const DiskShape& shape) {
  ImageSpec spec;
  spec.parameters.block_size_bytes = static_cast<uint32_t>(shape.block_size);
  spec.parameters.virtual_disk_size_bytes = shape.disk_size;
  spec.parameters.logical_sector_size = shape.logical_sector_size;
  spec.parameters.physical_sector_size = shape.physical_sector_size;
  return spec;
}

ImageSpec FixedImage(const DiskShape& shape) {
  ImageSpec spec = DynamicImage(shape);
  spec.parameters.leave_blocks_allocated = true;
  spec.blocks = FullBlocks(DivideRoundingUp(shape.disk_size, shape.block_size));
  return spec;
}

ImageSpec ChildOf(const ImageSpec& parent, const std::string& relative_path,
                  const ChildShape& shape) {
  ImageSpec child;
  child.parameters = parent.parameters;
  child.parameters.leave_blocks_allocated = false;
  child.parameters.has_parent = true;
  if (shape.disk_size) child.parameters.virtual_disk_size_bytes = *shape.disk_size;
  if (shape.block_size) {
    child.parameters.block_size_bytes = static_cast<uint32_t>(*shape.block_size);
  }
  child.pattern = {.seed = parent.pattern.seed, .layer = parent.pattern.layer + 1};
  child.file_write_guid = TestGuid(2 + 16 * uint64_t{child.pattern.layer});
  child.data_write_guid = TestGuid(3 + 16 * uint64_t{child.pattern.layer});
  child.locator = TwoKeyLocator(parent.data_write_guid, relative_path);
  return child;
}

std::vector<MetadataItemSpec> BasicMetadataItems(const ImageSpec& spec) {
  using format::kIsRequired;
  constexpr uint32_t kOfTheDisk = format::kIsVirtualDisk | kIsRequired;
  const DiskParameters& parameters = spec.parameters;
  const uint32_t flags = (parameters.leave_blocks_allocated ? format::kLeaveBlocksAllocated : 0) |
                         (parameters.has_parent ? format::kHasParent : 0);
  std::vector<MetadataItemSpec> items = {
      Item(format::kFileParametersGuid, kIsRequired,
           format::FileParameters{.block_size = parameters.block_size_bytes, .flags = flags}),
      Item(format::kVirtualDiskSizeGuid, kOfTheDisk, le64(parameters.virtual_disk_size_bytes)),
      Item(format::kLogicalSectorSizeGuid, kOfTheDisk, le32(parameters.logical_sector_size)),
      Item(format::kPhysicalSectorSizeGuid, kOfTheDisk, le32(parameters.physical_sector_size)),
      Item(format::kVirtualDiskIdGuid, kOfTheDisk, parameters.virtual_disk_id),
  };
  if (spec.locator) {
    items.push_back({.item_id = format::kParentLocatorGuid,
                     .flags = kIsRequired,
                     .data = EncodeLocator(*spec.locator)});
  }
  return items;
}

ImageSpec RecipeA() {
  ImageSpec spec = DynamicImage({.disk_size = 4 * kMiB, .block_size = kMiB});
  spec.creator = "vhdx-lab";
  spec.parameters.virtual_disk_id = *Guid::Parse("12345678-9abc-def0-1234-56789abcdef0");
  spec.file_write_guid = *Guid::Parse("0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0");
  spec.data_write_guid = *Guid::Parse("00112233-4455-6677-8899-aabbccddeeff");
  spec.headers = {HeaderSpec{.sequence_number = 1}, HeaderSpec{.sequence_number = 2}};
  spec.regions = {RegionSpec{.guid = format::kMetadataRegionGuid},
                  RegionSpec{.guid = format::kBatRegionGuid}};
  return spec;
}

ImageSpec RecipeB() {
  ImageSpec spec = RecipeA();
  spec.log.log_guid = *Guid::Parse("11223344-5566-7788-99aa-bbccddeeff00");
  spec.file_size = 5 * kMiB;
  spec.patches = {PatchFill(0x212000, 0x2000, std::byte{0xEE}),
                  PatchFill(0x400000, kMiB, std::byte{0xA5})};
  std::vector<std::byte> bat_page = BytesFromHex("06 00 40 00 00 00 00 00");
  bat_page.resize(format::kLogSectorSize);
  std::vector<std::byte> counting(format::kLogSectorSize);
  for (size_t i = 0; i < counting.size(); ++i) counting[i] = static_cast<std::byte>(i);
  spec.log.entries = {
      {.writes = {DataWrite(0x300000, std::move(bat_page)), ZeroWrite({0x212000, 0x2000}),
                  DataWrite(0x211000, std::move(counting))},
       .sequence_number = 0x0102030405060708}};
  return spec;
}

}  // namespace vhdx::testing

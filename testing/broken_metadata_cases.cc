// The metadata table, its items, and what they say.

#include <algorithm>

#include "format/layout.h"
#include "format/metadata.h"
#include "format/rules.h"
#include "testing/broken_cases.h"
#include "testing/hex.h"

namespace vhdx::testing::broken_metadata {
namespace {

using format::kIsRequired;
using format::kIsUser;
using format::kIsVirtualDisk;

// The items that every file has, in the order of the table.
const Guid kBasicItems[] = {format::kFileParametersGuid, format::kVirtualDiskSizeGuid,
                            format::kLogicalSectorSizeGuid, format::kPhysicalSectorSizeGuid,
                            format::kVirtualDiskIdGuid};
constexpr size_t kBasicCount = 5;  // so an item that is added has this index
constexpr size_t kPhysical = 3;

uint64_t Region() { return PlanLayout(TwinImage()).metadata.file_offset; }
std::string AtRegion(const Rule& rule, uint64_t offset = 0) { return At(rule, Region() + offset); }
std::string AtEntry(const Rule& rule, size_t index, uint64_t field = 0) {
  return At(rule, PlanLayout(TwinImage()).MetadataEntryOffset(index) + field);
}
std::string AtItem(const Rule& rule, const Guid& item_id, uint64_t field = 0) {
  return At(rule, PlanLayout(TwinImage()).ItemOffset(item_id) + field);
}

// The twin with another table.
ImageSpec WithItems(std::vector<MetadataItemSpec> items) {
  ImageSpec spec = TwinImage();
  spec.metadata_items = std::move(items);
  return spec;
}
ImageSpec WithItem(MetadataItemSpec item) {
  ImageSpec spec = TwinImage();
  spec.more_metadata_items = {std::move(item)};
  return spec;
}
MetadataItemSpec Unknown(uint32_t flags, std::vector<std::byte> data = {}) {
  return {.item_id = TestGuid(80), .flags = flags, .data = std::move(data)};
}

template <OnDisk T>
ImageSpec WithValue(const Guid& item_id, uint64_t field, const T& value) {
  return Patched({PatchValue(PlanLayout(TwinImage()).ItemOffset(item_id) + field, value)});
}

void AddTable(std::vector<BrokenCase>& cases) {
  for (const uint64_t byte : {0U, 7U}) {
    cases.push_back(Refused("metadata/signature byte " + std::to_string(byte),
                            Patched({PatchFill(Region() + byte, 1, std::byte{'M'})}),
                            AtRegion(rules::kMetadataSignature)));
  }
  cases.push_back(Refused("metadata/zeros", Patched({PatchFill(Region(), kMiB, std::byte{0})}),
                          AtRegion(rules::kMetadataSignature)));
  for (const uint64_t byte : {8U, 12U, 31U}) {
    cases.push_back(Opens("metadata/reserved byte " + std::to_string(byte),
                          Patched({PatchFill(Region() + byte, 1, std::byte{1})}),
                          {AtRegion(rules::kMetadataReserved, 8)}));
  }
  for (const uint16_t count : {uint16_t{2048}, uint16_t{0xFFFF}}) {
    cases.push_back(Refused("metadata/entries: " + std::to_string(count),
                            Patched({PatchValue(Region() + 10, le16(count))}),
                            AtRegion(rules::kMetadataEntryCount, 10)));
  }
  const std::string missing = AtRegion(rules::kMetadataMissing);
  cases.push_back(Refused("metadata/entries: 0", Patched({PatchValue(Region() + 10, le16(0))}),
                          missing, {missing, missing, missing, missing}));
  // As Windows leaves it behind the last entry.
  const std::vector<std::byte> stale =
      BytesFromHex("ab 12 ca be e6 b2 23 45 93 ef c3 09 e0 00 c7 46 18 00 01 00 10 00 00 00 06");
  cases.push_back(Opens("metadata/stale entry behind the last",
                        Patched({{.file_offset = Region() + 32 + 5 * 32, .bytes = stale}})));
  cases.push_back(Opens("metadata/noise behind the last item",
                        Patched({PatchFill(Region() + 0x10028, 0x1000, std::byte{0xEE})})));
  for (const size_t count : {1024U, 1025U}) {
    ImageSpec spec = TwinImage();
    for (uint64_t i = 0; i < count; ++i) {
      spec.more_metadata_items.push_back({.item_id = TestGuid(1000 + i), .flags = kIsUser});
    }
    const std::string name = "metadata/user items: " + std::to_string(count);
    cases.push_back(count > 1024 ? Refused(name, spec, AtRegion(rules::kMetadataUserCount))
                                 : Opens(name, spec));
  }
  ImageSpec full = TwinImage();
  for (uint64_t i = 0; i < 2042; ++i) {
    full.more_metadata_items.push_back(
        {.item_id = TestGuid(1000 + i), .data = std::vector<std::byte>(8)});
  }
  cases.push_back(Opens("metadata/entries: 2047", full));
}

void AddBasicItems(std::vector<BrokenCase>& cases) {
  for (size_t i = 0; i < kBasicCount; ++i) {
    const std::string name = std::string(format::MetadataItemName(kBasicItems[i]));
    const std::vector<MetadataItemSpec> right = BasicMetadataItems(TwinImage());
    std::vector<MetadataItemSpec> items = right;
    items.erase(items.begin() + static_cast<ptrdiff_t>(i));
    cases.push_back(
        Refused("metadata/no " + name, WithItems(items), AtRegion(rules::kMetadataMissing)));

    items = right;
    items[i].flags = kIsUser;
    cases.push_back(
        Refused("metadata/user item " + name, WithItems(items), AtRegion(rules::kMetadataMissing)));
    for (const int change : {-1, 1}) {
      items = right;
      items[i].data.resize(static_cast<size_t>(static_cast<int>(items[i].data.size()) + change));
      cases.push_back(
          Refused("metadata/" + name + " of " + std::to_string(items[i].data.size()) + " bytes",
                  WithItems(items), AtEntry(rules::kMetadataItemLength, i)));
    }
    items = right;
    items[i].data.clear();
    cases.push_back(Refused("metadata/empty " + name, WithItems(items),
                            AtEntry(rules::kMetadataItemLength, i)));
    for (const uint32_t bit : {kIsVirtualDisk, kIsRequired}) {
      items = right;
      items[i].flags ^= bit;
      const bool tolerated = i == kPhysical && bit == kIsRequired;  // early files
      cases.push_back(Opens("metadata/flags " + std::to_string(items[i].flags) + " of " + name,
                            WithItems(items),
                            tolerated ? std::vector<std::string>()
                                      : std::vector{AtEntry(rules::kMetadataItemFlags, i, 24)}));
    }
    items = right;
    items.push_back(items[i]);
    cases.push_back(
        Refused("metadata/two of " + name, WithItems(items), AtRegion(rules::kMetadataDuplicate)));
  }
}

void AddPlaces(std::vector<BrokenCase>& cases) {
  const std::string refused = AtEntry(rules::kMetadataItemRange, kBasicCount);
  const auto placed = [](uint32_t offset, uint32_t length) {
    MetadataItemSpec item = Unknown(0);
    item.offset = offset;
    item.length = length;
    return WithItem(item);
  };
  struct Row {
    uint64_t offset, length;
  };
  for (const Row& row : {Row{0, 8}, Row{1, 8}, Row{0xFFFF, 8}, Row{kMiB - 7, 8}, Row{kMiB, 1},
                         Row{0x20000, kMiB + 1}, Row{0x20000, 0xFFFFFFFF},
                         Row{0xFFFFFFFF, 0xFFFFFFFF}, Row{0xFFFFFFFF, 1}}) {
    cases.push_back(Refused(
        "metadata/item of " + std::to_string(row.length) + " at " + std::to_string(row.offset),
        placed(static_cast<uint32_t>(row.offset), static_cast<uint32_t>(row.length)), refused));
    if (row.offset == 0xFFFF) {  // it reaches into the first item
      cases.back().findings = {AtRegion(rules::kMetadataItemOverlap, 0x10000)};
    }
  }
  cases.push_back(Opens("metadata/item that ends the region", placed(kMiB - 8, 8)));
  for (const uint32_t offset : {1U, 0x10000U, 0xFFFFFFFFU}) {
    cases.push_back(Opens("metadata/empty item at " + std::to_string(offset), placed(offset, 0),
                          {AtEntry(rules::kMetadataEmptyOffset, kBasicCount)}));
  }
  for (const Row& row : {Row{0x10000, 8}, Row{0x10007, 1}, Row{0x10027, 16}}) {
    cases.push_back(
        Refused("metadata/overlap at " + std::to_string(row.offset),
                placed(static_cast<uint32_t>(row.offset), static_cast<uint32_t>(row.length)),
                AtRegion(rules::kMetadataItemOverlap, row.offset)));
  }
}

// Items in any order and place, and as long as they may be.
void AddArrangements(std::vector<BrokenCase>& cases) {
  std::vector<MetadataItemSpec> items = BasicMetadataItems(TwinImage());
  std::ranges::reverse(items);
  cases.push_back(Opens("metadata/items in reverse", WithItems(items)));
  for (size_t i = 0; i < items.size(); ++i) {
    items[i].offset = static_cast<uint32_t>(0x90001 - 0x10001 * i);
  }
  cases.push_back(Opens("metadata/items far apart", WithItems(items)));
  ImageSpec large = WithItem(Unknown(0, std::vector<std::byte>(kMiB, std::byte{0xEE})));
  cases.push_back(Opens("metadata/item of 1 MiB", large));
}

void AddUnknownItems(std::vector<BrokenCase>& cases) {
  cases.push_back(Opens("metadata/unknown item", WithItem(Unknown(0, BytesFromText("x")))));
  cases.push_back(Opens("metadata/unknown item that is empty", WithItem(Unknown(0))));
  cases.push_back(
      Opens("metadata/user item", WithItem(Unknown(kIsUser | kIsVirtualDisk, BytesFromText("x")))));
  const std::string refused = AtEntry(rules::kMetadataUnknownRequired, kBasicCount);
  cases.push_back(
      Refused("metadata/unknown item that is required", WithItem(Unknown(kIsRequired)), refused));
  cases.push_back(Refused("metadata/user item that is required",
                          WithItem(Unknown(kIsRequired | kIsUser)), refused));
  cases.push_back(Opens(
      "metadata/user item with the id of a system item",
      WithItem(
          {.item_id = format::kVirtualDiskIdGuid, .flags = kIsUser, .data = BytesFromText("x")})));
  for (const uint32_t flags : {8U, 0x10U, 0x80000000U}) {
    cases.push_back(Opens("metadata/flags " + std::to_string(flags) + " of an unknown item",
                          WithItem(Unknown(flags)),
                          {AtEntry(rules::kMetadataItemReserved, kBasicCount, 24)}));
  }
  MetadataItemSpec reserved = Unknown(0);
  reserved.reserved2 = 1;
  cases.push_back(Opens("metadata/reserved field of an item", WithItem(reserved),
                        {AtEntry(rules::kMetadataItemReserved, kBasicCount, 24)}));
  cases.push_back(Refused(
      "metadata/unknown item twice",
      [] {
        ImageSpec spec = WithItem(Unknown(0));
        spec.more_metadata_items.push_back(Unknown(kIsVirtualDisk));
        return spec;
      }(),
      AtRegion(rules::kMetadataDuplicate)));
  // Those of OpenVMM.
  cases.push_back(Opens("metadata/CHS parameters", WithItem({.item_id = format::kChsParametersGuid,
                                                             .flags = kIsRequired,
                                                             .data = std::vector<std::byte>(8)})));
  cases.push_back(Opens("metadata/PMEM label", WithItem({.item_id = format::kPmemLabelGuid,
                                                         .flags = kIsRequired,
                                                         .data = std::vector<std::byte>(64)})));
  cases.push_back(Refused("metadata/incomplete file",
                          WithItem({.item_id = format::kIncompleteFileGuid, .flags = kIsRequired}),
                          AtEntry(rules::kMetadataIncompleteFile, kBasicCount)));
}

void AddValues(std::vector<BrokenCase>& cases) {
  for (const uint64_t size : {uint64_t{0}, uint64_t{1}, kMiB / 2, kMiB - 1, kMiB + 1, 3 * kMiB,
                              512 * kMiB, uint64_t{0x80000000}, uint64_t{0xFFFFFFFF}}) {
    cases.push_back(
        Refused("metadata/block size " + std::to_string(size),
                WithValue(format::kFileParametersGuid, 0, le32(static_cast<uint32_t>(size))),
                AtItem(rules::kMetadataBlockSize, format::kFileParametersGuid)));
  }
  for (const uint32_t flags : {4U, 0x80000000U, 0xFFFFFFFCU}) {
    cases.push_back(
        Opens("metadata/file parameters " + std::to_string(flags),
              WithValue(format::kFileParametersGuid, 4, le32(flags)),
              {AtItem(rules::kMetadataFileParameters, format::kFileParametersGuid, 4)}));
  }
  for (const uint64_t size : {uint64_t{0}, uint64_t{1}, uint64_t{511}, 8 * kMiB + 1,
                              64 * kTiB + 512, uint64_t{1} << 63, UINT64_MAX}) {
    cases.push_back(Refused("metadata/disk size " + std::to_string(size),
                            WithValue(format::kVirtualDiskSizeGuid, 0, le64(size)),
                            AtItem(rules::kMetadataDiskSize, format::kVirtualDiskSizeGuid)));
  }
  for (const Guid& item : {format::kLogicalSectorSizeGuid, format::kPhysicalSectorSizeGuid}) {
    for (const uint32_t size : {0U, 1U, 511U, 1024U, 2048U, 8192U, 0xFFFFFFFFU}) {
      cases.push_back(
          Refused(std::string("metadata/") + std::string(format::MetadataItemName(item)) + " " +
                      std::to_string(size),
                  WithValue(item, 0, le32(size)), AtItem(rules::kMetadataSectorSize, item)));
    }
  }
  ImageSpec odd = DynamicImage({.disk_size = 8 * kMiB + 4096,
                                .block_size = kMiB,
                                .logical_sector_size = 4096,
                                .physical_sector_size = 512});
  odd.blocks = {FullBlock(0), FullBlock(8)};
  cases.push_back(Opens("metadata/logical 4096 on physical 512", odd));
  odd.patches = {
      PatchValue(PlanLayout(odd).ItemOffset(format::kVirtualDiskSizeGuid), le64(8 * kMiB + 512))};
  cases.push_back(Refused(
      "metadata/disk size in half sectors", odd,
      At(rules::kMetadataDiskSize, PlanLayout(odd).ItemOffset(format::kVirtualDiskSizeGuid))));
}

void AddShapes(std::vector<BrokenCase>& cases) {
  for (const uint64_t block_size : {1U, 2U, 4U, 8U, 16U, 32U, 64U, 128U, 256U}) {
    for (const uint32_t sector_size : {512U, 4096U}) {
      ImageSpec spec = DynamicImage({.disk_size = 5 * kGiB + 4096,
                                     .block_size = block_size * kMiB,
                                     .logical_sector_size = sector_size});
      const uint64_t last = (5 * kGiB) / (block_size * kMiB);  // the block that is cut by the end
      spec.blocks = {FullBlock(0), ZeroBlock(1), FullBlock(last - 1), FullBlock(last)};
      for (BlockSpec& block : spec.blocks) block.content = BlockContent::kEnds;
      cases.push_back(Opens("shape/blocks of " + std::to_string(block_size) + " MiB, sectors of " +
                                std::to_string(sector_size),
                            spec));
    }
  }
  for (const uint64_t disk_size : {uint64_t{512}, uint64_t{1536}, kMiB - 512, kMiB + 512}) {
    ImageSpec spec = DynamicImage({.disk_size = disk_size, .block_size = kMiB});
    spec.blocks = {FullBlock(0)};
    cases.push_back(Opens("shape/disk of " + std::to_string(disk_size), spec));
  }
  cases.push_back(Opens("shape/fixed", FixedImage({.disk_size = 8 * kMiB, .block_size = kMiB})));
  ImageSpec empty_fixed = FixedImage({.disk_size = 8 * kMiB, .block_size = kMiB});
  empty_fixed.blocks = {ZeroBlock(0), ZeroBlock(1)};
  cases.push_back(Opens("shape/fixed without blocks, as QEMU makes it", empty_fixed));
  ImageSpec huge = DynamicImage({.disk_size = 64 * kTiB, .block_size = kMiB});
  huge.blocks = {FullBlock(0), FullBlock(4095), FullBlock(4096), FullBlock(67108863)};
  cases.push_back(Opens("shape/64 TiB in blocks of 1 MiB", huge));
}

void AddBatLengths(std::vector<BrokenCase>& cases) {
  const std::string refused = At(rules::kBatRegionLength, 0x30000);
  const auto with_blocks = [](uint64_t blocks) {
    ImageSpec spec = DynamicImage({.disk_size = blocks * kMiB, .block_size = kMiB});
    spec.regions[0].length_bytes = kMiB;
    spec.blocks = {FullBlock(blocks - 1)};
    return spec;
  };
  // Entry 131,072 is the last that fits.
  cases.push_back(Opens("bat/region just long enough", with_blocks(131041)));
  ImageSpec longer = with_blocks(131041);
  longer.patches = {
      PatchValue(PlanLayout(longer).ItemOffset(format::kVirtualDiskSizeGuid), le64(131042 * kMiB))};
  cases.push_back(Refused("bat/region too short by one entry", longer, refused));
  cases.push_back(Refused("bat/region too short for 64 TiB",
                          WithValue(format::kVirtualDiskSizeGuid, 0, le64(64 * kTiB)), refused));
}

}  // namespace

std::vector<BrokenCase> Cases() {
  std::vector<BrokenCase> cases;
  AddTable(cases);
  AddBasicItems(cases);
  AddPlaces(cases);
  AddArrangements(cases);
  AddUnknownItems(cases);
  AddValues(cases);
  AddShapes(cases);
  AddBatLengths(cases);
  return cases;
}

}  // namespace vhdx::testing::broken_metadata

#include "testing/image_builder.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "format/file_identifier.h"
#include "format/header.h"
#include "format/layout.h"
#include "format/metadata.h"
#include "format/parent_locator.h"
#include "format/region_table.h"
#include "testing/hex.h"
#include "testing/memory_file.h"
#include "testing/memory_file_system.h"
#include "testing/outcome.h"
#include "testing/sha256.h"

namespace vhdx::testing {
namespace {

using format::PayloadState;

std::string HashOf(const ImageSpec& spec) {
  MemoryFile file;
  const auto layout = Build(spec, file);
  EXPECT_TRUE(layout.has_value());
  return Sha256Of(file.contents()->Bytes());
}

// Section 18.6.
TEST(ImageBuilder, RecipesOfTheReferenceAreByteExact) {
  EXPECT_EQ(HashOf(RecipeA()), "6a477623d6dc5dc26f513abcda1a464da88b15935020e99c93e0216afe736101");
  EXPECT_EQ(HashOf(RecipeB()), "0df3c4420119afcb31cc921c1bd5d541f6d41ee43436ce17613d038be865c88c");
}

// Everything outside blocks, read by the format's own parsers.
struct ParsedImage {
  HeaderInfo header;
  std::vector<RegionInfo> regions;
  MetadataStructure metadata;
  std::optional<ParentLocatorInfo> locator;
  Findings findings;
};

ParsedImage Parse(MemoryFile& file) {
  ParsedImage image;
  const uint64_t file_size = file.contents()->size();
  const auto bytes = [&](uint64_t offset, uint64_t length) {
    return file.contents()->Bytes({offset, length});
  };
  EXPECT_EQ(OutcomeOf(format::ParseFileIdentifier(bytes(0, 520), {})), "ok");
  std::array<std::optional<HeaderInfo>, 2> headers;
  for (size_t i = 0; i < 2; ++i) {
    headers[i] = format::ParseHeader(bytes(format::kHeaderOffsets[i], 4096), {}, image.findings);
  }
  const auto current = format::ChooseCurrentHeader(headers, false, {}, image.findings);
  EXPECT_EQ(OutcomeOf(current), "ok");
  image.header = headers[*current].value();
  Problems problems;
  StructureVerdict verdict;
  format::CheckCurrentHeader(image.header, file_size, {}, verdict, problems);
  for (const uint64_t offset : format::kRegionTableOffsets) {
    const auto table =
        format::ParseRegionTable(bytes(offset, format::kRegionTableSize), {}, image.findings);
    EXPECT_TRUE(table.has_value() && table->has_value());
    image.regions = (*table)->regions;
  }
  std::vector<RegionStructure> regions = format::PlaceRegions(image.regions, {});
  format::CheckRegions(regions, {image.header.log_offset, image.header.log_length_bytes}, file_size,
                       {}, verdict, problems);
  const auto metadata =
      *std::ranges::find(image.regions, format::kMetadataRegionGuid, &RegionInfo::guid);
  image.metadata.region = FileRange{metadata.file_offset, metadata.length_bytes};
  image.metadata.items =
      format::ParseMetadataTable(bytes(metadata.file_offset, format::kMetadataTableSize),
                                 metadata.length_bytes, {}, verdict, problems);
  const auto read = [&](const MetadataItemInfo& item) -> Result<std::vector<std::byte>> {
    return bytes(metadata.file_offset + item.offset, item.length_bytes);
  };
  format::ReadDiskParameters(image.metadata, read, {}, problems);
  if (const auto* item = format::FindItem(image.metadata.items, format::kParentLocatorGuid)) {
    image.locator = format::ParseParentLocator(*read(item->info), {}, problems).meaning;
  }
  EXPECT_EQ(OutcomeOf(problems.result()), "ok");
  image.findings.Add(problems.findings());
  return image;
}

std::vector<ImageSpec> LegalImages() {
  std::vector<ImageSpec> specs = {RecipeA(), DynamicImage(), FixedImage()};
  for (const uint64_t block_size : {1U, 2U, 32U, 256U}) {
    for (const uint32_t sector_size : {512U, 4096U}) {
      specs.push_back(DynamicImage({.disk_size = 5 * kGiB + 4096,
                                    .block_size = block_size * kMiB,
                                    .logical_sector_size = sector_size}));
      specs.push_back(ChildOf(specs.back(), ".\\base.vhdx"));
    }
  }
  return specs;
}

TEST(ImageBuilder, LegalImagesParseWithoutAFinding) {
  for (const ImageSpec& spec : LegalImages()) {
    MemoryFile file;
    const auto layout = Build(spec, file);
    ASSERT_TRUE(layout.has_value());
    const ParsedImage image = Parse(file);
    EXPECT_EQ(OutcomeOf(image.findings), "");
    EXPECT_EQ(image.header.file_write_guid, spec.file_write_guid);
    EXPECT_EQ(image.header.data_write_guid, spec.data_write_guid);
    EXPECT_EQ(image.header.sequence_number, spec.headers[1].sequence_number);
    EXPECT_EQ(image.metadata.parameters.block_size_bytes, spec.parameters.block_size_bytes);
    EXPECT_EQ(image.metadata.parameters.virtual_disk_size_bytes,
              spec.parameters.virtual_disk_size_bytes);
    EXPECT_EQ(image.metadata.parameters.logical_sector_size, spec.parameters.logical_sector_size);
    EXPECT_EQ(image.metadata.parameters.subformat(), spec.parameters.subformat());
    EXPECT_EQ(image.locator.has_value(), spec.parameters.has_parent);
    EXPECT_EQ(file.contents()->size(), layout->end);
  }
}

TEST(ImageBuilder, RegionsAndItemsStandWhereTheyWerePut) {
  ImageSpec spec = DynamicImage();
  spec.log = {.file_offset = 9 * kMiB, .length_bytes = 2 * kMiB};
  spec.regions = {
      {.guid = TestGuid(50), .file_offset = 5 * kMiB, .length_bytes = 3 * kMiB, .required = 0},
      {.guid = format::kMetadataRegionGuid},
      {.guid = format::kBatRegionGuid, .file_offset = kMiB},
      {.guid = TestGuid(51), .required = 0}};
  spec.more_metadata_items = {
      {.item_id = TestGuid(52), .flags = format::kIsUser, .data = BytesFromText("hello")},
      {.item_id = TestGuid(53)},
      {.item_id = TestGuid(54), .data = BytesFromText("far"), .offset = 0x80000}};
  MemoryFile file;
  const auto layout = Build(spec, file);
  ASSERT_TRUE(layout.has_value());
  const ParsedImage image = Parse(file);
  EXPECT_EQ(OutcomeOf(image.findings), "");
  ASSERT_EQ(image.regions.size(), 4U);
  EXPECT_EQ(image.regions[0].file_offset, 5 * kMiB);
  EXPECT_EQ(image.regions[1].file_offset, 2 * kMiB);  // the first free place
  EXPECT_EQ(image.regions[2].file_offset, kMiB);
  EXPECT_EQ(image.regions[3].file_offset, 3 * kMiB);
  EXPECT_EQ(layout->bat, (FileRange{kMiB, kMiB}));
  EXPECT_EQ(layout->metadata, (FileRange{2 * kMiB, kMiB}));
  EXPECT_EQ(layout->end, 11 * kMiB);
  ASSERT_EQ(image.metadata.items.size(), 8U);
  EXPECT_TRUE(image.metadata.items[5].info.is_user);
  EXPECT_EQ(image.metadata.items[6].info.length_bytes, 0U);
  EXPECT_EQ(layout->ItemOffset(TestGuid(54)), 2 * kMiB + 0x80000);
  EXPECT_EQ(HexFromBytes(file.contents()->Bytes({layout->ItemOffset(TestGuid(52)), 5})),
            HexFromBytes(BytesFromText("hello")));
  EXPECT_EQ(layout->MetadataEntryOffset(TestGuid(52)), 2 * kMiB + 32 + 5 * 32);
}

uint64_t EntryAt(MemoryFile& file, uint64_t offset) {
  return LoadFrom<le64>(std::span<const std::byte>(file.contents()->Bytes({offset, 8})));
}

TEST(ImageBuilder, EveryPayloadStateStandsInTheBat) {
  ImageSpec spec = DynamicImage({.disk_size = 64 * kMiB, .block_size = kMiB});
  for (uint64_t state = 0; state < 8; ++state) {
    spec.blocks.push_back({.block = state, .state = static_cast<PayloadState>(state)});
    spec.blocks.push_back({.block = 8 + state,
                           .state = static_cast<PayloadState>(state),
                           .file_offset = (100 + state) * kMiB,
                           .content = BlockContent::kZeros,
                           .reserved_bits = 8});
  }
  spec.bat_entries = {{.index = 63, .raw = ~uint64_t{0}}};
  MemoryFile file;
  const auto layout = Build(spec, file);
  ASSERT_TRUE(layout.has_value());
  for (uint64_t state = 0; state < 8; ++state) {
    const uint64_t expected_offset = state < 6 ? 0 : layout->block_offsets.at(state);
    EXPECT_EQ(EntryAt(file, layout->PayloadEntryOffset(state)), expected_offset | state);
    EXPECT_EQ(EntryAt(file, layout->PayloadEntryOffset(8 + state)),
              (100 + state) * kMiB | 8 | state);
  }
  EXPECT_EQ(EntryAt(file, layout->bat.file_offset + 63 * 8), ~uint64_t{0});
}

TEST(ImageBuilder, BlocksAndBitmapsAlternateAsWindowsPutsThem) {
  const ImageSpec base = DynamicImage({.disk_size = 10 * kGiB, .block_size = 32 * kMiB});
  ImageSpec spec = ChildOf(base, "base.vhdx");
  spec.blocks = {PartialBlock(1, {{0, 1}, {8, 16}, {65535, 1}}), FullBlock(2),
                 PartialBlock(129, {{1, 1}})};
  for (BlockSpec& block : spec.blocks) block.content = BlockContent::kZeros;
  MemoryFile file;
  const auto layout = Build(spec, file);
  ASSERT_TRUE(layout.has_value());
  EXPECT_EQ(layout->bitmap_offsets.at(0), 4 * kMiB);
  EXPECT_EQ(layout->block_offsets.at(1), 5 * kMiB);
  EXPECT_EQ(layout->block_offsets.at(2), 37 * kMiB);
  EXPECT_EQ(layout->bitmap_offsets.at(1), 69 * kMiB);
  EXPECT_EQ(layout->block_offsets.at(129), 70 * kMiB);
  // Chunk ratio 128: the entries of block 129 and of the bitmaps lie behind the slots.
  EXPECT_EQ(EntryAt(file, layout->bat.file_offset + 8 * 128), 4 * kMiB | 6);
  EXPECT_EQ(EntryAt(file, layout->bat.file_offset + 8 * 130), 70 * kMiB | 7);
  EXPECT_EQ(EntryAt(file, layout->bat.file_offset + 8 * 257), 69 * kMiB | 6);
  // Block 1 has bytes 8192 to 16383 of its bitmap.
  const std::vector<std::byte> bits = file.contents()->Bytes({4 * kMiB, kMiB});
  EXPECT_EQ(HexFromBytes(std::span(bits).subspan(8192, 4)), "01ffff00");
  EXPECT_EQ(bits[16383], std::byte{0x80});
  EXPECT_EQ(HexFromBytes(file.contents()->Bytes({69 * kMiB + 8192, 2})), "0200");
}

TEST(ImageBuilder, BlocksHoldTheirPatternAndJunkElsewhere) {
  ImageSpec spec = ChildOf(DynamicImage({.disk_size = 8 * kMiB, .block_size = kMiB}), "base.vhdx");
  spec.blocks = {FullBlock(3), PartialBlock(4, {{2, 1}}),
                 StateBlock(5, PayloadState::kUnmapped, 20 * kMiB)};
  spec.file_size = 24 * kMiB;
  MemoryFile file;
  const auto layout = Build(spec, file);
  ASSERT_TRUE(layout.has_value());
  const auto expect = [&](uint64_t file_offset, uint64_t disk_offset, const BlockPattern& pattern) {
    std::vector<std::byte> sector(512);
    FillPattern(pattern, disk_offset, sector);
    EXPECT_EQ(file.contents()->Bytes({file_offset, 512}), sector)
        << DescribePattern(file.contents()->Bytes({file_offset, 512}));
  };
  expect(layout->block_offsets.at(3), 3 * kMiB, spec.pattern);
  expect(layout->block_offsets.at(3) + kMiB - 512, 4 * kMiB - 512, spec.pattern);
  expect(layout->block_offsets.at(4), 4 * kMiB, spec.pattern.Junk());
  expect(layout->block_offsets.at(4) + 1024, 4 * kMiB + 1024, spec.pattern);
  expect(layout->block_offsets.at(4) + 1536, 4 * kMiB + 1536, spec.pattern.Junk());
  EXPECT_EQ(layout->block_offsets.at(5), 20 * kMiB);
}

TEST(ImageBuilder, DirtyImageHidesItsPagesInTheLog) {
  ImageSpec spec = DynamicImage({.disk_size = 8 * kMiB, .block_size = kMiB});
  spec.blocks = {FullBlock(0)};
  spec.log.log_guid = TestGuid(9);
  spec.log.entries = {
      {.writes = MovedPages({PlanLayout(spec).bat.file_offset, 4096}, std::byte{0xEE})}};
  MemoryFile file;
  const auto layout = Build(spec, file);
  ASSERT_TRUE(layout.has_value());
  EXPECT_EQ(EntryAt(file, layout->PayloadEntryOffset(0)), 0xEEEEEEEEEEEEEEEEU);
  EXPECT_EQ(EntryAt(file, layout->log.file_offset + 64 + 8), layout->block_offsets.at(0) | 6);
  EXPECT_EQ(Parse(file).header.log_guid, TestGuid(9));
}

// 64 TiB in blocks of 1 MiB: a BAT of 513 MiB, of which one page is there.
TEST(ImageBuilder, HugeSparseImageCostsLittle) {
  ImageSpec spec = DynamicImage({.disk_size = 64 * kTiB, .block_size = kMiB});
  spec.blocks = {FullBlock(67108863)};
  MemoryFile file;
  const auto layout = Build(spec, file);
  ASSERT_TRUE(layout.has_value());
  EXPECT_EQ(layout->bat.length_bytes, 513 * kMiB);
  EXPECT_LT(file.contents()->allocated_bytes(), 2 * kMiB);
  EXPECT_EQ(EntryAt(file, layout->bat.file_offset + 8 * 67125246U), 516 * kMiB | 6);
  EXPECT_EQ(OutcomeOf(Parse(file).findings), "");
}

TEST(ImageBuilder, PatchesComeBeforeChecksumsAndLatePatchesBehind) {
  ImageSpec spec = DynamicImage();
  spec.patches = {PatchValue(0x10000 + 80, le32(1))};
  MemoryFile file;
  ASSERT_TRUE(Build(spec, file).has_value());
  EXPECT_EQ(OutcomeOf(Parse(file).findings), "header.reserved@80");
  spec.late_patches = {PatchValue(0x10000 + 84, le32(1))};
  ASSERT_TRUE(Build(spec, file).has_value());
  EXPECT_EQ(OutcomeOf(Parse(file).findings), "header.checksum@4");
}

TEST(ImageBuilder, HyperVLocatorHasItsShape) {
  ImageSpec spec = ChildOf(DynamicImage(), "x");
  spec.locator = HyperVLocator(TestGuid(3), {.absolute_win32_path = "C:\\disks\\base.vhdx",
                                             .relative_path = ".\\base.vhdx",
                                             .volume_path = "\\\\?\\Volume{x}\\base.vhdx"});
  MemoryFile file;
  ASSERT_TRUE(Build(spec, file).has_value());
  const ParsedImage image = Parse(file);
  ASSERT_TRUE(image.locator.has_value());
  EXPECT_EQ(image.locator->entries.size(), 5U);
  EXPECT_EQ(image.locator->parent_linkage, TestGuid(3));
  EXPECT_EQ(image.locator->parent_linkage2, std::nullopt);
  EXPECT_EQ(image.locator->relative_path, ".\\base.vhdx");
}

TEST(ImageBuilder, ImageGoesToAPath) {
  MemoryFileSystem files;
  ASSERT_TRUE(BuildAt(RecipeA(), files, "/a.vhdx").has_value());
  EXPECT_EQ(Sha256Of(files.Contents("/a.vhdx")->Bytes()), HashOf(RecipeA()));
  EXPECT_EQ(OutcomeOf(BuildAt(RecipeA(), files, "/a.vhdx")), "exists");
}

}  // namespace
}  // namespace vhdx::testing

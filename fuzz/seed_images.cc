#include "fuzz/seed_images.h"

#include <algorithm>

#include "format/layout.h"
#include "format/metadata.h"
#include "testing/hex.h"

namespace vhdx::fuzz {
namespace {

using format::PayloadState;
using testing::BytesFromText;
using testing::ChildOf;
using testing::DataWrite;
using testing::DynamicImage;
using testing::FixedImage;
using testing::FullBlock;
using testing::ImageSpec;
using testing::LogEntrySpec;
using testing::MovedPage;
using testing::MovedPages;
using testing::PartialBlock;
using testing::PlanLayout;
using testing::StateBlock;
using testing::TestGuid;
using testing::ZeroBlock;
using testing::ZeroWrite;

constexpr const char* kParentPath = ".\\parent.vhdx";
constexpr const char* kBasePath = ".\\base.vhdx";

ImageSpec Small() { return DynamicImage({.disk_size = 8 * kMiB, .block_size = kMiB}); }

ImageSpec AllStates() {
  ImageSpec spec = Small();
  spec.blocks = {FullBlock(0),
                 StateBlock(1, PayloadState::kUndefined),
                 ZeroBlock(2),
                 StateBlock(3, PayloadState::kUnmapped),
                 StateBlock(4, PayloadState::kOldUnmapped),
                 FullBlock(5),
                 FullBlock(6)};
  return spec;
}

ImageSpec Anchored() {
  ImageSpec spec = Small();
  const uint64_t end = PlanLayout(spec).end;
  spec.blocks = {StateBlock(1, PayloadState::kUndefined, end),
                 StateBlock(3, PayloadState::kUnmapped, end + kMiB)};
  spec.file_size = end + 2 * kMiB;
  return spec;
}

ImageSpec WithBrokenEntries() {
  ImageSpec spec = AllStates();
  spec.blocks.push_back(StateBlock(7, PayloadState::kReserved));
  spec.bat_entries = {{1, (uint64_t{1} << 40) | 6}, {3, kMiB | 6}, {5, (5 * kMiB) | 7}};
  return spec;
}

ImageSpec WithUnknownStructures() {
  ImageSpec spec = Small();
  spec.regions.push_back({.guid = TestGuid(77), .required = 0});
  spec.more_metadata_items = {
      {.item_id = TestGuid(78), .flags = format::kIsUser, .data = BytesFromText("user item")},
      {.item_id = TestGuid(79), .flags = 0, .data = {}}};
  return spec;
}

ImageSpec Large() {
  ImageSpec spec = DynamicImage({.disk_size = format::kMaxVirtualDiskSize,
                                 .block_size = 256 * kMiB,
                                 .logical_sector_size = 4096});
  spec.blocks = {{.block = 200000, .content = testing::BlockContent::kZeros}};
  return spec;
}

ImageSpec WithManyBlocks() {
  ImageSpec spec = DynamicImage({.disk_size = 8 * kGiB, .block_size = kMiB});
  for (const uint64_t block : {0U, 1U, 2U, 4095U, 4096U, 4097U, 8191U}) {
    spec.blocks.push_back(FullBlock(block));
  }
  return spec;
}

// A file longer than a bitmap of its units would be worth, in which two blocks are one.
ImageSpec HugeFile() {
  ImageSpec spec = AllStates();
  spec.file_size = 300 * kTiB;
  spec.bat_entries = {{1, PlanLayout(spec).block_offsets.at(0) | 6}};
  return spec;
}

// A log of one entry that holds the BAT and one that holds the metadata table.
ImageSpec Dirty(ImageSpec spec) {
  const auto layout = PlanLayout(spec);
  spec.log.log_guid = TestGuid(9);
  spec.log.entries = {{.writes = MovedPages({layout.bat.file_offset, 4096})},
                      {.writes = {MovedPage(layout.metadata.file_offset, std::byte{0xEE}),
                                  ZeroWrite({layout.bat.file_offset + 0x2000, 0x3000})},
                       .tail = 0}};
  return spec;
}

// An entry of an earlier time, one that is torn, and a head whose tail leaves out the first.
ImageSpec DirtyWithLeftovers() {
  ImageSpec spec = AllStates();
  const auto layout = PlanLayout(spec);
  const LogEntrySpec empty{};
  spec.log.log_guid = TestGuid(9);
  spec.log.entries = {empty,
                      {.writes = MovedPages({layout.bat.file_offset, 4096}), .tail = 0x1000},
                      {.writes = MovedPages({layout.metadata.file_offset, 4096}), .tail = 0x1000},
                      {.writes = {ZeroWrite({layout.bat.file_offset, 4096})}, .torn_sectors = {0}},
                      {.writes = {ZeroWrite({layout.bat.file_offset, 4096})},
                       .log_offset = 0x20000,
                       .sequence_number = 99,
                       .log_guid = TestGuid(10)}};
  return spec;
}

// Entries go round the end of the ring, and one entry is cut by it.
ImageSpec DirtyAroundTheEnd() {
  ImageSpec spec = AllStates();
  const auto layout = PlanLayout(spec);
  spec.log.log_guid = TestGuid(9);
  spec.log.entries = {
      {.log_offset = 0xFE000, .sequence_number = ~uint64_t{0} - 2},
      {.writes = MovedPages({layout.bat.file_offset, 0x2000}), .tail = 0xFE000},
      {.writes = MovedPages({layout.metadata.file_offset, 0x1000}), .tail = 0xFE000}};
  return spec;
}

// Replay makes the file longer, and gives it its region tables.
ImageSpec DirtyAndGrowing() {
  ImageSpec spec = AllStates();
  const auto layout = PlanLayout(spec);
  spec.log.log_guid = TestGuid(9);
  spec.log.entries = {{.writes = {MovedPage(format::kRegionTableOffsets[0], std::byte{1}),
                                  MovedPage(format::kRegionTableOffsets[1], std::byte{1})},
                       .last_file_offset = layout.end + 4 * kMiB},
                      {.writes = {ZeroWrite({layout.end + 8 * kMiB, kMiB})},
                       .tail = 0,
                       .last_file_offset = layout.end + 2 * kMiB}};
  return spec;
}

ImageSpec Base() {
  ImageSpec spec = AllStates();
  spec.data_write_guid = TestGuid(30);
  return spec;
}

ImageSpec Child(const ImageSpec& parent, const char* path) {
  ImageSpec spec = ChildOf(parent, path);
  spec.blocks = {PartialBlock(0, {{0, 3}, {8, 1}, {100, 1900}}), ZeroBlock(1),
                 PartialBlock(5, {{2047, 1}}), FullBlock(6)};
  return spec;
}

// Blocks of which sixteen share a sector bitmap, and each takes pages of it.
std::vector<ImageSpec> ChainOfLargeBlocks() {
  const ImageSpec base = DynamicImage({.disk_size = 12 * kGiB, .block_size = 256 * kMiB});
  ImageSpec child = ChildOf(base, kParentPath);
  child.blocks = {PartialBlock(0, {{0, 1}, {32760, 20}}), PartialBlock(17, {{524280, 8}}),
                  FullBlock(40)};
  return {child, base};
}

ImageSpec ChildWithAllKeys(const ImageSpec& parent) {
  ImageSpec spec = Child(parent, kParentPath);
  spec.locator = testing::HyperVLocator(
      parent.data_write_guid,
      {.absolute_win32_path = "C:\\vm\\disks\\parent.vhdx",
       .relative_path = "..\\elsewhere\\parent.vhdx",
       .volume_path = "\\\\?\\Volume{8f2b1a4e-0000-0000-0000-100000000000}\\disks\\parent.vhdx"});
  return spec;
}

// A disk with a partition table of each kind, for whoever asks how small it could be.
ImageSpec Partitioned() {
  ImageSpec spec = Small();
  spec.blocks = {{.block = 0, .content = testing::BlockContent::kZeros}};
  const uint64_t disk = PlanLayout(spec).block_offsets.at(0);
  const auto partition = testing::BytesFromHex("80 00 00 00 ee 00 00 00 01 00 00 00 ff 3f 00 00");
  const auto gpt_end = testing::BytesFromHex("02 00 00 00 00 00 00 00 80 00 00 00 80 00 00 00");
  const auto entry = testing::BytesFromHex(
      "af 3d c6 0f 83 84 72 47 8e 79 3d 69 d8 47 7d e4 01 00 00 00 00 00 00 00"
      "00 00 00 00 00 00 00 00 00 08 00 00 00 00 00 00 ff 17 00 00 00 00 00 00");
  spec.patches = {{disk + 446, partition},
                  {disk + 510, testing::BytesFromHex("55 aa")},
                  {disk + 512, BytesFromText("EFI PART")},
                  {disk + 512 + 72, gpt_end},
                  {disk + 1024, entry}};
  return spec;
}

}  // namespace

std::vector<SeedImages> MakeSeedImages() {
  const ImageSpec base = Base();
  const ImageSpec child = Child(base, kParentPath);
  ImageSpec middle = Child(base, kBasePath);
  const ImageSpec top = Child(middle, kParentPath);
  const ImageSpec wide_child =
      ChildOf(base, kParentPath, {.disk_size = 12 * kMiB, .block_size = 2 * kMiB});
  return {
      {"empty", {Small()}},
      {"fixed", {FixedImage({.disk_size = 5 * kMiB + 512, .block_size = 2 * kMiB})}},
      {"states", {AllStates()}},
      {"anchored", {Anchored()}},
      {"broken-entries", {WithBrokenEntries()}},
      {"unknown", {WithUnknownStructures()}},
      {"large", {Large()}},
      {"huge-file", {HugeFile()}},
      {"many-blocks", {WithManyBlocks()}},
      {"partitioned", {Partitioned()}},
      {"recipe-a", {testing::RecipeA()}},
      {"recipe-b", {testing::RecipeB()}},
      {"dirty", {Dirty(AllStates())}},
      {"dirty-leftovers", {DirtyWithLeftovers()}},
      {"dirty-around-the-end", {DirtyAroundTheEnd()}},
      {"dirty-growing", {DirtyAndGrowing()}},
      {"child", {child, base}},
      {"child-all-keys", {ChildWithAllKeys(base), base}},
      {"child-other-shape", {wide_child, base}},
      {"child-large-blocks", ChainOfLargeBlocks()},
      {"child-dirty", {Dirty(child), Dirty(base)}},
      {"chain", {top, middle, base}},
      {"orphan", {child}},
      {"loop", {top, top}},
  };
}

}  // namespace vhdx::fuzz

#include "format/bat.h"

#include <gtest/gtest.h>

#include <random>
#include <set>
#include <string>
#include <vector>

#include "bytes/endian.h"
#include "testing/hex.h"
#include "testing/scale.h"

namespace vhdx::format::bat_test {
namespace {

BatGeometry Geometry(uint64_t disk_size, uint64_t block_size, uint32_t sector_size) {
  return BatGeometry({.block_size_bytes = static_cast<uint32_t>(block_size),
                      .virtual_disk_size_bytes = disk_size,
                      .logical_sector_size = sector_size,
                      .physical_sector_size = 4096,
                      .virtual_disk_id = {}});
}

uint64_t RegionMiB(uint64_t entries) { return DivideRoundingUp(entries * kBatEntrySize, kMiB); }

// One row of the tables in docs/format.md, section 18.3.
struct SizeRow {
  uint32_t sector_size;
  uint64_t block_size;
  uint64_t disk_size;
  uint64_t ratio, payload_blocks, chunks, without_parent, with_parent;
  uint64_t region_mib_without, region_mib_with;
};

constexpr SizeRow kSizes[] = {
    {512, kMiB, kGiB, 4096, 1024, 1, 1024, 4097, 1, 1},
    {512, kMiB, 10 * kGiB, 4096, 10240, 3, 10242, 12291, 1, 1},
    {512, kMiB, 64 * kTiB, 4096, 67108864, 16384, 67125247, 67125248, 513, 513},
    {512, 2 * kMiB, kGiB, 2048, 512, 1, 512, 2049, 1, 1},
    {512, 2 * kMiB, 10 * kGiB, 2048, 5120, 3, 5122, 6147, 1, 1},
    {512, 2 * kMiB, 64 * kTiB, 2048, 33554432, 16384, 33570815, 33570816, 257, 257},
    {512, 32 * kMiB, kGiB, 128, 32, 1, 32, 129, 1, 1},
    {512, 32 * kMiB, 10 * kGiB, 128, 320, 3, 322, 387, 1, 1},
    {512, 32 * kMiB, 64 * kTiB, 128, 2097152, 16384, 2113535, 2113536, 17, 17},
    {512, 256 * kMiB, kGiB, 16, 4, 1, 4, 17, 1, 1},
    {512, 256 * kMiB, 10 * kGiB, 16, 40, 3, 42, 51, 1, 1},
    {512, 256 * kMiB, 64 * kTiB, 16, 262144, 16384, 278527, 278528, 3, 3},
    {4096, kMiB, kGiB, 32768, 1024, 1, 1024, 32769, 1, 1},
    {4096, kMiB, 10 * kGiB, 32768, 10240, 1, 10240, 32769, 1, 1},
    {4096, kMiB, 64 * kTiB, 32768, 67108864, 2048, 67110911, 67110912, 513, 513},
    {4096, 2 * kMiB, kGiB, 16384, 512, 1, 512, 16385, 1, 1},
    {4096, 2 * kMiB, 10 * kGiB, 16384, 5120, 1, 5120, 16385, 1, 1},
    {4096, 2 * kMiB, 64 * kTiB, 16384, 33554432, 2048, 33556479, 33556480, 257, 257},
    {4096, 32 * kMiB, kGiB, 1024, 32, 1, 32, 1025, 1, 1},
    {4096, 32 * kMiB, 10 * kGiB, 1024, 320, 1, 320, 1025, 1, 1},
    {4096, 32 * kMiB, 64 * kTiB, 1024, 2097152, 2048, 2099199, 2099200, 17, 17},
    {4096, 256 * kMiB, kGiB, 128, 4, 1, 4, 129, 1, 1},
    {4096, 256 * kMiB, 10 * kGiB, 128, 40, 1, 40, 129, 1, 1},
    {4096, 256 * kMiB, 64 * kTiB, 128, 262144, 2048, 264191, 264192, 3, 3},
    // Boundary rows.
    {512, kMiB, 3 * kMiB, 4096, 3, 1, 3, 4097, 1, 1},
    {512, kMiB, 4 * kGiB, 4096, 4096, 1, 4096, 4097, 1, 1},
    {512, kMiB, 4 * kGiB + 512, 4096, 4097, 2, 4098, 8194, 1, 1},
    {512, 32 * kMiB, 127 * kGiB, 128, 4064, 32, 4095, 4128, 1, 1},
    {4096, 32 * kMiB, 127 * kGiB, 1024, 4064, 4, 4067, 4100, 1, 1},
    {512, kMiB, 131041 * kMiB, 4096, 131041, 32, 131072, 131104, 1, 2},
};

TEST(BatGeometry, SizeTableHolds) {
  for (const SizeRow& row : kSizes) {
    SCOPED_TRACE(std::to_string(row.disk_size) + " bytes in blocks of " +
                 std::to_string(row.block_size) + ", sectors of " +
                 std::to_string(row.sector_size));
    const BatGeometry bat = Geometry(row.disk_size, row.block_size, row.sector_size);
    EXPECT_EQ(bat.block_size(), row.block_size);
    EXPECT_EQ(bat.logical_sector_size(), row.sector_size);
    EXPECT_EQ(bat.virtual_disk_size(), row.disk_size);
    EXPECT_EQ(bat.chunk_ratio(), row.ratio);
    EXPECT_EQ(bat.payload_block_count(), row.payload_blocks);
    EXPECT_EQ(bat.chunk_count(), row.chunks);
    EXPECT_EQ(bat.EntryCountWithoutParent(), row.without_parent);
    EXPECT_EQ(bat.EntryCountWithParent(), row.with_parent);
    EXPECT_EQ(RegionMiB(bat.EntryCountWithoutParent()), row.region_mib_without);
    EXPECT_EQ(RegionMiB(bat.EntryCountWithParent()), row.region_mib_with);
  }
}

// What the two counts are for: the last payload entry, and the last bitmap entry, are the last.
TEST(BatGeometry, CountsReachTheLastEntryAndNotFurther) {
  for (const SizeRow& row : kSizes) {
    const BatGeometry bat = Geometry(row.disk_size, row.block_size, row.sector_size);
    EXPECT_EQ(bat.PayloadIndex(bat.payload_block_count() - 1) + 1, bat.EntryCountWithoutParent());
    EXPECT_EQ(bat.BitmapIndex(bat.chunk_count() - 1) + 1, bat.EntryCountWithParent());
  }
}

struct CapacityRow {
  uint32_t sector_size;
  uint64_t block_size;
  uint64_t largest_without_parent, largest_with_parent;
};

// The largest number of payload blocks that a BAT region of 1 MiB can address.
TEST(BatGeometry, LargestDiskOfOneMiBOfBat) {
  constexpr CapacityRow kRows[] = {
      {512, kMiB, 131041, 126976},       {512, 2 * kMiB, 131009, 129024},
      {512, 32 * kMiB, 130056, 130048},  {512, 256 * kMiB, 123362, 123360},
      {4096, kMiB, 131069, 98304},       {4096, 2 * kMiB, 131065, 114688},
      {4096, 32 * kMiB, 130945, 130048}, {4096, 256 * kMiB, 130056, 130048},
  };
  for (const CapacityRow& row : kRows) {
    const auto geometry = [&](uint64_t blocks) {
      return Geometry(blocks * row.block_size, row.block_size, row.sector_size);
    };
    EXPECT_EQ(RegionMiB(geometry(row.largest_without_parent).EntryCountWithoutParent()), 1U);
    EXPECT_EQ(RegionMiB(geometry(row.largest_without_parent + 1).EntryCountWithoutParent()), 2U);
    EXPECT_EQ(RegionMiB(geometry(row.largest_with_parent).EntryCountWithParent()), 1U);
    EXPECT_EQ(RegionMiB(geometry(row.largest_with_parent + 1).EntryCountWithParent()), 2U);
  }
}

TEST(BatGeometry, BitmapBytesPerBlockTableHolds) {
  struct Row {
    uint32_t sector_size;
    uint64_t block_size, ratio, bytes;
  };
  constexpr Row kRows[] = {
      {512, kMiB, 4096, 256},        {512, 2 * kMiB, 2048, 512},    {512, 32 * kMiB, 128, 8192},
      {512, 256 * kMiB, 16, 65536},  {4096, kMiB, 32768, 32},       {4096, 2 * kMiB, 16384, 64},
      {4096, 32 * kMiB, 1024, 1024}, {4096, 256 * kMiB, 128, 8192},
  };
  for (const Row& row : kRows) {
    const BatGeometry bat = Geometry(kTiB, row.block_size, row.sector_size);
    EXPECT_EQ(bat.chunk_ratio(), row.ratio);
    EXPECT_EQ(bat.BitmapBytesPerBlock(), row.bytes);
    EXPECT_EQ(bat.BitmapBytesPerBlock(), row.block_size / row.sector_size / 8);
  }
}

// Section 18.4: 512-byte sectors, 1 MiB blocks.
TEST(BatGeometry, IndexTableHolds) {
  const BatGeometry bat = Geometry(64 * kTiB, kMiB, 512);
  EXPECT_EQ(bat.PayloadIndex(0), 0U);
  EXPECT_EQ(bat.PayloadIndex(1), 1U);
  EXPECT_EQ(bat.PayloadIndex(4095), 4095U);
  EXPECT_EQ(bat.PayloadIndex(4096), 4097U);
  EXPECT_EQ(bat.PayloadIndex(4097), 4098U);
  EXPECT_EQ(bat.PayloadIndex(8191), 8192U);
  EXPECT_EQ(bat.PayloadIndex(8192), 8194U);
  EXPECT_EQ(bat.PayloadIndex(8192) * kBatEntrySize, 0x10010U);
  EXPECT_EQ(bat.BitmapIndex(0), 4096U);
  EXPECT_EQ(bat.BitmapIndex(1), 8193U);
  EXPECT_EQ(bat.BitmapIndex(2), 12290U);
  EXPECT_EQ(bat.BitmapIndex(2) * kBatEntrySize, 0x18010U);
}

TEST(BatGeometry, FirstLookupOfTheReference) {
  const BatGeometry bat = Geometry(64 * kTiB, kMiB, 512);
  constexpr uint64_t kOffset = 0x123456800;
  const uint64_t block = bat.BlockOf(kOffset);
  EXPECT_EQ(block, 4660U);
  EXPECT_EQ(bat.BlockStart(block), kOffset - 0x56800);
  EXPECT_EQ(bat.OffsetInBlock(kOffset), 0x56800U);
  EXPECT_EQ(bat.PayloadIndex(block), 4661U);
  EXPECT_EQ(bat.PayloadIndex(block) * kBatEntrySize, 0x91A8U);
  EXPECT_EQ(bat.ChunkOf(block), 1U);
  EXPECT_EQ(bat.BitInChunk(kOffset), 1155764U);
  EXPECT_EQ(bat.BitInChunk(kOffset) / 8, 0x23456U);
  EXPECT_EQ(bat.BitInChunk(kOffset) % 8, 4U);
  EXPECT_EQ(bat.BitmapSliceOffset(block), 0x23400U);
  EXPECT_EQ(bat.BitmapSliceOffset(block) + bat.BitmapBytesPerBlock(), 0x23500U);
  EXPECT_EQ(bat.BitmapIndex(1), 8193U);
}

TEST(BatGeometry, SecondLookupOfTheReference) {
  const BatGeometry bat = Geometry(64 * kTiB, 32 * kMiB, 4096);
  constexpr uint64_t kOffset = 0xA03001000;
  const uint64_t block = bat.BlockOf(kOffset);
  EXPECT_EQ(block, 1281U);
  EXPECT_EQ(bat.OffsetInBlock(kOffset), 0x1001000U);
  EXPECT_EQ(bat.PayloadIndex(block), 1282U);
  EXPECT_EQ(bat.PayloadIndex(block) * kBatEntrySize, 0x2810U);
  EXPECT_EQ(bat.ChunkOf(block), 1U);
  EXPECT_EQ(bat.BitInChunk(kOffset), 2109441U);
  EXPECT_EQ(bat.BitInChunk(kOffset) / 8, 0x40600U);
  EXPECT_EQ(bat.BitInChunk(kOffset) % 8, 1U);
  EXPECT_EQ(bat.BitmapSliceOffset(block), 0x40400U);
  EXPECT_EQ(bat.BitmapSliceOffset(block) + bat.BitmapBytesPerBlock(), 0x40800U);
  EXPECT_EQ(bat.BitmapIndex(1), 2049U);
  EXPECT_EQ(bat.BitmapIndex(1) * kBatEntrySize, 0x4008U);
}

TEST(BatGeometry, LastBlockMayEndWithTheDisk) {
  const BatGeometry bat = Geometry(5 * kMiB + 512, 2 * kMiB, 512);
  EXPECT_EQ(bat.payload_block_count(), 3U);
  EXPECT_EQ(bat.BytesOnDisk(0), 2 * kMiB);
  EXPECT_EQ(bat.BytesOnDisk(2), kMiB + 512);
  EXPECT_EQ(Geometry(6 * kMiB, 2 * kMiB, 512).BytesOnDisk(2), 2 * kMiB);
}

// The interleave as the specification words it, walked entry by entry.
TEST(BatGeometry, EveryEntryBelongsToOneBlockOrOneChunk) {
  const BatGeometry bat = Geometry(13 * kGiB, 256 * kMiB, 512);  // 52 blocks in chunks of 16
  std::vector<std::string> entries;
  for (uint64_t block = 0; block < bat.payload_block_count(); ++block) {
    if (block != 0 && block % 16 == 0) entries.push_back("c" + std::to_string(block / 16 - 1));
    entries.push_back("p" + std::to_string(block));
  }
  for (uint64_t block = 0; block < bat.payload_block_count(); ++block) {
    EXPECT_EQ(entries[bat.PayloadIndex(block)], "p" + std::to_string(block));
    EXPECT_EQ(bat.ChunkOf(block), block / 16);
  }
  for (uint64_t chunk = 0; chunk + 1 < bat.chunk_count(); ++chunk) {
    EXPECT_EQ(entries[bat.BitmapIndex(chunk)], "c" + std::to_string(chunk));
  }
}

// Shifts against divisions, for random geometries.
TEST(BatGeometry, RandomOffsetsAgreeWithDivision) {
  std::mt19937_64 random(3);
  for (uint64_t round = 0; round < testing::Scaled(20000); ++round) {
    const uint64_t block_size = kMiB << (random() % 9);
    const uint32_t sector_size = random() % 2 == 0 ? 512 : 4096;
    const uint64_t disk_size = (random() % (64 * kTiB / sector_size) + 1) * sector_size;
    const BatGeometry bat = Geometry(disk_size, block_size, sector_size);
    const uint64_t offset = random() % disk_size;
    const uint64_t ratio = (uint64_t{1} << 23) * sector_size / block_size;
    const uint64_t block = offset / block_size;
    ASSERT_EQ(bat.BlockOf(offset), block);
    ASSERT_EQ(bat.OffsetInBlock(offset), offset % block_size);
    ASSERT_EQ(bat.PayloadIndex(block), block + block / ratio);
    ASSERT_EQ(bat.ChunkOf(block), block / ratio);
    ASSERT_EQ(bat.BitmapIndex(block / ratio), (block / ratio + 1) * ratio + block / ratio);
    ASSERT_EQ(bat.BitInChunk(offset), offset / sector_size % (uint64_t{1} << 23));
    // A block's own bits lie inside its slice of the bitmap.
    const uint64_t byte = bat.BitInChunk(offset) / 8;
    ASSERT_GE(byte, bat.BitmapSliceOffset(block));
    ASSERT_LT(byte, bat.BitmapSliceOffset(block) + bat.BitmapBytesPerBlock());
  }
}

struct EncodingRow {
  PayloadState state;
  uint64_t file_offset;
  uint64_t raw;
  const char* bytes;
};

// Section 18.4.
TEST(BatEntry, EncodingsOfTheReference) {
  constexpr EncodingRow kRows[] = {
      {PayloadState::kFullyPresent, 0x12300000, 0x0000000012300006, "0600301200000000"},
      {PayloadState::kPartiallyPresent, ((uint64_t{1} << 44) - 1) * kMiB, 0xFFFFFFFFFFF00007,
       "0700f0ffffffffff"},
      {PayloadState::kZero, 0, 0x2, "0200000000000000"},
      {PayloadState::kUnmapped, 4 * kMiB, 0x400003, "0300400000000000"},
  };
  for (const EncodingRow& row : kRows) {
    const BatEntry entry(row.state, row.file_offset);
    EXPECT_EQ(entry.raw(), row.raw);
    const le64 on_disk(entry.raw());
    EXPECT_EQ(testing::HexFromBytes(std::as_bytes(std::span(&on_disk, 1))), row.bytes);
    EXPECT_EQ(BatEntry(row.raw).state(), row.state);
    EXPECT_EQ(BatEntry(row.raw).file_offset(), row.file_offset);
    EXPECT_EQ(BatEntry(row.raw).reserved_bits(), 0U);
  }
}

TEST(BatEntry, EveryBitBelongsToOneField) {
  for (int bit = 0; bit < 64; ++bit) {
    const uint64_t raw = uint64_t{1} << bit;
    const BatEntry entry(raw);
    EXPECT_EQ(static_cast<uint64_t>(entry.state()), bit < 3 ? raw : 0) << bit;
    EXPECT_EQ(entry.bitmap_state(), bit < 3 ? raw : 0) << bit;
    EXPECT_EQ(entry.reserved_bits(), bit >= 3 && bit < 20 ? raw : 0) << bit;
    EXPECT_EQ(entry.file_offset(), bit >= 20 ? raw : 0) << bit;
  }
}

TEST(PayloadStateName, EveryStateHasANameOfItsOwn) {
  std::set<std::string_view> names;
  for (int state = 0; state < 8; ++state) {
    names.insert(PayloadStateName(static_cast<PayloadState>(state)));
  }
  EXPECT_EQ(names.size(), 8U);
  EXPECT_EQ(names.count(""), 0U);
}

}  // namespace
}  // namespace vhdx::format::bat_test

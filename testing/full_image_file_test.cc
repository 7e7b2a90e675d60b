#include "testing/full_image_file.h"

#include <gtest/gtest.h>

#include <string>

#include "testing/disk_model.h"
#include "testing/image_builder.h"
#include "testing/one_file_system.h"

namespace vhdx::testing {
namespace {

// A disk small enough to be built for comparison, with its blocks in the same places.
TEST(FullImageFile, IsTheImageThatTheBuilderMakes) {
  for (const BlockOrder order : {BlockOrder::kAscending, BlockOrder::kDescending}) {
    FullImageFile generated({.disk_size = 11 * kMiB + 512, .block_size = kMiB}, order);
    ImageSpec spec = generated.spec();
    for (uint64_t block = 0; block < 12; ++block) {
      const uint64_t rank = order == BlockOrder::kAscending ? block : 11 - block;
      spec.blocks.push_back(FullBlock(block, generated.layout().end + rank * kMiB));
    }
    MemoryFile built;
    ASSERT_TRUE(Build(spec, built).has_value());
    std::vector<std::byte> bytes(*generated.Size());
    ASSERT_TRUE(generated.ReadExactAt(0, bytes).has_value());
    EXPECT_TRUE(bytes == built.contents()->Bytes());
    // In odd pieces it is the same.
    for (uint64_t at = 0; at < bytes.size(); at += 77777) {
      std::vector<std::byte> piece(std::min<uint64_t>(12345, bytes.size() - at));
      ASSERT_TRUE(generated.ReadExactAt(at, piece).has_value());
      ASSERT_TRUE(
          std::equal(piece.begin(), piece.end(), bytes.begin() + static_cast<ptrdiff_t>(at)))
          << at;
    }
  }
}

TEST(FullImageFile, InterleaveSkipsBitmapSlots) {
  FullImageFile file({.disk_size = 64 * kTiB, .block_size = kMiB});
  const auto entry = [&](uint64_t index) {
    std::array<std::byte, 8> bytes{};
    EXPECT_TRUE(file.ReadExactAt(file.layout().bat.file_offset + 8 * index, bytes).has_value());
    return uint64_t{LoadFrom<le64>(bytes)};
  };
  const uint64_t first = file.layout().end;
  EXPECT_EQ(entry(0), first | 6);
  EXPECT_EQ(entry(4095), (first + 4095 * kMiB) | 6);
  EXPECT_EQ(entry(4096), 0U);
  EXPECT_EQ(entry(4097), (first + 4096 * kMiB) | 6);
  EXPECT_EQ(entry(67125246), (first + 67108863 * kMiB) | 6);
  EXPECT_EQ(entry(67125247), 0U);
  EXPECT_EQ(*file.Size(), first + 64 * kTiB);
}

TEST(FullImageFile, ReadsEndWithTheFileAndNothingIsWritten) {
  FullImageFile file({.disk_size = kMiB, .block_size = kMiB});
  std::array<std::byte, 100> bytes{};
  EXPECT_EQ(*file.ReadAt(*file.Size() - 40, bytes), 40U);
  EXPECT_EQ(*file.ReadAt(*file.Size(), bytes), 0U);
  EXPECT_EQ(file.WriteAt(0, ByteSpan(bytes)).error().code, ErrorCode::kUnsupported);
}

TEST(OneFileSystem, HoldsOneFile) {
  OneFileSystem files("/full.vhdx", [] { return std::make_unique<FullImageFile>(DiskShape{}); });
  EXPECT_TRUE(files.Open("/full.vhdx", {}).has_value());
  EXPECT_EQ(files.Open("/other.vhdx", {}).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(*files.List("/", 10), std::vector<std::string>{"full.vhdx"});
  EXPECT_EQ(*files.RealPath("/full.vhdx"), "/full.vhdx");
  EXPECT_TRUE(*files.IsFolder("/"));
}

}  // namespace
}  // namespace vhdx::testing

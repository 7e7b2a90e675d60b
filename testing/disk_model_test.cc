#include "testing/disk_model.h"

#include <gtest/gtest.h>

#include "testing/image_builder.h"
#include "testing/memory_file.h"
#include "testing/sha256.h"

namespace vhdx::testing {
namespace {

using format::PayloadState;
using Kind = SectorSource::Kind;

std::vector<std::byte> Pattern(const ImageSpec& spec, uint64_t disk_offset, size_t length) {
  std::vector<std::byte> bytes(length);
  FillPattern(spec.pattern, disk_offset, bytes);
  return bytes;
}

ImageSpec Base() { return DynamicImage({.disk_size = 8 * kMiB, .block_size = kMiB}); }

TEST(DiskModel, StatesOfADiskWithoutParent) {
  ImageSpec spec = Base();
  spec.blocks = {FullBlock(0),
                 ZeroBlock(1),
                 StateBlock(2, PayloadState::kUnmapped, 50 * kMiB),
                 StateBlock(3, PayloadState::kUndefined),
                 StateBlock(4, PayloadState::kOldUnmapped),
                 StateBlock(5, PayloadState::kReserved),
                 PartialBlock(6, {{0, 2048}})};
  const DiskModel model({spec});
  EXPECT_EQ(model.ExpectedBytes({kMiB - 512, 1024}), [&] {
    std::vector<std::byte> bytes = Pattern(spec, kMiB - 512, 512);
    bytes.resize(1024);
    return bytes;
  }());
  EXPECT_EQ(model.SourceOf(0).kind, Kind::kData);
  EXPECT_EQ(model.SourceOf(0).file_offset, PlanLayout(spec).block_offsets.at(0));
  for (const uint64_t block : {1U, 2U, 3U, 4U}) {
    EXPECT_EQ(model.SourceOf(block * kMiB).kind, Kind::kZero) << block;
  }
  for (const uint64_t block : {5U, 6U}) {
    EXPECT_EQ(model.SourceOf(block * kMiB).kind, Kind::kUnreadable) << block;
    EXPECT_FALSE(model.IsReadable({block * kMiB + 1000, 1}));
  }
  EXPECT_TRUE(model.IsReadable({0, 5 * kMiB}));
  EXPECT_FALSE(model.IsReadable({0, 5 * kMiB + 1}));
  EXPECT_EQ(model.SourceOf(7 * kMiB).kind, Kind::kHole);
}

TEST(DiskModel, ChildReadsItsParentOnlyWhereItHasNothing) {
  ImageSpec base = Base();
  base.blocks = FullBlocks(8);
  ImageSpec child = ChildOf(base, "base.vhdx");
  child.blocks = {FullBlock(0), ZeroBlock(1), StateBlock(2, PayloadState::kUnmapped),
                  StateBlock(3, PayloadState::kUndefined), PartialBlock(4, {{1, 2}})};
  const DiskModel model({child, base});
  EXPECT_EQ(model.SourceOf(0).depth, 0U);
  for (const uint64_t block : {1U, 2U, 3U}) {
    EXPECT_EQ(model.SourceOf(block * kMiB), (SectorSource{.kind = Kind::kZero, .depth = 0}));
  }
  EXPECT_EQ(model.SourceOf(4 * kMiB).depth, 1U);
  EXPECT_EQ(model.SourceOf(4 * kMiB + 512).depth, 0U);
  EXPECT_EQ(model.SourceOf(4 * kMiB + 1535).depth, 0U);
  EXPECT_EQ(model.SourceOf(4 * kMiB + 1536).depth, 1U);
  EXPECT_EQ(model.SourceOf(5 * kMiB),
            (SectorSource{.kind = Kind::kData, .depth = 1, .file_offset = 4 * kMiB + 5 * kMiB}));
  EXPECT_EQ(model.ExpectedBytes({4 * kMiB + 512, 1024}), Pattern(child, 4 * kMiB + 512, 1024));
  EXPECT_EQ(model.ExpectedBytes({5 * kMiB, 512}), Pattern(base, 5 * kMiB, 512));
}

// A parent that ends early has zeros behind its end, even where the layer below it has data.
TEST(DiskModel, ZerosBehindTheEndOfAShorterParent) {
  ImageSpec bottom = DynamicImage({.disk_size = 8 * kMiB, .block_size = kMiB});
  bottom.blocks = FullBlocks(8);
  const ImageSpec middle = ChildOf(bottom, "bottom.vhdx", {.disk_size = 3 * kMiB + 512});
  const ImageSpec top = ChildOf(middle, "middle.vhdx", {.disk_size = 8 * kMiB});
  const DiskModel model({top, middle, bottom});
  EXPECT_EQ(model.size_bytes(), 8 * kMiB);
  EXPECT_EQ(model.SourceOf(3 * kMiB).depth, 2U);
  EXPECT_EQ(model.SourceOf(3 * kMiB).kind, Kind::kData);
  EXPECT_EQ(model.SourceOf(3 * kMiB + 512), (SectorSource{.kind = Kind::kHole, .depth = 1}));
  EXPECT_EQ(model.ExpectedBytes({4 * kMiB, 512}), std::vector<std::byte>(512));
}

TEST(DiskModel, LargerParentShowsOnlyItsStart) {
  ImageSpec base = Base();
  base.blocks = FullBlocks(8);
  const ImageSpec child = ChildOf(base, "base.vhdx", {.disk_size = 2 * kMiB});
  const DiskModel model({child, base});
  EXPECT_EQ(model.size_bytes(), 2 * kMiB);
  EXPECT_EQ(model.ExpectedBytes({2 * kMiB - 512, 512}), Pattern(base, 2 * kMiB - 512, 512));
}

TEST(DiskModel, BlockSizesMayDiffer) {
  ImageSpec base = DynamicImage({.disk_size = 8 * kMiB, .block_size = 4 * kMiB});
  base.blocks = {FullBlock(1)};
  ImageSpec child = ChildOf(base, "base.vhdx", {.block_size = kMiB});
  child.blocks = {FullBlock(5)};
  const DiskModel model({child, base});
  EXPECT_EQ(model.SourceOf(3 * kMiB).kind, Kind::kHole);
  EXPECT_EQ(model.SourceOf(4 * kMiB).depth, 1U);
  EXPECT_EQ(model.SourceOf(5 * kMiB).depth, 0U);
  EXPECT_EQ(model.SourceOf(6 * kMiB).depth, 1U);
}

TEST(DiskModel, EndsOfABlockOnly) {
  ImageSpec spec = Base();
  spec.blocks = {FullBlock(0)};
  spec.blocks[0].content = BlockContent::kEnds;
  const DiskModel model({spec});
  EXPECT_EQ(model.ExpectedBytes({0, 512}), Pattern(spec, 0, 512));
  EXPECT_EQ(model.ExpectedBytes({64 * kKiB, 512}), std::vector<std::byte>(512));
  EXPECT_EQ(model.ExpectedBytes({kMiB - 512, 512}), Pattern(spec, kMiB - 512, 512));
}

// The model against the file that the builder made, byte by byte, by the model's own map.
TEST(DiskModel, DataStandsWhereTheModelSaysItDoes) {
  for (const uint32_t sector_size : {512U, 4096U}) {
    ImageSpec base = DynamicImage(
        {.disk_size = 8 * kMiB, .block_size = kMiB, .logical_sector_size = sector_size});
    base.blocks = {FullBlock(2), FullBlock(4)};
    ImageSpec child = ChildOf(base, "base.vhdx");
    child.blocks = {PartialBlock(4, {{3, 5}, {100, 1}}), FullBlock(0)};
    MemoryFile files[2];
    ASSERT_TRUE(Build(child, files[0]).has_value());
    ASSERT_TRUE(Build(base, files[1]).has_value());
    const DiskModel model({child, base});
    for (uint64_t offset = 0; offset < model.size_bytes(); offset += sector_size) {
      const SectorSource source = model.SourceOf(offset);
      std::vector<std::byte> found(sector_size);
      if (source.kind == Kind::kData) {
        ASSERT_TRUE(files[source.depth].ReadExactAt(source.file_offset, found).has_value());
      }
      ASSERT_EQ(found, model.ExpectedBytes({offset, sector_size})) << offset;
    }
  }
}

TEST(DiskModel, HashIsThatOfItsBytes) {
  ImageSpec spec = DynamicImage({.disk_size = 2 * kMiB + 512, .block_size = kMiB});
  spec.blocks = {FullBlock(1)};
  const DiskModel model({spec});
  EXPECT_EQ(model.ContentSha256(), Sha256Of(model.ExpectedBytes({0, 2 * kMiB + 512})));
}

TEST(DiskModel, InterestingRangesAreTheBlocksAndTheEnds) {
  EXPECT_EQ(DiskModel({Base()}).InterestingRanges(),
            (std::vector<DiskRange>{{.disk_offset = 0, .length_bytes = 8 * kMiB}}));
  ImageSpec large = DynamicImage({.disk_size = kTiB, .block_size = kMiB});
  large.blocks = {FullBlock(7), FullBlock(8)};
  EXPECT_EQ(DiskModel({large}).InterestingRanges(),
            (std::vector<DiskRange>{
                {0, 64 * kKiB}, {7 * kMiB, 2 * kMiB}, {kTiB - 64 * kKiB, 64 * kKiB}}));
}

// A device that holds what the model says, but for one byte.
class ModelDevice final : public BlockDevice {
 public:
  ModelDevice(const DiskModel& model, uint64_t wrong_byte)
      : model_(model), wrong_byte_(wrong_byte) {}

  const std::string& name() const override { return name_; }
  uint64_t size_bytes() const override { return model_.size_bytes(); }
  uint32_t logical_sector_size() const override { return 512; }
  uint32_t physical_sector_size() const override { return 512; }
  bool writable() const override { return false; }
  bool Uses(const FileIdentity&) const override { return false; }
  using BlockDevice::Read;
  using BlockDevice::Write;
  Result<void> Read(uint64_t disk_offset, std::span<const MutableByteSpan> buffers) override {
    const MutableByteSpan buffer = buffers.front();
    model_.Fill(disk_offset, buffer);
    if (wrong_byte_ >= disk_offset && wrong_byte_ - disk_offset < buffer.size()) {
      buffer[wrong_byte_ - disk_offset] ^= std::byte{1};
    }
    return {};
  }
  Result<void> Write(uint64_t, std::span<const ByteSpan>, WriteFlag) override {
    return Fail(ErrorCode::kReadOnly, "no");
  }
  Result<void> WriteZeroes(DiskRange) override { return Fail(ErrorCode::kReadOnly, "no"); }
  Result<void> Trim(DiskRange) override { return Fail(ErrorCode::kReadOnly, "no"); }
  Result<void> Flush() override { return {}; }
  Result<std::vector<Extent>> Extents(DiskRange, size_t) override {
    return Fail(ErrorCode::kUnsupported, "no");
  }

 private:
  const DiskModel& model_;
  uint64_t wrong_byte_;
  std::string name_ = "model";
};

TEST(ModelComparison, OneWrongByteIsFoundAndNamed) {
  ImageSpec spec = Base();
  spec.blocks = {FullBlock(1)};
  const DiskModel model({spec});
  ModelDevice right(model, ~uint64_t{0});
  EXPECT_EQ(CompareWithModel(right, model), "");
  for (const uint64_t wrong : {uint64_t{0}, kMiB + 700, 8 * kMiB - 1}) {
    ModelDevice device(model, wrong);
    const std::string difference = CompareWithModel(device, model);
    EXPECT_TRUE(difference.starts_with("disk offset " + std::to_string(wrong) + ": "))
        << difference;
  }
}

}  // namespace
}  // namespace vhdx::testing

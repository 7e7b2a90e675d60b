#include "builder/new_disk.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "bytes/zeros.h"
#include "format/findings.h"
#include "format/layout.h"
#include "format/region_table.h"
#include "image/image.h"
#include "testing/image_spec.h"
#include "testing/memory_file.h"
#include "testing/outcome.h"
#include "testing/sha256.h"

namespace vhdx {
namespace {

using testing::MemoryFile;
using testing::OutcomeOf;

constexpr uint64_t kFirstBlock = (1 + 8 + 1 + 1) * kMiB;  // behind a BAT of 1 MiB

NewImage Describe(uint64_t size_bytes, uint32_t block_size_bytes = kMiB) {
  return {.parameters = {.block_size_bytes = block_size_bytes,
                         .virtual_disk_size_bytes = size_bytes,
                         .logical_sector_size = 512,
                         .physical_sector_size = 4096,
                         .virtual_disk_id = testing::TestGuid(1)},
          .creator = "test",
          .file_write_guid = testing::TestGuid(2),
          .data_write_guid = testing::TestGuid(3)};
}

NewImage DescribeFixed(uint64_t size_bytes, uint32_t block_size_bytes = kMiB) {
  NewImage image = Describe(size_bytes, block_size_bytes);
  image.parameters.leave_blocks_allocated = true;
  return image;
}

class NewDiskIn : public ::testing::Test {
 protected:
  std::unique_ptr<NewDisk> Begin(const NewImage& image) {
    auto disk = NewDisk::Begin(file_, image);
    EXPECT_TRUE(disk) << disk.error().sentence;
    return disk ? *std::move(disk) : nullptr;
  }

  void Write(NewDisk& disk, uint64_t disk_offset, const std::string& text) {
    EXPECT_EQ(OutcomeOf(disk.Write(disk_offset, std::as_bytes(std::span(text)))), "ok");
  }

  std::unique_ptr<Image> FinishAndOpen(NewDisk& disk) {
    EXPECT_EQ(OutcomeOf(disk.Finish()), "ok");
    Findings findings;
    auto image = Image::Open(std::make_unique<MemoryFile>(file_.contents()), findings);
    EXPECT_TRUE(image) << image.error().sentence;
    EXPECT_EQ(OutcomeOf(findings), "");
    return image ? *std::move(image) : nullptr;
  }

  std::string TextAt(uint64_t file_offset, size_t length) {
    std::string text(length, '\0');
    EXPECT_TRUE(file_.ReadExactAt(file_offset, std::as_writable_bytes(std::span(text))));
    return text;
  }

  MemoryFile file_;
};

TEST_F(NewDiskIn, SmallestDisk_IsRecipeAOfTheReference) {
  NewImage image = Describe(4 * kMiB);
  image.log_length_bytes = kMiB;
  image.creator = "vhdx-lab";
  image.file_write_guid = *Guid::Parse("0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0");
  image.data_write_guid = *Guid::Parse("00112233-4455-6677-8899-aabbccddeeff");
  image.parameters.virtual_disk_id = *Guid::Parse("12345678-9abc-def0-1234-56789abcdef0");
  ASSERT_EQ(OutcomeOf(Begin(image)->Finish()), "ok");
  // The recipe lists the metadata region first; we list the BAT first, as Windows does.
  const auto table = *format::EncodeRegionTable({{format::kMetadataRegionGuid, 2 * kMiB, kMiB, 1},
                                                 {format::kBatRegionGuid, 3 * kMiB, kMiB, 1}});
  for (const uint64_t file_offset : format::kRegionTableOffsets) {
    ASSERT_TRUE(file_.WriteAt(file_offset, ByteSpan(table)));
  }
  std::vector<std::byte> bytes(*file_.Size());
  ASSERT_TRUE(file_.ReadExactAt(0, bytes));
  EXPECT_EQ(testing::Sha256Of(bytes),
            "6a477623d6dc5dc26f513abcda1a464da88b15935020e99c93e0216afe736101");
}

TEST_F(NewDiskIn, Blocks_StandInTheOrderInWhichTheyWereWritten) {
  auto disk = Begin(Describe(8 * kMiB));
  Write(*disk, 5 * kMiB + 7, "five");
  Write(*disk, 2 * kMiB - 2, "one and two");  // across two blocks
  Write(*disk, 5 * kMiB, "again");
  const auto image = FinishAndOpen(*disk);
  const auto place = [&](uint64_t block) {
    return image->block_map().PayloadBlock(block)->file_offset;
  };
  EXPECT_EQ(place(5), kFirstBlock);
  EXPECT_EQ(place(1), kFirstBlock + kMiB);
  EXPECT_EQ(place(2), kFirstBlock + 2 * kMiB);
  EXPECT_EQ(image->block_map().PayloadBlock(0)->kind, Block::Kind::kNotPresent);
  EXPECT_EQ(*file_.Size(), kFirstBlock + 3 * kMiB);
  EXPECT_EQ(TextAt(kFirstBlock + 7, 4), "five");
  EXPECT_EQ(TextAt(kFirstBlock, 5), "again");
  EXPECT_EQ(TextAt(kFirstBlock + 2 * kMiB - 2, 11), "one and two");
}

TEST_F(NewDiskIn, ZerosOverABlock_AreWrittenOnlyWhereItIs) {
  auto disk = Begin(Describe(8 * kMiB));
  Write(*disk, kMiB, "some bytes");
  EXPECT_EQ(OutcomeOf(disk->WriteZeroes({kMiB + 5, 4 * kMiB})), "ok");
  const auto image = FinishAndOpen(*disk);
  EXPECT_EQ(TextAt(kFirstBlock, 10), std::string("some \0\0\0\0\0", 10));
  EXPECT_EQ(image->block_map().PayloadBlock(2)->kind, Block::Kind::kNotPresent);
}

TEST_F(NewDiskIn, FixedDisk_HasEveryBlockAndALastOneThatIsWhole) {
  // More than one chunk, so that a bitmap entry stands among those of the blocks.
  constexpr uint64_t kBlocks = 4099;
  auto disk = Begin(DescribeFixed(kBlocks * kMiB - 512));
  Write(*disk, 4097 * kMiB, "here");
  const auto image = FinishAndOpen(*disk);
  EXPECT_EQ(*file_.Size(), kFirstBlock + kBlocks * kMiB);
  for (const uint64_t block : {uint64_t{0}, uint64_t{4095}, uint64_t{4096}, kBlocks - 1}) {
    EXPECT_EQ(image->block_map().PayloadBlock(block)->file_offset, kFirstBlock + block * kMiB);
  }
  EXPECT_EQ(*image->block_map().BitmapBlockOffset(0), 0U);
  EXPECT_EQ(TextAt(kFirstBlock + 4097 * kMiB, 4), "here");
}

class DiskOfZeros final : public BlockDevice {
 public:
  const std::string& name() const override { return name_; }
  uint64_t size_bytes() const override { return 8 * kMiB; }
  uint32_t logical_sector_size() const override { return 512; }
  uint32_t physical_sector_size() const override { return 512; }
  bool writable() const override { return false; }
  bool Uses(const FileIdentity&) const override { return false; }
  Result<void> Read(uint64_t, std::span<const MutableByteSpan> buffers) override {
    for (const MutableByteSpan buffer : buffers) std::ranges::fill(buffer, std::byte{0});
    return {};
  }
  Result<void> Write(uint64_t, std::span<const ByteSpan>, WriteFlag) override { return ReadOnly(); }
  Result<void> WriteZeroes(DiskRange) override { return ReadOnly(); }
  Result<void> Trim(DiskRange) override { return ReadOnly(); }
  Result<void> Flush() override { return {}; }
  Result<std::vector<Extent>> Extents(DiskRange range, size_t) override {
    return std::vector<Extent>{{.range = range}};
  }

 private:
  static std::unexpected<Error> ReadOnly() { return Fail(ErrorCode::kReadOnly, "read-only"); }

  const std::string name_ = "zeros";
};

TEST_F(NewDiskIn, ZerosThatAreCloned_AreLeftOutAndCounted) {
  MemoryFile sharing(std::make_shared<testing::MemoryContents>(),
                     {.capabilities = {.writable = true, .punch_hole = true, .clone_range = true}});
  auto disk = NewDisk::Begin(sharing, Describe(8 * kMiB));
  ASSERT_TRUE(disk);
  DiskOfZeros source;
  EXPECT_EQ(OutcomeOf((*disk)->CloneFrom(0, source, {0, 4 * kMiB})), "ok");
  EXPECT_EQ((*disk)->zeros_not_cloned(), 4 * kMiB);
}

TEST_F(NewDiskIn, SizeToldAtTheEnd_PutsTheBatBehindTheBlocks) {
  auto disk = Begin(Describe(0));
  Write(*disk, 3 * kMiB, "three");
  Write(*disk, kMiB, "one");
  disk->SetSize(4 * kMiB);
  const auto image = FinishAndOpen(*disk);
  EXPECT_EQ(image->geometry().virtual_disk_size(), 4 * kMiB);
  EXPECT_EQ(image->info().bat_region.file_offset, kFirstBlock - kMiB + 2 * kMiB);
  EXPECT_EQ(TextAt(image->block_map().PayloadBlock(3)->file_offset, 5), "three");
  EXPECT_EQ(TextAt(image->block_map().PayloadBlock(1)->file_offset, 3), "one");
}

TEST_F(NewDiskIn, Log_IsAllocatedAsZeros) {
  const auto image = FinishAndOpen(*Begin(Describe(8 * kMiB)));
  std::vector<std::byte> log(8 * kMiB);
  ASSERT_TRUE(file_.ReadExactAt(kMiB, log));
  EXPECT_TRUE(IsAllZero(log));
  EXPECT_EQ(*file_.NextData(kMiB), kMiB);
  EXPECT_GE(*file_.NextHole(kMiB), 9 * kMiB);
}

TEST_F(NewDiskIn, WriteBeyondTheEnd_IsRefused) {
  auto disk = Begin(Describe(8 * kMiB));
  const std::vector<std::byte> bytes(513);
  EXPECT_EQ(disk->Write(8 * kMiB - 512, bytes).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(disk->WriteZeroes({8 * kMiB, 1}).error().code, ErrorCode::kInvalidArgument);
}

TEST_F(NewDiskIn, WhatNoDiskCanHave_IsRefusedBeforeAByteIsWritten) {
  NewImage long_creator = Describe(8 * kMiB);
  long_creator.creator = std::string(257, 'x');
  NewImage odd_log = Describe(8 * kMiB);
  odd_log.log_length_bytes = kMiB + 1;
  for (const NewImage& image :
       {Describe(8 * kMiB, 3 * kMiB), Describe(100), long_creator, odd_log}) {
    EXPECT_EQ(NewDisk::Begin(file_, image).error().code, ErrorCode::kInvalidArgument);
  }
  EXPECT_EQ(*file_.Size(), 0U);
}

}  // namespace
}  // namespace vhdx

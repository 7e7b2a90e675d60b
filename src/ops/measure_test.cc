#include <gtest/gtest.h>
#include <vhdxkit/disk.h>
#include <vhdxkit/measure.h>
#include <vhdxkit/raw_device.h>

#include <atomic>
#include <memory>
#include <string>

#include "bytes/arithmetic.h"
#include "testing/image_builder.h"
#include "testing/memory_file.h"
#include "testing/memory_file_system.h"
#include "testing/outcome.h"

namespace vhdx {
namespace {

using testing::MemoryContents;
using testing::MemoryFile;

// Header section, log, metadata and a BAT of 1 MiB.
constexpr uint64_t kSmallOverhead = (1 + 8 + 1 + 1) * kMiB;

std::unique_ptr<RawDevice> RawDiskOn(const std::shared_ptr<MemoryContents>& contents) {
  return *RawDevice::Open(std::make_unique<MemoryFile>(contents));
}

std::shared_ptr<MemoryContents> Zeros(uint64_t size) {
  auto contents = std::make_shared<MemoryContents>();
  contents->Resize(size);
  return contents;
}

void Put(MemoryContents& contents, uint64_t offset, const std::string& bytes) {
  contents.Write(offset, std::as_bytes(std::span(bytes)));
}

TEST(MeasureRaw, IsTheDisk) {
  const auto disk = RawDiskOn(Zeros(3 * kMiB));
  EXPECT_EQ(MeasureRaw(*disk).required_bytes, 3 * kMiB);
  EXPECT_EQ(MeasureRaw(*disk).fully_allocated_bytes, 3 * kMiB);
}

TEST(MeasureVhdx, EmptyDiskNeedsTheStructuresOnly) {
  const auto report = *MeasureVhdx(*RawDiskOn(Zeros(kGiB)), {});
  EXPECT_EQ(report.required_bytes, kSmallOverhead);
  EXPECT_EQ(report.fully_allocated_bytes, kSmallOverhead + kGiB);
}

TEST(MeasureVhdx, BlockCountsIfOneByteIsNotZero) {
  const auto contents = Zeros(kGiB);
  Put(*contents, 5 * kMiB, std::string(100, '\0'));  // written, but zero
  Put(*contents, 64 * kMiB - 1, "x");                // the last byte of block 1
  Put(*contents, 64 * kMiB, "x");                    // the first byte of block 2
  Put(*contents, 70 * kMiB, "x");                    // block 2 again
  Put(*contents, kGiB - 1, "x");
  const auto report = *MeasureVhdx(*RawDiskOn(contents), {});
  EXPECT_EQ(report.required_bytes, kSmallOverhead + 3 * 32 * kMiB);
}

TEST(MeasureVhdx, LastBlockIsWhole) {
  const auto contents = Zeros(33 * kMiB);
  Put(*contents, 33 * kMiB - 1, "x");
  const auto report = *MeasureVhdx(*RawDiskOn(contents), {});
  EXPECT_EQ(report.required_bytes, kSmallOverhead + 32 * kMiB);
  EXPECT_EQ(report.fully_allocated_bytes, kSmallOverhead + 64 * kMiB);
}

TEST(MeasureVhdx, OptionsChangeBlocksAndLog) {
  const auto contents = Zeros(64 * kMiB);
  Put(*contents, 0, "x");
  const CreateOptions options{.block_size_bytes = kMiB, .log_size_bytes = kMiB};
  EXPECT_EQ(MeasureVhdx(*RawDiskOn(contents), options)->required_bytes, (1 + 1 + 1 + 1 + 1) * kMiB);
}

// A chunk of 4096-byte sectors has eight times as many blocks, so fewer bitmap entries are counted.
TEST(MeasureVhdx, LargeSectorsPadTheDiskAndMakeTheBatShorter) {
  const auto contents = Zeros(64 * kTiB - 512);
  const CreateOptions large{.block_size_bytes = kMiB, .logical_sector_size = 4096};
  const auto report = MeasureVhdx(*RawDiskOn(contents), large);
  ASSERT_TRUE(report) << ToString(report.error());
  const uint64_t bat = AlignUp(uint64_t{2048} * 32769 * 8, kMiB);
  EXPECT_EQ(report->required_bytes, (1 + 8 + 1) * kMiB + bat);
}

TEST(MeasureVhdx, FixedHasAllBlocks) {
  const auto report = *MeasureVhdx(*RawDiskOn(Zeros(5 * kMiB)), {.subformat = Subformat::kFixed});
  EXPECT_EQ(report.required_bytes, kSmallOverhead + 3 * 2 * kMiB);
  EXPECT_EQ(report.fully_allocated_bytes, report.required_bytes);
}

// docs/format.md, section 9.1: 1 MiB blocks, 64 TiB, 512-byte sectors: 16384 chunks of 4096 payload
// entries and one for the bitmap.
TEST(MeasureVhdx, BatHasRoomForSectorBitmaps) {
  testing::MemoryFileSystem files;
  const auto spec = testing::DynamicImage({.disk_size = 64 * kTiB, .block_size = 32 * kMiB});
  ASSERT_TRUE(testing::BuildAt(spec, files, "/a.vhdx"));
  const auto disk = *Disk::Open(files, "/a.vhdx");
  const auto report = *MeasureVhdx(*disk, {.block_size_bytes = kMiB});
  const uint64_t bat = AlignUp(uint64_t{16384} * 4097 * 8, kMiB);
  EXPECT_EQ(report.required_bytes, (1 + 8 + 1) * kMiB + bat);
}

TEST(MeasureVhdx, WrongOptionsAreRefused) {
  const auto disk = RawDiskOn(Zeros(kMiB));
  for (const uint64_t block_size : {uint64_t{1}, 3 * kMiB, 512 * kMiB, kGiB}) {
    EXPECT_EQ(testing::OutcomeOf(MeasureVhdx(*disk, {.block_size_bytes = block_size})),
              "invalid-argument");
  }
  for (const uint64_t log_size : {uint64_t{1}, kMiB + 1, 2 * kGiB}) {
    EXPECT_EQ(testing::OutcomeOf(MeasureVhdx(*disk, {.log_size_bytes = log_size})),
              "invalid-argument");
  }
  EXPECT_EQ(testing::OutcomeOf(MeasureVhdx(*RawDiskOn(Zeros(0)), {})), "invalid-argument");
  EXPECT_EQ(testing::OutcomeOf(MeasureVhdx(*RawDiskOn(Zeros(64 * kTiB + 512)), {})),
            "invalid-argument");
}

TEST(MeasureVhdx, CancelledEndsWithoutAnAnswer) {
  const auto contents = Zeros(kMiB);
  Put(*contents, 0, "x");
  const std::atomic<bool> cancel = true;
  EXPECT_EQ(testing::OutcomeOf(MeasureVhdx(*RawDiskOn(contents), {}, {.cancel = &cancel})),
            "cancelled");
}

}  // namespace
}  // namespace vhdx

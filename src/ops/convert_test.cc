#include <gtest/gtest.h>
#include <vhdxkit/check.h>
#include <vhdxkit/compare.h>
#include <vhdxkit/convert.h>
#include <vhdxkit/create.h>
#include <vhdxkit/disk.h>
#include <vhdxkit/measure.h>
#include <vhdxkit/raw_device.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "bytes/arithmetic.h"
#include "testing/fault_file.h"
#include "testing/host_folder.h"
#include "testing/image_builder.h"
#include "testing/memory_file.h"
#include "testing/memory_file_system.h"
#include "testing/outcome.h"

namespace vhdx {
namespace {

using testing::MemoryFileSystem;

const std::string kTarget = "/vm/new.vhdx";

class ConvertIn : public ::testing::Test {
 protected:
  ConvertIn() { files_.AddFolder("/vm"); }

  // A raw disk of 40 MiB with data in three of its mebibytes and written zeros in another.
  std::unique_ptr<RawDevice> RawSource() {
    auto contents = files_.AddFile("/vm/src.raw");
    contents->Resize(40 * kMiB);
    for (const uint64_t offset : {uint64_t{0}, 5 * kMiB + 4096, 39 * kMiB}) {
      std::vector<std::byte> bytes(kMiB - 4096);
      testing::FillPattern(testing::DynamicImage().pattern, offset, bytes);
      contents->Write(offset, bytes);
    }
    contents->Write(20 * kMiB, std::vector<std::byte>(kMiB));
    return *RawDevice::Open(*files_.Open("/vm/src.raw", {}));
  }

  std::unique_ptr<Disk> Open(const std::string& path) {
    auto disk = Disk::Open(files_, path);
    EXPECT_TRUE(disk) << ToString(disk.error());
    return disk ? *std::move(disk) : nullptr;
  }

  void ExpectCopy(BlockDevice& source, const std::string& path = kTarget) {
    EXPECT_EQ(Check(files_, path)->verdict, CheckVerdict::kClean);
    const auto report = Compare(source, *Open(path), {});
    ASSERT_TRUE(report) << ToString(report.error());
    EXPECT_TRUE(report->identical);
  }

  uint64_t LengthOf(const std::string& path) { return *(*files_.Open(path, {}))->Size(); }
  std::vector<std::string> Names() { return *files_.List("/vm", 100); }

  MemoryFileSystem files_;
};

TEST_F(ConvertIn, RawToDynamic_HoldsTheSameInAsManyBytesAsMeasured) {
  auto source = RawSource();
  const CreateOptions image{.block_size_bytes = kMiB};
  const auto report = ConvertToVhdx(files_, *source, kTarget, image, {});
  ASSERT_TRUE(report) << ToString(report.error());
  EXPECT_EQ(report->target_size_bytes, 40 * kMiB);
  ExpectCopy(*source);
  EXPECT_EQ(LengthOf(kTarget), MeasureVhdx(*source, {.block_size_bytes = kMiB})->required_bytes);
  EXPECT_EQ(LengthOf(kTarget), (11 + 3) * kMiB);  // the zeros are left out
}

TEST_F(ConvertIn, RawToFixed_HasEveryBlock) {
  auto source = RawSource();
  ASSERT_TRUE(ConvertToVhdx(files_, *source, kTarget, {.subformat = Subformat::kFixed}, {}));
  ExpectCopy(*source);
  EXPECT_EQ(Open(kTarget)->image_at_open(0).parameters.subformat(), Subformat::kFixed);
  EXPECT_EQ(LengthOf(kTarget), (11 + 40) * kMiB);
}

TEST_F(ConvertIn, HostThatShares_SharesAllButZeros) {
  files_.SetCapabilities({.punch_hole = true, .clone_range = true});
  auto source = RawSource();
  const CreateOptions image{.block_size_bytes = kMiB};
  const auto report = ConvertToVhdx(files_, *source, kTarget, image, {});
  ASSERT_TRUE(report) << ToString(report.error());
  EXPECT_GT(report->copy.cloned_bytes, 0U);
  EXPECT_EQ(report->copy.copied_bytes, 0U);
  ExpectCopy(*source);
  EXPECT_EQ(LengthOf(kTarget), MeasureVhdx(*source, {.block_size_bytes = kMiB})->required_bytes);
}

TEST_F(ConvertIn, ChainWithLargeSectors_IsFlattenedAndKeepsThem) {
  testing::ImageSpec base = testing::DynamicImage();
  base.parameters.logical_sector_size = 4096;
  base.blocks = {testing::FullBlock(0), testing::FullBlock(3)};
  ASSERT_TRUE(testing::BuildAt(base, files_, "/vm/base.vhdx"));
  testing::ImageSpec child = testing::ChildOf(base, ".\\base.vhdx");
  child.blocks = {testing::PartialBlock(0, {{1, 5}}), testing::ZeroBlock(3)};
  ASSERT_TRUE(testing::BuildAt(child, files_, "/vm/child.vhdx"));
  auto source = Open("/vm/child.vhdx");
  ASSERT_TRUE(ConvertToVhdx(files_, *source, kTarget, {}, {}));
  ExpectCopy(*source);
  EXPECT_EQ(Open(kTarget)->logical_sector_size(), 4096U);
  EXPECT_EQ(Open(kTarget)->chain_length(), 1U);
}

// With the usual blocks of 32 MiB a scattered disk would take many times the space.
TEST_F(ConvertIn, CopyOfAChain_HasItsSmallestBlocks) {
  testing::ImageSpec base = testing::DynamicImage();
  base.parameters.block_size_bytes = 4 * kMiB;
  ASSERT_TRUE(testing::BuildAt(base, files_, "/vm/base.vhdx"));
  testing::ImageSpec child = testing::ChildOf(base, ".\\base.vhdx");
  child.parameters.block_size_bytes = 2 * kMiB;
  ASSERT_TRUE(testing::BuildAt(child, files_, "/vm/child.vhdx"));
  auto source = Open("/vm/child.vhdx");
  ASSERT_TRUE(ConvertToVhdx(files_, *source, kTarget, {}, {}));
  EXPECT_EQ(Open(kTarget)->image_at_open(0).parameters.block_size_bytes, 2 * kMiB);
  child.parameters.block_size_bytes = 16 * kMiB;
  ASSERT_TRUE(testing::BuildAt(child, files_, "/vm/coarse.vhdx"));
  ASSERT_TRUE(ConvertToVhdx(files_, *Open("/vm/coarse.vhdx"), "/vm/other.vhdx", {}, {}));
  EXPECT_EQ(Open("/vm/other.vhdx")->image_at_open(0).parameters.block_size_bytes, 4 * kMiB);
  ASSERT_TRUE(ConvertToVhdx(files_, *source, "/vm/large.vhdx", {.block_size_bytes = 8 * kMiB}, {}));
  EXPECT_EQ(Open("/vm/large.vhdx")->image_at_open(0).parameters.block_size_bytes, 8 * kMiB);
}

TEST_F(ConvertIn, ImageThatIsThere_TakesTheContentsAndKeepsItsRest) {
  auto source = RawSource();
  testing::ImageSpec target = testing::DynamicImage();  // 64 MiB
  target.blocks = {testing::FullBlock(1), testing::FullBlock(30)};
  ASSERT_TRUE(testing::BuildAt(target, files_, kTarget));
  const auto before = Open(kTarget)->image_at_open(0).header().data_write_guid;
  std::vector<std::byte> rest(kMiB);
  ASSERT_TRUE(Open(kTarget)->Read(60 * kMiB, rest));
  const auto report =
      ConvertToVhdx(files_, *source, kTarget, {}, {.existing = ExistingTarget::kInto});
  ASSERT_TRUE(report) << ToString(report.error());
  EXPECT_EQ(report->target_size_bytes, 64 * kMiB);
  auto disk = Open(kTarget);
  EXPECT_NE(disk->image_at_open(0).header().data_write_guid, before);
  std::vector<std::byte> mine(40 * kMiB);
  std::vector<std::byte> theirs(40 * kMiB);
  ASSERT_TRUE(disk->Read(0, mine));
  ASSERT_TRUE(source->Read(0, theirs));
  EXPECT_EQ(mine, theirs);
  std::vector<std::byte> rest_now(kMiB);
  ASSERT_TRUE(disk->Read(60 * kMiB, rest_now));
  EXPECT_EQ(rest_now, rest);
}

TEST_F(ConvertIn, Parent_IsNeitherReplacedNorWritten) {
  auto source = RawSource();
  ASSERT_TRUE(testing::BuildAt(testing::DynamicImage(), files_, kTarget));
  ASSERT_TRUE(Create(files_, "/vm/child.vhdx",
                     {.subformat = Subformat::kDifferencing, .parent_path = kTarget}));
  for (const ExistingTarget existing : {ExistingTarget::kReplace, ExistingTarget::kInto}) {
    ConvertOptions options{.existing = existing};
    const auto refused = ConvertToVhdx(files_, *source, kTarget, {}, options);
    EXPECT_EQ(refused.error().code, ErrorCode::kBusy);
    EXPECT_NE(refused.error().sentence.find("/vm/child.vhdx"), std::string::npos);
    EXPECT_EQ(ConvertToRaw(files_, *source, kTarget, options).error().code, ErrorCode::kBusy);
    EXPECT_TRUE(Disk::Open(files_, "/vm/child.vhdx"));
  }
  EXPECT_EQ(Create(files_, kTarget, {.size_bytes = kGiB, .replace_existing = true}).error().code,
            ErrorCode::kBusy);
  EXPECT_TRUE(ConvertToVhdx(files_, *source, kTarget, {},
                            {.existing = ExistingTarget::kReplace, .orphan_children = true}));
  EXPECT_FALSE(Disk::Open(files_, "/vm/child.vhdx"));
}

TEST_F(ConvertIn, TargetsThatCannotBe_AreRefused) {
  auto source = RawSource();
  const auto code = [&](const std::string& path, ExistingTarget existing) {
    return ConvertToVhdx(files_, *source, path, {}, {.existing = existing}).error().code;
  };
  EXPECT_EQ(code("/vm/src.raw", ExistingTarget::kReplace), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code(kTarget, ExistingTarget::kInto), ErrorCode::kNotFound);
  Create(files_, kTarget, {.size_bytes = 10 * kMiB}).value();
  EXPECT_EQ(code(kTarget, ExistingTarget::kRefuse), ErrorCode::kExists);
  EXPECT_EQ(code(kTarget, ExistingTarget::kInto), ErrorCode::kInvalidArgument);  // too small
}

TEST_F(ConvertIn, AnyCallThatFails_LeavesNothing) {
  auto source = RawSource();
  const CreateOptions image{.block_size_bytes = kMiB, .log_size_bytes = kMiB};
  const auto names = Names();
  uint64_t failures = 0;
  for (uint64_t nth = 1;; ++nth) {
    const auto plan = std::make_shared<testing::FaultPlan>();
    testing::FaultFileSystem faulty(files_, plan);
    plan->Add({.nth = nth, .length = testing::FaultLength::kOnce, .code = ErrorCode::kNoSpace});
    const auto report = ConvertToVhdx(faulty, *source, kTarget, image, {});
    if (plan->fired() == 0) break;
    if (report) {
      EXPECT_TRUE(files_.Remove(kTarget)) << "call " << nth;
      continue;
    }
    ++failures;
    EXPECT_EQ(Names(), names) << "call " << nth;
  }
  EXPECT_GT(failures, 15U);
}

TEST_F(ConvertIn, BlocksInOnePlace_EndEveryWalkOverTheDisk) {
  testing::ImageSpec spec = testing::DynamicImage();
  spec.blocks = {testing::FullBlock(0, 16 * kMiB), testing::FullBlock(1, 16 * kMiB)};
  ASSERT_TRUE(testing::BuildAt(spec, files_, "/vm/bad.vhdx"));
  auto disk = Open("/vm/bad.vhdx");
  const auto rule = [](const auto& result) { return result ? "" : result.error().rule; };
  EXPECT_EQ(rule(ConvertToVhdx(files_, *disk, kTarget, {}, {})), "bat.entry.overlap");
  EXPECT_EQ(rule(ConvertToRaw(files_, *disk, "/vm/new.raw", {})), "bat.entry.overlap");
  EXPECT_EQ(rule(Compare(*disk, *disk, {})), "bat.entry.overlap");
  EXPECT_EQ(rule(MeasureVhdx(*disk, {})), "bat.entry.overlap");
  testing::MemoryFile stream;
  EXPECT_EQ(rule(StreamContents(*disk, stream)), "bat.entry.overlap");
  EXPECT_EQ(rule(VisitContents(*disk, [](uint64_t, ByteSpan) { return Result<void>{}; })),
            "bat.entry.overlap");
}

// A disk on which block 2 is trimmed, and its space taken by block 9, between the moment at which
// somebody asks where the blocks are and the moment at which they are read.
class DiskWrittenMeanwhile final : public BlockDevice {
 public:
  explicit DiskWrittenMeanwhile(Disk& disk) : disk_(disk) {}

  const std::string& name() const override { return disk_.name(); }
  uint64_t size_bytes() const override { return disk_.size_bytes(); }
  uint32_t logical_sector_size() const override { return disk_.logical_sector_size(); }
  uint32_t physical_sector_size() const override { return disk_.physical_sector_size(); }
  bool writable() const override { return disk_.writable(); }
  Result<void> Read(uint64_t disk_offset, std::span<const MutableByteSpan> buffers) override {
    return disk_.Read(disk_offset, buffers);
  }
  Result<void> Write(uint64_t disk_offset, std::span<const ByteSpan> buffers,
                     WriteFlag flag) override {
    return disk_.Write(disk_offset, buffers, flag);
  }
  Result<void> WriteZeroes(DiskRange range) override { return disk_.WriteZeroes(range); }
  Result<void> Trim(DiskRange range) override { return disk_.Trim(range); }
  Result<void> Flush() override { return disk_.Flush(); }
  Result<std::vector<Extent>> Extents(DiskRange range, size_t max_extents) override {
    auto extents = disk_.Extents(range, max_extents);
    EXPECT_TRUE(disk_.Trim({2 * kMiB, kMiB}));
    EXPECT_TRUE(disk_.Flush());
    EXPECT_TRUE(disk_.Write(9 * kMiB, std::vector<std::byte>(kMiB, std::byte{'Z'})));
    return extents;
  }
  Result<uint64_t> NextData(DiskRange range) override { return disk_.NextData(range); }
  Result<void> CloneTo(DiskRange range, File& target, uint64_t file_offset) override {
    return disk_.CloneTo(range, target, file_offset);
  }
  bool Uses(const FileIdentity& file) const override { return disk_.Uses(file); }

 private:
  Disk& disk_;
};

TEST_F(ConvertIn, SourceThatIsWrittenMeanwhile_NeverGivesAnotherBlocksBytes) {
  files_.SetCapabilities({.punch_hole = true, .clone_range = true});
  Create(files_, "/vm/disk.vhdx", {.size_bytes = 16 * kMiB, .block_size_bytes = kMiB}).value();
  auto disk = *Disk::Open(files_, "/vm/disk.vhdx", {.access = DiskAccess::kReadWrite});
  ASSERT_TRUE(disk->Write(2 * kMiB, std::vector<std::byte>(kMiB, std::byte{'c'})));
  ASSERT_TRUE(disk->Flush());
  const uint64_t place = disk->Extents({2 * kMiB, kMiB}, 1)->front().place->file_offset;

  DiskWrittenMeanwhile source(*disk);
  const auto contents = files_.AddFile("/vm/copy.raw");
  contents->Resize(16 * kMiB);
  auto target = *RawDevice::Open(*files_.Open("/vm/copy.raw", {.access = FileAccess::kReadWrite}));
  const auto report = CopyContents(source, *target, {.target = TargetContents::kZeros});
  ASSERT_TRUE(report) << ToString(report.error());
  EXPECT_GT(report->cloned_bytes, 0U) << "a block cannot lose its space while it is shared";
  ASSERT_EQ(disk->Extents({9 * kMiB, kMiB}, 1)->front().place->file_offset, place)
      << "no space was reused";
  std::vector<std::byte> copied(kMiB);
  ASSERT_TRUE(target->Read(2 * kMiB, copied));
  EXPECT_EQ(std::ranges::count(copied, std::byte{'Z'}), 0);
}

// -- From a stream --

// Gives a raw disk front to back, in full pieces.
ReadStream StreamOf(std::vector<std::byte> bytes) {
  return [bytes = std::move(bytes),
          position = size_t{0}](MutableByteSpan buffer) mutable -> Result<size_t> {
    const size_t length = std::min(buffer.size(), bytes.size() - position);
    std::copy_n(bytes.begin() + static_cast<ptrdiff_t>(position), length, buffer.begin());
    position += length;
    return length;
  };
}

TEST_F(ConvertIn, Stream_BecomesAnImageOfItsLength) {
  auto source = RawSource();
  std::vector<std::byte> bytes(40 * kMiB);
  ASSERT_TRUE(source->Read(0, bytes));
  for (const Subformat subformat : {Subformat::kDynamic, Subformat::kFixed}) {
    const auto report = ConvertStreamToVhdx(files_, StreamOf(bytes), kTarget,
                                            {.subformat = subformat, .block_size_bytes = 2 * kMiB},
                                            {.existing = ExistingTarget::kReplace});
    ASSERT_TRUE(report) << ToString(report.error());
    EXPECT_EQ(report->source_size_bytes, 40 * kMiB);
    ExpectCopy(*source);
    EXPECT_EQ(LengthOf(kTarget), (11 + (subformat == Subformat::kFixed ? 40 : 6)) * kMiB);
  }
}

TEST_F(ConvertIn, StreamOfOddLength_IsPaddedToASector) {
  const auto report =
      ConvertStreamToVhdx(files_, StreamOf(std::vector<std::byte>(3 * kMiB + 1, std::byte{7})),
                          kTarget, {.logical_sector_size = 4096}, {});
  ASSERT_TRUE(report) << ToString(report.error());
  EXPECT_EQ(report->source_size_bytes, 3 * kMiB + 1);
  auto disk = Open(kTarget);
  EXPECT_EQ(disk->size_bytes(), 3 * kMiB + 4096);
  std::vector<std::byte> end(2);
  ASSERT_TRUE(disk->Read(3 * kMiB, end));
  EXPECT_EQ(end, (std::vector<std::byte>{std::byte{7}, std::byte{0}}));
}

TEST_F(ConvertIn, StreamToRaw_HasItsBytesAndHoles) {
  auto source = RawSource();
  std::vector<std::byte> bytes(40 * kMiB);
  ASSERT_TRUE(source->Read(0, bytes));
  bytes.resize(39 * kMiB + 5);
  const std::string target = "/vm/new.raw";
  const auto report = ConvertStreamToRaw(files_, StreamOf(bytes), target, {});
  ASSERT_TRUE(report) << ToString(report.error());
  EXPECT_EQ(report->source_size_bytes, 39 * kMiB + 5);
  EXPECT_EQ(report->target_size_bytes, 39 * kMiB + 512);
  auto file = *files_.Open(target, {});
  EXPECT_EQ(*file->NextData(kMiB), 5 * kMiB + 4096);
  bytes.resize(39 * kMiB + 512);
  EXPECT_EQ(testing::ReadAll(*file), bytes);
}

TEST_F(ConvertIn, StreamIntoWhatIsThere_LeavesItsRest) {
  auto source = RawSource();
  const std::string target = "/vm/old.raw";
  auto contents = files_.AddFile(target);
  contents->Write(0, std::vector<std::byte>(3 * kMiB, std::byte{9}));
  std::vector<std::byte> bytes(2 * kMiB + 1);
  bytes[5] = std::byte{7};
  const ConvertOptions into = {.existing = ExistingTarget::kInto};
  const auto report = ConvertStreamToRaw(files_, StreamOf(bytes), target, into);
  ASSERT_TRUE(report) << ToString(report.error());
  EXPECT_EQ(report->source_size_bytes, 2 * kMiB + 1);
  EXPECT_EQ(report->target_size_bytes, 3 * kMiB);
  EXPECT_TRUE(report->into_existing);
  bytes.resize(2 * kMiB + 512);  // padded to a sector
  bytes.resize(3 * kMiB, std::byte{9});
  EXPECT_EQ(testing::ReadAll(**files_.Open(target, {})), bytes);
  EXPECT_EQ(testing::OutcomeOf(ConvertStreamToRaw(
                files_, StreamOf(std::vector<std::byte>(4 * kMiB)), target, into)),
            "invalid-argument");
}

TEST_F(ConvertIn, RawOfOddLength_EndsWithZerosInLargeSectors) {
  auto file =
      *files_.Open("/odd.raw", {.access = FileAccess::kReadWrite, .creation = FileCreation::kNew});
  const std::vector<std::byte> bytes(5120, std::byte{7});
  ASSERT_TRUE(file->WriteAt(0, ByteSpan(bytes)));
  auto source = RawDevice::Open(std::move(file));
  ASSERT_TRUE(source);
  const auto report = ConvertToVhdx(files_, **source, kTarget, {.logical_sector_size = 4096}, {});
  ASSERT_TRUE(report) << ToString(report.error());
  EXPECT_EQ(report->source_size_bytes, 5120U);
  EXPECT_EQ(report->target_size_bytes, 8192U);
  auto disk = Open(kTarget);
  std::vector<std::byte> read(8192);
  ASSERT_TRUE(disk->Read(0, read));
  EXPECT_EQ(std::ranges::count(read, std::byte{7}), 5120);
  EXPECT_EQ(std::ranges::count(read, std::byte{0}), 3072);
}

TEST_F(ConvertIn, WhatIsGoingToBeReplaced_IsNotUsedMeanwhile) {
  ASSERT_TRUE(Create(files_, kTarget, {.size_bytes = kMiB}));
  int tried = 0;
  const ReadStream source = [&](MutableByteSpan buffer) -> Result<size_t> {
    EXPECT_EQ(testing::OutcomeOf(Disk::Open(files_, kTarget, {.access = DiskAccess::kReadWrite})),
              "busy");
    return tried++ == 0 ? buffer.size() : 0;
  };
  const auto report =
      ConvertStreamToVhdx(files_, source, kTarget, {}, {.existing = ExistingTarget::kReplace});
  ASSERT_TRUE(report) << ToString(report.error());
  EXPECT_EQ(tried, 2);
}

TEST_F(ConvertIn, StreamThatIsEmptyOrFails_LeavesNothing) {
  EXPECT_EQ(ConvertStreamToVhdx(files_, StreamOf({}), kTarget, {}, {}).error().code,
            ErrorCode::kInvalidArgument);
  const ReadStream broken = [](MutableByteSpan) -> Result<size_t> {
    return Fail(ErrorCode::kIo, "broken");
  };
  EXPECT_EQ(ConvertStreamToVhdx(files_, broken, kTarget, {}, {}).error().code, ErrorCode::kIo);
  EXPECT_EQ(ConvertStreamToRaw(files_, broken, kTarget, {}).error().code, ErrorCode::kIo);
  EXPECT_TRUE(Names().empty());
}

}  // namespace
}  // namespace vhdx

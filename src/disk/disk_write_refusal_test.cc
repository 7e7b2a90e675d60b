// Writing through a Disk to a host that is full, and to images that are not as they should be.

#include <gtest/gtest.h>
#include <vhdxkit/disk.h>
#include <vhdxkit/forwarding_file.h>

#include <cerrno>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "bytes/arithmetic.h"
#include "disk/disk_write_fixture.h"
#include "format/bat.h"
#include "format/layout.h"
#include "testing/disk_model.h"
#include "testing/fault_file.h"
#include "testing/image_builder.h"
#include "testing/outcome.h"
#include "testing/recording_file.h"

namespace vhdx {
namespace {

using testing::ChildOf;
using testing::DynamicImage;
using testing::FullBlock;
using testing::ImageSpec;
using testing::OutcomeOf;
using testing::PartialBlock;

// Its log still has to be replayed.
ImageSpec DirtyImage() {
  ImageSpec spec = DynamicImage();
  spec.blocks = {FullBlock(0), FullBlock(1)};
  spec.log.log_guid = testing::TestGuid(9);
  spec.log.entries = {{.writes = {testing::MovedPage(testing::PlanLayout(spec).bat.file_offset)}}};
  return spec;
}

TEST_F(DiskWrite, DirtyLog_IsReplayedByTheFirstWriteAndNotBefore) {
  const ImageSpec spec = DirtyImage();
  Put(kPath, spec);
  const testing::DiskModel model({spec});
  const auto before = files_.Contents(kPath)->Bytes();
  auto disk = Open();
  EXPECT_EQ(Read(*disk, {0, 4096}), model.ExpectedBytes({0, 4096}));
  EXPECT_EQ(files_.Contents(kPath)->Bytes(), before);
  EXPECT_EQ(OutcomeOf(disk->Write(6 * kMiB, Filled(4096, 3))), "ok");
  EXPECT_EQ(Read(*disk, {0, 4 * kMiB}), model.ExpectedBytes({0, 4 * kMiB}));
  EXPECT_EQ(OutcomeOf(disk->Close()), "ok");
  EXPECT_EQ(ReadAgain({0, 4 * kMiB}), model.ExpectedBytes({0, 4 * kMiB}));
  EXPECT_EQ(ReadAgain({6 * kMiB, 4096}), Filled(4096, 3));
  ExpectClean();
}

TEST_F(DiskWrite, HostWithoutSpaceForTheLog_IsToldBeforeAnythingChanges) {
  Put(kPath, DynamicImage());
  const HeaderInfo header = Header();
  files_.Contents(kPath)->Punch({header.log_offset, header.log_length_bytes});
  const auto before = files_.Contents(kPath)->Bytes();
  const auto plan = std::make_shared<testing::FaultPlan>();
  testing::FaultFileSystem full(files_, plan);
  auto disk = OpenDisk(full, kPath, {.access = DiskAccess::kReadWrite}, {});
  ASSERT_TRUE(disk);
  plan->SetSpace(4096);
  EXPECT_EQ(OutcomeOf((*disk)->Write(0, Filled(4096, 3))), "no-space");
  EXPECT_EQ(files_.Contents(kPath)->Bytes(), before);
  plan->Clear();
  EXPECT_EQ(OutcomeOf((*disk)->Write(0, Filled(4096, 3))), "ok");
  EXPECT_EQ(OutcomeOf((*disk)->Close()), "ok");
  EXPECT_EQ(ReadAgain({0, 4096}), Filled(4096, 3));
}

TEST_F(DiskWrite, HostWithoutSpaceForTheLogAfterReplay_IsToldAndTheDiskGoesOn) {
  const ImageSpec spec = DirtyImage();
  Put(kPath, spec);
  const HeaderInfo header = Header();
  files_.Contents(kPath)->Punch({header.log_offset + 64 * kKiB, 64 * kKiB});
  const auto plan = std::make_shared<testing::FaultPlan>();
  testing::FaultFileSystem full(files_, plan);
  auto disk = OpenDisk(full, kPath, {.access = DiskAccess::kReadWrite}, {});
  ASSERT_TRUE(disk);
  plan->Add(
      {.call = testing::FileCall::kZeroRange, .code = ErrorCode::kNoSpace, .sys_errno = ENOSPC});
  EXPECT_EQ(OutcomeOf((*disk)->Write(0, Filled(4096, 3))), "no-space");
  EXPECT_TRUE(Header().log_guid.IsZero());
  EXPECT_EQ(ReadAgain({0, 4 * kMiB}), testing::DiskModel({spec}).ExpectedBytes({0, 4 * kMiB}));
  ExpectClean();
  EXPECT_EQ(OutcomeOf((*disk)->Write(0, Filled(4096, 3))), "ok");
  EXPECT_EQ(OutcomeOf((*disk)->Close()), "ok");
  disk->reset();
  ExpectClean();
  EXPECT_EQ(ReadAgain({0, 4096}), Filled(4096, 3));
}

// The host is full and a header needs new space, but the file keeps some that nothing refers to.
TEST_F(DiskWrite, SessionThatFindsNoSpace_GivesBackWhatNothingRefersTo) {
  ImageSpec spec = DynamicImage();
  spec.blocks = {FullBlock(0, 8 * kMiB)};
  spec.file_size = 20 * kMiB;
  Put(kPath, spec);
  const auto plan = std::make_shared<testing::FaultPlan>();
  testing::FaultFileSystem full(files_, plan);
  auto disk = OpenDisk(full, kPath, {.access = DiskAccess::kReadWrite}, {});
  ASSERT_TRUE(disk);
  plan->Add({.call = testing::FileCall::kWrite, .code = ErrorCode::kNoSpace, .sys_errno = ENOSPC});
  EXPECT_EQ(OutcomeOf((*disk)->Write(0, Filled(4096, 3))), "ok");
  EXPECT_EQ(plan->fired(), 1U);
  EXPECT_EQ(OutcomeOf((*disk)->Close()), "ok");
  disk->reset();
  ExpectClean();
  EXPECT_EQ(ReadAgain({0, 4096}), Filled(4096, 3));
}

// Nor does a cut that finds no space end writing: the file keeps its length.
TEST_F(DiskWrite, CutThatFindsNoSpace_IsToldAndTheDiskGoesOn) {
  ImageSpec spec = DynamicImage();
  spec.blocks = {FullBlock(0)};
  spec.file_size = 20 * kMiB;
  Put(kPath, spec);
  const auto plan = std::make_shared<testing::FaultPlan>();
  testing::FaultFileSystem full(files_, plan);
  auto disk = OpenDisk(full, kPath, {.access = DiskAccess::kReadWrite}, {});
  ASSERT_TRUE(disk);
  plan->Add({.call = testing::FileCall::kResize, .code = ErrorCode::kNoSpace, .sys_errno = ENOSPC});
  EXPECT_EQ(OutcomeOf((*disk)->Write(0, Filled(4096, 3))), "no-space");
  EXPECT_EQ(OutcomeOf((*disk)->Write(0, Filled(4096, 3))), "ok");
  EXPECT_EQ(OutcomeOf((*disk)->Close()), "ok");
  disk->reset();
  ExpectClean();
}

// The page of an entry, or of bits, that is a hole: a full host is reported by the request that
// changes it, while the disk can still continue, and not by the checkpoint that writes the page.
TEST_F(DiskWrite, HostWithoutSpaceForMetadata_IsToldToTheRequest) {
  const ImageSpec base = DynamicImage();
  Put("/vm/base.vhdx", base);
  const ImageSpec child = ChildOf(base, ".\\base.vhdx");
  Put(kPath, child);
  const FileRange bat = testing::PlanLayout(child).bat;
  files_.Contents(kPath)->Punch(bat);
  const auto plan = std::make_shared<testing::FaultPlan>();
  testing::FaultFileSystem full(files_, plan);
  auto disk = OpenDisk(full, kPath, {.access = DiskAccess::kReadWrite}, {});
  ASSERT_TRUE(disk);
  // First the page of the bitmap's entry, then that of the bits.
  for (const uint64_t nth : {uint64_t{1}, uint64_t{2}}) {
    plan->Add({.call = testing::FileCall::kZeroRange,
               .nth = nth,
               .code = ErrorCode::kNoSpace,
               .sys_errno = ENOSPC});
    EXPECT_EQ(OutcomeOf((*disk)->Write(512, Filled(512, 3))), "no-space") << nth;
    EXPECT_EQ(OutcomeOf((*disk)->Flush()), "ok");
    plan->Clear();
  }
  EXPECT_EQ(OutcomeOf((*disk)->Write(512, Filled(512, 3))), "ok");
  // From here on nothing has to be allocated.
  plan->Add({.call = testing::FileCall::kZeroRange, .length = testing::FaultLength::kFromThen});
  EXPECT_EQ(OutcomeOf((*disk)->Flush()), "ok");
  EXPECT_EQ(OutcomeOf((*disk)->Write(1024, Filled(512, 4))), "ok");
  EXPECT_EQ(OutcomeOf((*disk)->Close()), "ok");
  disk->reset();
  EXPECT_EQ(ReadAgain({512, 512}), Filled(512, 3));
  EXPECT_EQ(ReadAgain({1024, 512}), Filled(512, 4));
  EXPECT_EQ(files_.Contents(kPath)->NextHole(bat.file_offset), bat.file_offset + 4096);
}

TEST_F(DiskWrite, SpaceThatIsAHole_StaysOneAroundANewBlock) {
  Put(kPath, DynamicImage({.disk_size = kGiB, .block_size = 256 * kMiB}));
  {
    auto disk = Open();
    EXPECT_EQ(OutcomeOf(disk->Write(0, Filled(4096, 1))), "ok");
    EXPECT_EQ(OutcomeOf(disk->Write(256 * kMiB, Filled(4096, 2))), "ok");
    EXPECT_EQ(OutcomeOf(disk->Trim({0, 256 * kMiB})), "ok");
    EXPECT_EQ(OutcomeOf(disk->Close()), "ok");
  }
  record_->Clear();
  auto disk = Open();
  EXPECT_EQ(OutcomeOf(disk->Write(512 * kMiB + 4096, Filled(4096, 3))), "ok");
  EXPECT_EQ(disk->counters().reused_blocks, 1U);
  EXPECT_EQ(OutcomeOf(disk->Close()), "ok");
  // On a host each would allocate what it zeroes.
  uint64_t zeroed = 0;
  for (const auto& call : record_->Calls(testing::FileCall::kZeroRange)) {
    zeroed += call.range.length_bytes;
  }
  EXPECT_LT(zeroed, kMiB);
  EXPECT_EQ(ReadAgain({512 * kMiB, 4096}), Filled(4096, 0));
  ExpectClean();
}

// By a write that changes an entry, and by one that does not.
TEST_F(DiskWrite, BadRegionTable_IsMendedByTheFirstWrite) {
  for (const uint64_t table : format::kRegionTableOffsets) {
    for (const std::vector<testing::BlockSpec>& blocks :
         {std::vector<testing::BlockSpec>{}, {FullBlock(0)}}) {
      ImageSpec spec = DynamicImage();
      spec.blocks = blocks;
      spec.late_patches = {{.file_offset = table, .bytes = Filled(64, 0xEE)}};
      (void)files_.Remove(kPath);  // of the round before
      Put(kPath, spec);
      auto disk = Open();
      EXPECT_EQ(OutcomeOf(disk->Write(0, Filled(512, 1))), "ok");
      EXPECT_EQ(OutcomeOf(disk->Close()), "ok");
      ExpectClean();
    }
  }
}

// The same bits again, in a page that the restart of a full log checkpoints while it is still to be
// logged.
TEST_F(DiskWrite, PageOfBitsThatChangesThereAndBack_IsLoggedAfterAFullHostToo) {
  PutChildWithLeftoverBits();
  const auto plan = std::make_shared<testing::FaultPlan>();
  testing::FaultFileSystem full(files_, plan);
  auto disk = *OpenDisk(full, kPath, {.access = DiskAccess::kReadWrite}, {.log_sectors = 6});
  EXPECT_EQ(OutcomeOf(disk->Write(0, Filled(512, 9))), "ok");
  EXPECT_EQ(OutcomeOf(disk->Flush()), "ok");
  EXPECT_EQ(OutcomeOf(disk->Write(2 * kMiB, Filled(512, 9))), "ok");
  EXPECT_EQ(OutcomeOf(disk->Write(2 * kMiB + 512, Filled(512, 9))), "ok");
  const uint64_t log = disk->image_at_open(0).header().log_offset;
  plan->Add({.call = testing::FileCall::kWrite,
             .range = FileRange{log + 4096, 4096},
             .code = ErrorCode::kNoSpace,
             .sys_errno = ENOSPC});
  EXPECT_EQ(OutcomeOf(disk->Flush()), "no-space");
  plan->Clear();
  EXPECT_EQ(OutcomeOf(disk->Flush()), "ok");
  EXPECT_EQ(OutcomeOf(disk->Close()), "ok");
  disk.reset();
  ExpectClean();
  EXPECT_EQ(ReadAgain({2 * kMiB, 1024}), Filled(1024, 9));
}

// The first entry of a group commit is in the log, the second found no space, and the next group
// commit finds the log full.
TEST_F(DiskWrite, EntryOfAFailedCommit_IsDurableBeforeItsPagesAreCheckpointed) {
  const ImageSpec spec = DynamicImage({.disk_size = 4 * kGiB, .block_size = kMiB});
  Put(kPath, spec);
  const auto plan = std::make_shared<testing::FaultPlan>();
  testing::FaultFileSystem full(recording_, plan);
  auto disk = *OpenDisk(full, kPath, {.access = DiskAccess::kReadWrite},
                        {.log_sectors = 6, .pages_per_entry = 2});
  const uint64_t log = disk->image_at_open(0).header().log_offset;
  for (uint64_t i = 0; i < 3; ++i) {
    EXPECT_EQ(OutcomeOf(disk->Write(i * kGiB, Filled(512, 1))), "ok");
  }
  plan->Add({.call = testing::FileCall::kWrite,
             .range = FileRange{log + 4 * 4096, 4096},
             .code = ErrorCode::kNoSpace,
             .sys_errno = ENOSPC});
  EXPECT_EQ(OutcomeOf(disk->Flush()), "no-space");
  plan->Clear();
  EXPECT_EQ(OutcomeOf(disk->Write(3 * kGiB, Filled(512, 1))), "ok");
  record_->Clear();
  EXPECT_EQ(OutcomeOf(disk->Flush()), "ok");
  const auto calls = record_->Calls();
  ASSERT_FALSE(calls.empty());
  EXPECT_EQ(calls.front().call, testing::FileCall::kSync);
  EXPECT_EQ(OutcomeOf(disk->Close()), "ok");
  disk.reset();
  ExpectClean();
}

// Calls back once, before a certain part of a file is read.
class ReadHookFile final : public ForwardingFile {
 public:
  struct Hook {
    uint64_t file_offset = 0;
    std::function<void()> call;
  };
  ReadHookFile(std::unique_ptr<File> file, Hook& hook)
      : ForwardingFile(std::move(file)), hook_(hook) {}
  using File::ReadAt;
  Result<size_t> ReadAt(uint64_t file_offset, std::span<const MutableByteSpan> buffers) override {
    if (hook_.call && file_offset == hook_.file_offset) std::exchange(hook_.call, nullptr)();
    return ForwardingFile::ReadAt(file_offset, buffers);
  }

 private:
  Hook& hook_;
};

class ReadHookFileSystem final : public ForwardingFileSystem {
 public:
  ReadHookFileSystem(FileSystem& files, ReadHookFile::Hook& hook)
      : ForwardingFileSystem(files), hook_(hook) {}
  Result<std::unique_ptr<File>> Open(const std::string& path,
                                     const OpenFileOptions& options) override {
    auto file = ForwardingFileSystem::Open(path, options);
    if (!file) return file;
    return std::make_unique<ReadHookFile>(*std::move(file), hook_);
  }

 private:
  ReadHookFile::Hook& hook_;
};

// A sync fails in the middle of a trim: what it has freed until then is left alone.
TEST_F(DiskWrite, AfterAFailedSync_NoHoleIsPunched) {
  ImageSpec spec = DynamicImage({.disk_size = kGiB, .block_size = kMiB});
  spec.blocks = {FullBlock(0), FullBlock(600)};
  Put(kPath, spec);
  const auto plan = std::make_shared<testing::FaultPlan>();
  testing::FaultFileSystem failing(recording_, plan);
  ReadHookFile::Hook hook;
  ReadHookFileSystem files(failing, hook);
  auto disk = *OpenDisk(files, kPath, {.access = DiskAccess::kReadWrite}, {});
  EXPECT_EQ(OutcomeOf(disk->Write(0, Filled(512, 1))), "ok");
  hook.file_offset = testing::PlanLayout(spec).bat.file_offset + 4096;
  hook.call = [&] {
    plan->Add({.call = testing::FileCall::kSync});
    EXPECT_EQ(OutcomeOf(disk->Flush()), "io");
  };
  record_->Clear();
  EXPECT_EQ(OutcomeOf(disk->Trim({0, kGiB})), "poisoned");
  EXPECT_FALSE(hook.call);
  EXPECT_EQ(record_->Count(testing::FileCall::kPunchHole), 0U);
}

// No session has begun, so nothing of it may be written by a flush.
TEST_F(DiskWrite, BadRegionTable_StaysIfTheSessionCannotBegin) {
  ImageSpec spec = DynamicImage();
  spec.late_patches = {{.file_offset = format::kRegionTableOffsets[1], .bytes = Filled(64, 0xEE)}};
  Put(kPath, spec);
  const auto plan = std::make_shared<testing::FaultPlan>();
  testing::FaultFileSystem full(files_, plan);
  auto disk = OpenDisk(full, kPath, {.access = DiskAccess::kReadWrite}, {});
  ASSERT_TRUE(disk);
  const auto before = files_.Contents(kPath)->Bytes();
  plan->Add({.call = testing::FileCall::kWrite,
             .length = testing::FaultLength::kFromThen,
             .code = ErrorCode::kNoSpace,
             .sys_errno = ENOSPC});
  EXPECT_EQ(OutcomeOf((*disk)->Write(0, Filled(512, 1))), "no-space");
  EXPECT_EQ(OutcomeOf((*disk)->Flush()), "ok");
  EXPECT_EQ(files_.Contents(kPath)->Bytes(), before);
  plan->Clear();
  EXPECT_EQ(OutcomeOf((*disk)->Write(0, Filled(512, 1))), "ok");
  EXPECT_EQ(OutcomeOf((*disk)->Close()), "ok");
  disk->reset();
  ExpectClean();
}

TEST_F(DiskWrite, WriterAndReader_KeepOutOfEachOthersWay) {
  Put(kPath, DynamicImage());
  auto disk = Open();
  auto second = Disk::Open(files_, kPath, {.access = DiskAccess::kReadWrite});
  EXPECT_EQ(OutcomeOf(second), "busy");
  EXPECT_EQ(OutcomeOf(Disk::Open(files_, kPath)), "busy");
}

TEST_F(DiskWrite, OddImage_IsReadButNotOpenedForWriting) {
  ImageSpec spec = DynamicImage();
  spec.blocks = {FullBlock(0), {.block = 1, .reserved_bits = 0x10}};
  Put(kPath, spec);
  EXPECT_EQ(RuleAgainstWriting(), "bat.entry.reserved");
  EXPECT_TRUE(Disk::Open(files_, kPath));
}

TEST_F(DiskWrite, OverlappingBlocks_AreNotOpenedForWriting) {
  ImageSpec spec = DynamicImage();
  spec.blocks = {FullBlock(0, 16 * kMiB), FullBlock(1, 17 * kMiB)};
  Put(kPath, spec);
  EXPECT_EQ(RuleAgainstWriting(), "bat.entry.overlap");
}

// A QEMU that is killed between its first header and its first entry leaves such files.
TEST_F(DiskWrite, LogThatWasNeverBegun_IsClearedByTheFirstWrite) {
  ImageSpec spec = DynamicImage();
  spec.log.log_guid = testing::TestGuid(9);
  Put(kPath, spec);
  EXPECT_EQ(Check(files_, kPath)->verdict, CheckVerdict::kWarnings);
  {
    auto disk = Open();
    ASSERT_TRUE(disk->Write(0, Filled(512, 1)));
    EXPECT_TRUE(Header().log_guid.IsZero()) << "it still names the log";
    ASSERT_TRUE(disk->Close());
  }
  ExpectClean();
  EXPECT_EQ(ReadAgain({0, 512}), Filled(512, 1));
}

// A block that is appended would be allocated there, and the two would overlap.
TEST_F(DiskWrite, UnmappedBlockBehindTheEndOfTheFile_KeepsTheImageFromBeingWritten) {
  ImageSpec spec = DynamicImage();
  spec.blocks = {testing::StateBlock(1, format::PayloadState::kUnmapped, 100 * kMiB)};
  Put(kPath, spec);
  EXPECT_EQ(Check(files_, kPath)->verdict, CheckVerdict::kCorrupt);
  EXPECT_EQ(RuleAgainstWriting(), "bat.entry.anchor-beyond-eof");
}

TEST_F(DiskWrite, UnmappedBlockInTheSpaceOfAnother_IsNotWrittenForThatReason) {
  ImageSpec spec = DynamicImage();
  spec.blocks = {FullBlock(0, 16 * kMiB),
                 testing::StateBlock(1, format::PayloadState::kUnmapped, 16 * kMiB)};
  Put(kPath, spec);
  EXPECT_EQ(RuleAgainstWriting(), "bat.entry.anchor-overlap");
}

// A new bitmap for another block of the chunk would make the loss look like the parent's bytes.
TEST_F(DiskWrite, PartialBlockWithoutBitmap_KeepsTheImageFromBeingWritten) {
  const ImageSpec base = DynamicImage({.disk_size = 8 * kGiB});
  Put("/vm/base.vhdx", base);
  ImageSpec child = ChildOf(base, ".\\base.vhdx");
  const format::BatGeometry geometry(child.parameters);
  const uint64_t in_next_chunk = geometry.chunk_ratio() + 3;
  for (const uint64_t other : {uint64_t{10}, in_next_chunk + 1}) {
    (void)files_.Remove(kPath);
    child.blocks = {PartialBlock(3, {{8, 8}}), PartialBlock(in_next_chunk, {{0, 8}})};
    const uint64_t chunk = geometry.ChunkOf(other);
    const uint64_t bat = testing::PlanLayout(child).bat.file_offset;
    child.late_patches = {{.file_offset = bat + geometry.BitmapIndex(chunk) * format::kBatEntrySize,
                           .bytes = Filled(format::kBatEntrySize, 0)}};
    Put(kPath, child);
    EXPECT_EQ(RuleAgainstWriting(), "bat.entry.partial-without-bitmap");
  }
}

}  // namespace
}  // namespace vhdx

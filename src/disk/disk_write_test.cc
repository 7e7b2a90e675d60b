// Writing through a Disk: what is read back, what the file holds, and what each thing costs.

#include <gtest/gtest.h>
#include <vhdxkit/disk.h>
#include <vhdxkit/forwarding_file.h>
#include <vhdxkit/inspect.h>

#include <algorithm>
#include <future>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include "bytes/arithmetic.h"
#include "disk/disk_write_fixture.h"
#include "format/bat.h"
#include "format/layout.h"
#include "testing/disk_model.h"
#include "testing/image_builder.h"
#include "testing/outcome.h"
#include "testing/recording_file.h"

namespace vhdx {
namespace {

using testing::ChildOf;
using testing::DynamicImage;
using testing::FixedImage;
using testing::FullBlock;
using testing::ImageSpec;
using testing::OutcomeOf;

TEST_F(DiskWrite, OpenedAndClosedUnwritten_ChangesNoByte) {
  Put(kPath, DynamicImage());
  const auto before = files_.Contents(kPath)->Bytes();
  {
    auto disk = Open();
    EXPECT_TRUE(disk->writable());
    EXPECT_EQ(OutcomeOf(disk->Flush()), "ok");
    EXPECT_EQ(OutcomeOf(disk->Close()), "ok");
  }
  EXPECT_EQ(files_.Contents(kPath)->Bytes(), before);
  EXPECT_EQ(record_->Count(testing::FileCall::kWrite), 0U);
  EXPECT_EQ(Syncs(), 1U);  // what was read may have been the leavings of a killed process
}

TEST_F(DiskWrite, NewBlock_IsReadBackAndTheRestIsZeros) {
  Put(kPath, DynamicImage());
  {
    auto disk = Open();
    EXPECT_EQ(OutcomeOf(disk->Write(3 * kMiB, Filled(4096, 7))), "ok");
    EXPECT_EQ(Read(*disk, {3 * kMiB, 4096}), Filled(4096, 7));
    EXPECT_EQ(Read(*disk, {3 * kMiB + 4096, 4096}), Filled(4096, 0));
    EXPECT_EQ(OutcomeOf(disk->Close()), "ok");
  }
  EXPECT_EQ(ReadAgain({3 * kMiB, 4096}), Filled(4096, 7));
  EXPECT_EQ(ReadAgain({2 * kMiB, kMiB}), Filled(kMiB, 0));
  ExpectClean();
  EXPECT_TRUE(Header().log_guid.IsZero());
}

TEST_F(DiskWrite, FlushOfNewBlocks_CostsOneSync) {
  Put(kPath, DynamicImage());
  auto disk = Open();
  EXPECT_EQ(OutcomeOf(disk->Write(0, Filled(4096, 1))), "ok");
  EXPECT_EQ(OutcomeOf(disk->Flush()), "ok");
  size_t before = Syncs();
  for (uint64_t block = 1; block < 9; ++block) {
    EXPECT_EQ(OutcomeOf(disk->Write(block * 2 * kMiB, Filled(4096, 2))), "ok");
  }
  EXPECT_EQ(Syncs(), before);
  EXPECT_EQ(OutcomeOf(disk->Flush()), "ok");
  EXPECT_EQ(Syncs(), before + 1);
  EXPECT_EQ(OutcomeOf(disk->Flush()), "ok");
  EXPECT_EQ(Syncs(), before + 1);  // there was nothing to do
  before = Syncs();
  EXPECT_EQ(OutcomeOf(disk->Close()), "ok");
  EXPECT_EQ(Syncs(), before + 3);  // the checkpoint, and two headers without a log
}

// None of them can be left out: tests/model/syncs.py tries that, one at a time.
TEST_F(DiskWrite, SessionWithOneFlushedWrite_CostsTenSyncs) {
  Put(kPath, DynamicImage());
  auto disk = Open();
  EXPECT_EQ(OutcomeOf(disk->Write(0, Filled(4096, 1))), "ok");
  EXPECT_EQ(Syncs(), 3U);  // the leavings of a killed process, and two headers
  EXPECT_EQ(OutcomeOf(disk->Flush()), "ok");
  EXPECT_EQ(Syncs(), 7U);  // the log's first entry, two headers that name it, and the flush itself
  EXPECT_EQ(OutcomeOf(disk->Close()), "ok");
  EXPECT_EQ(Syncs(), 10U);  // the checkpoint, and two headers without a log
}

// Without metadata in the log nothing else syncs what was overwritten in place.
TEST_F(DiskWrite, OverwritesThatNobodyFlushed_AreSyncedByClose) {
  ImageSpec spec = DynamicImage();
  spec.blocks = {FullBlock(0)};
  Put(kPath, spec);
  auto disk = Open();
  EXPECT_EQ(OutcomeOf(disk->Write(0, Filled(4096, 1))), "ok");
  const size_t before = Syncs();
  EXPECT_EQ(OutcomeOf(disk->Close()), "ok");
  EXPECT_EQ(Syncs(), before + 1);
}

// Pages that a flush leaves only in the log are checkpointed once: when the disk is closed, when a
// new log generation starts, or when too many of them have accumulated.
TEST_F(DiskWrite, FlushedMetadata_IsCheckpointedLater) {
  const ImageSpec spec = DynamicImage();
  const uint64_t bat = testing::PlanLayout(spec).bat.file_offset;
  const auto entry_in_file = [&] {
    const std::vector<std::byte> bytes = files_.Contents(kPath)->Bytes();
    return bytes[bat] != std::byte{0};
  };
  for (const size_t allowed : {size_t{0}, size_t{1}}) {
    (void)files_.Remove(kPath);
    Put(kPath, spec);
    auto disk = Open({.pages_in_log_only = allowed});
    EXPECT_EQ(OutcomeOf(disk->Write(0, Filled(4096, 1))), "ok");
    EXPECT_EQ(OutcomeOf(disk->Flush()), "ok");
    EXPECT_EQ(entry_in_file(), allowed == 0);
    EXPECT_EQ(ReadAgain({0, 4096}), Filled(4096, 1));  // which replays
    EXPECT_EQ(OutcomeOf(disk->Close()), "ok");
    EXPECT_TRUE(entry_in_file());
    ExpectClean();
  }
}

TEST_F(DiskWrite, OverwritingOnly_NeedsNoLog) {
  ImageSpec spec = DynamicImage();
  spec.blocks = {FullBlock(0)};
  Put(kPath, spec);
  const HeaderInfo before = Header();
  {
    auto disk = Open();
    EXPECT_EQ(OutcomeOf(disk->Write(4096, Filled(4096, 9))), "ok");
    EXPECT_EQ(OutcomeOf(disk->Close()), "ok");
    EXPECT_EQ(disk->counters().log_entries, 0U);
  }
  const HeaderInfo after = Header();
  EXPECT_NE(after.data_write_guid, before.data_write_guid);
  EXPECT_NE(after.file_write_guid, before.file_write_guid);
  EXPECT_EQ(after.sequence_number, before.sequence_number + 2);
  EXPECT_EQ(ReadAgain({4096, 4096}), Filled(4096, 9));
  ExpectClean();
}

TEST_F(DiskWrite, BothHeaders_SayTheSame) {
  Put(kPath, DynamicImage());
  auto disk = Open();
  EXPECT_EQ(OutcomeOf(disk->Write(0, Filled(512, 1))), "ok");
  EXPECT_EQ(OutcomeOf(disk->Flush()), "ok");
  const auto info = Inspect(files_, kPath, {.images = {.lock = LockPolicy::kIgnore}})->image;
  ASSERT_TRUE(info.headers[0] && info.headers[1]);
  EXPECT_EQ(info.headers[0]->data_write_guid, info.headers[1]->data_write_guid);
  EXPECT_EQ(info.headers[0]->log_guid, info.headers[1]->log_guid);
  EXPECT_FALSE(info.headers[0]->log_guid.IsZero());
}

TEST_F(DiskWrite, TrimOfABlock_FreesItsSpaceForTheNext) {
  Put(kPath, DynamicImage());
  auto disk = Open();
  EXPECT_EQ(OutcomeOf(disk->Write(0, Filled(2 * kMiB, 1))), "ok");
  EXPECT_EQ(OutcomeOf(disk->Flush()), "ok");
  EXPECT_EQ(OutcomeOf(disk->Trim({0, 2 * kMiB})), "ok");
  EXPECT_EQ(Read(*disk, {0, 4096}), Filled(4096, 0));
  // Not before the trim is durable: a crash would give the new bytes to the old block.
  EXPECT_EQ(OutcomeOf(disk->Write(2 * kMiB, Filled(512, 2))), "ok");
  EXPECT_EQ(disk->counters().reused_blocks, 0U);
  EXPECT_EQ(OutcomeOf(disk->Flush()), "ok");
  EXPECT_EQ(OutcomeOf(disk->Write(4 * kMiB, Filled(512, 3))), "ok");
  EXPECT_EQ(disk->counters().reused_blocks, 1U);
  EXPECT_EQ(Read(*disk, {4 * kMiB, 1024}).at(512), std::byte{0});
  EXPECT_EQ(OutcomeOf(disk->Close()), "ok");
  ExpectClean();
  EXPECT_EQ(ReadAgain({0, 4096}), Filled(4096, 0));
}

TEST_F(DiskWrite, TrimOfManyBlocks_PunchesOnceARun) {
  constexpr uint64_t kBlocks = 100;
  ImageSpec spec = DynamicImage({.disk_size = 2 * kBlocks * kMiB, .block_size = 2 * kMiB});
  spec.blocks = testing::FullBlocks(kBlocks);
  // Two have changed places: that makes three runs of each half.
  std::swap(spec.blocks[3], spec.blocks[70]);
  Put(kPath, spec);
  const auto in_file = files_.Contents(kPath)->Bytes().size();
  auto disk = Open();
  EXPECT_EQ(OutcomeOf(disk->Write(50 * 2 * kMiB, Filled(512, 1))), "ok");
  EXPECT_EQ(OutcomeOf(disk->Flush()), "ok");
  const size_t before = record_->Count(testing::FileCall::kPunchHole);
  EXPECT_EQ(OutcomeOf(disk->Trim({0, 50 * 2 * kMiB})), "ok");
  EXPECT_EQ(OutcomeOf(disk->WriteZeroes({51 * 2 * kMiB, 49 * 2 * kMiB})), "ok");
  EXPECT_EQ(record_->Count(testing::FileCall::kPunchHole), before + 6);
  EXPECT_EQ(disk->counters().punches, 6U);
  EXPECT_EQ(disk->counters().freed_blocks, kBlocks - 1);
  EXPECT_EQ(Read(*disk, {0, 50 * 2 * kMiB}), Filled(50 * 2 * kMiB, 0));
  EXPECT_EQ(Read(*disk, {50 * 2 * kMiB, 512}), Filled(512, 1));
  // The freed space is allocated again, and not padded: it is zeroed space.
  EXPECT_EQ(OutcomeOf(disk->Flush()), "ok");
  for (uint64_t block = 0; block < 50; ++block) {
    EXPECT_EQ(OutcomeOf(disk->Write(block * 2 * kMiB + 512, Filled(512, 2))), "ok");
  }
  EXPECT_EQ(disk->counters().reused_blocks, 50U);
  EXPECT_EQ(disk->counters().padding_bytes, 0U);
  EXPECT_EQ(Read(*disk, {20 * 2 * kMiB, 512}), Filled(512, 0));
  EXPECT_EQ(OutcomeOf(disk->Close()), "ok");
  EXPECT_LE(files_.Contents(kPath)->Bytes().size(), in_file);
  ExpectClean();
}

// Space between blocks is stale; a bitmap that is allocated there has no bits but its own.
TEST_F(DiskWrite, BitmapInUsedSpace_HasNoOldBits) {
  const ImageSpec base = DynamicImage();
  Put("/vm/base.vhdx", base);
  ImageSpec child = ChildOf(base, ".\\base.vhdx");
  child.blocks = {FullBlock(0, 32 * kMiB)};
  Put(kPath, child);
  const testing::ImageLayout layout = testing::PlanLayout(child);
  const uint64_t gap = layout.bat.file_offset + layout.bat.length_bytes;
  ASSERT_GT(gap, layout.metadata.file_offset);
  files_.Contents(kPath)->Write(gap, Filled(32 * kMiB - gap, 0xFF));
  {
    auto disk = Open();
    EXPECT_EQ(OutcomeOf(disk->Write(child.parameters.block_size_bytes, Filled(512, 1))), "ok");
    EXPECT_GE(disk->counters().reused_blocks, 1U);
    EXPECT_EQ(OutcomeOf(disk->Close()), "ok");
  }
  const std::vector<std::byte> bytes = files_.Contents(kPath)->Bytes();
  const uint64_t index = format::BatGeometry(child.parameters).BitmapIndex(0);
  const format::BatEntry entry(LoadFrom<le64>(
      std::span(bytes).subspan(layout.bat.file_offset + index * format::kBatEntrySize)));
  ASSERT_EQ(entry.bitmap_state(), format::kBitmapPresent);
  ASSERT_LT(entry.file_offset(), 32 * kMiB);
  const auto bitmap = std::span(bytes).subspan(entry.file_offset(), format::kSectorBitmapBlockSize);
  EXPECT_EQ(std::ranges::count(bitmap, std::byte{0}), std::ssize(bitmap) - 1);
  EXPECT_EQ(std::ranges::count(bitmap, std::byte{1}), 1);
}

TEST_F(DiskWrite, Child_KeepsTheParentUnderWhatIsNotWritten) {
  ImageSpec base = DynamicImage();
  base.blocks = {FullBlock(0), FullBlock(1)};
  Put("/vm/base.vhdx", base);
  ImageSpec child = ChildOf(base, ".\\base.vhdx");
  Put(kPath, child);
  const testing::DiskModel model({child, base});
  const auto parent_before = files_.Contents("/vm/base.vhdx")->Bytes();
  {
    auto disk = Open();
    EXPECT_EQ(OutcomeOf(disk->Write(4096, Filled(512, 5))), "ok");
    EXPECT_EQ(OutcomeOf(disk->WriteZeroes({8192, 1024})), "ok");
    EXPECT_EQ(OutcomeOf(disk->Trim({2 * kMiB, 2 * kMiB})), "ok");
    EXPECT_EQ(OutcomeOf(disk->Write(2 * kMiB + 512, Filled(512, 6))), "ok");
    EXPECT_EQ(OutcomeOf(disk->Close()), "ok");
  }
  auto expected = model.ExpectedBytes({0, 4 * kMiB});
  std::fill_n(expected.begin() + 4096, 512, std::byte{5});
  std::fill_n(expected.begin() + 8192, 1024, std::byte{0});
  std::fill_n(expected.begin() + 2 * kMiB, 2 * kMiB, std::byte{0});
  std::fill_n(expected.begin() + 2 * kMiB + 512, 512, std::byte{6});
  EXPECT_EQ(ReadAgain({0, 4 * kMiB}), expected);
  EXPECT_EQ(files_.Contents("/vm/base.vhdx")->Bytes(), parent_before);
  ExpectClean();
}

TEST_F(DiskWrite, ChildBlockAtTheEndOfTheDisk_HasNoOldBytesBehindIt) {
  const ImageSpec base = DynamicImage({.disk_size = 3 * kMiB});
  Put("/vm/base.vhdx", base);
  ImageSpec child = ChildOf(base, ".\\base.vhdx");
  child.blocks = {FullBlock(0)};
  const uint64_t gap = testing::PlanLayout(child).block_offsets.at(0);
  child.first_block_offset = gap + 4 * kMiB;
  Put(kPath, child);
  files_.Contents(kPath)->Write(gap, Filled(4 * kMiB, 0xEE));
  auto disk = Open();
  EXPECT_EQ(OutcomeOf(disk->Write(2 * kMiB, Filled(512, 1))), "ok");
  const auto extents = disk->Extents({2 * kMiB, 512}, 1);
  ASSERT_TRUE(extents);
  const uint64_t place = extents->front().place->file_offset;
  ASSERT_LT(place, gap + 4 * kMiB);
  std::vector<std::byte> behind(kMiB);
  ASSERT_TRUE((*files_.Open(kPath, {}))->ReadExactAt(place + kMiB, behind));
  EXPECT_EQ(behind, Filled(kMiB, 0));
}

TEST_F(DiskWrite, ChildBlockWrittenInParts_BecomesFullyPresent) {
  ImageSpec base = DynamicImage({.disk_size = 16 * kMiB, .block_size = kMiB});
  base.blocks = {FullBlock(0)};
  Put("/vm/base.vhdx", base);
  Put(kPath, ChildOf(base, ".\\base.vhdx"));
  auto disk = Open();
  for (uint64_t part = 0; part < 4; ++part) {
    EXPECT_EQ(OutcomeOf(disk->Write(part * 256 * kKiB, Filled(256 * kKiB, 8))), "ok");
  }
  EXPECT_EQ(OutcomeOf(disk->Close()), "ok");
  const auto extents =
      (*Disk::Open(files_, kPath, {.chain = {.images = {.lock = LockPolicy::kIgnore}}}))
          ->Extents({0, kMiB}, 10);
  ASSERT_TRUE(extents);
  ASSERT_EQ(extents->size(), 1U);
  EXPECT_EQ(ReadAgain({0, kMiB}), Filled(kMiB, 8));
  ExpectClean();
}

TEST_F(DiskWrite, PartsOfSectors_AreWrittenByReadingTheRest) {
  Put(kPath, DynamicImage({.logical_sector_size = 4096}));
  auto disk = Open();
  EXPECT_EQ(OutcomeOf(disk->Write(100, Filled(50, 1))), "ok");
  EXPECT_EQ(OutcomeOf(disk->Write(4000, Filled(10000, 2))), "ok");
  EXPECT_EQ(OutcomeOf(disk->WriteZeroes({4090, 10})), "ok");
  const auto bytes = Read(*disk, {0, 16384});
  EXPECT_EQ(bytes[99], std::byte{0});
  EXPECT_EQ(bytes[100], std::byte{1});
  EXPECT_EQ(bytes[149], std::byte{1});
  EXPECT_EQ(bytes[150], std::byte{0});
  EXPECT_EQ(bytes[4089], std::byte{2});
  EXPECT_EQ(bytes[4090], std::byte{0});
  EXPECT_EQ(bytes[4100], std::byte{2});
  EXPECT_EQ(bytes[13999], std::byte{2});
  EXPECT_EQ(bytes[14000], std::byte{0});
}

// A file that waits, once, before it writes at one offset, or before it punches a hole.
class PausingFile final : public ForwardingFile {
 public:
  struct Pause {
    uint64_t file_offset = 0;
    bool at_punch = false;
    std::promise<void> reached;
    std::promise<void> go_on;
  };
  PausingFile(std::unique_ptr<File> file, Pause& pause)
      : ForwardingFile(std::move(file)), pause_(pause) {}

  using File::WriteAt;
  Result<void> WriteAt(uint64_t file_offset, std::span<const ByteSpan> buffers) override {
    if (pause_.file_offset != 0 && file_offset == pause_.file_offset) {
      pause_.file_offset = 0;
      Wait();
    }
    return ForwardingFile::WriteAt(file_offset, buffers);
  }
  Result<void> PunchHole(FileRange range) override {
    if (std::exchange(pause_.at_punch, false)) Wait();
    return ForwardingFile::PunchHole(range);
  }

 private:
  void Wait() {
    pause_.reached.set_value();
    pause_.go_on.get_future().wait();
  }

  Pause& pause_;
};

class PausingFileSystem final : public ForwardingFileSystem {
 public:
  PausingFileSystem(FileSystem& files, PausingFile::Pause& pause)
      : ForwardingFileSystem(files), pause_(pause) {}
  Result<std::unique_ptr<File>> Open(const std::string& path,
                                     const OpenFileOptions& options) override {
    auto file = ForwardingFileSystem::Open(path, options);
    if (!file) return file;
    return std::make_unique<PausingFile>(*std::move(file), pause_);
  }

 private:
  PausingFile::Pause& pause_;
};

TEST_F(DiskWrite, ZerosInsideOfASectorOfZeros_AllocateNothing) {
  Put(kPath, DynamicImage());
  auto disk = Open();
  EXPECT_EQ(OutcomeOf(disk->WriteZeroes({512 + 10, 100})), "ok");
  EXPECT_EQ(OutcomeOf(disk->Trim({2 * kMiB + 10, 1000})), "ok");
  EXPECT_EQ(disk->counters().allocations, 0U);
  EXPECT_EQ(OutcomeOf(disk->Write(512 + 10, Filled(1, 1))), "ok");
  EXPECT_EQ(disk->counters().allocations, 1U);
  EXPECT_EQ(OutcomeOf(disk->Trim({512, 100})), "ok");
  EXPECT_EQ(Read(*disk, {512, 512}), Filled(512, 0));
}

TEST_F(DiskWrite, NothingToWrite_CostsNothing) {
  Put(kPath, DynamicImage());
  auto disk = Open();
  record_->Clear();
  EXPECT_EQ(OutcomeOf(disk->Write(0, ByteSpan(), WriteFlag::kFua)), "ok");
  EXPECT_EQ(OutcomeOf(disk->Write(1, ByteSpan())), "ok");
  EXPECT_EQ(OutcomeOf(disk->WriteZeroes({512, 0})), "ok");
  EXPECT_EQ(OutcomeOf(disk->Trim({512, 0})), "ok");
  EXPECT_TRUE(record_->Calls().empty());
}

// The entries are durable already when the space comes back: a flush that has no page to log makes
// the hole durable.
TEST_F(DiskWrite, SpaceFreedAfterItsCommit_IsFreeAfterTheNext) {
  ImageSpec spec = DynamicImage({.disk_size = 8 * kMiB, .block_size = 2 * kMiB});
  spec.blocks = testing::FullBlocks(4);
  Put(kPath, spec);
  PausingFile::Pause pause;
  PausingFileSystem files(files_, pause);
  auto disk = Disk::Open(files, kPath, {.access = DiskAccess::kReadWrite});
  ASSERT_TRUE(disk);
  EXPECT_EQ(OutcomeOf((*disk)->Write(6 * kMiB, Filled(512, 1))), "ok");
  pause.at_punch = true;
  std::thread trim([&] { EXPECT_EQ(OutcomeOf((*disk)->Trim({0, 4 * kMiB})), "ok"); });
  pause.reached.get_future().wait();
  EXPECT_EQ(OutcomeOf((*disk)->Flush()), "ok");  // the entries of both blocks
  EXPECT_EQ(OutcomeOf((*disk)->Write(0, Filled(512, 3))), "ok");
  EXPECT_EQ((*disk)->counters().reused_blocks, 0U);
  pause.go_on.set_value();
  trim.join();
  EXPECT_EQ(OutcomeOf((*disk)->Flush()), "ok");
  EXPECT_EQ(OutcomeOf((*disk)->Write(2 * kMiB, Filled(512, 4))), "ok");
  EXPECT_EQ((*disk)->counters().reused_blocks, 1U);
  EXPECT_EQ(OutcomeOf((*disk)->Close()), "ok");
  disk->reset();
  EXPECT_EQ(ReadAgain({0, 512}), Filled(512, 3));
  EXPECT_EQ(ReadAgain({2 * kMiB, 512}), Filled(512, 4));
  EXPECT_EQ(ReadAgain({2 * kMiB + 512, 512}), Filled(512, 0));
  ExpectClean();
}

// Bits that the file holds for an unallocated block mean nothing, and are cleared when the block is
// allocated. Here they are set again at once, while the page is checkpointed as it was: it must not
// be taken for the page as it is.
TEST_F(DiskWrite, PageOfBitsThatChangesThereAndBack_IsLoggedAgain) {
  const uint64_t page = PutChildWithLeftoverBits();
  PausingFile::Pause pause;
  PausingFileSystem files(files_, pause);
  auto disk = OpenDisk(files, kPath, {.access = DiskAccess::kReadWrite}, {.pages_in_log_only = 0});
  ASSERT_TRUE(disk);
  EXPECT_EQ(OutcomeOf((*disk)->Write(0, Filled(512, 9))), "ok");
  pause.file_offset = page;
  std::thread flush([&] { EXPECT_EQ(OutcomeOf((*disk)->Flush()), "ok"); });
  pause.reached.get_future().wait();
  EXPECT_EQ(OutcomeOf((*disk)->Write(2 * kMiB, Filled(512, 9))), "ok");
  EXPECT_EQ(OutcomeOf((*disk)->Write(2 * kMiB + 512, Filled(512, 9))), "ok");
  pause.go_on.set_value();
  flush.join();
  EXPECT_EQ(OutcomeOf((*disk)->Flush()), "ok");
  EXPECT_EQ(OutcomeOf((*disk)->Close()), "ok");
  disk->reset();
  EXPECT_EQ(ReadAgain({2 * kMiB, 1024}), Filled(1024, 9));
}

TEST_F(DiskWrite, FixedDisk_KeepsItsBlocks) {
  Put(kPath, FixedImage({.disk_size = 8 * kMiB}));
  auto disk = Open();
  EXPECT_EQ(OutcomeOf(disk->Trim({0, 8 * kMiB})), "ok");
  EXPECT_EQ(Read(*disk, {0, 8 * kMiB}), Filled(8 * kMiB, 0));
  EXPECT_EQ(OutcomeOf(disk->Close()), "ok");
  EXPECT_EQ(disk->counters().freed_blocks, 0U);
  const auto extents =
      (*Disk::Open(files_, kPath, {.chain = {.images = {.lock = LockPolicy::kIgnore}}}))
          ->Extents({0, 8 * kMiB}, 10);
  ASSERT_TRUE(extents);
  EXPECT_EQ(extents->front().kind, ExtentKind::kData);
  ExpectClean();
}

// QEMU makes such disks: every block is zero, and the file is as long as if all were allocated.
TEST_F(DiskWrite, FixedDiskWithoutBlocks_KeepsSpaceForEveryBlock) {
  ImageSpec spec = FixedImage({.disk_size = 8 * kMiB});
  spec.blocks = {FullBlock(0), FullBlock(3)};
  const uint64_t used = testing::PlanLayout(spec).end;
  Put(kPath, spec);
  const uint64_t whole = used + 4 * kMiB;
  files_.Contents(kPath)->Write(used, Filled(6 * kMiB, 0xEE));  // 2 MiB more than it needs
  {
    auto disk = Open();
    EXPECT_EQ(OutcomeOf(disk->Write(2 * kMiB, Filled(512, 1))), "ok");
    EXPECT_EQ(Read(*disk, {2 * kMiB + 512, 2 * kMiB - 512}), Filled(2 * kMiB - 512, 0));
    EXPECT_EQ(OutcomeOf(disk->Flush()), "ok");
    EXPECT_EQ(files_.Contents(kPath)->size(), whole);
    EXPECT_EQ(OutcomeOf(disk->Close()), "ok");
  }
  EXPECT_EQ(files_.Contents(kPath)->size(), whole);
  {
    auto disk = Open();
    EXPECT_EQ(OutcomeOf(disk->Write(4 * kMiB, Filled(512, 2))), "ok");
    EXPECT_EQ(OutcomeOf(disk->Close()), "ok");
  }
  EXPECT_EQ(files_.Contents(kPath)->size(), whole);
  EXPECT_EQ(ReadAgain({2 * kMiB, 512}), Filled(512, 1));
  ExpectClean();
}

TEST_F(DiskWrite, SmallLog_BeginsAgainWhenItIsFull) {
  Put(kPath, DynamicImage({.disk_size = 8 * kGiB, .block_size = kMiB}));
  auto disk = Open({.log_sectors = 8, .pages_per_entry = 1});
  for (uint64_t i = 0; i < 64; ++i) {
    const uint64_t offset = i * 100 * kMiB;
    EXPECT_EQ(OutcomeOf(disk->Write(offset, Filled(512, static_cast<uint8_t>(i + 1)))), "ok");
    if (i % 8 == 7) {
      EXPECT_EQ(OutcomeOf(disk->Flush()), "ok");
    }
  }
  EXPECT_GT(disk->counters().log_restarts, 3U);
  EXPECT_EQ(OutcomeOf(disk->Close()), "ok");
  for (uint64_t i = 0; i < 64; ++i) {
    EXPECT_EQ(ReadAgain({i * 100 * kMiB, 512}), Filled(512, static_cast<uint8_t>(i + 1)));
  }
  ExpectClean();
}

TEST_F(DiskWrite, ManyThreads_EachReadTheirOwn) {
  ImageSpec base = DynamicImage({.disk_size = 64 * kMiB, .block_size = kMiB});
  base.blocks = {FullBlock(0), FullBlock(3), FullBlock(10)};
  Put("/vm/base.vhdx", base);
  Put(kPath, ChildOf(base, ".\\base.vhdx"));
  auto disk = Open({.log_sectors = 16});
  constexpr unsigned kThreads = 8;
  constexpr uint64_t kShare = 8 * kKiB;  // of each MiB, for each thread
  std::vector<std::jthread> threads;
  std::vector<std::string> failures(kThreads);
  for (unsigned t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      std::mt19937_64 random(t);
      std::vector<int> expected(64, -1);
      for (int i = 0; i < 400 && failures[t].empty(); ++i) {
        const uint64_t block = random() % 64;
        const DiskRange range{block * kMiB + t * kShare, kShare};
        switch (random() % 5) {
          case 0:
            if (!disk->Flush()) failures[t] = "flush";
            break;
          case 1:
            if (!disk->WriteZeroes(range)) failures[t] = "zeroes";
            expected[block] = 0;
            break;
          case 2:
          case 3: {
            const auto value = static_cast<uint8_t>(random() % 255 + 1);
            if (!disk->Write(range.disk_offset, Filled(kShare, value))) failures[t] = "write";
            expected[block] = value;
            break;
          }
          default: {
            std::vector<std::byte> found(kShare);
            if (!disk->Read(range.disk_offset, found)) failures[t] = "read";
            if (expected[block] >= 0 &&
                found != Filled(kShare, static_cast<uint8_t>(expected[block]))) {
              failures[t] = "wrong bytes in block " + std::to_string(block);
            }
          }
        }
      }
    });
  }
  threads.clear();
  for (const std::string& failure : failures) EXPECT_EQ(failure, "");
  EXPECT_EQ(OutcomeOf(disk->Close()), "ok");
  ExpectClean();
}

}  // namespace
}  // namespace vhdx

#include <gtest/gtest.h>
#include <vhdxkit/disk.h>
#include <vhdxkit/forwarding_file.h>
#include <vhdxkit/inspect.h>

#include <algorithm>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "bytes/arithmetic.h"
#include "bytes/zeros.h"
#include "testing/image_builder.h"
#include "testing/memory_file_system.h"
#include "testing/outcome.h"

namespace vhdx {
namespace {

using testing::BlockPattern;
using testing::ChildOf;
using testing::DynamicImage;
using testing::FullBlock;
using testing::ImageSpec;
using testing::MemoryFileSystem;
using testing::OutcomeOf;
using testing::PartialBlock;
using testing::StateBlock;
using testing::TestGuid;
using testing::ZeroBlock;

std::vector<std::byte> PatternBytes(const BlockPattern& pattern, DiskRange range) {
  std::vector<std::byte> bytes(range.length_bytes);
  testing::FillPattern(pattern, range.disk_offset, bytes);
  return bytes;
}

std::vector<std::byte> ReadFrom(Disk& disk, DiskRange range) {
  std::vector<std::byte> bytes(range.length_bytes);
  auto read = disk.Read(range.disk_offset, bytes);
  EXPECT_TRUE(read) << (read ? "" : read.error().sentence);
  return bytes;
}

class DiskOf : public ::testing::Test {
 protected:
  void Put(const std::string& path, const ImageSpec& spec) {
    (void)files_.Remove(path);  // a test may put another one in its place
    auto built = testing::BuildAt(spec, files_, path);
    ASSERT_TRUE(built) << built.error().sentence;
  }

  std::unique_ptr<Disk> Open(const std::string& path, const ChainOptions& chain = {}) {
    auto disk = Disk::Open(files_, path, {.chain = chain});
    EXPECT_TRUE(disk) << disk.error().sentence;
    return disk ? *std::move(disk) : nullptr;
  }

  std::string OutcomeOfOpening(const std::string& path, const ChainOptions& chain = {}) {
    return OutcomeOf(Disk::Open(files_, path, {.chain = chain}));
  }

  // Makes /vm/base.vhdx, and `child_path` on top of it by the relative path given.
  void PutPair(const std::string& child_path, const std::string& relative_path) {
    base_.blocks = {FullBlock(0), FullBlock(1), FullBlock(2)};
    Put("/vm/base.vhdx", base_);
    child_ = ChildOf(base_, relative_path);
    child_.blocks = {PartialBlock(0, {{8, 8}}), ZeroBlock(1)};
    Put(child_path, child_);
  }

  MemoryFileSystem files_;
  ImageSpec base_ = DynamicImage();
  ImageSpec child_;
};

TEST_F(DiskOf, OneImage_ReadsItsBlocksAndZeros) {
  base_.blocks = {FullBlock(1), ZeroBlock(2), StateBlock(3, format::PayloadState::kUnmapped),
                  StateBlock(4, format::PayloadState::kUndefined),
                  StateBlock(5, format::PayloadState::kOldUnmapped)};
  Put("/a.vhdx", base_);
  auto disk = Open("/a.vhdx");
  EXPECT_EQ(disk->size_bytes(), 64 * kMiB);
  EXPECT_EQ(ReadFrom(*disk, {2 * kMiB, 2 * kMiB}),
            PatternBytes(base_.pattern, {2 * kMiB, 2 * kMiB}));
  EXPECT_TRUE(IsAllZero(ReadFrom(*disk, {0, 2 * kMiB})));
  EXPECT_TRUE(IsAllZero(ReadFrom(*disk, {4 * kMiB, 60 * kMiB})));
}

TEST_F(DiskOf, ReadAcrossBlocksInAnyOrderInTheFile_IsWhole) {
  base_.blocks = {FullBlock(0, 30 * kMiB), FullBlock(1, 20 * kMiB), FullBlock(2, 22 * kMiB)};
  Put("/a.vhdx", base_);
  auto disk = Open("/a.vhdx");
  const DiskRange range{kMiB + 7, 4 * kMiB + 11};
  EXPECT_EQ(ReadFrom(*disk, range), PatternBytes(base_.pattern, range));
}

TEST_F(DiskOf, ReadPastTheEnd_IsRefused) {
  Put("/a.vhdx", base_);
  auto disk = Open("/a.vhdx");
  std::vector<std::byte> buffer(2);
  EXPECT_EQ(OutcomeOf(disk->Read(64 * kMiB - 1, buffer)), "invalid-argument");
  EXPECT_EQ(OutcomeOf(disk->Read(~uint64_t{0}, buffer)), "invalid-argument");
  EXPECT_TRUE(disk->Read(64 * kMiB, std::span<std::byte>()));
  EXPECT_EQ(OutcomeOf(disk->Write(0, buffer)), "read-only");
}

TEST_F(DiskOf, BrokenEntry_FailsItsRequestsAndNoOthers) {
  base_.blocks = {FullBlock(0), StateBlock(1, format::PayloadState::kReserved),
                  FullBlock(2, 900 * kMiB)};
  base_.file_size = 40 * kMiB;
  Put("/a.vhdx", base_);
  auto disk = Open("/a.vhdx");
  EXPECT_EQ(ReadFrom(*disk, {0, kMiB}), PatternBytes(base_.pattern, {0, kMiB}));
  std::vector<std::byte> buffer(512);
  const uint64_t bat = testing::PlanLayout(base_).bat.file_offset;
  EXPECT_EQ(OutcomeOf(disk->Read(2 * kMiB, buffer)), "bat.entry.state@" + std::to_string(bat + 8));
  EXPECT_EQ(OutcomeOf(disk->Read(4 * kMiB, buffer)),
            "bat.entry.beyond-eof@" + std::to_string(bat + 16));
  const auto before = disk->Extents({0, 6 * kMiB}, 100);
  ASSERT_EQ(OutcomeOf(before), "ok");
  EXPECT_EQ(before->back().range.end(), 2 * kMiB) << "the list goes past the broken block";
  EXPECT_EQ(OutcomeOf(disk->Extents({2 * kMiB, 4 * kMiB}, 100)),
            "bat.entry.state@" + std::to_string(bat + 8));
}

// A single read does not look for it; whoever reads the whole disk asks.
TEST_F(DiskOf, BlocksInOnePlace_AreRefusedByName) {
  base_.blocks = {FullBlock(0, 16 * kMiB), FullBlock(1), FullBlock(3, 16 * kMiB)};
  Put("/a.vhdx", base_);
  auto disk = Open("/a.vhdx");
  ReadFrom(*disk, {6 * kMiB, kMiB});
  const auto shared = disk->RefuseSharedSpace();
  ASSERT_FALSE(shared);
  EXPECT_EQ(shared.error().rule, "bat.entry.overlap");
  EXPECT_NE(shared.error().found.find("block 3 "), std::string::npos) << shared.error().found;
  EXPECT_NE(shared.error().found.find("block 0 "), std::string::npos) << shared.error().found;
  Put("/b.vhdx", testing::DynamicImage());
  EXPECT_EQ(OutcomeOf(Open("/b.vhdx")->RefuseSharedSpace()), "ok");
}

TEST_F(DiskOf, Child_TakesWhatItHasAndTheRestFromItsParent) {
  PutPair("/vm/child.avhdx", R"(.\base.vhdx)");
  auto disk = Open("/vm/child.avhdx");
  ASSERT_EQ(disk->chain_length(), 2U);
  EXPECT_EQ(ReadFrom(*disk, {0, 4096}), PatternBytes(base_.pattern, {0, 4096}));
  EXPECT_EQ(ReadFrom(*disk, {4096, 4096}), PatternBytes(child_.pattern, {4096, 4096}));
  EXPECT_EQ(ReadFrom(*disk, {8192, 4096}), PatternBytes(base_.pattern, {8192, 4096}));
  EXPECT_TRUE(IsAllZero(ReadFrom(*disk, {2 * kMiB, 2 * kMiB})));
  EXPECT_EQ(ReadFrom(*disk, {4 * kMiB, 2 * kMiB}),
            PatternBytes(base_.pattern, {4 * kMiB, 2 * kMiB}));
}

TEST_F(DiskOf, Extents_SayWhereEachByteIs) {
  PutPair("/vm/child.avhdx", R"(.\base.vhdx)");
  auto disk = Open("/vm/child.avhdx");
  auto extents = disk->Extents({0, disk->size_bytes()}, 100);
  ASSERT_TRUE(extents);
  ASSERT_EQ(extents->size(), 6U);
  const struct {
    uint64_t length;
    ExtentKind kind;
    uint32_t depth;
    bool present;
  } expected[] = {{4096, ExtentKind::kData, 1, true},
                  {4096, ExtentKind::kData, 0, true},
                  {2 * kMiB - 8192, ExtentKind::kData, 1, true},
                  {2 * kMiB, ExtentKind::kZero, 0, true},
                  {2 * kMiB, ExtentKind::kData, 1, true},
                  {58 * kMiB, ExtentKind::kHole, 1, false}};
  uint64_t position = 0;
  for (size_t i = 0; i < extents->size(); ++i) {
    const Extent& extent = (*extents)[i];
    EXPECT_EQ(extent.range, (DiskRange{position, expected[i].length})) << i;
    EXPECT_EQ(extent.kind, expected[i].kind) << i;
    EXPECT_EQ(extent.depth, expected[i].depth) << i;
    EXPECT_EQ(extent.present, expected[i].present) << i;
    if (extent.kind == ExtentKind::kData) {
      std::vector<std::byte> bytes(extent.range.length_bytes);
      auto file = files_.Open(disk->FileOf(extent.depth), {});
      ASSERT_TRUE(file);
      ASSERT_EQ((*file)->identity(), extent.place->file);
      ASSERT_TRUE((*file)->ReadExactAt(extent.place->file_offset, bytes));
      EXPECT_EQ(bytes, ReadFrom(*disk, extent.range)) << i;
    }
    position = extent.range.end();
  }
}

TEST_F(DiskOf, ExtentsInSmallPortions_AreTheSameAsAtOnce) {
  PutPair("/vm/child.avhdx", R"(.\base.vhdx)");
  auto disk = Open("/vm/child.avhdx");
  const auto all = *disk->Extents({0, disk->size_bytes()}, 100);
  std::vector<Extent> portions;
  for (uint64_t position = 0; position < disk->size_bytes();) {
    auto some = disk->Extents({position, disk->size_bytes() - position}, 1);
    ASSERT_TRUE(some);
    ASSERT_EQ(some->size(), 1U);
    portions.push_back(some->front());
    position = some->front().range.end();
  }
  ASSERT_EQ(portions.size(), all.size());
  for (size_t i = 0; i < all.size(); ++i) EXPECT_EQ(portions[i].range, all[i].range) << i;
}

TEST_F(DiskOf, PartialBlockWithoutBitmap_IsRefused) {
  PutPair("/vm/child.avhdx", R"(.\base.vhdx)");
  child_.bitmaps = {{.chunk = 0, .state = 0, .file_offset = 0}};
  Put("/vm/child.avhdx", child_);
  auto disk = Open("/vm/child.avhdx");
  std::vector<std::byte> buffer(512);
  EXPECT_TRUE(OutcomeOf(disk->Read(0, buffer)).starts_with("bat.entry.partial-without-bitmap@"));
}

// -- Finding the parent --

TEST_F(DiskOf, ParentInAFolderBelow_IsFound) {
  PutPair("/child.avhdx", R"(.\vm\base.vhdx)");
  EXPECT_EQ(OutcomeOfOpening("/child.avhdx"), "ok");
}

TEST_F(DiskOf, ParentByAnotherCase_IsFound) {
  PutPair("/child.avhdx", R"(.\VM\Base.VHDX)");
  EXPECT_EQ(OutcomeOfOpening("/child.avhdx"), "ok");
}

TEST_F(DiskOf, ParentElsewhere_IsFoundOnlyWhereItIsAllowed) {
  PutPair("/snapshots/child.avhdx", R"(..\vm\base.vhdx)");
  auto refused = Disk::Open(files_, "/snapshots/child.avhdx", {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().rule, "parent.missing");
  EXPECT_NE(refused.error().sentence.find("--parent-dir /vm"), std::string::npos)
      << refused.error().sentence;
  EXPECT_EQ(refused.error().expected, base_.data_write_guid.ToString());
  EXPECT_LT(refused.error().sentence.size(), 200U) << refused.error().sentence;
  EXPECT_EQ(OutcomeOfOpening("/snapshots/child.avhdx", {.search = {.folders = {"/vm"}}}), "ok");
  EXPECT_EQ(OutcomeOfOpening("/snapshots/child.avhdx", {.search = {.anywhere = true}}), "ok");
}

TEST_F(DiskOf, LinkOutOfTheFolder_IsNotFollowed) {
  PutPair("/snapshots/child.avhdx", R"(.\link.vhdx)");
  files_.AddLink("/snapshots/link.vhdx", "/vm/base.vhdx");
  EXPECT_EQ(Disk::Open(files_, "/snapshots/child.avhdx", {}).error().rule, "parent.missing");
  EXPECT_EQ(OutcomeOfOpening("/snapshots/child.avhdx", {.search = {.folders = {"/vm"}}}), "ok");
}

TEST_F(DiskOf, ParentByTheEndOfAWindowsPath_IsFound) {
  PutPair("/data/child.avhdx", R"(.\nowhere.vhdx)");
  child_.locator = testing::HyperVLocator(
      base_.data_write_guid,
      {.absolute_win32_path = R"(D:\machines\vm\base.vhdx)",
       .relative_path = R"(..\gone\base.vhdx)",
       .volume_path = R"(\\?\Volume{26a21bda-a627-11d7-9931-806e6f6e6963}\x\y.vhdx)"});
  Put("/data/child.avhdx", child_);
  Put("/store/vm/base.vhdx", base_);
  EXPECT_EQ(OutcomeOfOpening("/data/child.avhdx", {.search = {.folders = {"/store"}}}), "ok");
}

TEST_F(DiskOf, RenamedParent_IsFoundByItsIdentity) {
  PutPair("/vm/child.avhdx", R"(.\gone.vhdx)");
  auto disk = Open("/vm/child.avhdx");
  EXPECT_EQ(disk->image_at_open(1).filename, "/vm/base.vhdx");
}

TEST_F(DiskOf, ParentThatIsNamed_CountsWhereverItIs) {
  PutPair("/snapshots/child.avhdx", R"(..\vm\base.vhdx)");
  Put("/backup/copy of base", base_);
  EXPECT_EQ(OutcomeOfOpening("/snapshots/child.avhdx"), "parent.missing");
  auto disk = Open("/snapshots/child.avhdx", {.parents = {"/backup/copy of base"}});
  EXPECT_EQ(disk->image_at_open(1).filename, "/backup/copy of base");
  EXPECT_EQ(OutcomeOfOpening("/snapshots/child.avhdx", {.parents = {"/backup/gone"}}), "not-found");
  EXPECT_EQ(OutcomeOfOpening("/snapshots/child.avhdx", {.parents = {"/snapshots/child.avhdx"}}),
            "invalid-argument");
  EXPECT_EQ(OutcomeOf(Disk::Open(files_, "/snapshots/child.avhdx",
                                 {.access = DiskAccess::kReadWrite,
                                  .chain = {.parents = {"/backup/copy of base"}}})),
            "invalid-argument");
}

// Notes which images are opened past the host's page cache.
class DirectNotes final : public ForwardingFileSystem {
 public:
  using ForwardingFileSystem::ForwardingFileSystem;

  std::set<std::string> direct;

  Result<std::unique_ptr<File>> Open(const std::string& path,
                                     const OpenFileOptions& options) override {
    if (options.direct) direct.insert(path);
    return base().Open(path, options);
  }
};

TEST_F(DiskOf, DirectChain_IsOpenedPastThePageCacheWithAllParents) {
  PutPair("/vm/child.avhdx", R"(.\base.vhdx)");
  DirectNotes notes(files_);
  ASSERT_TRUE(Disk::Open(notes, "/vm/child.avhdx"));
  EXPECT_TRUE(notes.direct.empty());
  ASSERT_TRUE(Disk::Open(notes, "/vm/child.avhdx", {.direct = true}));
  EXPECT_EQ(notes.direct, (std::set<std::string>{"/vm/base.vhdx", "/vm/child.avhdx"}));
  notes.direct.clear();
  ASSERT_TRUE(Disk::Open(notes, "/vm/child.avhdx",
                         {.direct = true, .chain = {.parents = {"/vm/base.vhdx"}}}));
  EXPECT_EQ(notes.direct, (std::set<std::string>{"/vm/base.vhdx", "/vm/child.avhdx"}));
}

TEST_F(DiskOf, OptionThatIsForReadingOnly_IsRefusedForWriting) {
  PutPair("/vm/child.avhdx", R"(.\base.vhdx)");
  const ChainOptions kForReading[] = {
      {.parents = {"/vm/base.vhdx"}}, {.ignore_parent_id = true}, {.images = {.ignore_log = true}}};
  for (const ChainOptions& chain : kForReading) {
    Open("/vm/child.avhdx", chain);
    EXPECT_EQ(OutcomeOf(Disk::Open(files_, "/vm/child.avhdx",
                                   {.access = DiskAccess::kReadWrite, .chain = chain})),
              "invalid-argument");
  }
}

TEST_F(DiskOf, ParentForAnImageThatHasNone_IsRefused) {
  PutPair("/vm/child.avhdx", R"(.\base.vhdx)");
  EXPECT_EQ(OutcomeOfOpening("/vm/base.vhdx", {.parents = {"/vm/child.avhdx"}}),
            "invalid-argument");
  EXPECT_EQ(OutcomeOfOpening("/vm/child.avhdx", {.parents = {"/vm/base.vhdx", "/vm/base.vhdx"}}),
            "invalid-argument");
  EXPECT_EQ(OutcomeOf(Inspect(files_, "/vm/base.vhdx", {.parents = {"/vm/child.avhdx"}})),
            "invalid-argument");
}

TEST_F(DiskOf, ParentWithAnotherIdentity_IsReadIfThatIsIgnored) {
  PutPair("/vm/child.avhdx", R"(.\base.vhdx)");
  base_.data_write_guid = testing::TestGuid(77);
  Put("/vm/base.vhdx", base_);
  EXPECT_EQ(OutcomeOfOpening("/vm/child.avhdx"), "parent.linkage");
  auto disk = Open("/vm/child.avhdx", {.ignore_parent_id = true});
  EXPECT_EQ(OutcomeOf(disk->image_at_open(1).findings), "parent.id-ignored@0");
  EXPECT_EQ(ReadFrom(*disk, {4 * kMiB, kMiB}), PatternBytes(base_.pattern, {4 * kMiB, kMiB}));
  EXPECT_EQ(OutcomeOfOpening("/vm/child.avhdx", {.parents = {"/vm/base.vhdx"}}), "parent.linkage");
  Open("/vm/child.avhdx", {.parents = {"/vm/base.vhdx"}, .ignore_parent_id = true});
}

TEST_F(DiskOf, TwoFilesWithTheParentsIdentity_AreTold) {
  PutPair("/vm/child.avhdx", R"(.\gone.vhdx)");
  Put("/vm/another.vhdx", base_);
  auto disk = Open("/vm/child.avhdx");
  EXPECT_EQ(disk->image_at_open(1).filename, "/vm/another.vhdx") << "the first by name";
  ASSERT_EQ(OutcomeOf(disk->image_at_open(1).findings), "parent.ambiguous@0");
  EXPECT_EQ(disk->image_at_open(1).findings[0].found, "/vm/another.vhdx, /vm/base.vhdx");
}

TEST_F(DiskOf, ParentThatCannotBeRead_IsNamedWithItsReason) {
  PutPair("/vm/child.avhdx", R"(.\base.vhdx)");
  files_.FailAt("/vm/base.vhdx", ErrorCode::kPermission);
  const auto refused = Disk::Open(files_, "/vm/child.avhdx");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kPermission);
  EXPECT_NE(refused.error().sentence.find("/vm/base.vhdx"), std::string::npos)
      << refused.error().sentence;
}

TEST_F(DiskOf, IgnoredLog_IsNotReplayed) {
  ImageSpec spec = base_;
  spec.blocks = {FullBlock(0)};
  spec.log.log_guid = testing::TestGuid(9);
  spec.log.entries = {{.writes = {testing::DataWrite(testing::PlanLayout(spec).bat.file_offset,
                                                     std::vector<std::byte>(4096))}}};
  Put("/a.vhdx", spec);
  EXPECT_EQ(ReadFrom(*Open("/a.vhdx"), {0, 512}), std::vector<std::byte>(512));
  auto disk = Open("/a.vhdx", {.images = {.ignore_log = true}});
  EXPECT_EQ(ReadFrom(*disk, {0, 512}), PatternBytes(spec.pattern, {0, 512}));
  ASSERT_EQ(OutcomeOf(disk->image_at_open(0).findings), "log.ignored@1048576");
  EXPECT_NE(disk->image_at_open(0).findings[0].found.find("1 range, at the file offset 3145728"),
            std::string::npos)
      << disk->image_at_open(0).findings[0].found;
  // Entries that form no sequence: the image opens only so.
  spec.log.entries[0].checksum_xor = 1;
  Put("/b.vhdx", spec);
  EXPECT_EQ(OutcomeOfOpening("/b.vhdx"), "log.sequence-none@1048576");
  Open("/b.vhdx", {.images = {.ignore_log = true}});
}

TEST_F(DiskOf, IdentityMismatchUnderTheParentsName_IsRefusedUnlessTheParentIsThereToo) {
  PutPair("/vm/child.avhdx", R"(.\other.vhdx)");
  ImageSpec mismatch = base_;
  mismatch.data_write_guid = TestGuid(77);
  Put("/vm/other.vhdx", mismatch);
  EXPECT_EQ(OutcomeOfOpening("/vm/child.avhdx"), "ok") << "found by its identity";
  ASSERT_TRUE(files_.Remove("/vm/base.vhdx"));
  EXPECT_EQ(Disk::Open(files_, "/vm/child.avhdx", {}).error().rule, "parent.linkage");
}

TEST_F(DiskOf, SecondLinkage_IsAcceptedUnlessItIsZero) {
  PutPair("/vm/child.avhdx", R"(.\base.vhdx)");
  child_.locator = testing::TwoKeyLocator(TestGuid(50), R"(.\base.vhdx)");
  child_.locator->entries.push_back(
      testing::LocatorEntry("parent_linkage2", testing::LinkageText(base_.data_write_guid)));
  Put("/vm/child.avhdx", child_);
  EXPECT_EQ(OutcomeOfOpening("/vm/child.avhdx"), "ok");

  base_.data_write_guid = Guid{};
  Put("/vm/base.vhdx", base_);
  child_.locator->entries.back() =
      testing::LocatorEntry("parent_linkage2", testing::LinkageText(Guid{}));
  Put("/vm/child.avhdx", child_);
  EXPECT_EQ(Disk::Open(files_, "/vm/child.avhdx", {}).error().rule, "parent.linkage");
}

TEST_F(DiskOf, ParentOfAnotherSectorSize_IsRefused) {
  base_ = DynamicImage({.logical_sector_size = 4096});
  Put("/vm/base.vhdx", base_);
  child_ = ChildOf(base_, R"(.\base.vhdx)");
  child_.parameters.logical_sector_size = 512;
  Put("/vm/child.avhdx", child_);
  EXPECT_EQ(Disk::Open(files_, "/vm/child.avhdx", {}).error().rule, "parent.sector-size");
}

TEST_F(DiskOf, ChainThatComesBackToItself_IsRefused) {
  ImageSpec a = ChildOf(base_, R"(.\b.vhdx)");
  ImageSpec b = ChildOf(base_, R"(.\a.vhdx)");
  a.data_write_guid = TestGuid(21);
  b.data_write_guid = TestGuid(22);
  a.locator = testing::TwoKeyLocator(b.data_write_guid, R"(.\b.vhdx)");
  b.locator = testing::TwoKeyLocator(a.data_write_guid, R"(.\a.vhdx)");
  Put("/a.vhdx", a);
  Put("/b.vhdx", b);
  EXPECT_EQ(Disk::Open(files_, "/a.vhdx", {}).error().rule, "parent.loop");
  // A file that is its own parent.
  a.locator = testing::TwoKeyLocator(a.data_write_guid, R"(.\a.vhdx)");
  Put("/a.vhdx", a);
  EXPECT_EQ(Disk::Open(files_, "/a.vhdx", {}).error().rule, "parent.loop");
}

TEST_F(DiskOf, ChainLongerThanTheLimit_IsRefused) {
  PutPair("/vm/child.avhdx", R"(.\base.vhdx)");
  EXPECT_EQ(OutcomeOfOpening("/vm/child.avhdx", {.max_chain_depth = 2}), "ok");
  EXPECT_EQ(Disk::Open(files_, "/vm/child.avhdx", {.chain = {.max_chain_depth = 1}}).error().rule,
            "parent.depth");
}

TEST_F(DiskOf, Inspect_TellsOfAMissingParentAndOfTheImage) {
  PutPair("/vm/child.avhdx", R"(.\base.vhdx)");
  auto there = Inspect(files_, "/vm/child.avhdx");
  ASSERT_TRUE(there);
  EXPECT_EQ(there->parent->identity, ParentState::Identity::kOk);
  EXPECT_EQ(there->parent->resolved, "/vm/base.vhdx");
  ASSERT_TRUE(files_.Remove("/vm/base.vhdx"));
  auto gone = Inspect(files_, "/vm/child.avhdx");
  ASSERT_TRUE(gone);
  EXPECT_EQ(gone->parent->identity, ParentState::Identity::kMissing);
  EXPECT_EQ(gone->image.parameters.virtual_disk_size_bytes, 64 * kMiB);
}

TEST_F(DiskOf, AllowedFolderThatIsNotThere_IsAnError) {
  PutPair("/vm/child.avhdx", R"(.\base.vhdx)");
  EXPECT_EQ(OutcomeOfOpening("/vm/child.avhdx", {.search = {.folders = {"/nowhere"}}}),
            "not-found");
}

// -- Locks --

TEST_F(DiskOf, ImageThatSomebodyWrites_IsBusy) {
  Put("/a.vhdx", base_);
  auto writer = files_.Open("/a.vhdx", {.access = FileAccess::kReadWrite});
  ASSERT_TRUE(writer);
  ASSERT_TRUE((*writer)->Lock(LockMode::kExclusive));
  EXPECT_EQ(OutcomeOfOpening("/a.vhdx"), "busy");
  EXPECT_EQ(OutcomeOfOpening("/a.vhdx", {.images = {.lock = LockPolicy::kIgnore}}), "ok");
}

TEST_F(DiskOf, Readers_DoNotKeepEachOtherOut) {
  Put("/a.vhdx", base_);
  auto first = Open("/a.vhdx");
  EXPECT_EQ(OutcomeOfOpening("/a.vhdx"), "ok");
}

}  // namespace
}  // namespace vhdx

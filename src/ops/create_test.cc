#include <gtest/gtest.h>
#include <vhdxkit/check.h>
#include <vhdxkit/create.h>
#include <vhdxkit/disk.h>
#include <vhdxkit/dump.h>
#include <vhdxkit/forwarding_file.h>
#include <vhdxkit/inspect.h>

#include <atomic>
#include <map>
#include <string>
#include <vector>

#include "bytes/arithmetic.h"
#include "bytes/zeros.h"
#include "ops/parent_link.h"
#include "testing/fault_file.h"
#include "testing/image_builder.h"
#include "testing/memory_file_system.h"
#include "testing/sha256.h"

namespace vhdx {
namespace {

using testing::MemoryFileSystem;

const std::string kPath = "/vm/new.vhdx";

class CreateIn : public ::testing::Test {
 protected:
  CreateIn() { files_.AddFolder("/vm"); }

  ImageInfo Make(const CreateOptions& options, const std::string& path = kPath) {
    const auto report = Create(files_, path, options);
    EXPECT_TRUE(report) << ToString(report.error());
    const auto checked = Check(files_, path);
    EXPECT_EQ(checked->verdict, CheckVerdict::kClean);
    const auto inspection = Inspect(files_, path);
    EXPECT_EQ(report->file_size_bytes, inspection->image.file_size_bytes);
    return inspection->image;
  }

  void MakeParent(testing::ImageSpec spec = testing::DynamicImage()) {
    spec.blocks = {testing::FullBlock(1)};
    ASSERT_TRUE(testing::BuildAt(spec, files_, "/vm/base.vhdx"));
    parent_ = spec;
  }
  static CreateOptions Child(const std::string& parent = "/vm/base.vhdx") {
    return {.subformat = Subformat::kDifferencing, .parent_path = parent};
  }

  std::vector<std::string> Names() { return *files_.List("/vm", 100); }

  void ExpectRefused(const CreateOptions& options, ErrorCode code, const std::string& words,
                     const std::string& path = kPath) {
    const auto names = Names();
    const auto report = Create(files_, path, options);
    ASSERT_FALSE(report);
    EXPECT_EQ(ErrorCodeName(report.error().code), ErrorCodeName(code));
    EXPECT_NE(report.error().sentence.find(words), std::string::npos) << report.error().sentence;
    EXPECT_EQ(Names(), names);
  }

  std::string Hash(const std::string& path) {
    auto file = *files_.Open(path, {});
    std::vector<std::byte> bytes(*file->Size());
    EXPECT_TRUE(file->ReadExactAt(0, bytes));
    return testing::Sha256Of(bytes);
  }

  MemoryFileSystem files_;
  testing::ImageSpec parent_;
};

// -- What a disk gets --

TEST_F(CreateIn, DynamicDisk_HasTheUsualParameters) {
  const ImageInfo image = Make({.size_bytes = 40 * kGiB});
  EXPECT_EQ(image.parameters.subformat(), Subformat::kDynamic);
  EXPECT_EQ(image.parameters.virtual_disk_size_bytes, 40 * kGiB);
  EXPECT_EQ(image.parameters.block_size_bytes, 32 * kMiB);
  EXPECT_EQ(image.parameters.logical_sector_size, 512U);
  EXPECT_EQ(image.parameters.physical_sector_size, 4096U);
  EXPECT_EQ(image.header().log_length_bytes, 8 * kMiB);
  EXPECT_EQ(image.creator, "vhdxkit");
  EXPECT_EQ(image.headers[0]->data_write_guid, image.headers[1]->data_write_guid);
  EXPECT_EQ(image.headers[0]->file_write_guid, image.headers[1]->file_write_guid);
  EXPECT_NE(image.header().data_write_guid, image.header().file_write_guid);
  EXPECT_FALSE(image.parameters.virtual_disk_id.IsZero());
}

TEST_F(CreateIn, EveryBlockAndSectorSize_IsTaken) {
  for (uint64_t block_size = kMiB; block_size <= 256 * kMiB; block_size *= 2) {
    for (const uint32_t sector_size : {512U, 4096U}) {
      const ImageInfo image = Make({.size_bytes = 4096 * 12345,
                                    .block_size_bytes = block_size,
                                    .log_size_bytes = 3 * kMiB,
                                    .logical_sector_size = sector_size,
                                    .physical_sector_size = sector_size,
                                    .replace_existing = true});
      EXPECT_EQ(image.parameters.block_size_bytes, block_size);
      EXPECT_EQ(image.parameters.logical_sector_size, sector_size);
      EXPECT_EQ(image.parameters.physical_sector_size, sector_size);
      EXPECT_EQ(image.header().log_length_bytes, 3 * kMiB);
    }
  }
}

TEST_F(CreateIn, FixedDisk_HasAllBlocksAndItsLastOneWhole) {
  const ImageInfo image = Make({.subformat = Subformat::kFixed, .size_bytes = 5 * kMiB});
  EXPECT_EQ(image.parameters.block_size_bytes, 2 * kMiB);
  EXPECT_EQ(image.file_size_bytes, (11 + 6) * kMiB);
  auto disk = *Disk::Open(files_, kPath);
  std::vector<std::byte> bytes(5 * kMiB);
  ASSERT_TRUE(disk->Read(0, bytes));
  EXPECT_TRUE(IsAllZero(bytes));
  EXPECT_EQ((*disk->Extents({0, 5 * kMiB}, 10))[0].kind, ExtentKind::kData);
}

TEST_F(CreateIn, PreallocatedDisk_HasNoHole) {
  EXPECT_TRUE(Make({.size_bytes = 5 * kMiB}).host_sparse);
  EXPECT_FALSE(Make({.size_bytes = 5 * kMiB, .preallocate = true}, "/vm/2.vhdx").host_sparse);
  EXPECT_FALSE(Make({.subformat = Subformat::kFixed, .size_bytes = 5 * kMiB, .preallocate = true},
                    "/vm/3.vhdx")
                   .host_sparse);
}

TEST_F(CreateIn, OwnDiskIdAndCreator_AreWritten) {
  const ImageInfo image = Make(
      {.size_bytes = kGiB, .disk_id = testing::TestGuid(77), .creator = "J\xc3\xbcrgen's tool"});
  EXPECT_EQ(image.parameters.virtual_disk_id, testing::TestGuid(77));
  EXPECT_EQ(image.creator, "J\xc3\xbcrgen's tool");
}

TEST_F(CreateIn, RandomBytesOfTheCaller_DecideEveryGuid) {
  const auto same = [](uint8_t seed) {
    return [next = seed](MutableByteSpan bytes) mutable {
      for (std::byte& byte : bytes) byte = std::byte{next++};
      return Result<void>();
    };
  };
  Make({.size_bytes = kGiB, .random = same(1)}, "/vm/1.vhdx");
  Make({.size_bytes = kGiB, .random = same(1)}, "/vm/2.vhdx");
  Make({.size_bytes = kGiB, .random = same(2)}, "/vm/3.vhdx");
  EXPECT_EQ(Hash("/vm/1.vhdx"), Hash("/vm/2.vhdx"));
  EXPECT_NE(Hash("/vm/1.vhdx"), Hash("/vm/3.vhdx"));
}

// -- Children --

TEST_F(CreateIn, Child_TakesFromItsParentAndReadsIt) {
  testing::ImageSpec spec = testing::DynamicImage({.disk_size = 20 * kMiB + 4096});
  spec.parameters.logical_sector_size = 4096;
  MakeParent(spec);
  const ImageInfo image = Make(Child());
  const DiskParameters& mine = image.parameters;
  EXPECT_EQ(mine.subformat(), Subformat::kDifferencing);
  EXPECT_EQ(mine.virtual_disk_size_bytes, 20 * kMiB + 4096);
  EXPECT_EQ(mine.virtual_disk_id, parent_.parameters.virtual_disk_id);
  EXPECT_EQ(mine.logical_sector_size, 4096U);
  EXPECT_EQ(mine.physical_sector_size, parent_.parameters.physical_sector_size);
  EXPECT_EQ(mine.block_size_bytes, 2 * kMiB);
  EXPECT_EQ(image.parent_locator->parent_linkage, parent_.data_write_guid);
  EXPECT_EQ(image.parent_locator->relative_path, ".\\base.vhdx");
  EXPECT_EQ(image.parent_locator->absolute_win32_path, "/vm/base.vhdx");
  auto disk = *Disk::Open(files_, kPath);
  const uint64_t block_size = parent_.parameters.block_size_bytes;
  std::vector<std::byte> bytes(block_size);
  std::vector<std::byte> expected(block_size);
  testing::FillPattern(parent_.pattern, block_size, expected);
  ASSERT_TRUE(disk->Read(block_size, bytes));
  EXPECT_EQ(bytes, expected);
}

TEST_F(CreateIn, ChildOfAChild_LinksToTheOneAbove) {
  MakeParent();
  const ImageInfo first = Make(Child(), "/vm/1.vhdx");
  const ImageInfo second = Make(Child("/vm/1.vhdx"), "/vm/2.vhdx");
  EXPECT_EQ(second.parent_locator->parent_linkage, first.header().data_write_guid);
  EXPECT_EQ((*Disk::Open(files_, "/vm/2.vhdx"))->chain_length(), 3U);
}

TEST_F(CreateIn, ChildInAnotherFolder_FindsItsParentWhereThatIsAllowed) {
  MakeParent();
  files_.AddFolder("/other/place");
  Create(files_, "/other/place/c.vhdx", Child()).value();
  EXPECT_EQ(Inspect(files_, "/other/place/c.vhdx")->image.parent_locator->relative_path,
            "..\\..\\vm\\base.vhdx");
  EXPECT_FALSE(Disk::Open(files_, "/other/place/c.vhdx"));
  EXPECT_TRUE(
      Disk::Open(files_, "/other/place/c.vhdx", {.chain = {.search = {.folders = {"/vm"}}}}));
}

TEST_F(CreateIn, Child_HasTheItemsThatBelongToTheDisk) {
  constexpr uint32_t kUser = 1;
  constexpr uint32_t kUsersDisk = 3;
  testing::ImageSpec spec = testing::DynamicImage();
  spec.parameters.virtual_disk_id = {};
  spec.more_metadata_items = {
      {.item_id = testing::TestGuid(21), .flags = kUser, .data = std::vector<std::byte>(4)},
      {.item_id = testing::TestGuid(22), .flags = kUsersDisk, .data = {std::byte{5}, std::byte{6}}},
      {.item_id = testing::TestGuid(23), .flags = kUsersDisk}};
  MakeParent(spec);
  const ImageInfo child = Make(Child());
  EXPECT_TRUE(child.parameters.virtual_disk_id.IsZero());  // as the parent says
  std::map<Guid, std::vector<std::byte>> users;
  auto dump = *ImageDump::Open(files_, kPath);
  for (const MetadataItemStructure& item : dump->structures().metadata.items) {
    if (!item.info.is_user) continue;
    EXPECT_TRUE(item.info.is_virtual_disk);
    users[item.info.item_id] = *dump->ReadItem(item);
  }
  EXPECT_EQ(users, (std::map<Guid, std::vector<std::byte>>{
                       {testing::TestGuid(22), {std::byte{5}, std::byte{6}}},
                       {testing::TestGuid(23), {}}}));
}

TEST_F(CreateIn, ChildWithOtherSectors_IsRefusedForThat) {
  MakeParent(testing::DynamicImage({.disk_size = 3 * kMiB + 512}));
  CreateOptions options = Child();
  options.logical_sector_size = 4096;
  ExpectRefused(options, ErrorCode::kInvalidArgument, "of its parent, 512 bytes");
}

TEST_F(CreateIn, LargerChild_ReadsZerosBehindItsParent) {
  MakeParent();
  CreateOptions options = Child();
  options.size_bytes = 70 * kMiB;
  EXPECT_EQ(Make(options).parameters.virtual_disk_size_bytes, 70 * kMiB);
  options.size_bytes = 10 * kMiB;
  ExpectRefused(options, ErrorCode::kInvalidArgument, "smaller than its parent", "/vm/2.vhdx");
}

TEST_F(CreateIn, ParentThatSomebodyWrites_IsBusy) {
  MakeParent();
  auto writer = *files_.Open("/vm/base.vhdx", {.access = FileAccess::kReadWrite});
  ASSERT_TRUE(writer->Lock(LockMode::kExclusive));
  ExpectRefused(Child(), ErrorCode::kBusy, "");
}

TEST_F(CreateIn, BrokenParent_IsRefusedWithTheRule) {
  testing::ImageSpec spec = testing::DynamicImage();
  spec.blocks = {testing::FullBlock(0, 30 * kMiB), testing::FullBlock(1, 30 * kMiB)};
  ASSERT_TRUE(testing::BuildAt(spec, files_, "/vm/base.vhdx"));
  ExpectRefused(Child(), ErrorCode::kCorrupt, "the parent is broken");
  EXPECT_EQ(Create(files_, kPath, Child()).error().rule, "bat.entry.overlap");
}

TEST_F(CreateIn, ParentWhoseOwnParentIsGone_IsRefused) {
  MakeParent();
  Make(Child(), "/vm/1.vhdx");
  ASSERT_TRUE(files_.Remove("/vm/base.vhdx"));
  ExpectRefused(Child("/vm/1.vhdx"), ErrorCode::kNotFound, "parent");
}

TEST_F(CreateIn, ParentWithTheLongestChain_IsRefused) {
  const std::string top = *testing::BuildChain(256, files_, "/chain");
  ASSERT_EQ((*Disk::Open(files_, top))->chain_length(), 256U);
  ExpectRefused(Child(top), ErrorCode::kInvalidArgument, "a chain of 256 images");
  EXPECT_EQ(Create(files_, kPath, Child(top)).error().rule, "parent.depth");
  EXPECT_EQ(Create(files_, kPath, Child(top)).error().file, kPath);
  ASSERT_TRUE(Create(files_, kPath, Child("/chain/254.vhdx")));
  EXPECT_TRUE(Disk::Open(files_, kPath, {.chain = {.search = {.folders = {"/chain"}}}}));
}

// A file on a file system with so much left.
class SmallHostFile final : public ForwardingFile {
 public:
  using ForwardingFile::ForwardingFile;
  std::optional<uint64_t> FreeBytes() override { return 100 * kMiB; }
};

class SmallHost final : public ForwardingFileSystem {
 public:
  using ForwardingFileSystem::ForwardingFileSystem;
  Result<std::unique_ptr<File>> Open(const std::string& path,
                                     const OpenFileOptions& options) override {
    auto file = ForwardingFileSystem::Open(path, options);
    if (!file) return file;
    return std::make_unique<SmallHostFile>(*std::move(file));
  }
};

TEST_F(CreateIn, FixedDiskThatDoesNotFit_IsRefusedBeforeItTakesSpace) {
  SmallHost host(files_);
  const auto report =
      Create(host, kPath, {.subformat = Subformat::kFixed, .size_bytes = 101 * kMiB});
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code, ErrorCode::kNoSpace);
  EXPECT_NE(report.error().sentence.find(
                "takes 101 MiB (105906176 bytes), and the file system has 100 MiB"),
            std::string::npos)
      << report.error().sentence;
  EXPECT_TRUE(Create(host, kPath, {.subformat = Subformat::kFixed, .size_bytes = 99 * kMiB}));
  EXPECT_TRUE(Create(host, "/vm/dynamic.vhdx", {.size_bytes = kGiB}));
}

TEST_F(CreateIn, ParentAndTargetThatAreOne_AreRefused) {
  MakeParent();
  CreateOptions options = Child();
  options.replace_existing = true;
  ExpectRefused(options, ErrorCode::kInvalidArgument, "its own parent", "/vm/base.vhdx");
}

TEST_F(CreateIn, ParentThatNoLocatorCanName_IsRefused) {
  ASSERT_TRUE(testing::BuildAt(testing::DynamicImage(), files_, "/vm/a\\b.vhdx"));
  ASSERT_TRUE(testing::BuildAt(testing::DynamicImage(), files_, "/vm/\xff.vhdx"));
  ExpectRefused(Child("/vm/a\\b.vhdx"), ErrorCode::kInvalidArgument, "backslash");
  ExpectRefused(Child("/vm/\xff.vhdx"), ErrorCode::kInvalidArgument, "not valid UTF-8");
}

TEST(RelativeWindowsPath, GoesUpAndDown) {
  EXPECT_EQ(RelativeWindowsPath("/vm", "/vm/a.vhdx"), ".\\a.vhdx");
  EXPECT_EQ(RelativeWindowsPath("/vm", "/vm/x/a.vhdx"), ".\\x\\a.vhdx");
  EXPECT_EQ(RelativeWindowsPath("/vm/x", "/vm/a.vhdx"), "..\\a.vhdx");
  EXPECT_EQ(RelativeWindowsPath("/vm/x/y", "/srv/a.vhdx"), "..\\..\\..\\srv\\a.vhdx");
  EXPECT_EQ(RelativeWindowsPath("/", "/a.vhdx"), ".\\a.vhdx");
  EXPECT_EQ(RelativeWindowsPath("/vm1", "/vm/a.vhdx"), "..\\vm\\a.vhdx");
}

// -- What no disk can have, and what fails on the way --

TEST_F(CreateIn, ImpossibleOptions_AreRefusedInWords) {
  const auto refuse = [this](const CreateOptions& options, const std::string& words) {
    ExpectRefused(options, ErrorCode::kInvalidArgument, words);
  };
  refuse({}, "must not be zero");
  refuse({.size_bytes = 1000}, "1024");
  refuse({.size_bytes = 4096 + 512, .logical_sector_size = 4096}, "8192");
  refuse({.size_bytes = 64 * kTiB + 512}, "64 TiB");
  refuse({.size_bytes = kGiB, .block_size_bytes = 3 * kMiB}, "power of two");
  refuse({.size_bytes = kGiB, .block_size_bytes = 512 * kMiB}, "256 MiB");
  refuse({.size_bytes = kGiB, .block_size_bytes = 512 * kKiB}, "1 MiB");
  refuse({.size_bytes = kGiB, .log_size_bytes = kMiB + 4096}, "log size");
  refuse({.size_bytes = kGiB, .log_size_bytes = 2 * kGiB}, "log size");
  refuse({.size_bytes = kGiB, .logical_sector_size = 520}, "logical sector");
  refuse({.size_bytes = kGiB, .physical_sector_size = 1024}, "physical sector");
  refuse({.size_bytes = kGiB, .creator = std::string(257, 'x')}, "creator");
  refuse({.size_bytes = kGiB, .parent_path = "/vm/base.vhdx"}, "parent");
  refuse({.subformat = Subformat::kDifferencing}, "parent");
}

TEST_F(CreateIn, FileThatIsThere_StaysUnlessItIsToBeReplaced) {
  Make({.size_bytes = kGiB});
  const std::string before = Hash(kPath);
  ExpectRefused({.size_bytes = 2 * kGiB}, ErrorCode::kExists, "--force");
  EXPECT_EQ(Hash(kPath), before);
  Make({.size_bytes = 2 * kGiB, .replace_existing = true});
  EXPECT_NE(Hash(kPath), before);
  EXPECT_EQ(Names().size(), 1U);
}

TEST_F(CreateIn, FileInUse_IsNotReplaced) {
  Make({.size_bytes = kGiB});
  auto reader = *files_.Open(kPath, {});
  ASSERT_TRUE(reader->Lock(LockMode::kShared));
  ExpectRefused({.size_bytes = kGiB, .replace_existing = true}, ErrorCode::kBusy, "");
  ExpectRefused({.size_bytes = kGiB}, ErrorCode::kExists, "the file exists already");
}

TEST_F(CreateIn, Cancelled_LeavesNothing) {
  const std::atomic<bool> cancel = true;
  const auto report = Create(files_, kPath, {.subformat = Subformat::kFixed, .size_bytes = kGiB},
                             {.cancel = &cancel});
  EXPECT_EQ(report.error().code, ErrorCode::kCancelled);
  EXPECT_TRUE(Names().empty());
}

TEST_F(CreateIn, AnyCallThatFails_LeavesNothing) {
  const CreateOptions options{.subformat = Subformat::kFixed,
                              .size_bytes = 3 * kMiB,
                              .block_size_bytes = kMiB,
                              .log_size_bytes = kMiB,
                              .preallocate = true,
                              .sync = true};
  uint64_t failures = 0;
  for (uint64_t nth = 1;; ++nth) {
    const auto plan = std::make_shared<testing::FaultPlan>();
    testing::FaultFileSystem faulty(files_, plan);
    plan->Add({.nth = nth, .length = testing::FaultLength::kOnce, .code = ErrorCode::kNoSpace});
    const auto report = Create(faulty, kPath, options);
    if (plan->fired() == 0) break;
    const auto removed = files_.Remove(kPath);
    if (!report) {
      ++failures;
      // The name may be there if only making it durable failed; half an image never is.
      EXPECT_EQ(Names(), std::vector<std::string>()) << "call " << nth;
      continue;
    }
    EXPECT_TRUE(removed) << "call " << nth;
  }
  EXPECT_GT(failures, 20U);
}

TEST_F(CreateIn, NameThatCannotBeMadeDurable_LeavesTheCompleteFile) {
  const auto plan = std::make_shared<testing::FaultPlan>();
  testing::FaultFileSystem faulty(files_, plan);
  for (const uint64_t size : {kGiB, 2 * kGiB}) {  // a new file, and one that replaces it
    plan->Add({.call = testing::FileCall::kSyncFolder});
    const auto report =
        Create(faulty, kPath, {.size_bytes = size, .replace_existing = true, .sync = true});
    ASSERT_FALSE(report);
    EXPECT_EQ(report.error().code, ErrorCode::kIo);
    EXPECT_EQ(report.error().file, kPath);
    EXPECT_TRUE(report.error().sentence.starts_with("the file is complete, but"))
        << report.error().sentence;
    EXPECT_EQ(Names(), std::vector<std::string>{"new.vhdx"});
    EXPECT_EQ(Check(files_, kPath)->verdict, CheckVerdict::kClean);
    EXPECT_EQ(Inspect(files_, kPath)->image.parameters.virtual_disk_size_bytes, size);
  }
}

TEST_F(CreateIn, ErrorBeforeTheRename_LeavesWhatWasThere) {
  Make({.size_bytes = kGiB});
  const auto before = files_.Contents(kPath)->Bytes();
  for (const auto call : {testing::FileCall::kSync, testing::FileCall::kRename}) {
    const auto plan = std::make_shared<testing::FaultPlan>();
    testing::FaultFileSystem faulty(files_, plan);
    plan->Add({.call = call});
    EXPECT_FALSE(
        Create(faulty, kPath, {.size_bytes = 2 * kGiB, .replace_existing = true, .sync = true}));
    EXPECT_EQ(plan->fired(), 1U);
    EXPECT_EQ(Names(), std::vector<std::string>{"new.vhdx"});
    EXPECT_TRUE(files_.Contents(kPath)->Bytes() == before);
  }
}

TEST_F(CreateIn, FullHost_SaysWhatHelps) {
  const auto plan = std::make_shared<testing::FaultPlan>();
  testing::FaultFileSystem faulty(files_, plan);
  plan->SetSpace(9 * kMiB);
  const auto fixed = Create(faulty, kPath, {.subformat = Subformat::kFixed, .size_bytes = kGiB});
  EXPECT_EQ(fixed.error().code, ErrorCode::kNoSpace);
  EXPECT_NE(fixed.error().sentence.find("dynamic"), std::string::npos) << fixed.error().sentence;
  EXPECT_EQ(fixed.error().file, kPath);
  EXPECT_TRUE(Names().empty());
}

}  // namespace
}  // namespace vhdx

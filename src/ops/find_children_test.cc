#include <gtest/gtest.h>
#include <vhdxkit/create.h>
#include <vhdxkit/forwarding_file.h>
#include <vhdxkit/image_tree.h>

#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "bytes/arithmetic.h"
#include "testing/image_builder.h"
#include "testing/image_layout.h"
#include "testing/memory_file_system.h"

namespace vhdx {
namespace {

using Paths = std::vector<std::string>;

class FindChildrenOf : public ::testing::Test {
 protected:
  void SetUp() override {
    files_.AddFolder("/vm");
    files_.AddFolder("/other");
    ASSERT_TRUE(Create(files_, "/vm/base.vhdx", {.size_bytes = kGiB}));
    MakeChild("/vm/a.avhdx");
    MakeChild("/other/b.vhdx");
    ASSERT_TRUE(Create(files_, "/vm/unrelated.vhdx", {.size_bytes = kGiB}));
    files_.AddFile("/vm/broken.vhdx");
  }

  void MakeChild(const std::string& path, const std::string& parent = "/vm/base.vhdx") {
    ASSERT_TRUE(Create(files_, path,
                       {.subformat = Subformat::kDifferencing,
                        .parent_path = parent,
                        .search = {.folders = {"/vm", "/other"}}}));
  }

  testing::MemoryFileSystem files_;
};

TEST_F(FindChildrenOf, Folder_NamesThoseWhoNameIt) {
  EXPECT_EQ(*FindChildren(files_, "/vm/base.vhdx"), Paths{"/vm/a.avhdx"});
  EXPECT_EQ(*FindChildren(files_, "/vm/base.vhdx", {.folders = {"/other"}}),
            (Paths{"/other/b.vhdx", "/vm/a.avhdx"}));
  EXPECT_EQ(*FindChildren(files_, "/vm/a.avhdx"), Paths{});
  EXPECT_EQ(*FindChildren(files_, "/vm/unrelated.vhdx"), Paths{});
}

TEST_F(FindChildrenOf, ChildOfAnyName_IsFound) {
  MakeChild("/vm/before-the-update");
  EXPECT_EQ(*FindChildren(files_, "/vm/base.vhdx"),
            (Paths{"/vm/a.avhdx", "/vm/before-the-update"}));
}

TEST_F(FindChildrenOf, CopyOfAParent_HasNoChildrenWhileTheParentIsInItsPlace) {
  const testing::ImageSpec base = testing::DynamicImage();
  ASSERT_TRUE(testing::BuildAt(base, files_, "/other/base2.vhdx"));
  ASSERT_TRUE(testing::BuildAt(base, files_, "/other/a copy.vhdx"));
  ASSERT_TRUE(testing::BuildAt(testing::ChildOf(base, ".\\base2.vhdx"), files_, "/other/c.avhdx"));
  EXPECT_EQ(*FindChildren(files_, "/other/a copy.vhdx"), Paths{});
  EXPECT_EQ(*FindChildren(files_, "/other/base2.vhdx"), Paths{"/other/c.avhdx"});
  ASSERT_TRUE(files_.Remove("/other/base2.vhdx"));
  EXPECT_EQ(*FindChildren(files_, "/other/a copy.vhdx"), Paths{"/other/c.avhdx"});
}

TEST_F(FindChildrenOf, ChildThatNeverGotItsName_IsNone) {
  MakeChild("/vm/.b.avhdx.x1y2z3.partial");
  MakeChild("/vm/.c.avhdx.backup.partial.not");
  EXPECT_EQ(*FindChildren(files_, "/vm/base.vhdx"),
            (Paths{"/vm/.c.avhdx.backup.partial.not", "/vm/a.avhdx"}));
}

TEST_F(FindChildrenOf, ChildInUse_IsFoundToo) {
  auto child = *files_.Open("/vm/a.avhdx", {.access = FileAccess::kReadWrite});
  ASSERT_TRUE(child->Lock(LockMode::kExclusive));
  EXPECT_EQ(*FindChildren(files_, "/vm/base.vhdx"), Paths{"/vm/a.avhdx"});
}

// Counts what is read from files of that name.
class CountingFiles final : public ForwardingFileSystem {
 public:
  CountingFiles(FileSystem& files, std::string name)
      : ForwardingFileSystem(files), name_(std::move(name)) {}

  Result<std::unique_ptr<File>> Open(const std::string& path,
                                     const OpenFileOptions& options) override {
    auto file = ForwardingFileSystem::Open(path, options);
    if (!file || !path.ends_with(name_)) return file;
    return std::make_unique<CountingFile>(*std::move(file), read_bytes_);
  }
  uint64_t read_bytes() const { return read_bytes_; }

 private:
  class CountingFile final : public ForwardingFile {
   public:
    CountingFile(std::unique_ptr<File> base, uint64_t& read_bytes)
        : ForwardingFile(std::move(base)), read_bytes_(read_bytes) {}
    using ForwardingFile::ReadAt;
    Result<size_t> ReadAt(uint64_t file_offset, std::span<const MutableByteSpan> buffers) override {
      auto count = ForwardingFile::ReadAt(file_offset, buffers);
      if (count) read_bytes_ += *count;
      return count;
    }

   private:
    uint64_t& read_bytes_;
  };

  std::string name_;
  uint64_t read_bytes_ = 0;
};

testing::ImageSpec WithDirtyLog(testing::ImageSpec spec) {
  spec.log.length_bytes = 32 * kMiB;
  spec.log.log_guid = testing::TestGuid(9);
  spec.log.entries = {{.writes = testing::MovedPages({PlanLayout(spec).bat.file_offset, 4096})}};
  return spec;
}

TEST_F(FindChildrenOf, LogOfAnotherImage_IsNotRead) {
  ASSERT_TRUE(testing::BuildAt(WithDirtyLog(testing::DynamicImage()), files_, "/vm/other.vhdx"));
  CountingFiles files(files_, "/other.vhdx");
  EXPECT_EQ(*FindChildren(files, "/vm/base.vhdx"), Paths{"/vm/a.avhdx"});
  EXPECT_GT(files.read_bytes(), 0U);
  EXPECT_LT(files.read_bytes(), kMiB);
}

TEST_F(FindChildrenOf, ChildWithADirtyLog_IsFound) {
  const testing::ImageSpec base = testing::DynamicImage();
  ASSERT_TRUE(testing::BuildAt(base, files_, "/other/base2.vhdx"));
  ASSERT_TRUE(testing::BuildAt(WithDirtyLog(testing::ChildOf(base, ".\\base2.vhdx")), files_,
                               "/other/c.avhdx"));
  EXPECT_EQ(*FindChildren(files_, "/other/base2.vhdx"), Paths{"/other/c.avhdx"});
}

TEST_F(FindChildrenOf, ImageOnADevice_IsLookedForOnlyWhereTheUserSays) {
  files_.SetCapabilities({.block_device = true});
  EXPECT_EQ(*FindChildren(files_, "/vm/base.vhdx"), Paths{});
  EXPECT_EQ(*FindChildren(files_, "/vm/base.vhdx", {.folders = {"/vm"}}), Paths{"/vm/a.avhdx"});
}

// Files that another user keeps to himself.
class SecretFiles final : public ForwardingFileSystem {
 public:
  using ForwardingFileSystem::ForwardingFileSystem;
  Result<std::unique_ptr<File>> Open(const std::string& path,
                                     const OpenFileOptions& options) override {
    if (path.find("secret") != std::string::npos) {
      return Fail(ErrorCode::kPermission, "permission denied", path);
    }
    return ForwardingFileSystem::Open(path, options);
  }
};

TEST_F(FindChildrenOf, ImageThatMayNotBeRead_MayBeAChild) {
  SecretFiles files(files_);
  files_.AddFile("/vm/secret.txt");
  EXPECT_TRUE(RefuseIfParent(files, "/vm/unrelated.vhdx"));
  files_.AddFile("/vm/secret.avhdx");
  const auto refused = RefuseIfParent(files, "/vm/unrelated.vhdx");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kPermission);
  EXPECT_EQ(refused.error().file, "/vm/secret.avhdx");
  EXPECT_EQ(refused.error().found, "a file or directory that may hold children");
}

TEST_F(FindChildrenOf, RefuseIfParent_NamesAFewOfThem) {
  EXPECT_TRUE(RefuseIfParent(files_, "/vm/unrelated.vhdx"));
  EXPECT_TRUE(RefuseIfParent(files_, "/vm/broken.vhdx"));
  for (const char* name : {"/vm/c.vhdx", "/vm/d.vhdx", "/vm/e.vhdx", "/vm/f.vhdx"}) MakeChild(name);
  const auto refused = RefuseIfParent(files_, "/vm/base.vhdx");
  EXPECT_EQ(refused.error().code, ErrorCode::kBusy);
  EXPECT_NE(refused.error().sentence.find("/vm/a.avhdx, /vm/c.vhdx, /vm/d.vhdx and 2 more"),
            std::string::npos)
      << refused.error().sentence;
}

}  // namespace
}  // namespace vhdx

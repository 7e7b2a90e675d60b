#include "testing/memory_file_system.h"

#include <gtest/gtest.h>

#include <array>

namespace vhdx::testing {
namespace {

constexpr std::array<std::byte, 3> kAbc = {std::byte{'a'}, std::byte{'b'}, std::byte{'c'}};

TEST(MemoryFileSystem, TwoOpensOfOnePathSeeTheSameBytes) {
  MemoryFileSystem files;
  auto writer =
      files.Open("/d/a", {.access = FileAccess::kReadWrite, .creation = FileCreation::kNew});
  auto reader = files.Open("/d/../d/a", {});
  ASSERT_TRUE(writer && reader);
  ASSERT_TRUE((*writer)->WriteAt(0, ByteSpan(kAbc)));
  std::array<std::byte, 3> read;
  ASSERT_TRUE((*reader)->ReadExactAt(0, read));
  EXPECT_EQ(read, kAbc);
  EXPECT_EQ((*writer)->identity(), (*reader)->identity());
  EXPECT_EQ((*reader)->WriteAt(0, ByteSpan(kAbc)).error().code, ErrorCode::kReadOnly);
}

TEST(MemoryFileSystem, LinksAreFollowed) {
  MemoryFileSystem files;
  files.AddFile("/images/base.vhdx");
  files.AddLink("/short", "images");
  files.AddLink("/images/other.vhdx", "./base.vhdx");
  files.AddLink("/round", "/round");
  EXPECT_EQ(*files.RealPath("/short/other.vhdx"), "/images/base.vhdx");
  EXPECT_EQ(*(*files.Open("/short/other.vhdx", {}))->RealPath(), "/images/base.vhdx");
  EXPECT_EQ((*files.Open("/short/other.vhdx", {}))->name(), "/short/other.vhdx");
  EXPECT_EQ(files.RealPath("/round").error().code, ErrorCode::kIo);
}

TEST(MemoryFileSystem, WhatCannotOpenSaysWhy) {
  MemoryFileSystem files;
  files.AddFile("/d/a");
  files.FailAt("/d/b", ErrorCode::kPermission);
  EXPECT_EQ(files.Open("/d/c", {}).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(files.Open("/d", {}).error().code, ErrorCode::kUnsupported);
  EXPECT_EQ(files.Open("/d/b", {.creation = FileCreation::kNew}).error().code,
            ErrorCode::kPermission);
  EXPECT_EQ(files.Open("/d/a", {.creation = FileCreation::kNew}).error().code, ErrorCode::kExists);
}

TEST(MemoryFileSystem, ListGivesTheFirstNamesInByteOrder) {
  MemoryFileSystem files;
  for (const char* path : {"/d/b", "/d/B", "/d/sub/x", "/d/sub/y", "/dd"}) files.AddFile(path);
  EXPECT_EQ(*files.List("/d", 10), (std::vector<std::string>{"B", "b", "sub"}));
  EXPECT_EQ(*files.List("/d", 2), (std::vector<std::string>{"B", "b"}));
  EXPECT_EQ(*files.List("/", 10), (std::vector<std::string>{"d", "dd"}));
  EXPECT_TRUE(*files.IsFolder("/d/sub"));
  EXPECT_FALSE(*files.IsFolder("/dd"));
  EXPECT_EQ(files.List("/none", 1).error().code, ErrorCode::kNotFound);
}

TEST(MemoryFileSystem, RenameRefusesOrReplaces) {
  MemoryFileSystem files;
  files.AddFile("/a", kAbc);
  files.AddFile("/b");
  auto open = files.Open("/a", {});
  EXPECT_EQ(files.Rename("/a", "/b", RenameMode::kRefuseExisting).error().code, ErrorCode::kExists);
  ASSERT_TRUE(files.Rename("/a", "/b", RenameMode::kReplace));
  EXPECT_EQ(files.Contents("/a"), nullptr);
  EXPECT_EQ(files.Contents("/b")->size(), 3U);
  EXPECT_EQ(*(*open)->RealPath(), "/b");
  ASSERT_TRUE(files.Remove("/b"));
  EXPECT_EQ((*open)->RealPath().error().code, ErrorCode::kNotFound);
  EXPECT_EQ(files.Remove("/b").error().code, ErrorCode::kNotFound);
}

TEST(MemoryFileSystem, SameSeedGivesSameRandomBytes) {
  std::array<std::byte, 20> one;
  std::array<std::byte, 20> two;
  std::array<std::byte, 20> next;
  MemoryFileSystem first;
  MemoryFileSystem second;
  ASSERT_TRUE(first.FillRandom(one));
  ASSERT_TRUE(first.FillRandom(next));
  ASSERT_TRUE(second.FillRandom(two));
  EXPECT_EQ(one, two);
  EXPECT_NE(one, next);
}

}  // namespace
}  // namespace vhdx::testing

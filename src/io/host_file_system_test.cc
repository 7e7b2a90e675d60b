#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <vhdxkit/file.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "io/file_descriptor.h"
#include "testing/host_folder.h"

namespace vhdx {
namespace {

using testing::HostFolderTest;
using testing::PatternBytes;

using HostFileSystemTest = HostFolderTest;

constexpr OpenFileOptions kNewFile = {.access = FileAccess::kReadWrite,
                                      .creation = FileCreation::kNew};
constexpr OpenFileOptions kForWriting = {.access = FileAccess::kReadWrite};

TEST_F(HostFileSystemTest, OpenFailuresHaveTheirCodes) {
  ASSERT_NE(New("a"), nullptr);
  EXPECT_EQ(files().Open(PathOf("none"), {}).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(files().Open(PathOf("a/b"), {}).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(files().Open(PathOf("a"), kNewFile).error().code, ErrorCode::kExists);
  EXPECT_EQ(files().Open(PathOf("none/a"), kNewFile).error().code, ErrorCode::kNotFound);
}

TEST_F(HostFileSystemTest, WhatIsNoFileIsRefusedAtOnceAndNamed) {
  ASSERT_EQ(::mkfifo(PathOf("fifo").c_str(), 0600), 0);
  const FileDescriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = {}};
  ASSERT_LT(PathOf("socket").size(), sizeof(address.sun_path));
  std::ranges::copy(PathOf("socket"), address.sun_path);
  ASSERT_EQ(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  const std::pair<std::string, std::string> cases[] = {{folder(), "directory"},
                                                       {PathOf("fifo"), "FIFO"},
                                                       {PathOf("socket"), "socket"},
                                                       {"/dev/null", "character device"}};
  for (const auto& [path, word] : cases) {
    for (const OpenFileOptions& options : {OpenFileOptions{}, kForWriting}) {
      const auto opened = files().Open(path, options);
      ASSERT_FALSE(opened) << path;
      EXPECT_EQ(opened.error().code, ErrorCode::kUnsupported) << path;
      EXPECT_NE(opened.error().sentence.find(word), std::string::npos) << opened.error().sentence;
    }
  }
}

TEST_F(HostFileSystemTest, RealPathFollowsLinksAndRenames) {
  const auto file = New("a");
  std::filesystem::create_symlink("a", PathOf("link"));
  const std::string real = std::filesystem::canonical(folder()).string();
  const auto linked = Open("link");
  EXPECT_EQ(linked->name(), PathOf("link"));
  EXPECT_EQ(*linked->RealPath(), real + "/a");
  EXPECT_EQ(linked->identity(), file->identity());
  ASSERT_TRUE(files().Rename(PathOf("a"), PathOf("b"), RenameMode::kRefuseExisting));
  EXPECT_EQ(*linked->RealPath(), real + "/b");
  ASSERT_TRUE(files().Remove(PathOf("b")));
  EXPECT_EQ(linked->RealPath().error().code, ErrorCode::kNotFound);
}

TEST_F(HostFileSystemTest, RandomBytesDiffer) {
  std::array<std::byte, 16> one = {};
  std::array<std::byte, 16> two = {};
  ASSERT_TRUE(files().FillRandom(one));
  ASSERT_TRUE(files().FillRandom(two));
  EXPECT_NE(one, two);
}

// -- Names --

TEST_F(HostFileSystemTest, RenameRefusesOrReplaces) {
  ASSERT_TRUE(New("a")->WriteAt(0, ByteSpan(PatternBytes(3))));
  ASSERT_NE(New("b"), nullptr);
  EXPECT_EQ(files().Rename(PathOf("a"), PathOf("b"), RenameMode::kRefuseExisting).error().code,
            ErrorCode::kExists);
  ASSERT_TRUE(files().Rename(PathOf("a"), PathOf("b"), RenameMode::kReplace));
  EXPECT_EQ(*files().List(folder(), 10), std::vector<std::string>{"b"});
  EXPECT_EQ(*(Open("b"))->Size(), 3U);
  EXPECT_TRUE(files().SyncFolder(folder()));
  EXPECT_EQ(files().Rename(PathOf("a"), PathOf("c"), RenameMode::kReplace).error().code,
            ErrorCode::kNotFound);
}

TEST_F(HostFileSystemTest, ListGivesTheFirstNamesInByteOrder) {
  for (const char* name : {"b", "B", "aa", ".hidden"}) ASSERT_NE(New(name), nullptr);
  EXPECT_EQ(*files().List(folder(), 10), (std::vector<std::string>{".hidden", "B", "aa", "b"}));
  EXPECT_EQ(*files().List(folder(), 2), (std::vector<std::string>{".hidden", "B"}));
  EXPECT_EQ(files().List(PathOf("none"), 1).error().code, ErrorCode::kNotFound);
  EXPECT_TRUE(*files().IsFolder(folder()));
  EXPECT_FALSE(*files().IsFolder(PathOf("b")));
  EXPECT_EQ(
      *files().RealPath(PathOf("./../") + std::filesystem::path(folder()).filename().string()),
      std::filesystem::canonical(folder()).string());
  EXPECT_EQ(files().Remove(PathOf("none")).error().code, ErrorCode::kNotFound);
}

}  // namespace
}  // namespace vhdx

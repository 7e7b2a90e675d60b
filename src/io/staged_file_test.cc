#include "io/staged_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <array>
#include <vector>

#include "testing/host_folder.h"
#include "testing/memory_file_system.h"

namespace vhdx {
namespace {

using testing::MemoryFileSystem;

constexpr std::array<std::byte, 4> kBytes = {std::byte{1}, std::byte{2}, std::byte{3},
                                             std::byte{4}};
const std::vector<std::byte> kContents(kBytes.begin(), kBytes.end());

std::vector<std::string> Names(MemoryFileSystem& files) { return files.List("/d", 100).value(); }

TEST(StagedFile, CommittedAppearsUnderItsName) {
  MemoryFileSystem files;
  files.AddFolder("/d");
  {
    auto staged = StagedFile::Create(files, "/d/new.vhdx");
    ASSERT_TRUE(staged);
    ASSERT_TRUE((*staged)->file().WriteAt(0, ByteSpan(kBytes)));
    ASSERT_EQ(Names(files).size(), 1U);
    EXPECT_TRUE(Names(files)[0].starts_with(".new.vhdx."));
    EXPECT_TRUE(Names(files)[0].ends_with(".partial"));
    ASSERT_TRUE((*staged)->Commit(RenameMode::kRefuseExisting, Durability::kSync));
  }
  EXPECT_EQ(Names(files), std::vector<std::string>{"new.vhdx"});
  EXPECT_EQ(files.Contents("/d/new.vhdx")->Bytes(), kContents);
}

TEST(StagedFile, UncommittedLeavesNothing) {
  MemoryFileSystem files;
  files.AddFolder("/d");
  ASSERT_TRUE(StagedFile::Create(files, "/d/new.vhdx"));
  EXPECT_TRUE(Names(files).empty());
}

TEST(StagedFile, WhatAKilledProcessLeft_IsRemovedByTheNext) {
  MemoryFileSystem files;
  files.AddFile("/d/.new.vhdx.abc123.partial", kBytes);
  files.AddFile("/d/.new.vhdx.backups.partial");  // not ours: another length
  files.AddFile("/d/.new.vhdx.My-Own.partial");   // nor these: other letters
  files.AddFile("/d/.other.vhdx.abc123.partial");
  auto staged = StagedFile::Create(files, "/d/new.vhdx");
  ASSERT_TRUE(staged);
  // What is still being written stays.
  auto other = StagedFile::Create(files, "/d/new.vhdx");
  ASSERT_TRUE(other);
  const std::vector<std::string> names = Names(files);
  EXPECT_EQ(names.size(), 5U);
  EXPECT_FALSE(files.Contents("/d/.new.vhdx.abc123.partial"));
  EXPECT_TRUE(files.Contents((*staged)->temporary_path()));
  EXPECT_TRUE((*staged)->Commit(RenameMode::kRefuseExisting, Durability::kNone));
}

TEST(StagedFile, ExistingNameIsRefusedOrReplaced) {
  MemoryFileSystem files;
  files.AddFile("/d/a", kBytes);
  {
    auto staged = StagedFile::Create(files, "/d/a");
    EXPECT_EQ((*staged)->Commit(RenameMode::kRefuseExisting, Durability::kNone).error().code,
              ErrorCode::kExists);
  }
  EXPECT_EQ(Names(files), std::vector<std::string>{"a"});
  EXPECT_EQ(files.Contents("/d/a")->Bytes(), kContents);
  ASSERT_TRUE(
      (*StagedFile::Create(files, "/d/a"))->Commit(RenameMode::kReplace, Durability::kNone));
  EXPECT_EQ(files.Contents("/d/a")->size(), 0U);
  EXPECT_EQ(Names(files), std::vector<std::string>{"a"});
}

class StagedFileOnHost : public testing::HostFolderTest {};

TEST_F(StagedFileOnHost, ReplacementIsForTheSamePeople) {
  for (const mode_t mode : std::to_array<mode_t>({0600, 0660})) {
    const std::string path = PathOf("a" + std::to_string(mode));
    New("a" + std::to_string(mode));
    ASSERT_EQ(::chmod(path.c_str(), mode), 0);
    auto staged = StagedFile::Create(files(), path);
    ASSERT_TRUE(staged);
    struct stat status = {};
    ASSERT_EQ(::stat((*staged)->temporary_path().c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 07777, mode) << "before it has its name";
    ASSERT_TRUE((*staged)->Commit(RenameMode::kReplace, Durability::kNone));
    ASSERT_EQ(::stat(path.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 07777, mode);
  }
}

TEST(StagedFile, SeveralForOneNameAreDifferentFiles) {
  MemoryFileSystem files;
  auto first = StagedFile::Create(files, "/d/a");
  auto second = StagedFile::Create(files, "/d/a");
  ASSERT_TRUE(first && second);
  EXPECT_NE((*first)->temporary_path(), (*second)->temporary_path());
}

TEST(StagedFile, PathWithoutNameIsRefused) {
  MemoryFileSystem files;
  for (const char* path : {"", "/", "/d/", "..", "/d/."}) {
    EXPECT_EQ(StagedFile::Create(files, path).error().code, ErrorCode::kInvalidArgument) << path;
  }
}

TEST(StagedFile, LongNameStillFits) {
  MemoryFileSystem files;
  const std::string name(255, 'n');
  auto staged = StagedFile::Create(files, "/d/" + name);
  ASSERT_TRUE(staged);
  EXPECT_LE((*staged)->temporary_path().size(), 3U + 255U);
  ASSERT_TRUE((*staged)->Commit(RenameMode::kRefuseExisting, Durability::kNone));
  EXPECT_NE(files.Contents("/d/" + name), nullptr);
}

}  // namespace
}  // namespace vhdx

#include "testing/crash_file_system.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <set>
#include <string>
#include <vector>

#include "testing/crash_cursor.h"

namespace vhdx::testing {
namespace {

constexpr uint64_t kStates = 400;  // tried at one point
constexpr OpenFileOptions kNew = {.access = FileAccess::kReadWrite, .creation = FileCreation::kNew};

// What the names of a folder lead to: "a=1 b=" for a file /d/a of the byte 1 and an empty /d/b.
using Folder = std::string;
using Folders = std::set<Folder>;

class CrashFileSystemTest : public ::testing::Test {
 protected:
  void SetUp() override {
    CrashState base;
    base.AddFolder("/d");
    Start(base);
  }

  void Start(const CrashState& base) {
    store_ = std::make_shared<CrashStore>(base, CrashStore::Options{});
    files_ = std::make_unique<CrashFileSystem>(store_);
  }
  void Kill(size_t length) {
    store_ = store_->AfterKill(length);
    files_ = std::make_unique<CrashFileSystem>(store_);
  }
  static PageImage Byte(int value) {
    PageImage image;
    image.Write(0, std::array{static_cast<std::byte>(value)});
    image.SetSize(1);
    return image;
  }

  std::unique_ptr<File> Make(const std::string& path) { return *files_->Open(path, kNew); }
  // A new file of one byte, synced.
  void MakeSynced(const std::string& path, int value) {
    const auto file = Make(path);
    WriteByte(*file, value);
    ASSERT_TRUE(file->Sync());
  }
  static void WriteByte(File& file, int value) {
    const std::array byte = {static_cast<std::byte>(value)};
    ASSERT_TRUE(file.WriteAt(0, ByteSpan(byte)));
  }
  void Rename(const std::string& from, const std::string& to) {
    ASSERT_TRUE(files_->Rename(from, to, RenameMode::kReplace));
  }
  void SyncFolder() { ASSERT_TRUE(files_->SyncFolder("/d")); }

  static Folder Show(const CrashState& state) {
    std::string shown;
    for (const auto& [path, number] : state.names()) {
      const auto bytes = state.file(number).Bytes({0, 1});
      shown += (shown.empty() ? "" : " ") + path.substr(path.rfind('/') + 1) + "=" +
               (bytes.empty() ? "" : std::to_string(static_cast<int>(bytes[0])));
    }
    return shown;
  }
  Folder ShowCached() { return Show(store_->Cached()); }
  // What power cuts leave when `index` operations have happened.
  Folders CutsAt(size_t index) {
    const auto record = store_->Record();
    CrashCursor cursor(store_->base(), record);
    cursor.AdvanceTo(index);
    Folders shown;
    for (uint64_t seed = 0; seed < kStates; ++seed) shown.insert(Show(cursor.Cut(seed)));
    return shown;
  }
  Folders Cuts() { return CutsAt(store_->RecordLength()); }

  std::shared_ptr<CrashStore> store_;
  std::unique_ptr<CrashFileSystem> files_;
};

// -- What a power cut leaves --

TEST_F(CrashFileSystemTest, CreatedFile_IsThereOrNotWithAnyOfItsData) {
  const auto file = Make("/d/a");
  WriteByte(*file, 2);
  EXPECT_EQ(ShowCached(), "a=2");
  EXPECT_EQ(Cuts(), (Folders{"", "a=", "a=0", "a=2"}));
}

TEST_F(CrashFileSystemTest, SyncOfAFile_LeavesItsNameInDoubt) {
  MakeSynced("/d/a", 2);
  EXPECT_EQ(Cuts(), (Folders{"", "a=2"}));
}

TEST_F(CrashFileSystemTest, SyncOfAFolder_LeavesTheDataInDoubt) {
  const auto file = Make("/d/a");
  WriteByte(*file, 2);
  SyncFolder();
  EXPECT_EQ(Cuts(), (Folders{"a=", "a=0", "a=2"}));
  // Before the sync has ended, nothing is sure.
  EXPECT_TRUE(CutsAt(store_->RecordLength() - 1).contains(""));
}

TEST_F(CrashFileSystemTest, FileAndFolderSynced_NothingIsLost) {
  MakeSynced("/d/a", 2);
  SyncFolder();
  EXPECT_EQ(Cuts(), Folders{"a=2"});
}

TEST_F(CrashFileSystemTest, SyncOfAnotherFolder_ChangesNothing) {
  CrashState base;
  base.AddFolder("/d");
  base.AddFolder("/e");
  Start(base);
  MakeSynced("/d/a", 2);
  ASSERT_TRUE(files_->SyncFolder("/e"));
  EXPECT_EQ(Cuts(), (Folders{"", "a=2"}));
}

TEST_F(CrashFileSystemTest, RenamedDurableFile_HasItsOldNameOrItsNewOne) {
  MakeSynced("/d/a", 2);
  SyncFolder();
  Rename("/d/a", "/d/b");
  EXPECT_EQ(Cuts(), (Folders{"a=2", "b=2"}));
  SyncFolder();
  EXPECT_EQ(Cuts(), Folders{"b=2"});
}

TEST_F(CrashFileSystemTest, RenamedNewFile_HasOneNameOrNone) {
  MakeSynced("/d/a", 2);
  Rename("/d/a", "/d/b");
  Rename("/d/b", "/d/c");
  EXPECT_EQ(Cuts(), (Folders{"", "a=2", "b=2", "c=2"}));
}

TEST_F(CrashFileSystemTest, ReplacedFile_IsThereUntilTheRenameIs) {
  CrashState base;
  base.AddFile("/d/a", Byte(1));
  Start(base);
  MakeSynced("/d/t", 2);
  Rename("/d/t", "/d/a");
  EXPECT_EQ(ShowCached(), "a=2");
  EXPECT_EQ(Cuts(), (Folders{"a=1", "a=1 t=2", "a=2"}));
  SyncFolder();
  EXPECT_EQ(Cuts(), Folders{"a=2"});
}

TEST_F(CrashFileSystemTest, RenameOfAFileThatWasNotSynced_MayReplaceAFileWithNothing) {
  CrashState base;
  base.AddFile("/d/a", Byte(1));
  Start(base);
  const auto file = Make("/d/t");
  WriteByte(*file, 2);
  Rename("/d/t", "/d/a");
  EXPECT_TRUE(Cuts().contains("a="));
  EXPECT_TRUE(Cuts().contains("a=0"));
}

TEST_F(CrashFileSystemTest, RemovedFile_MayComeBack) {
  CrashState base;
  base.AddFile("/d/a", Byte(1));
  Start(base);
  ASSERT_TRUE(files_->Remove("/d/a"));
  EXPECT_EQ(ShowCached(), "");
  EXPECT_EQ(Cuts(), (Folders{"", "a=1"}));
  SyncFolder();
  EXPECT_EQ(Cuts(), Folders{""});
}

TEST_F(CrashFileSystemTest, NamesOfOneMoment_SurviveInAnyOrder) {
  MakeSynced("/d/a", 1);
  MakeSynced("/d/b", 2);
  EXPECT_EQ(Cuts(), (Folders{"", "a=1", "b=2", "a=1 b=2"}));
}

TEST_F(CrashFileSystemTest, AllFilesLoseTheirPowerAtOneMoment) {
  CrashState base;
  base.AddFile("/d/a", Byte(1));
  base.AddFile("/d/b", Byte(1));
  Start(base);
  const auto a = *files_->Open("/d/a", {.access = FileAccess::kReadWrite});
  const auto b = *files_->Open("/d/b", {.access = FileAccess::kReadWrite});
  WriteByte(*a, 2);
  WriteByte(*b, 2);
  EXPECT_EQ(Cuts(), (Folders{"a=1 b=1", "a=1 b=2", "a=2 b=1", "a=2 b=2"}));
  ASSERT_TRUE(b->Sync());
  EXPECT_EQ(Cuts(), (Folders{"a=1 b=2", "a=2 b=2"}));
}

TEST_F(CrashFileSystemTest, KilledProcess_LeavesItsNamesInTheCacheOnly) {
  MakeSynced("/d/t", 2);
  Rename("/d/t", "/d/a");
  const size_t renamed = store_->RecordLength();
  Rename("/d/a", "/d/b");  // never happened: the process is killed before
  Kill(renamed);
  EXPECT_EQ(ShowCached(), "a=2");
  EXPECT_EQ(Cuts(), (Folders{"", "t=2", "a=2"}));
  MakeSynced("/d/c", 3);
  EXPECT_EQ(ShowCached(), "a=2 c=3");
  SyncFolder();
  EXPECT_EQ(Cuts(), Folders{"a=2 c=3"});
}

TEST_F(CrashFileSystemTest, StateAfterACut_IsTheNextHostsDisk) {
  MakeSynced("/d/a", 2);
  SyncFolder();
  MakeSynced("/d/b", 3);
  const auto record = store_->Record();
  CrashCursor cursor(store_->base(), record);
  cursor.AdvanceTo(record.size());
  uint64_t seed = 0;
  while (Show(cursor.Cut(seed)) != "a=2") ++seed;
  Start(cursor.Cut(seed));
  MakeSynced("/d/c", 4);
  EXPECT_EQ(ShowCached(), "a=2 c=4");
  EXPECT_EQ(Cuts(), (Folders{"a=2", "a=2 c=4"}));
}

// -- What a process sees --

TEST_F(CrashFileSystemTest, Names_LeadToFilesOfTheirOwn) {
  MakeSynced("/d/a", 2);
  MakeSynced("/d/b", 3);
  const auto a = *files_->Open("/d/./b/../a", {});
  EXPECT_EQ(a->RealPath().value(), "/d/a");
  EXPECT_EQ(a->identity(), (*files_->Open("/d/a", {}))->identity());
  EXPECT_NE(a->identity(), (*files_->Open("/d/b", {}))->identity());
  EXPECT_EQ(files_->RealPath("/d/").value(), "/d");
  EXPECT_EQ(files_->List("/d", 9).value(), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(files_->List("/", 9).value(), std::vector<std::string>{"d"});
  EXPECT_EQ(files_->List("/d", 1).value(), std::vector<std::string>{"a"});
  EXPECT_TRUE(files_->IsFolder("/d").value());
  EXPECT_FALSE(files_->IsFolder("/d/a").value());
}

TEST_F(CrashFileSystemTest, OpenFile_IsReadUnderAnyNameAndUnderNone) {
  MakeSynced("/d/a", 2);
  const auto file = *files_->Open("/d/a", {});
  std::array<std::byte, 1> read;
  Rename("/d/a", "/d/b");
  EXPECT_EQ(file->RealPath().value(), "/d/b");
  ASSERT_TRUE(files_->Remove("/d/b"));
  EXPECT_EQ(file->RealPath().error().code, ErrorCode::kNotFound);
  ASSERT_EQ(file->ReadAt(0, read).value(), 1U);
  EXPECT_EQ(read[0], std::byte{2});
}

TEST_F(CrashFileSystemTest, WhatIsNotThereOrThereAlready_IsRefused) {
  MakeSynced("/d/a", 2);
  MakeSynced("/d/b", 3);
  const size_t length = store_->RecordLength();
  EXPECT_EQ(files_->Open("/d/a", kNew).error().code, ErrorCode::kExists);
  EXPECT_EQ(files_->Open("/e/a", kNew).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(files_->Open("/d/c", {}).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(files_->Open("/d", {}).error().code, ErrorCode::kUnsupported);
  EXPECT_EQ(files_->RealPath("/d/c").error().code, ErrorCode::kNotFound);
  EXPECT_EQ(files_->IsFolder("/d/c").error().code, ErrorCode::kNotFound);
  EXPECT_EQ(files_->List("/d/a", 9).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(files_->Remove("/d/c").error().code, ErrorCode::kNotFound);
  EXPECT_EQ(files_->Rename("/d/c", "/d/e", RenameMode::kReplace).error().code,
            ErrorCode::kNotFound);
  EXPECT_EQ(files_->Rename("/d/a", "/d/b", RenameMode::kRefuseExisting).error().code,
            ErrorCode::kExists);
  EXPECT_EQ(files_->Rename("/d/a", "/e/a", RenameMode::kReplace).error().code,
            ErrorCode::kNotFound);
  EXPECT_EQ(store_->RecordLength(), length);
}

}  // namespace
}  // namespace vhdx::testing

// The programs in examples/ do what their first lines say.

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <vector>

#include "testing/host_folder.h"
#include "tests/command.h"

namespace vhdx {
namespace {

namespace fs = std::filesystem;
using tests::CommandResult;
using tests::RunCommand;
using tests::RunVhdx;

const std::string kExamples = VHDXKIT_EXAMPLES_DIR;

class Examples : public testing::HostFolderTest {
 protected:
  static CommandResult Run(const std::string& name, std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), kExamples + "/" + name);
    return RunCommand(arguments);
  }

  // What the example prints, where it has to succeed.
  static std::string OutputOf(const std::string& name, const std::vector<std::string>& arguments) {
    const CommandResult result = Run(name, arguments);
    EXPECT_EQ(result.exit_status, 0) << name << ": " << result.err;
    EXPECT_EQ(result.err, "");
    return result.out;
  }

  // As `vhdx convert` reads it, and not the library through an example.
  std::string RawContentsOf(const std::string& image, size_t offset, size_t length) {
    const CommandResult converted = RunVhdx({"convert", "-O", "raw", image, PathOf("raw")});
    EXPECT_EQ(converted.exit_status, 0) << converted.err;
    std::ifstream raw(PathOf("raw"), std::ios::binary);
    std::string text(length, '\0');
    raw.seekg(static_cast<std::streamoff>(offset)).read(text.data(), std::ssize(text));
    fs::remove(PathOf("raw"));
    return text;
  }

  std::string NewDisk() {
    EXPECT_EQ(OutputOf("create_disk", {PathOf("a.vhdx")}), "");
    return PathOf("a.vhdx");
  }
};

const std::string kCreateText = "Written by create_disk.\n";
const std::string kSnapshotText = "Written by take_snapshot.\n";
constexpr size_t kMiB = 1024 * 1024;

TEST_F(Examples, CreateDisk_WritesTheText) {
  const std::string disk = NewDisk();
  EXPECT_EQ(RunVhdx({"check", disk}).exit_status, 0);
  EXPECT_EQ(RawContentsOf(disk, kMiB, kCreateText.size()), kCreateText);
}

TEST_F(Examples, ListExtents_ShowsDataAndZeros) {
  const std::string disk = NewDisk();
  EXPECT_EQ(OutputOf("list_extents", {disk}), "             0       33554432  at 11534336 in " +
                                                  disk + "\n" +
                                                  "      33554432     1040187392  zeros\n");
}

TEST_F(Examples, ListExtents_NamesTheFileOfTheChain) {
  const std::string disk = NewDisk();
  const std::string child = PathOf("b.avhdx");
  OutputOf("take_snapshot", {disk, child});
  const std::string listed = OutputOf("list_extents", {child});
  EXPECT_NE(listed.find(" in " + fs::canonical(disk).string() + "\n"), std::string::npos) << listed;
  EXPECT_NE(listed.find(" in " + child + "\n"), std::string::npos) << listed;
}

TEST_F(Examples, ReadRange_WritesExactlyTheRange) {
  const std::string disk = NewDisk();
  EXPECT_EQ(OutputOf("read_range", {disk, "1048587", "11"}), "create_disk");
  EXPECT_EQ(OutputOf("read_range", {disk, "1048576", "0"}), "");
  // More than its buffer holds.
  const std::string long_range = OutputOf("read_range", {disk, "1", "3000000"});
  EXPECT_EQ(long_range.size(), 3000000U);
  EXPECT_EQ(long_range.find(kCreateText), kMiB - 1);
}

TEST_F(Examples, ReadRange_FindsParentsInTheDirectoriesItIsGiven) {
  const std::string disk = NewDisk();
  const std::string child = PathOf("b.avhdx");
  OutputOf("take_snapshot", {disk, child});
  fs::create_directory(PathOf("elsewhere"));
  fs::rename(disk, PathOf("elsewhere/a.vhdx"));
  EXPECT_EQ(Run("read_range", {child, "0", "1"}).exit_status, 1);
  EXPECT_EQ(OutputOf("read_range", {child, "1048576", "24", PathOf("elsewhere")}), kCreateText);
}

TEST_F(Examples, TakeSnapshot_LeavesTheParentAsItWas) {
  const std::string disk = NewDisk();
  const std::string child = PathOf("b.avhdx");
  EXPECT_EQ(OutputOf("take_snapshot", {disk, child}),
            disk + " and " + child + " differ from byte 4096 on\n");
  EXPECT_EQ(RunVhdx({"check", child}).exit_status, 0);
  EXPECT_EQ(RawContentsOf(child, 4096, kSnapshotText.size()), kSnapshotText);
  EXPECT_EQ(RawContentsOf(child, kMiB, kCreateText.size()), kCreateText);
  EXPECT_EQ(RawContentsOf(disk, 4096, 4), std::string(4, '\0'));
}

TEST_F(Examples, MemoryImage_OpensWhatItRead) {
  const std::string disk = NewDisk();
  const CommandResult result =
      RunCommand({"sh", "-c", "exec \"$0\" < \"$1\"", kExamples + "/memory_image", disk});
  EXPECT_EQ(result.exit_status, 0) << result.err;
  EXPECT_EQ(result.out, "a disk of 1073741824 bytes in " + std::to_string(fs::file_size(disk)) +
                            " bytes of memory\n");
}

TEST_F(Examples, MemoryImage_WithoutInput_SaysWhatIsWrong) {
  const CommandResult result = Run("memory_image", {});
  EXPECT_EQ(result.exit_status, 1);
  EXPECT_TRUE(result.err.starts_with("memory_image: /image: ")) << result.err;
}

TEST_F(Examples, MissingFile_IsNamed) {
  const std::string absent = PathOf("absent.vhdx");
  for (const std::vector<std::string>& call :
       std::vector<std::vector<std::string>>{{"list_extents", absent},
                                             {"read_range", absent, "0", "1"},
                                             {"take_snapshot", absent, PathOf("child.avhdx")}}) {
    const CommandResult result = Run(call[0], {call.begin() + 1, call.end()});
    EXPECT_EQ(result.exit_status, 1) << call[0];
    EXPECT_TRUE(result.err.starts_with(call[0] + ": " + absent + ": ")) << result.err;
  }
  EXPECT_FALSE(fs::exists(PathOf("child.avhdx")));
}

TEST_F(Examples, CreateDisk_DoesNotReplaceAFile) {
  const CommandResult result = Run("create_disk", {NewDisk()});
  EXPECT_EQ(result.exit_status, 1);
  EXPECT_NE(result.err.find("exists"), std::string::npos) << result.err;
}

TEST_F(Examples, WrongArguments_ShowTheUsage) {
  for (const char* name : {"create_disk", "list_extents", "read_range", "take_snapshot"}) {
    const CommandResult result = Run(name, {});
    EXPECT_EQ(result.exit_status, 64) << name;
    EXPECT_TRUE(result.err.starts_with("usage: " + std::string(name) + " ")) << result.err;
  }
  EXPECT_EQ(Run("read_range", {NewDisk(), "1M", "1"}).exit_status, 64);
}

// A new example is built, and tried above.
TEST(ExamplesTree, EverySourceIsBuilt) {
  std::set<std::string> sources;
  for (const fs::directory_entry& entry :
       fs::directory_iterator(fs::path(VHDXKIT_SOURCE_DIR) / "examples")) {
    if (entry.path().extension() == ".cc") sources.insert(entry.path().stem());
  }
  EXPECT_GE(sources.size(), 5U);
  for (const std::string& source : sources) {
    EXPECT_TRUE(fs::exists(fs::path(kExamples) / source)) << source;
  }
}

}  // namespace
}  // namespace vhdx

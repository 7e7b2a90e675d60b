#include "cli/free_map_file.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <string>
#include <string_view>
#include <variant>

#include "bytes/arithmetic.h"
#include "bytes/formatting.h"
#include "cli/file_descriptor.h"

namespace vhdx::cli {
namespace {

TEST(FreeMapArgument, OffsetIsASizeAfterTheLastAt) {
  const auto parse = [](std::string_view text) {
    const FreeMapArgument map = FreeMapArgument::Parse(text);
    return Format("{} {}", map.path, map.disk_offset);
  };
  EXPECT_EQ(parse("disk.map"), "disk.map 0");
  EXPECT_EQ(parse("disk.map@1M"), "disk.map 1048576");
  EXPECT_EQ(parse("me@host.map@512"), "me@host.map 512");
  EXPECT_EQ(parse("me@host.map"), "me@host.map 0");
  EXPECT_EQ(parse("@1M"), "@1M 0");
}

class FreeMapFile : public ::testing::Test {
 protected:
  Result<guest::FreeSpaceAnswer> Read(std::string_view text) {
    fd_ = FileDescriptor(::memfd_create("map", MFD_CLOEXEC));
    EXPECT_EQ(::pwrite(fd_.get(), text.data(), text.size(), 0), static_cast<ssize_t>(text.size()));
    return ReadFreeMap(Format("/proc/self/fd/{}", fd_.get()), interrupted_);
  }

  FileDescriptor fd_;
  std::atomic<bool> interrupted_ = false;
};

TEST_F(FreeMapFile, MapOfPartclone_IsRead) {
  const auto answer = Read(
      "# Domain logfile created by partclone\n0x00000000 ?\n0x00000000 0x00001000 +\n"
      "0x00001000 0x00003000 ?\n0x00004000 0x00001000 +\n");
  ASSERT_TRUE(answer) << answer.error().sentence;
  const auto& space = std::get<guest::FreeSpace>(*answer);
  ASSERT_EQ(space.free.size(), 1U);
  EXPECT_EQ(space.free[0].disk_offset, 0x1000U);
  EXPECT_EQ(space.free[0].length_bytes, 0x3000U);
}

TEST_F(FreeMapFile, SomethingElse_IsAnErrorThatNamesTheFile) {
  const auto answer = Read("this is not a map\n");
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(answer.error().file, Format("/proc/self/fd/{}", fd_.get()));
  const auto none = ReadFreeMap("/nowhere/map", interrupted_);
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, ErrorCode::kNotFound);
  EXPECT_EQ(none.error().sentence, "cannot read the map of free space: No such file or directory");
}

TEST_F(FreeMapFile, Interruption_IsAnError) {
  interrupted_ = true;
  EXPECT_EQ(Read("").error().code, ErrorCode::kCancelled);
}

}  // namespace
}  // namespace vhdx::cli

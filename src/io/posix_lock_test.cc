#include "io/posix_lock.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <string>

#include "io/file_descriptor.h"
#include "testing/host_folder.h"

namespace vhdx {
namespace {

constexpr OpenFileOptions kAsWriter = {.access = FileAccess::kReadWrite};

class PosixLockTest : public testing::HostFolderTest {
 protected:
  void SetUp() override { ASSERT_NE(New("a"), nullptr); }

  ErrorCode Refusal(File& file, LockMode mode) {
    const Result<void> locked = file.Lock(mode);
    EXPECT_FALSE(locked);
    return locked ? ErrorCode::kInternal : locked.error().code;
  }
  /// Whether somebody else than a new open file holds a lock on this byte.
  bool Held(off_t byte) {
    const FileDescriptor fd(::open(PathOf("a").c_str(), O_RDONLY | O_CLOEXEC));
    struct flock lock = {};
    lock.l_type = F_WRLCK;
    lock.l_whence = SEEK_SET;
    lock.l_start = byte;
    lock.l_len = 1;
    EXPECT_EQ(::fcntl(fd.get(), F_OFD_GETLK, &lock), 0);
    return lock.l_type != F_UNLCK;
  }
  std::string HeldBytes() {
    std::string held;
    for (const off_t first : {100, 200}) {
      for (off_t p = 0; p < 5; ++p) {
        if (Held(first + p)) held += std::to_string(first + p) + " ";
      }
    }
    return held;
  }
};

TEST_F(PosixLockTest, HeldBytesAreThoseOfQemu) {
  {
    const auto reader = Open("a");
    ASSERT_TRUE(reader->Lock(LockMode::kShared));
    EXPECT_EQ(HeldBytes(), "100 201 203 ");
  }
  EXPECT_EQ(HeldBytes(), "");
  const auto writer = Open("a", kAsWriter);
  ASSERT_TRUE(writer->Lock(LockMode::kExclusive));
  EXPECT_EQ(HeldBytes(), "100 101 103 201 203 ");
}

TEST_F(PosixLockTest, ReadersShareAndKeepWritersOut) {
  const auto first = Open("a");
  const auto second = Open("a");
  const auto writer = Open("a", kAsWriter);
  ASSERT_TRUE(first->Lock(LockMode::kShared));
  ASSERT_TRUE(second->Lock(LockMode::kShared));
  EXPECT_EQ(Refusal(*writer, LockMode::kExclusive), ErrorCode::kBusy);
}

TEST_F(PosixLockTest, WriterKeepsReadersAndWritersOut) {
  auto writer = Open("a", kAsWriter);
  const auto other = Open("a", kAsWriter);
  ASSERT_TRUE(writer->Lock(LockMode::kExclusive));
  EXPECT_EQ(Refusal(*other, LockMode::kShared), ErrorCode::kBusy);
  EXPECT_EQ(Refusal(*other, LockMode::kExclusive), ErrorCode::kBusy);
  writer.reset();
  EXPECT_TRUE(other->Lock(LockMode::kExclusive));
}

TEST_F(PosixLockTest, RefusedLockLeavesNothingBehind) {
  auto reader = Open("a");
  const auto writer = Open("a", kAsWriter);
  ASSERT_TRUE(reader->Lock(LockMode::kShared));
  EXPECT_EQ(Refusal(*writer, LockMode::kExclusive), ErrorCode::kBusy);
  EXPECT_EQ(HeldBytes(), "100 201 203 ");
  reader.reset();
  EXPECT_EQ(HeldBytes(), "");
}

TEST_F(PosixLockTest, SharedLockBecomesExclusiveOrStaysShared) {
  const auto file = Open("a", kAsWriter);
  ASSERT_TRUE(file->Lock(LockMode::kShared));
  {
    const auto other = Open("a");
    ASSERT_TRUE(other->Lock(LockMode::kShared));
    EXPECT_EQ(Refusal(*file, LockMode::kExclusive), ErrorCode::kBusy);
  }
  EXPECT_EQ(HeldBytes(), "100 201 203 ");
  ASSERT_TRUE(file->Lock(LockMode::kExclusive));
  EXPECT_EQ(HeldBytes(), "100 101 103 201 203 ");
}

TEST_F(PosixLockTest, WriterBecomesAReaderAndThenNobody) {
  const auto writer = Open("a", kAsWriter);
  const auto other = Open("a", kAsWriter);
  ASSERT_TRUE(writer->Lock(LockMode::kExclusive));
  ASSERT_TRUE(writer->Lock(LockMode::kShared));
  EXPECT_EQ(HeldBytes(), "100 201 203 ");
  EXPECT_EQ(Refusal(*other, LockMode::kExclusive), ErrorCode::kBusy);
  EXPECT_TRUE(other->Lock(LockMode::kShared));
  ASSERT_TRUE(other->Lock(LockMode::kNone));
  EXPECT_EQ(HeldBytes(), "100 201 203 ");
  ASSERT_TRUE(writer->Lock(LockMode::kNone));
  EXPECT_EQ(HeldBytes(), "");
  EXPECT_TRUE(other->Lock(LockMode::kExclusive));
}

TEST_F(PosixLockTest, HolderInAnotherProcessIsNamed) {
  std::array<int, 2> pipe = {-1, -1};
  ASSERT_EQ(::pipe2(pipe.data(), O_CLOEXEC), 0);
  const FileDescriptor reader(pipe[0]);
  FileDescriptor writer(pipe[1]);
  const std::string path = PathOf("a");
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    HostFileSystem files;
    const auto file = files.Open(path, kAsWriter);
    const bool locked = file && (*file)->Lock(LockMode::kExclusive);
    [[maybe_unused]] const ssize_t told = ::write(pipe[1], locked ? "y" : "n", 1);
    ::pause();
    ::_exit(0);
  }
  writer = FileDescriptor();
  char locked = 0;
  EXPECT_EQ(::read(reader.get(), &locked, 1), 1);
  EXPECT_EQ(locked, 'y');
  const Result<void> refused = Open("a")->Lock(LockMode::kShared);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kBusy);
  EXPECT_EQ(refused.error().file, path);
  EXPECT_NE(refused.error().sentence.find("(pid " + std::to_string(child) + ")"), std::string::npos)
      << refused.error().sentence;
}

}  // namespace
}  // namespace vhdx

#include "io/stream_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <string>
#include <thread>
#include <vector>

#include "bytes/arithmetic.h"
#include "io/file_descriptor.h"

namespace vhdx {
namespace {

struct Pipe {
  FileDescriptor reader;
  FileDescriptor writer;
};

Pipe MakePipe() {
  std::array<int, 2> fds = {-1, -1};
  EXPECT_EQ(::pipe2(fds.data(), O_CLOEXEC), 0);
  return {FileDescriptor(fds[0]), FileDescriptor(fds[1])};
}

/// Everything that comes out of the pipe until its writing end is closed.
std::vector<std::byte> Drain(int fd) {
  std::vector<std::byte> bytes;
  std::array<std::byte, 4096> piece;
  while (true) {
    const ssize_t length = ::read(fd, piece.data(), piece.size());
    if (length <= 0) return bytes;
    bytes.insert(bytes.end(), piece.begin(), piece.begin() + length);
  }
}

constexpr std::array<std::byte, 3> kAbc = {std::byte{'a'}, std::byte{'b'}, std::byte{'c'}};

TEST(StreamFile, WrittenInOrderComesOutInOrder) {
  Pipe pipe = MakePipe();
  StreamFile file(pipe.writer.get(), "-");
  const std::array<ByteSpan, 2> buffers = {kAbc, kAbc};
  ASSERT_TRUE(file.WriteAt(0, buffers));
  ASSERT_TRUE(file.ZeroRange({6, 2}));
  ASSERT_TRUE(file.WriteAt(8, ByteSpan(kAbc)));
  EXPECT_EQ(*file.Size(), 11U);
  pipe.writer = FileDescriptor();
  const std::vector<std::byte> bytes = Drain(pipe.reader.get());
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()),
            std::string("abcabc\0\0abc", 11));
}

TEST(StreamFile, OutOfOrderIsRefused) {
  const Pipe pipe = MakePipe();
  StreamFile file(pipe.writer.get(), "-");
  ASSERT_TRUE(file.WriteAt(0, ByteSpan(kAbc)));
  EXPECT_EQ(file.WriteAt(4, ByteSpan(kAbc)).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(file.WriteAt(0, ByteSpan(kAbc)).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(file.ZeroRange({2, 5}).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(*file.Size(), 3U);
}

TEST(StreamFile, FullNonBlockingPipeIsWaitedFor) {
  Pipe pipe = MakePipe();
  ASSERT_EQ(::fcntl(pipe.writer.get(), F_SETFL, O_NONBLOCK), 0);
  StreamFile file(pipe.writer.get(), "-");
  std::vector<std::byte> drained;
  std::thread reader([&] { drained = Drain(pipe.reader.get()); });
  EXPECT_TRUE(file.ZeroRange({0, kMiB}));
  pipe.writer = FileDescriptor();
  reader.join();
  EXPECT_EQ(drained.size(), kMiB);
}

TEST(StreamFile, ReaderGoneIsAnError) {
  ::signal(SIGPIPE, SIG_IGN);
  Pipe pipe = MakePipe();
  StreamFile file(pipe.writer.get(), "-");
  pipe.reader = FileDescriptor();
  const Result<void> written = file.WriteAt(0, ByteSpan(kAbc));
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code, ErrorCode::kIo);
  EXPECT_EQ(written.error().sys_errno, EPIPE);
  EXPECT_EQ(written.error().sentence, "the program that reads this output has ended");
}

TEST(StreamFile, SyncOfAPipeSucceeds) {
  const Pipe pipe = MakePipe();
  EXPECT_TRUE(StreamFile(pipe.writer.get(), "-").Sync());
}

}  // namespace
}  // namespace vhdx

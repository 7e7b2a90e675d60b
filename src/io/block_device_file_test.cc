// PosixFile on a block device: a loop device over a file, where the test may make one.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/loop.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <vhdxkit/file.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "bytes/arithmetic.h"
#include "io/file_descriptor.h"
#include "testing/host_folder.h"

namespace vhdx {
namespace {

using testing::HostFolderTest;
using testing::PatternBytes;
using testing::ReadAll;

constexpr OpenFileOptions kWritable = {.access = FileAccess::kReadWrite};

class BlockDeviceFileTest : public HostFolderTest {
 protected:
  void SetUp() override {
    bytes_ = PatternBytes(4 * kMiB);
    ASSERT_TRUE(New("backing")->WriteAt(0, ByteSpan(bytes_)));
    // Between asking for a free device and taking it, another test may have taken it.
    int attempts = 20;
    while (!Attach() && errno == EBUSY && attempts != 0) --attempts;
    if (!loop_.is_open()) GTEST_SKIP() << "no loop device to be had: " << std::strerror(errno);
  }
  void TearDown() override {
    if (loop_.is_open()) ::ioctl(loop_.get(), LOOP_CLR_FD, 0);
  }

  bool Attach() {
    const FileDescriptor control(::open("/dev/loop-control", O_RDWR | O_CLOEXEC));
    const FileDescriptor backing(::open(PathOf("backing").c_str(), O_RDWR | O_CLOEXEC));
    if (!control.is_open()) return false;
    const int number = ::ioctl(control.get(), LOOP_CTL_GET_FREE);
    if (number < 0) return false;
    device_ = "/dev/loop" + std::to_string(number);
    FileDescriptor loop(::open(device_.c_str(), O_RDWR | O_CLOEXEC));
    loop_config config = {};
    config.fd = static_cast<uint32_t>(backing.get());
    if (!loop.is_open() || ::ioctl(loop.get(), LOOP_CONFIGURE, &config) != 0) return false;
    loop_ = std::move(loop);
    return true;
  }

  std::unique_ptr<File> OpenDevice(const OpenFileOptions& options = kWritable) {
    auto file = files().Open(device_, options);
    EXPECT_TRUE(file) << ToString(file.error());
    return file ? std::move(*file) : nullptr;
  }

  std::string device_;
  FileDescriptor loop_;
  std::vector<std::byte> bytes_;
};

TEST_F(BlockDeviceFileTest, HasAFixedLengthAndNoHoles) {
  const auto file = OpenDevice();
  EXPECT_TRUE(file->capabilities().block_device);
  EXPECT_FALSE(file->capabilities().extension_reads_zero);
  EXPECT_EQ(*file->Size(), 4 * kMiB);
  EXPECT_EQ(*file->NextData(100), 100U);
  EXPECT_EQ(*file->NextHole(100), 4 * kMiB);
  EXPECT_TRUE(file->Resize(4 * kMiB));
  EXPECT_EQ(file->Resize(kMiB).error().code, ErrorCode::kUnsupported);
  EXPECT_EQ(file->WriteAt(4 * kMiB - 5, ByteSpan(PatternBytes(10))).error().code,
            ErrorCode::kNoSpace);
  EXPECT_EQ(file->ZeroRange({4 * kMiB - 5, 10}).error().code, ErrorCode::kNoSpace);
}

TEST_F(BlockDeviceFileTest, ReadsWritesAndZeroesAtAnyOffset) {
  const auto file = OpenDevice();
  const std::vector<std::byte> piece = PatternBytes(1000, 9);
  ASSERT_TRUE(file->WriteAt(777, ByteSpan(piece)));
  std::ranges::copy(piece, bytes_.begin() + 777);
  for (const FileRange range :
       {FileRange{100, 10}, FileRange{5000, 5000}, FileRange{kMiB + 1, kMiB}}) {
    ASSERT_TRUE(file->ZeroRange(range));
    std::fill_n(bytes_.begin() + static_cast<ptrdiff_t>(range.file_offset), range.length_bytes,
                std::byte{0});
  }
  ASSERT_TRUE(file->Sync());
  EXPECT_EQ(ReadAll(*file), bytes_);
}

TEST_F(BlockDeviceFileTest, PunchedRangeReadsZerosOrIsRefused) {
  const auto file = OpenDevice();
  const Result<void> punched = file->PunchHole({kMiB, kMiB});
  if (punched) {
    std::fill_n(bytes_.begin() + kMiB, kMiB, std::byte{0});
  } else {
    EXPECT_EQ(punched.error().code, ErrorCode::kUnsupported);
  }
  EXPECT_EQ(file->PunchHole({kMiB + 1, 10}).error().code, ErrorCode::kUnsupported);
  EXPECT_EQ(ReadAll(*file), bytes_);
}

TEST_F(BlockDeviceFileTest, DeviceInUseIsNotOpenedForWriting) {
  const auto file = OpenDevice();
  EXPECT_EQ(files().Open(device_, kWritable).error().code, ErrorCode::kBusy);
  EXPECT_TRUE(files().Open(device_, {}));
}

TEST_F(BlockDeviceFileTest, NamesOfOneDeviceAreOneFile) {
  const auto file = OpenDevice();
  std::filesystem::create_symlink(device_, PathOf("link"));
  const auto linked = Open("link");
  EXPECT_EQ(linked->identity(), file->identity());
  EXPECT_NE(Open("backing")->identity(), file->identity());
  EXPECT_EQ(*linked->RealPath(), device_);
}

TEST_F(BlockDeviceFileTest, DirectReadsAndWritesReachTheDevice) {
  auto opened = files().Open(device_, {.access = FileAccess::kReadWrite, .direct = true});
  ASSERT_TRUE(opened);
  const std::vector<std::byte> piece = PatternBytes(5000, 3);
  ASSERT_TRUE((*opened)->WriteAt(4 * kMiB - 5000, ByteSpan(piece)));
  std::ranges::copy(piece, bytes_.end() - 5000);
  EXPECT_EQ(ReadAll(**opened), bytes_);
}

}  // namespace
}  // namespace vhdx

#include "media/read_service.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>
#include <vhdxkit/raw_device.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <thread>
#include <utility>
#include <vector>

#include "bytes/arithmetic.h"
#include "io/file_descriptor.h"
#include "testing/host_folder.h"
#include "testing/memory_file.h"

namespace vhdx {
namespace {

constexpr size_t kDiskBytes = 3 * kMiB + 512;

std::unique_ptr<RawDevice> PatternDisk() {
  auto file = std::make_unique<testing::MemoryFile>();
  EXPECT_TRUE(file->WriteAt(0, testing::PatternBytes(kDiskBytes)));
  return *RawDevice::Open(std::move(file));
}

/// A server on a thread, and the other end of its socket.
class ReadServiceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::array<int, 2> ends = {};
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()), 0);
    server_end_ = FileDescriptor(ends[0]);
    client_end_ = FileDescriptor(ends[1]);
  }
  void TearDown() override { Stop(); }

  void Serve(std::unique_ptr<BlockDevice> disk) {
    disk_ = std::move(disk);
    server_ = std::thread([this] {
      outcome_ = ServeReads(*disk_, server_end_.get());
      ::shutdown(server_end_.get(), SHUT_RDWR);
    });
  }
  /// Goes away, and returns how serving ended.
  Result<void> Stop() {
    ::shutdown(client_end_.get(), SHUT_RDWR);
    if (server_.joinable()) server_.join();
    return outcome_;
  }
  int socket() const { return client_end_.get(); }
  int server_socket() const { return server_end_.get(); }

  std::unique_ptr<ServedDevice> Connected() {
    auto device = ServedDevice::Connect(socket());
    EXPECT_TRUE(device) << ToString(device.error());
    return *std::move(device);
  }
  template <typename T>
  void Send(int end, const T& message) {
    EXPECT_EQ(::send(end, &message, sizeof(message), MSG_NOSIGNAL), ssize_t{sizeof(message)});
  }

 private:
  FileDescriptor server_end_;
  FileDescriptor client_end_;
  std::unique_ptr<BlockDevice> disk_;
  std::thread server_;
  Result<void> outcome_;
};

TEST_F(ReadServiceTest, ServedDiskReadsAsTheDisk) {
  Serve(PatternDisk());
  const auto device = Connected();
  EXPECT_EQ(device->size_bytes(), kDiskBytes);
  EXPECT_EQ(device->logical_sector_size(), 512U);
  EXPECT_FALSE(device->writable());
  const auto expected = testing::PatternBytes(kDiskBytes);
  std::vector<std::byte> bytes(kDiskBytes);
  ASSERT_TRUE(device->Read(0, bytes));
  EXPECT_EQ(bytes, expected);
  std::array<std::byte, 7> few{};
  std::array<std::byte, 5> more{};
  const std::array<MutableByteSpan, 2> buffers = {few, more};
  ASSERT_TRUE(device->Read(kMiB - 3, buffers));
  EXPECT_EQ(few[6], expected[kMiB + 3]);
  EXPECT_EQ(more[4], expected[kMiB + 8]);
  EXPECT_TRUE(Stop());
}

TEST_F(ReadServiceTest, ReadPastTheEndIsNotEvenAsked) {
  Serve(PatternDisk());
  const auto device = Connected();
  std::array<std::byte, 2> bytes{};
  EXPECT_EQ(device->Read(kDiskBytes - 1, bytes).error().code, ErrorCode::kInvalidArgument);
  EXPECT_TRUE(Stop());
}

TEST_F(ReadServiceTest, DeviceIsReadOnly) {
  Serve(PatternDisk());
  const auto device = Connected();
  EXPECT_EQ(device->Write(0, std::array{std::byte{1}}).error().code, ErrorCode::kReadOnly);
  EXPECT_EQ(device->Trim({0, 512}).error().code, ErrorCode::kReadOnly);
  EXPECT_EQ(device->WriteZeroes({0, 512}).error().code, ErrorCode::kReadOnly);
  const auto extents = device->Extents({512, 1024}, 5);
  ASSERT_TRUE(extents);
  ASSERT_EQ(extents->size(), 1U);
  EXPECT_EQ(extents->front().range, (DiskRange{512, 1024}));
}

TEST_F(ReadServiceTest, RequestsThatBreakTheRulesEndTheServing) {
  const std::vector<ReadRequest> requests = {
      {.disk_offset = 0, .length_bytes = 0},
      {.disk_offset = 0, .length_bytes = kMaxServedRead + 1},
      {.disk_offset = 0, .length_bytes = 0xFFFFFFFF},
      {.disk_offset = kDiskBytes - 1, .length_bytes = 2},
      {.disk_offset = ~uint64_t{0}, .length_bytes = 2},
  };
  for (const ReadRequest& request : requests) {
    SetUp();
    Serve(PatternDisk());
    Send(socket(), request);
    std::array<std::byte, sizeof(ReadServiceGreeting) + 1> answer{};
    EXPECT_EQ(::recv(socket(), answer.data(), answer.size(), MSG_WAITALL),
              ssize_t{sizeof(ReadServiceGreeting)});
    const auto outcome = Stop();
    ASSERT_FALSE(outcome);
    EXPECT_EQ(outcome.error().code, ErrorCode::kInvalidArgument);
  }
}

TEST_F(ReadServiceTest, HalfARequestIsAnError) {
  Serve(PatternDisk());
  const auto device = Connected();
  Send(socket(), le32(0));
  const auto outcome = Stop();
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, ErrorCode::kIo);
}

TEST_F(ReadServiceTest, ServerThatIsNoneIsRefused) {
  ReadServiceGreeting greeting{
      .size_bytes = 512, .logical_sector_size = 512, .physical_sector_size = 512};
  greeting.magic = 1;
  Send(server_socket(), greeting);
  EXPECT_EQ(ServedDevice::Connect(socket()).error().code, ErrorCode::kCorrupt);
  greeting.magic = ReadServiceGreeting::kMagic;
  greeting.size_bytes = ~uint64_t{0};
  Send(server_socket(), greeting);
  EXPECT_EQ(ServedDevice::Connect(socket()).error().code, ErrorCode::kCorrupt);
  greeting.size_bytes = 512;
  greeting.logical_sector_size = 0;
  Send(server_socket(), greeting);
  EXPECT_EQ(ServedDevice::Connect(socket()).error().code, ErrorCode::kCorrupt);
}

TEST_F(ReadServiceTest, ServerThatGoesAwayIsAnError) {
  Send(server_socket(),
       ReadServiceGreeting{
           .size_bytes = 512, .logical_sector_size = 512, .physical_sector_size = 512});
  const auto device = Connected();
  ::shutdown(server_socket(), SHUT_RDWR);
  std::array<std::byte, 2> bytes{};
  EXPECT_EQ(device->Read(0, bytes).error().code, ErrorCode::kIo);
}

/// A device of which one sector cannot be read.
class BadSector final : public ReadOnlyDevice {
 public:
  BadSector() : ReadOnlyDevice({.name = "bad", .size_bytes = 4096}) {}
  using ReadOnlyDevice::Read;
  Result<void> Read(uint64_t disk_offset, std::span<const MutableByteSpan>) override {
    if (disk_offset != 512) return {};
    return Fail(ErrorCode::kIo, "a scratch", name());
  }
};

TEST_F(ReadServiceTest, ReadThatFailsIsReportedAndServingContinues) {
  Serve(std::make_unique<BadSector>());
  const auto device = Connected();
  std::array<std::byte, 2> bytes{};
  EXPECT_TRUE(device->Read(0, bytes));
  EXPECT_EQ(device->Read(512, bytes).error().code, ErrorCode::kIo);
  EXPECT_TRUE(device->Read(1024, bytes));
  const auto outcome = Stop();
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().sentence, "a scratch");
}

TEST(DeviceRangeTest, ReadsItsPartOfTheDevice) {
  const auto disk = PatternDisk();
  const auto expected = testing::PatternBytes(kDiskBytes);
  DeviceRange range(*disk, {1000, 2000});
  EXPECT_EQ(range.size_bytes(), 2000U);
  std::array<std::byte, 2> bytes{};
  ASSERT_TRUE(range.Read(1998, bytes));
  EXPECT_EQ(bytes[1], expected[2999]);
  EXPECT_FALSE(range.Read(1999, bytes));
  EXPECT_EQ(DeviceRange(*disk, {kDiskBytes - 1, 5}).size_bytes(), 1U);
  EXPECT_EQ(DeviceRange(*disk, {kDiskBytes + 1, 5}).size_bytes(), 0U);
}

}  // namespace
}  // namespace vhdx

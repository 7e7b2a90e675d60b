#include "testing/memory_file.h"

#include <gtest/gtest.h>

#include <array>
#include <vector>

#include "bytes/arithmetic.h"

namespace vhdx::testing {
namespace {

std::vector<std::byte> AllOf(size_t length, int value) {
  return std::vector<std::byte>(length, static_cast<std::byte>(value));
}

TEST(MemoryFile, HugeFileWithLittleDataCostsLittle) {
  MemoryFile file;
  ASSERT_TRUE(file.Resize(64 * kTiB));
  ASSERT_TRUE(file.WriteAt(63 * kTiB + 100, ByteSpan(AllOf(5000, 7))));
  EXPECT_EQ(*file.Size(), 64 * kTiB);
  EXPECT_EQ(*file.AllocatedBytes(), 2 * 4096U);
  std::vector<std::byte> read(5100);
  EXPECT_EQ(*file.ReadAt(63 * kTiB, read), 5100U);
  EXPECT_EQ(read[99], std::byte{0});
  EXPECT_EQ(read[100], std::byte{7});
  EXPECT_EQ(read[5099], std::byte{7});
}

TEST(MemoryFile, ReadPastTheEndIsShort) {
  MemoryFile file;
  ASSERT_TRUE(file.WriteAt(0, ByteSpan(AllOf(10, 1))));
  std::array<std::byte, 8> first;
  std::array<std::byte, 8> second;
  const std::array<MutableByteSpan, 2> buffers = {first, second};
  EXPECT_EQ(*file.ReadAt(0, buffers), 10U);
  EXPECT_EQ(*file.ReadAt(10, first), 0U);
}

TEST(MemoryFile, CutAndGrownAgainReadsZeros) {
  MemoryFile file;
  ASSERT_TRUE(file.WriteAt(0, ByteSpan(AllOf(10000, 1))));
  ASSERT_TRUE(file.Resize(100));
  ASSERT_TRUE(file.Resize(10000));
  const std::vector<std::byte> bytes = file.contents()->Bytes();
  ASSERT_EQ(bytes.size(), 10000U);
  EXPECT_EQ(bytes[99], std::byte{1});
  EXPECT_EQ(bytes[100], std::byte{0});
  EXPECT_EQ(bytes[9999], std::byte{0});
}

TEST(MemoryFile, PunchedPagesAreHolesAndPartsReadZeros) {
  MemoryFile file;
  ASSERT_TRUE(file.WriteAt(0, ByteSpan(AllOf(5 * 4096, 1))));
  ASSERT_TRUE(file.PunchHole({4000, 3 * 4096}));
  EXPECT_EQ(*file.Size(), 5 * 4096U);
  EXPECT_EQ(*file.AllocatedBytes(), 3 * 4096U);
  EXPECT_EQ(*file.NextHole(0), 4096U);
  EXPECT_EQ(*file.NextData(4096), 3 * 4096U);
  EXPECT_EQ(*file.NextHole(3 * 4096), 5 * 4096U);
  const std::vector<std::byte> bytes = file.contents()->Bytes();
  EXPECT_EQ(bytes[3999], std::byte{1});
  EXPECT_EQ(bytes[4000], std::byte{0});
  EXPECT_EQ(bytes[4000 + 3 * 4096 - 1], std::byte{0});
  EXPECT_EQ(bytes[4000 + 3 * 4096], std::byte{1});
}

TEST(MemoryFile, BytesAreComparedAcrossHoles) {
  constexpr uint64_t kPage = MemoryContents::kPageBytes;
  MemoryContents file;
  file.Resize(3 * kPage);
  const auto other = file.Copy();
  other->Write(kPage, AllOf(kPage, 0));
  EXPECT_TRUE(file.HasBytesOf(*other)) << "a page of zeros is a hole";
  EXPECT_TRUE(other->HasBytesOf(file));
  other->Write(2 * kPage - 1, AllOf(1, 7));
  EXPECT_FALSE(file.HasBytesOf(*other));
  EXPECT_FALSE(other->HasBytesOf(file));
  file.Write(2 * kPage - 1, AllOf(1, 7));
  EXPECT_TRUE(file.HasBytesOf(*other));
  file.Resize(3 * kPage + 1);
  EXPECT_FALSE(file.HasBytesOf(*other)) << "lengths count";
}

TEST(MemoryFile, ZeroRangePastTheEndGrows) {
  MemoryFile file;
  ASSERT_TRUE(file.WriteAt(0, ByteSpan(AllOf(100, 1))));
  ASSERT_TRUE(file.ZeroRange({50, kTiB}));
  EXPECT_EQ(*file.Size(), 50 + kTiB);
  EXPECT_EQ(file.contents()->Bytes({49, 2}), (std::vector<std::byte>{std::byte{1}, std::byte{0}}));
}

TEST(MemoryFile, WritableLockKeepsOthersOut) {
  auto contents = std::make_shared<MemoryContents>();
  MemoryFile first(contents);
  MemoryFile second(contents);
  {
    MemoryFile reader(contents);
    ASSERT_TRUE(reader.Lock(LockMode::kShared));
    ASSERT_TRUE(second.Lock(LockMode::kShared));
    EXPECT_EQ(first.Lock(LockMode::kExclusive).error().code, ErrorCode::kBusy);
  }
  EXPECT_EQ(first.Lock(LockMode::kExclusive).error().code, ErrorCode::kBusy);
  EXPECT_TRUE(second.Lock(LockMode::kExclusive));
  EXPECT_EQ(first.Lock(LockMode::kShared).error().code, ErrorCode::kBusy);
}

TEST(MemoryFile, ReadOnlyRefusesEveryChange) {
  MemoryFile file(std::make_shared<MemoryContents>(AllOf(10, 1)),
                  {.name = "r", .capabilities = {.writable = false}});
  EXPECT_EQ(file.WriteAt(0, ByteSpan(AllOf(1, 2))).error().code, ErrorCode::kReadOnly);
  EXPECT_EQ(file.Resize(0).error().code, ErrorCode::kReadOnly);
  EXPECT_EQ(file.ZeroRange({0, 1}).error().code, ErrorCode::kReadOnly);
  EXPECT_EQ(file.PunchHole({0, 1}).error().code, ErrorCode::kReadOnly);
  EXPECT_EQ(file.contents()->Bytes(), AllOf(10, 1));
}

}  // namespace
}  // namespace vhdx::testing

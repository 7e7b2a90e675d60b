#include "bytes/buffer_cursor.h"

#include <gtest/gtest.h>

#include <array>
#include <numeric>
#include <vector>

namespace vhdx {
namespace {

class BufferCursorTest : public ::testing::Test {
 protected:
  BufferCursorTest() {
    for (size_t i = 0; i < bytes_.size(); ++i) bytes_[i] = static_cast<std::byte>(i);
  }

  ByteSpan Bytes(size_t offset, size_t length) const {
    return ByteSpan(bytes_).subspan(offset, length);
  }

  static std::vector<int> Values(std::span<const ByteSpan> buffers) {
    std::vector<int> values;
    for (const ByteSpan buffer : buffers) {
      for (const std::byte byte : buffer) values.push_back(std::to_integer<int>(byte));
    }
    return values;
  }

  static std::vector<int> Count(int first, int length) {
    std::vector<int> values(static_cast<size_t>(length));
    std::iota(values.begin(), values.end(), first);
    return values;
  }

  std::array<std::byte, 100> bytes_{};
};

TEST_F(BufferCursorTest, PiecesFollowEachOtherAcrossBuffers) {
  const std::vector<ByteSpan> buffers = {Bytes(0, 10), {}, Bytes(10, 1), Bytes(11, 20), {}};
  EXPECT_EQ(TotalBytes(std::span<const ByteSpan>(buffers)), 31U);
  BufferCursor<ByteSpan> cursor(buffers);
  EXPECT_EQ(Values(cursor.Take(4)), Count(0, 4));
  const auto across = cursor.Take(9);
  EXPECT_EQ(across.size(), 3U);
  EXPECT_EQ(Values(across), Count(4, 9));
  EXPECT_TRUE(cursor.Take(0).empty());
  EXPECT_EQ(Values(cursor.Take(18)), Count(13, 18));
  EXPECT_TRUE(cursor.Take(0).empty());
}

TEST_F(BufferCursorTest, PieceInsideOneBuffer_IsThatBuffer) {
  const std::vector<ByteSpan> buffers = {Bytes(0, 50), Bytes(50, 50)};
  BufferCursor<ByteSpan> cursor(buffers);
  const auto first = cursor.Take(50);
  ASSERT_EQ(first.size(), 1U);
  EXPECT_EQ(first[0].data(), bytes_.data());
  const auto second = cursor.Take(50);
  ASSERT_EQ(second.size(), 1U);
  EXPECT_EQ(second[0].data(), bytes_.data() + 50);
}

}  // namespace
}  // namespace vhdx

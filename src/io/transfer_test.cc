#include "io/transfer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <vector>

#include "testing/host_folder.h"

namespace vhdx {
namespace {

using testing::PatternBytes;

TEST(Transfer, InterruptedAndShortCallsMoveEverythingOnce) {
  const std::vector<std::byte> source = PatternBytes(1000);
  std::vector<std::byte> target(1000);
  std::array<iovec, 3> vectors = {VectorOf(MutableByteSpan(target).first(1)),
                                  VectorOf(MutableByteSpan(target).subspan(1, 500)),
                                  VectorOf(MutableByteSpan(target).subspan(501))};
  int calls = 0;
  const Transferred done =
      TransferWhole(vectors, 50, [&](std::span<iovec> left, uint64_t offset) -> ssize_t {
        if (++calls % 3 == 0) {
          errno = EINTR;
          return -1;
        }
        const size_t length = std::min<size_t>(left[0].iov_len, 17);
        std::memcpy(left[0].iov_base, source.data() + (offset - 50), length);
        return static_cast<ssize_t>(length);
      });
  EXPECT_EQ(done.bytes, 1000U);
  EXPECT_EQ(done.sys_errno, 0);
  EXPECT_EQ(target, source);
}

TEST(Transfer, FailureKeepsTheCountOfWhatWasMoved) {
  std::vector<std::byte> target(100);
  std::array<iovec, 1> vectors = {VectorOf(MutableByteSpan(target))};
  const Transferred done =
      TransferWhole(vectors, 0, [](std::span<iovec>, uint64_t offset) -> ssize_t {
        errno = EIO;
        return offset == 0 ? 60 : -1;
      });
  EXPECT_EQ(done.bytes, 60U);
  EXPECT_EQ(done.sys_errno, EIO);
}

TEST(Transfer, NothingMovedEndsIt) {
  std::vector<std::byte> target(100);
  std::array<iovec, 1> vectors = {VectorOf(MutableByteSpan(target))};
  const Transferred done = TransferWhole(
      vectors, 0, [](std::span<iovec>, uint64_t offset) { return offset == 0 ? 60 : 0; });
  EXPECT_EQ(done.bytes, 60U);
  EXPECT_EQ(done.sys_errno, 0);
}

}  // namespace
}  // namespace vhdx

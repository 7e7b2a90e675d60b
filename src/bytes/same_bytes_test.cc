#include "bytes/same_bytes.h"

#include <gtest/gtest.h>

#include <vector>

namespace vhdx {
namespace {

TEST(SameBytes, OneByteAnywhere_MakesADifference) {
  for (size_t length = 1; length < 100; ++length) {
    const std::vector<std::byte> bytes(length, std::byte{7});
    EXPECT_TRUE(SameBytes(bytes, std::vector(bytes))) << length;
    for (size_t i = 0; i < length; ++i) {
      std::vector<std::byte> other = bytes;
      other[i] = std::byte{0x87};
      EXPECT_FALSE(SameBytes(bytes, other)) << length << ", " << i;
    }
  }
}

TEST(SameBytes, OtherLengths_AreNotTheSame) {
  const std::vector<std::byte> bytes(8, std::byte{7});
  EXPECT_FALSE(SameBytes(bytes, std::span(bytes).first(7)));
  EXPECT_FALSE(SameBytes({}, bytes));
  EXPECT_TRUE(SameBytes({}, {}));
}

}  // namespace
}  // namespace vhdx

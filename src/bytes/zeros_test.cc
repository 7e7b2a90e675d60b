#include "bytes/zeros.h"

#include <gtest/gtest.h>

#include <vector>

namespace vhdx {
namespace {

TEST(IsAllZero, ZerosOfAnyLength_AreZero) {
  for (size_t length = 0; length < 200; ++length) {
    EXPECT_TRUE(IsAllZero(std::vector<std::byte>(length))) << length;
  }
}

TEST(IsAllZero, OneByteAnywhere_IsNotZero) {
  for (size_t length = 1; length < 100; ++length) {
    for (size_t i = 0; i < length; ++i) {
      std::vector<std::byte> bytes(length);
      bytes[i] = std::byte{0x80};
      EXPECT_FALSE(IsAllZero(bytes)) << length << " " << i;
    }
  }
}

}  // namespace
}  // namespace vhdx

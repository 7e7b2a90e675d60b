#include "guest/crc32.h"

#include <gtest/gtest.h>

#include <span>
#include <string_view>

namespace vhdx::guest {
namespace {

uint32_t CrcOf(std::string_view text) { return Crc32(std::as_bytes(std::span(text))); }

TEST(Crc32, HasTheValuesOfTheCatalogue) {
  EXPECT_EQ(CrcOf(""), 0U);
  EXPECT_EQ(CrcOf("123456789"), 0xCBF43926U);
  EXPECT_EQ(CrcOf("The quick brown fox jumps over the lazy dog"), 0x414FA339U);
}

TEST(Crc32, RegisterGoesOnWhereItEnded) {
  const auto bytes = std::as_bytes(std::span(std::string_view("123456789")));
  const uint32_t front = Crc32Register(0xFFFFFFFF, bytes.first(4));
  EXPECT_EQ(~Crc32Register(front, bytes.subspan(4)), 0xCBF43926U);
}

}  // namespace
}  // namespace vhdx::guest

#include "bytes/utf16.h"

#include <gtest/gtest.h>

#include "testing/hex.h"
#include "testing/scale.h"

namespace vhdx {
namespace {

using testing::BytesFromHex;
using testing::HexFromBytes;

// One to four bytes of UTF-8: "a", e acute, the euro sign, a grinning face.
constexpr const char* kMixedUtf8 = "a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80";
constexpr const char* kMixedUtf16 = "6100 e900 ac20 3dd8 00de";
constexpr const char* kReplacement = "\xEF\xBF\xBD";

TEST(Utf8FromUtf16, TextOfEveryLengthOfUtf8) {
  EXPECT_EQ(Utf8FromUtf16(BytesFromHex(kMixedUtf16)), kMixedUtf8);
  EXPECT_EQ(Utf8FromUtf16({}), "");
}

TEST(Utf8FromUtf16, LastCodePointsOfEachLength) {
  EXPECT_EQ(Utf8FromUtf16(BytesFromHex("7f00 ff07 ffff ffdb ffdf")),
            "\x7F\xDF\xBF\xEF\xBF\xBF\xF4\x8F\xBF\xBF");
}

TEST(Utf8FromUtf16, OddLengthIsNoText) {
  EXPECT_EQ(Utf8FromUtf16(BytesFromHex("61")), std::nullopt);
  EXPECT_EQ(Utf8FromUtf16(BytesFromHex("6100 62")), std::nullopt);
}

TEST(Utf8FromUtf16, LoneSurrogateIsNoText) {
  for (const char* text : {
           "3dd8",            // high, at the end
           "00de",            // low, at the start
           "3dd8 6100",       // high without low
           "6100 00de 6200",  // low without high
           "3dd8 3dd8 00de",  // two highs
           "00de 3dd8",       // the wrong way round
       }) {
    EXPECT_EQ(Utf8FromUtf16(BytesFromHex(text)), std::nullopt) << text;
  }
}

TEST(Utf8FromUtf16, NulIsNoText) {
  EXPECT_EQ(Utf8FromUtf16(BytesFromHex("0000")), std::nullopt);
  EXPECT_EQ(Utf8FromUtf16(BytesFromHex("6100 0000")), std::nullopt);
  EXPECT_EQ(Utf8FromUtf16(BytesFromHex("6100 0000 6200")), std::nullopt);
}

TEST(DisplayableUtf8FromUtf16, EndsAtTheFirstNul) {
  EXPECT_EQ(DisplayableUtf8FromUtf16(BytesFromHex("6100 6200 0000 6300")), "ab");
  EXPECT_EQ(DisplayableUtf8FromUtf16(BytesFromHex("0000 6300")), "");
  EXPECT_EQ(DisplayableUtf8FromUtf16(BytesFromHex("6100 6200")), "ab");
}

TEST(DisplayableUtf8FromUtf16, WhatIsNoTextIsReplaced) {
  const std::string mark = kReplacement;
  EXPECT_EQ(DisplayableUtf8FromUtf16(BytesFromHex("6100 3dd8")), "a" + mark);
  EXPECT_EQ(DisplayableUtf8FromUtf16(BytesFromHex("00de 6100")), mark + "a");
  EXPECT_EQ(DisplayableUtf8FromUtf16(BytesFromHex("3dd8 3dd8 00de")), mark + "\xF0\x9F\x98\x80");
  EXPECT_EQ(DisplayableUtf8FromUtf16(BytesFromHex("00de 3dd8")), mark + mark);
}

TEST(DisplayableUtf8FromUtf16, HalfACodeUnitAtTheEndIsLeftOut) {
  EXPECT_EQ(DisplayableUtf8FromUtf16(BytesFromHex("6100 62")), "a");
  EXPECT_EQ(DisplayableUtf8FromUtf16({}), "");
}

TEST(Utf16FromUtf8, TextOfEveryLengthOfUtf8) {
  const auto bytes = Utf16FromUtf8(kMixedUtf8);
  ASSERT_TRUE(bytes.has_value());
  EXPECT_EQ(HexFromBytes(*bytes), "6100e900ac203dd800de");
  EXPECT_EQ(Utf16FromUtf8("")->size(), 0U);
}

TEST(Utf16FromUtf8, WhatIsNoUtf8IsNothing) {
  for (const char* text : {
           "\x80",              // continuation without a start
           "\xC3",              // cut short
           "\xE2\x82",          // cut short
           "\xC0\xAF",          // overlong
           "\xED\xA0\x80",      // a surrogate
           "\xF4\x90\x80\x80",  // past the last code point
           "\xFF",
       }) {
    EXPECT_EQ(Utf16FromUtf8(text), std::nullopt) << HexFromBytes(testing::BytesFromText(text));
  }
}

// Every code point there is goes to UTF-16 and back.
TEST(Utf16, EveryCodePointRoundTrips) {
  const auto step = static_cast<uint32_t>(testing::Scale());
  for (uint32_t code_point = 1; code_point < 0x110000; code_point += step) {
    if (code_point >= 0xD800 && code_point <= 0xDFFF) continue;
    std::vector<std::byte> bytes;
    const auto push = [&](uint32_t unit) {
      bytes.push_back(static_cast<std::byte>(unit & 0xFF));
      bytes.push_back(static_cast<std::byte>(unit >> 8));
    };
    if (code_point < 0x10000) {
      push(code_point);
    } else {
      push(0xD800 + ((code_point - 0x10000) >> 10));
      push(0xDC00 + ((code_point - 0x10000) & 0x3FF));
    }
    const auto utf8 = Utf8FromUtf16(bytes);
    ASSERT_TRUE(utf8.has_value()) << code_point;
    const auto back = Utf16FromUtf8(*utf8);
    ASSERT_TRUE(back.has_value()) << code_point;
    ASSERT_EQ(*back, bytes) << code_point;
    ASSERT_EQ(DisplayableUtf8FromUtf16(bytes), *utf8) << code_point;
  }
}

}  // namespace
}  // namespace vhdx

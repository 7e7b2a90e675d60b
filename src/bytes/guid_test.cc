#include <gtest/gtest.h>
#include <vhdxkit/guid.h>

#include "testing/hex.h"

namespace vhdx {
namespace {

using testing::HexFromBytes;

std::string BytesOf(const Guid& guid) { return HexFromBytes(std::as_bytes(std::span(guid.bytes))); }

constexpr Guid kBat =
    Guid::FromFields(0x2DC27766, 0xF623, 0x4200, {0x9D, 0x64, 0x11, 0x5E, 0x9B, 0xFD, 0x4A, 0x08});

TEST(Guid, FieldsStandInMicrosoftOrder) {
  EXPECT_EQ(BytesOf(kBat), "6677c22d23f600429d64115e9bfd4a08");
}

TEST(Guid, TextShowsTheFields) {
  EXPECT_EQ(kBat.ToString(), "2dc27766-f623-4200-9d64-115e9bfd4a08");
  EXPECT_EQ(Guid{}.ToString(), "00000000-0000-0000-0000-000000000000");
}

TEST(GuidParse, TextInEitherCaseWithOrWithoutBraces) {
  for (const char* text :
       {"2dc27766-f623-4200-9d64-115e9bfd4a08", "2DC27766-F623-4200-9D64-115E9BFD4A08",
        "{2dc27766-f623-4200-9d64-115e9bfd4a08}", "{2Dc27766-F623-4200-9d64-115E9BFD4a08}"}) {
    EXPECT_EQ(Guid::Parse(text), kBat) << text;
  }
}

TEST(GuidParse, AnythingElseIsNothing) {
  for (const char* text : {
           "",
           "{}",
           "2dc27766-f623-4200-9d64-115e9bfd4a0",
           "2dc27766-f623-4200-9d64-115e9bfd4a088",
           "{2dc27766-f623-4200-9d64-115e9bfd4a08",
           "2dc27766-f623-4200-9d64-115e9bfd4a08}",
           "(2dc27766-f623-4200-9d64-115e9bfd4a08)",
           " 2dc27766-f623-4200-9d64-115e9bfd4a08",
           "2dc27766f623-4200-9d64-115e9bfd4a08--",
           "2dc27766-f623-4200-9d64+115e9bfd4a08",
           "2dc2776g-f623-4200-9d64-115e9bfd4a08",
           "2dc27766-f623-4200-9d64-115e9bfd4a 8",
       }) {
    EXPECT_EQ(Guid::Parse(text), std::nullopt) << text;
  }
}

TEST(Guid, OnlyAllZeroIsZero) {
  EXPECT_TRUE(Guid{}.IsZero());
  for (size_t i = 0; i < 16; ++i) {
    Guid guid;
    guid.bytes[i] = 1;
    EXPECT_FALSE(guid.IsZero()) << i;
  }
}

TEST(Guid, RoundTripsThroughText) {
  Guid guid;
  for (size_t i = 0; i < 16; ++i) guid.bytes[i] = static_cast<uint8_t>(17 * i + 3);
  EXPECT_EQ(Guid::Parse(guid.ToString()), guid);
  EXPECT_NE(guid, kBat);
}

}  // namespace
}  // namespace vhdx

#include "bytes/endian.h"

#include <gtest/gtest.h>

#include <vector>

#include "testing/hex.h"

namespace vhdx {
namespace {

using testing::BytesFromHex;
using testing::HexFromBytes;

template <typename T>
std::string BytesOf(const T& value) {
  return HexFromBytes(std::as_bytes(std::span(&value, 1)));
}

TEST(LittleEndian, LowestByteStandsFirst) {
  EXPECT_EQ(BytesOf(le16(0x0201)), "0102");
  EXPECT_EQ(BytesOf(le32(0x04030201)), "01020304");
  EXPECT_EQ(BytesOf(le64(0x0807060504030201)), "0102030405060708");
}

TEST(LittleEndian, HighBitsSurvive) {
  EXPECT_EQ(uint16_t{le16(0xFFFE)}, 0xFFFE);
  EXPECT_EQ(uint32_t{le32(0xFFFFFFFE)}, 0xFFFFFFFE);
  EXPECT_EQ(uint64_t{le64(0xFFFFFFFFFFFFFFFE)}, 0xFFFFFFFFFFFFFFFE);
}

TEST(LittleEndian, NewValueIsZero) {
  EXPECT_EQ(uint64_t{le64()}, 0U);
  EXPECT_EQ(BytesOf(le32()), "00000000");
}

struct Pair {
  le16 first;
  le64 second;
};
static_assert(sizeof(Pair) == 10, "no padding between the fields");

TEST(LoadFrom, StructureIsReadFromAnyAlignment) {
  const std::vector<std::byte> bytes = BytesFromHex("ff 34 12 08 07 06 05 04 03 02 01 ff");
  const auto pair = LoadFrom<Pair>(std::span(bytes).subspan(1));
  EXPECT_EQ(pair.first, 0x1234);
  EXPECT_EQ(pair.second, 0x0102030405060708U);
}

TEST(StoreTo, NothingBesideTheStructureChanges) {
  std::vector<std::byte> bytes(12, std::byte{0xEE});
  StoreTo(std::span(bytes).subspan(1), Pair{.first = 0x1234, .second = 0x0102030405060708});
  EXPECT_EQ(HexFromBytes(bytes), "ee34120807060504030201ee");
}

}  // namespace
}  // namespace vhdx

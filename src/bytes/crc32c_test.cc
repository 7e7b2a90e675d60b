#include "bytes/crc32c.h"

#include <gtest/gtest.h>
#include <isa-l/crc.h>

#include <algorithm>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "testing/hex.h"
#include "testing/scale.h"

namespace vhdx {
namespace {

using Bytes = std::vector<std::byte>;

Bytes Counting(size_t length) {
  Bytes bytes(length);
  for (size_t i = 0; i < length; ++i) bytes[i] = static_cast<std::byte>(i);
  return bytes;
}

Bytes Reversed(Bytes bytes) {
  std::ranges::reverse(bytes);
  return bytes;
}

struct Vector {
  std::string name;
  Bytes bytes;
  uint32_t crc;
};

// docs/format.md, section 18.2.
std::vector<Vector> Vectors() {
  return {
      {"empty", {}, 0x00000000},
      {"a", testing::BytesFromText("a"), 0xC1D04330},
      {"123456789", testing::BytesFromText("123456789"), 0xE3069283},
      {"vhdxfile", testing::BytesFromText("vhdxfile"), 0xFE8155FC},
      {"32 x 00", Bytes(32), 0x8A9136AA},
      {"32 x FF", Bytes(32, std::byte{0xFF}), 0x62A8AB43},
      {"00 ... 1F", Counting(32), 0x46DD794E},
      {"1F ... 00", Reversed(Counting(32)), 0x113FDB5C},
      {"4096 x 00", Bytes(4096), 0x98F94189},
      {"65536 x 00", Bytes(65536), 0x72C0C4A4},
  };
}

// ISA-L works on the bare register: it neither inverts its start nor its result.
uint32_t IsaL(std::span<const std::byte> bytes) {
  Bytes copy(bytes.begin(), bytes.end());  // its parameter is not const
  copy.push_back(std::byte{0});            // and must not be null
  return ~crc32_iscsi(reinterpret_cast<unsigned char*>(copy.data()), static_cast<int>(bytes.size()),
                      0xFFFFFFFF);
}

// Every way that this machine has, and the one that was chosen.
class Crc32cTest : public ::testing::TestWithParam<std::string> {
 protected:
  uint32_t Extend(uint32_t crc, std::span<const std::byte> bytes) const {
    if (GetParam() == "chosen") return Crc32cExtend(crc, bytes);
    const auto variants = Crc32cVariants();
    return std::ranges::find(variants, GetParam(), &Crc32cVariant::name)->extend(crc, bytes);
  }
};

std::vector<std::string> VariantNames() {
  std::vector<std::string> names = {"chosen"};
  for (const Crc32cVariant& variant : Crc32cVariants()) {
    if (variant.available) names.emplace_back(variant.name);
  }
  return names;
}

INSTANTIATE_TEST_SUITE_P(Variants, Crc32cTest, ::testing::ValuesIn(VariantNames()),
                         [](const auto& name_info) {
                           std::string name = name_info.param;
                           std::erase_if(name, [](char c) { return c == '.' || c == '-'; });
                           return name;
                         });

TEST_P(Crc32cTest, KnownVectorsHold) {
  for (const Vector& vector : Vectors()) {
    EXPECT_EQ(Extend(0, vector.bytes), vector.crc) << vector.name;
  }
}

TEST_P(Crc32cTest, EveryLengthAndAlignmentAgreesWithIsaL) {
  std::mt19937_64 random(1);
  Bytes buffer(8 + 300);
  for (std::byte& byte : buffer) byte = static_cast<std::byte>(random());
  for (size_t alignment = 0; alignment < 8; ++alignment) {
    for (size_t length = 0; length <= 300; ++length) {
      const auto bytes = std::span<const std::byte>(buffer).subspan(alignment, length);
      ASSERT_EQ(Extend(0, bytes), IsaL(bytes)) << length << " bytes at alignment " << alignment;
    }
  }
}

TEST_P(Crc32cTest, RandomBuffersAgreeWithIsaL) {
  std::mt19937_64 random(2);
  for (uint64_t round = 0; round < testing::Scaled(200); ++round) {
    Bytes buffer(std::uniform_int_distribution<size_t>(0, 100000)(random));
    for (std::byte& byte : buffer) byte = static_cast<std::byte>(random());
    ASSERT_EQ(Extend(0, buffer), IsaL(buffer)) << "round " << round;
  }
}

TEST_P(Crc32cTest, PiecesGiveWhatTheWholeGives) {
  const Bytes bytes = Counting(100);
  const uint32_t whole = Extend(0, bytes);
  for (size_t split = 0; split <= bytes.size(); ++split) {
    const auto span = std::span<const std::byte>(bytes);
    EXPECT_EQ(Extend(Extend(0, span.first(split)), span.subspan(split)), whole) << split;
  }
}

TEST(Crc32cVariants, PortableOneIsAlwaysThere) {
  const auto variants = Crc32cVariants();
  const auto portable = std::ranges::find(variants, "portable", &Crc32cVariant::name);
  ASSERT_NE(portable, variants.end());
  EXPECT_TRUE(portable->available);
}

TEST(Crc32cWithoutField, FieldCountsAsZeros) {
  Bytes bytes = Counting(64);
  for (size_t field = 0; field + 4 <= bytes.size(); ++field) {
    Bytes zeroed = bytes;
    std::fill_n(zeroed.begin() + static_cast<std::ptrdiff_t>(field), 4, std::byte{0});
    EXPECT_EQ(Crc32cWithoutField(bytes, field), Crc32c(zeroed)) << field;
  }
}

}  // namespace
}  // namespace vhdx

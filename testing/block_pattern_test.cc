#include "testing/block_pattern.h"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

namespace vhdx::testing {
namespace {

std::vector<std::byte> Pattern(const BlockPattern& pattern, uint64_t offset, size_t length) {
  std::vector<std::byte> bytes(length);
  FillPattern(pattern, offset, bytes);
  return bytes;
}

TEST(BlockPattern, AnyPieceIsThatOfTheWhole) {
  const BlockPattern pattern{.seed = 7, .layer = 2};
  const std::vector<std::byte> whole = Pattern(pattern, 4096, 2000);
  for (size_t at = 0; at < 1100; at += 37) {
    for (const size_t length : {0U, 1U, 7U, 8U, 9U, 513U}) {
      const auto expected = std::span(whole).subspan(at, length);
      EXPECT_EQ(Pattern(pattern, 4096 + at, length),
                std::vector<std::byte>(expected.begin(), expected.end()))
          << at << " " << length;
    }
  }
}

TEST(BlockPattern, SeedLayerPlaceAndJunkAllMatter) {
  const BlockPattern base{.seed = 7, .layer = 0};
  std::set<std::vector<std::byte>> sectors;
  for (uint64_t sector = 0; sector < 100; ++sector) {
    sectors.insert(Pattern(base, 512 * sector, 512));
  }
  sectors.insert(Pattern({.seed = 8, .layer = 0}, 0, 512));
  sectors.insert(Pattern({.seed = 7, .layer = 1}, 0, 512));
  sectors.insert(Pattern(base.Junk(), 0, 512));
  EXPECT_EQ(sectors.size(), 103U);
}

TEST(BlockPattern, BytesSayWhatTheyAre) {
  EXPECT_EQ(DescribePattern(Pattern({.seed = 7, .layer = 3}, 1536, 512)), "layer 3, address 1536");
  EXPECT_EQ(DescribePattern(std::vector<std::byte>(512)), "zeros");
  EXPECT_EQ(DescribePattern(std::vector<std::byte>(512, std::byte{1})), "unknown bytes");
  EXPECT_EQ(DescribePattern(std::vector<std::byte>(15)), "too few bytes");
}

}  // namespace
}  // namespace vhdx::testing

#include "guest/free_map.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "bytes/arithmetic.h"
#include "bytes/formatting.h"
#include "testing/scale.h"

namespace vhdx::guest {
namespace {

FreeSpace SomeSpace() {
  return {.unit_bytes = 4096,
          .free = {{16384, 8192}, {65536, 4096}},
          .counted_free_bytes = 12288,
          .metadata = {{0, 8192}, {1024, 1024}}};
}

std::string Printed(const FreeSpaceAnswer& answer, uint64_t volume_bytes) {
  std::string text;
  const auto printed = PrintFreeMap(answer, volume_bytes, [&](std::string_view piece) {
    text += piece;
    return Result<void>{};
  });
  EXPECT_TRUE(printed);
  return text;
}

FreeSpace ParsedSpace(std::string_view text) {
  auto answer = ParseFreeMap(text);
  EXPECT_TRUE(answer) << ToString(answer.error());
  return std::get<FreeSpace>(*std::move(answer));
}

std::string SentenceFor(std::string_view text) {
  const auto answer = ParseFreeMap(text);
  return answer ? "" : answer.error().sentence;
}

TEST(FreeMap, IsPrintedAsDdrescueReadsIt) {
  EXPECT_EQ(Printed(SomeSpace(), 1 * kMiB),
            "# vhdx-free-space 1\n"
            "# unit: 4096\n"
            "# counted-free: 12288\n"
            "# metadata: 0x00000000 0x00002000\n"
            "# metadata: 0x00000400 0x00000400\n"
            "# current_pos  current_status\n"
            "0x00100000     +\n"
            "#      pos        size  status\n"
            "0x00000000  0x00004000  +\n"
            "0x00004000  0x00002000  ?\n"
            "0x00006000  0x0000A000  +\n"
            "0x00010000  0x00001000  ?\n"
            "0x00011000  0x000EF000  +\n"
            "# end\n");
}

TEST(FreeMap, WhatIsPrintedIsParsed) {
  const FreeSpace parsed = ParsedSpace(Printed(SomeSpace(), 1 * kMiB));
  EXPECT_EQ(parsed.unit_bytes, 4096U);
  EXPECT_EQ(parsed.counted_free_bytes, 12288U);
  EXPECT_EQ(parsed.free, SomeSpace().free);
  EXPECT_EQ(parsed.metadata, SomeSpace().metadata);
}

TEST(FreeMap, ReasonSurvivesTheText) {
  const auto answer = ParseFreeMap(Printed(LeftAlone{"it is dirty: very"}, 1 * kMiB));
  ASSERT_TRUE(answer) << ToString(answer.error());
  EXPECT_EQ(std::get<LeftAlone>(*answer).reason, "it is dirty: very");
}

TEST(FreeMap, MayArriveInPieces) {
  const std::string text = Printed(SomeSpace(), 1 * kMiB);
  for (size_t length = 1; length < 40; ++length) {
    FreeMapParser parser;
    for (size_t at = 0; at < text.size(); at += length) {
      ASSERT_TRUE(parser.Add(std::string_view(text).substr(at, length)));
    }
    const auto answer = parser.Finish();
    ASSERT_TRUE(answer) << ToString(answer.error());
    EXPECT_EQ(std::get<FreeSpace>(*answer).free, SomeSpace().free);
  }
}

// As partclone 0.3.23 prints it.
constexpr std::string_view kPartclone =
    "# Domain logfile created by unset_name v0.3.23\n"
    "# Source: e.img\n"
    "# Offset: 0x00000000\n"
    "# current_pos  current_status\n"
    "0x04000000     ?\n"
    "#      pos        size  status\n"
    "0x00000000  0x00448400  +\n"
    "0x00448400  0x003B8000  ?\n"
    "0x00800400  0x00040800  +\n"
    "0x00840C00  0x007BF800  ?\n";

TEST(FreeMap, ThatOfPartcloneIsParsed) {
  const FreeSpace parsed = ParsedSpace(kPartclone);
  EXPECT_EQ(parsed.unit_bytes, 0U);
  EXPECT_EQ(parsed.free, (std::vector<DiskRange>{{0x448400, 0x3B8000}, {0x840C00, 0x7BF800}}));
  EXPECT_EQ(parsed.counted_free_bytes, uint64_t{0x3B8000 + 0x7BF800});
}

TEST(FreeMap, WhatNoLineCoversIsInUse) {
  EXPECT_EQ(ParsedSpace("0 ?\n4096 4096 ?\n8192 4096 ?\n0x8000 0x1000 ?").free,
            (std::vector<DiskRange>{{4096, 8192}, {0x8000, 0x1000}}));
}

struct BadMap {
  const char* text;
  const char* sentence;
};

TEST(FreeMap, WhatIsNotAMapIsRefused) {
  const std::vector<BadMap> cases = {
      {"", "line 0 of the map: no line with a status before the end"},
      {"0 ? 1 2\n", "line 1 of the map: it is not \"position status\""},
      {"0 x\n", "line 1 of the map: it is not \"position status\""},
      {"0 ?\n0 4096\n", "line 2 of the map: the status is neither \"+\" (in use) nor \"?\" (free)"},
      {"0 ?\n0 4096 -\n",
       "line 2 of the map: the status is neither \"+\" (in use) nor \"?\" (free)"},
      {"0 ?\n0 4096 ? ?\n", "line 2 of the map: it is not \"position size status\""},
      {"0 ?\n0 -4096 ?\n", "line 2 of the map: it is not \"position size status\""},
      {"0 ?\n010 4096 ?\n", "line 2 of the map: it is not \"position size status\""},
      {"0 ?\n0x 4096 ?\n", "line 2 of the map: it is not \"position size status\""},
      {"0 ?\n0x1FFFFFFFFFFFFFFFF 4096 ?\n",
       "line 2 of the map: it is not \"position size status\""},
      {"0 ?\n0xFFFFFFFFFFFFF000 0x1000 ?\n", "line 2 of the map: the size is out of range"},
      {"0 ?\n4096 0 ?\n", "line 2 of the map: the size is out of range"},
      {"0 ?\n0 8192 +\n4096 4096 ?\n",
       "line 3 of the map: it begins before the end of the range before it"},
      {"# vhdx-free-space 1\n0 +\n", "line 2 of the map: the map ends too early"},
      {"# vhdx-free-space 1\n0 +\n# end\n",
       "line 3 of the map: no unit or no count of what is free"},
      {"# vhdx-free-space 1\n0 +\n# end\n0 4096 ?\n", "line 4 of the map: it is after the end"},
      {"# vhdx-free-space 1\n# left-alone: why\n0 +\n0 4096 ?\n# end\n",
       "line 5 of the map: free ranges of a volume that is left alone"},
      {"# vhdx-free-space 1\n# left-alone: \x1B[31m\n",
       "line 2 of the map: the reason is not plain text"},
      {"# vhdx-free-space 1\n# unit: many\n", "line 2 of the map: it is not a number"},
      {"# vhdx-free-space 1\n# metadata: 0\n", "line 2 of the map: it is not a range"},
  };
  for (const BadMap& c : cases) EXPECT_EQ(SentenceFor(c.text), c.sentence) << c.text;
  EXPECT_EQ(SentenceFor(std::string(1001, '#')), "line 1 of the map: it is too long");
}

TEST(FreeMap, CommentsOfOthersSayNothing) {
  const FreeSpace parsed = ParsedSpace("# something\n# unit: 8\n# metadata: 0 1\n0 ?\n0 16 ?\n");
  EXPECT_EQ(parsed.unit_bytes, 0U);
  EXPECT_TRUE(parsed.metadata.empty());
}

TEST(FreeMap, RandomChangesAreParsedOrRefused) {
  std::mt19937 random(1);
  const std::string text = Printed(SomeSpace(), 1 * kMiB);
  for (uint64_t i = 0; i < testing::Scaled(20'000); ++i) {
    std::string changed = text;
    for (int change = 0; change < 3; ++change) {
      changed[random() % changed.size()] = static_cast<char>(random());
    }
    const auto answer = ParseFreeMap(changed);
    if (!answer || !std::holds_alternative<FreeSpace>(*answer)) continue;
    uint64_t end = 0;
    for (const DiskRange& range : std::get<FreeSpace>(*answer).free) {
      EXPECT_GE(range.disk_offset, end);
      EXPECT_GT(range.end(), range.disk_offset);
      end = range.end();
    }
  }
}

// -- The check --

std::string WhyNot(const FreeSpace& space, const std::vector<DiskRange>& superblocks = {}) {
  const auto verified = VerifyFreeSpace(space, 1 * kMiB, superblocks);
  return verified ? "" : verified.error().sentence;
}

TEST(FreeSpaceCheck, WhatIsRightIsBelieved) { EXPECT_EQ(WhyNot(SomeSpace(), {{1024, 1024}}), ""); }

FreeSpace WithRange(DiskRange range) {
  FreeSpace space = SomeSpace();
  space.free[1] = range;
  space.counted_free_bytes = 8192 + range.length_bytes;
  return space;
}

TEST(FreeSpaceCheck, RangeOutsideOfTheVolumeIsNotBelieved) {
  EXPECT_EQ(WhyNot(WithRange({1 * kMiB - 4096, 4096})), "");
  EXPECT_NE(WhyNot(WithRange({1 * kMiB - 4096, 8192})), "");
  EXPECT_NE(WhyNot(WithRange({1 * kMiB, 4096})), "");
  EXPECT_NE(WhyNot(WithRange({65536, std::numeric_limits<uint64_t>::max() - 4095})), "");
  EXPECT_NE(WhyNot(WithRange({65536, 0})), "");
}

TEST(FreeSpaceCheck, RangeThatIsNotOfWholeUnitsIsNotBelieved) {
  EXPECT_EQ(WhyNot(WithRange({65536 + 512, 4096})),
            "its map calls 4096 bytes at offset 66048 free, which are not whole blocks of 4096");
  EXPECT_NE(WhyNot(WithRange({65536, 512})), "");
  FreeSpace unknown_unit = WithRange({65536 + 512, 512});
  unknown_unit.unit_bytes = 0;
  EXPECT_EQ(WhyNot(unknown_unit), "");
}

TEST(FreeSpaceCheck, RangesOutOfOrderAreNotBelieved) {
  EXPECT_EQ(WhyNot(WithRange({24576, 4096})), "");
  EXPECT_NE(WhyNot(WithRange({20480, 8192})), "");
  EXPECT_NE(WhyNot(WithRange({12288, 4096})), "");
}

TEST(FreeSpaceCheck, OtherCountIsNotBelieved) {
  FreeSpace space = SomeSpace();
  space.counted_free_bytes += 4096;
  EXPECT_EQ(WhyNot(space), "12288 bytes are free by its map, and 16384 by its own count");
}

TEST(FreeSpaceCheck, FreeMetadataIsNotBelieved) {
  FreeSpace space = SomeSpace();
  space.metadata.push_back({12288, 4097});
  EXPECT_EQ(WhyNot(space),
            "its map calls 8192 bytes at offset 16384 free, but 1 bytes at offset 16384 of that "
            "are its own structures");
  space.metadata.back() = {12288, 4096};
  EXPECT_EQ(WhyNot(space), "");
  // A long range before a short one.
  space.metadata = {{0, 20480}, {4096, 4096}};
  EXPECT_NE(WhyNot(space), "");
  EXPECT_NE(WhyNot(SomeSpace(), {{69631, 1}}), "");
  EXPECT_EQ(WhyNot(SomeSpace(), {{69632, 1}}), "");
}

TEST(FreeSpaceCheck, MetadataOutsideOfTheVolumeIsNotBelieved) {
  FreeSpace space = SomeSpace();
  space.metadata.push_back({1 * kMiB, 1});
  EXPECT_NE(WhyNot(space), "");
}

// -- What is known without asking --

TEST(SuperblockRanges, AreInsideOfTheVolume) {
  for (uint64_t volume_bytes : {uint64_t{0}, uint64_t{100}, 3 * kKiB, 1 * kMiB, 300 * kGiB}) {
    for (int kind = 0; kind <= static_cast<int>(VolumeKind::kSwap); ++kind) {
      const Superblock superblock{.kind = static_cast<VolumeKind>(kind),
                                  .size_bytes = 2 * volume_bytes,
                                  .trailer_offset = volume_bytes / 2};
      for (const DiskRange& range : SuperblockRanges(superblock, volume_bytes)) {
        EXPECT_TRUE(FitsInside(range.disk_offset, range.length_bytes, volume_bytes));
      }
    }
  }
}

TEST(SuperblockRanges, AreWhereTheSuperblocksAre) {
  using Ranges = std::vector<DiskRange>;
  EXPECT_EQ(SuperblockRanges({.kind = VolumeKind::kExt4}, 1 * kGiB), (Ranges{{1024, 1024}}));
  EXPECT_EQ(SuperblockRanges({.kind = VolumeKind::kNtfs, .size_bytes = 1 * kMiB}, 2 * kMiB),
            (Ranges{{0, 8192}, {1 * kMiB - 512, 512}}));
  EXPECT_EQ(SuperblockRanges({.kind = VolumeKind::kBtrfs}, 1 * kGiB),
            (Ranges{{64 * kKiB, 4096}, {64 * kMiB, 4096}}));
  EXPECT_EQ(SuperblockRanges({.kind = VolumeKind::kLuks2}, 1 * kGiB), (Ranges{{0, 1 * kGiB}}));
}

}  // namespace
}  // namespace vhdx::guest

#include "image/bat_rules.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "format/rules.h"

namespace vhdx {
namespace {

using format::BatEntry;
using format::PayloadState;

constexpr DiskParameters kParameters{.block_size_bytes = 2 * kMiB,
                                     .virtual_disk_size_bytes = 9 * kMiB,
                                     .logical_sector_size = 512,
                                     .physical_sector_size = 512};

BatRules MakeRules(bool has_parent) {
  return BatRules(format::BatGeometry(kParameters), has_parent, 3 * kMiB, 20 * kMiB,
                  ReservedRanges({{0, kMiB}, {1 * kMiB, kMiB}, {3 * kMiB, kMiB}}));
}

constexpr BatSlot kFirst{BatSlot::Kind::kPayload, 0};
constexpr BatSlot kLast{BatSlot::Kind::kPayload, 4};  // 1 MiB of it lies on the disk
constexpr BatSlot kBitmap{BatSlot::Kind::kBitmap, 0};

bool Breaks(const BatRules& bat, BatSlot slot, BatEntry entry, const Rule& rule) {
  return std::ranges::count(bat.Classify(slot, entry).broken, &rule) == 1;
}

TEST(BatRules, CleanEntries_BreakNothing) {
  const BatRules bat = MakeRules(false);
  for (const PayloadState state : {PayloadState::kNotPresent, PayloadState::kUndefined,
                                   PayloadState::kZero, PayloadState::kUnmapped}) {
    EXPECT_TRUE(bat.Classify(kFirst, BatEntry(state, 0)).broken.empty());
    EXPECT_TRUE(bat.IsUsable(kFirst, BatEntry(state, 0)));
  }
  EXPECT_TRUE(bat.Classify(kFirst, BatEntry(PayloadState::kFullyPresent, 4 * kMiB)).broken.empty());
  EXPECT_TRUE(bat.Classify(kFirst, BatEntry(PayloadState::kUnmapped, 4 * kMiB)).broken.empty());
}

TEST(BatRules, PlacesOfPresentBlocks_AreHeldAgainstTheFile) {
  const BatRules bat = MakeRules(false);
  const struct {
    uint64_t offset;
    const Rule* rule;
  } cases[] = {{0, &rules::kBatOffset},
               {1 * kMiB, &rules::kBatOverlap},
               {2 * kMiB, &rules::kBatOverlap},  // its second half is the BAT
               {19 * kMiB, &rules::kBatBeyondEof},
               {20 * kMiB, &rules::kBatBeyondEof},
               {BatEntry::kOffsetMask, &rules::kBatBeyondEof}};
  for (const auto& [offset, rule] : cases) {
    const BatEntry entry(PayloadState::kFullyPresent, offset);
    EXPECT_FALSE(bat.IsUsable(kFirst, entry)) << offset;
    EXPECT_TRUE(Breaks(bat, kFirst, entry, *rule)) << offset;
    EXPECT_EQ(bat.Classify(kFirst, entry).broken.size(), 1U) << offset;
  }
  EXPECT_TRUE(bat.IsUsable(kFirst, BatEntry(PayloadState::kFullyPresent, 18 * kMiB)));
}

TEST(BatRules, LastBlockCutShort_IsToleratedAsFarAsTheDiskEnds) {
  const BatRules bat = MakeRules(false);
  const BatEntry cut(PayloadState::kFullyPresent, 19 * kMiB);
  EXPECT_TRUE(bat.IsUsable(kLast, cut));
  EXPECT_TRUE(Breaks(bat, kLast, cut, rules::kBatCutShort));
  const BatEntry beyond(PayloadState::kFullyPresent, 20 * kMiB);
  EXPECT_FALSE(bat.IsUsable(kLast, beyond));
}

TEST(BatRules, OddStates_NameTheirRule) {
  const BatRules base = MakeRules(false);
  const BatRules child = MakeRules(true);
  EXPECT_TRUE(Breaks(base, kFirst, BatEntry(4), rules::kBatState));
  EXPECT_FALSE(base.IsUsable(kFirst, BatEntry(4)));
  EXPECT_TRUE(Breaks(base, kFirst, BatEntry(5), rules::kBatStateOldUnmapped));
  EXPECT_TRUE(base.IsUsable(kFirst, BatEntry(5)));
  const BatEntry partial(PayloadState::kPartiallyPresent, 4 * kMiB);
  EXPECT_TRUE(Breaks(base, kFirst, partial, rules::kBatPartialWithoutParent));
  EXPECT_FALSE(base.IsUsable(kFirst, partial));
  EXPECT_TRUE(child.IsUsable(kFirst, partial));
  EXPECT_TRUE(child.Classify(kFirst, partial).broken.empty());
  EXPECT_TRUE(
      Breaks(base, kFirst, BatEntry(PayloadState::kZero, 4 * kMiB), rules::kBatUnusedOffset));
  EXPECT_TRUE(Breaks(base, kFirst, BatEntry(0x400000 | 6 | 8), rules::kBatReserved));
  EXPECT_TRUE(base.IsUsable(kFirst, BatEntry(0x400000 | 6 | 8)));
}

TEST(BatRules, AnchorsInUsedOrMissingSpace_AreReported) {
  const BatRules bat = MakeRules(false);
  for (const uint64_t offset : {1 * kMiB, 2 * kMiB, 30 * kMiB}) {
    const BatEntry entry(PayloadState::kUnmapped, offset);
    EXPECT_TRUE(bat.IsUsable(kFirst, entry)) << "it reads as zeros all the same";
    const Rule& rule = offset == 30 * kMiB ? rules::kBatAnchorBeyondEof : rules::kBatAnchorOverlap;
    EXPECT_TRUE(Breaks(bat, kFirst, entry, rule)) << offset;
  }
}

TEST(BatRules, BitmapEntries_MatterOnlyWithAParent) {
  const BatRules base = MakeRules(false);
  const BatRules child = MakeRules(true);
  EXPECT_TRUE(base.IsUsable(kBitmap, BatEntry(0x123)));
  EXPECT_TRUE(Breaks(base, kBitmap, BatEntry(6 | 4 * kMiB), rules::kBitmapUnexpected));
  EXPECT_TRUE(child.Classify(kBitmap, BatEntry(6 | 4 * kMiB)).broken.empty());
  EXPECT_TRUE(Breaks(child, kBitmap, BatEntry(5), rules::kBitmapState));
  EXPECT_TRUE(Breaks(child, kBitmap, BatEntry(6), rules::kBitmapRange));
  EXPECT_TRUE(Breaks(child, kBitmap, BatEntry(6 | 20 * kMiB), rules::kBitmapRange));
  EXPECT_TRUE(Breaks(child, kBitmap, BatEntry(6 | 3 * kMiB), rules::kBitmapOverlap));
  EXPECT_TRUE(child.IsUsable(kBitmap, BatEntry(6 | 19 * kMiB)));
}

// Blocks of 2 MiB at every place of the file, among structures that are not all at its start.
TEST(BatRules, SoundBlocks_BreakNothingAndTheNextOneDoes) {
  const BatRules bat(format::BatGeometry(kParameters), false, 3 * kMiB, 40 * kMiB,
                     ReservedRanges({{0, 2 * kMiB}, {3 * kMiB, kMiB}, {21 * kMiB, 3 * kMiB}}));
  for (uint64_t offset = 0; offset < 42 * kMiB; offset += kMiB) {
    const uint64_t count = bat.SoundBlocksFrom(BatEntry(PayloadState::kFullyPresent, offset));
    for (uint64_t i = 0; i <= count; ++i) {
      const BatEntry entry(PayloadState::kFullyPresent, offset + i * 2 * kMiB);
      EXPECT_EQ(bat.Classify(kFirst, entry).broken.empty(), i < count) << offset << " " << i;
    }
  }
  EXPECT_EQ(bat.SoundBlocksFrom(BatEntry(PayloadState::kFullyPresent, 4 * kMiB)), 8U);
  EXPECT_EQ(bat.SoundBlocksFrom(BatEntry(PayloadState::kUnmapped, 4 * kMiB)), 0U);
  EXPECT_EQ(bat.SoundBlocksFrom(BatEntry(4 * kMiB | 8 | 6)), 0U);
  EXPECT_EQ(bat.SoundBlocksFrom(BatEntry(BatEntry::kOffsetMask | 6)), 0U);
}

TEST(BatSlots, SpansOfAnyLength_AreTheSlotsOneByOne) {
  const DiskParameters parameters{.block_size_bytes = 256 * kMiB,
                                  .virtual_disk_size_bytes = 10 * kGiB + 512,
                                  .logical_sector_size = 512,
                                  .physical_sector_size = 512};
  const BatRules bat(format::BatGeometry(parameters), true, kMiB, kGiB, {});
  for (const uint64_t max_count : {1U, 3U, 7U, 16U, 1000U}) {
    BatSlots slots(bat, 0);
    BatSlots one_by_one(bat, 0);
    for (uint64_t index = 0; index < bat.entry_count() + 5;) {
      const BatSlots::Span span = slots.NextSpan(max_count);
      ASSERT_TRUE(span.count >= 1 && span.count <= max_count);
      for (uint64_t i = 0; i < span.count; ++i) {
        const BatSlot slot = one_by_one.Next();
        EXPECT_EQ(slot.kind, span.first.kind);
        EXPECT_EQ(slot.number, slot.kind == BatSlot::Kind::kPadding ? 0 : span.first.number + i);
      }
      index += span.count;
    }
  }
}

TEST(BatSlots, WalkAcrossChunks_AgreesWithTheIndexArithmetic) {
  const DiskParameters parameters{.block_size_bytes = 256 * kMiB,
                                  .virtual_disk_size_bytes = 10 * kGiB + 512,
                                  .logical_sector_size = 512,
                                  .physical_sector_size = 512};
  for (const bool has_parent : {false, true}) {
    const BatRules bat(format::BatGeometry(parameters), has_parent, kMiB, kGiB, {});
    BatSlots slots(bat, 0);
    uint64_t payloads = 0;
    uint64_t bitmaps = 0;
    for (uint64_t index = 0; index < bat.entry_count() + 5; ++index) {
      const BatSlot slot = slots.Next();
      EXPECT_EQ(slot.kind, BatSlots(bat, index).Next().kind);
      if (slot.kind == BatSlot::Kind::kPayload) {
        EXPECT_EQ(bat.geometry().PayloadIndex(slot.number), index);
        EXPECT_EQ(slot.number, payloads++);
      } else if (slot.kind == BatSlot::Kind::kBitmap) {
        EXPECT_EQ(bat.geometry().BitmapIndex(slot.number), index);
        EXPECT_EQ(slot.number, bitmaps++);
      }
    }
    EXPECT_EQ(payloads, 41U);
    EXPECT_EQ(bitmaps, has_parent ? 3U : 2U);
  }
}

}  // namespace
}  // namespace vhdx

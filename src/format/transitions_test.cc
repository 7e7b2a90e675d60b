#include "format/transitions.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <string>

namespace vhdx::format {
namespace {

constexpr Subformat kDisks[] = {Subformat::kFixed, Subformat::kDynamic, Subformat::kDifferencing};
constexpr BlockRequest kRequests[] = {BlockRequest::kWrite, BlockRequest::kZeroes,
                                      BlockRequest::kTrim};
constexpr BlockPart kParts[] = {BlockPart::kWhole, BlockPart::kPart};

// One combination that can be met.
struct Case {
  Subformat disk;
  PayloadState from;
  BlockRequest request;
  BlockPart part;
  Transition transition;

  bool is_child() const { return disk == Subformat::kDifferencing; }
  bool is_write() const { return request == BlockRequest::kWrite; }
  std::string Name() const {
    return std::string(SubformatName(disk)) + ", state " + std::to_string(static_cast<int>(from)) +
           ", request " + std::to_string(static_cast<int>(request)) + ", part " +
           std::to_string(static_cast<int>(part));
  }
};

bool CanBe(Subformat disk, PayloadState state) {
  if (state == PayloadState::kReserved) return false;
  return state != PayloadState::kPartiallyPresent || disk == Subformat::kDifferencing;
}

void ForEachCase(const std::function<void(const Case&)>& look) {
  for (const Subformat disk : kDisks) {
    for (int state = 0; state < 8; ++state) {
      const auto from = static_cast<PayloadState>(state);
      if (!CanBe(disk, from)) continue;
      for (const BlockRequest request : kRequests) {
        for (const BlockPart part : kParts) {
          const Case met{disk, from, request, part, TransitionOf(disk, from, request, part)};
          SCOPED_TRACE(met.Name());
          look(met);
        }
      }
    }
  }
}

TEST(Transitions, EachCombinationIsInOneLine) {
  ForEachCase([](const Case& met) {
    const auto rows = TransitionTable();
    EXPECT_EQ(std::ranges::count_if(rows,
                                    [&](const TransitionRow& row) {
                                      return row.Covers(met.disk, met.from, met.request, met.part);
                                    }),
              1);
  });
}

TEST(Transitions, WriteEndsWithData_AndNothingElseGetsSpaceWhereThereAreZeros) {
  ForEachCase([](const Case& met) {
    const Transition& transition = met.transition;
    if (met.is_write()) {
      EXPECT_TRUE(OwnsSpace(transition.to));
    } else if (transition.step == Transition::Step::kAllocate) {
      EXPECT_TRUE(met.is_child() && met.from == PayloadState::kNotPresent)
          << "only a parent shows something that has to be covered";
    }
  });
}

// Zeros that were written must stay zeros when the block is written again.
TEST(Transitions, ParentNeverComesBack) {
  ForEachCase([](const Case& met) {
    if (!met.is_child()) return;
    const bool showed_parent =
        met.from == PayloadState::kNotPresent || met.from == PayloadState::kPartiallyPresent;
    const bool changes = met.transition.step != Transition::Step::kNothing;
    if (changes) {
      EXPECT_NE(met.transition.to, PayloadState::kNotPresent);
      if (!showed_parent) {
        EXPECT_NE(met.transition.to, PayloadState::kPartiallyPresent);
      }
    } else {
      EXPECT_FALSE(showed_parent);
    }
  });
}

TEST(Transitions, BitsAreSetInBlocksThatArePartlyThere) {
  ForEachCase([](const Case& met) {
    EXPECT_EQ(met.transition.sets_bits, met.transition.to == PayloadState::kPartiallyPresent);
  });
}

TEST(Transitions, WhatCoversTheParentIsDurableFirst) {
  ForEachCase([](const Case& met) {
    const bool covers = met.is_child() && (met.transition.step == Transition::Step::kAllocate ||
                                           met.transition.sets_bits);
    if (covers &&
        (met.from == PayloadState::kNotPresent || met.from == PayloadState::kPartiallyPresent)) {
      EXPECT_EQ(met.transition.order, Transition::Order::kPayloadFirst);
    }
    if (met.transition.step == Transition::Step::kAllocate) {
      EXPECT_NE(met.transition.order, Transition::Order::kAny);
    }
  });
}

TEST(Transitions, FixedDiskKeepsItsBlocks) {
  ForEachCase([](const Case& met) {
    if (met.disk != Subformat::kFixed) return;
    EXPECT_NE(met.transition.step, Transition::Step::kFree);
    EXPECT_NE(met.transition.step, Transition::Step::kFreeIfAllocated);
  });
}

TEST(Transitions, WholeBlockThatIsTrimmedGivesItsSpaceBack) {
  ForEachCase([](const Case& met) {
    const bool trims = met.request == BlockRequest::kTrim && met.part == BlockPart::kWhole;
    if (met.disk == Subformat::kFixed || !trims || !OwnsSpace(met.from)) return;
    EXPECT_EQ(met.transition.step, Transition::Step::kFree);
    EXPECT_EQ(met.transition.to, met.is_child() ? PayloadState::kZero : PayloadState::kUnmapped);
  });
}

}  // namespace
}  // namespace vhdx::format

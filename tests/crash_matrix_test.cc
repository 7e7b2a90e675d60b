// The crash matrix: the power cut at every point of random workloads, with many outcomes at each.
// Whatever survives, the promises of the engine hold.
//
// VHDXKIT_CRASH_STATES  distinct states to try in all, instead of some 100,000
// VHDXKIT_CRASH_FIRST   the first seed, instead of 1: pieces of a long run begin at seeds of their
// own VHDXKIT_CRASH_SEED    only this seed, for every kind of disk

#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>
#include <optional>

#include "testing/scale.h"
#include "tests/crash_lineage.h"

namespace vhdx::tests {
namespace {

using testing::CrashFileKind;

constexpr int kSessions = 3;

struct MatrixCase {
  const char* name;
  CrashDiskShape shape;
  uint64_t share;  ///< of 100,000 states
};

const MatrixCase kCases[] = {
    {"Dynamic512", {Subformat::kDynamic, 512, CrashFileKind::kFile}, 25000},
    {"Dynamic4096", {Subformat::kDynamic, 4096, CrashFileKind::kFile}, 12000},
    {"Fixed512", {Subformat::kFixed, 512, CrashFileKind::kFile}, 8000},
    {"Fixed4096", {Subformat::kFixed, 4096, CrashFileKind::kFile}, 6000},
    {"Differencing512", {Subformat::kDifferencing, 512, CrashFileKind::kFile}, 25000},
    {"Differencing4096", {Subformat::kDifferencing, 4096, CrashFileKind::kFile}, 12000},
    {"StaleGrowth", {Subformat::kDynamic, 512, CrashFileKind::kStaleGrowth}, 5000},
    {"StaleGrowthOfAChild", {Subformat::kDifferencing, 512, CrashFileKind::kStaleGrowth}, 5000},
    {"BlockDevice", {Subformat::kDynamic, 512, CrashFileKind::kBlockDevice}, 3000},
};

std::optional<uint64_t> NumberFrom(const char* variable) {
  const char* text = std::getenv(variable);
  if (text == nullptr) return std::nullopt;
  return std::strtoull(text, nullptr, 10);
}

uint64_t StatesWanted(const MatrixCase& row) {
  const uint64_t all = NumberFrom("VHDXKIT_CRASH_STATES").value_or(100000);
  return testing::Scaled(std::max<uint64_t>(row.share * all / 100000, 1));
}

class CrashMatrix : public ::testing::TestWithParam<MatrixCase> {
 protected:
  // What the count is worth: each of these has to have happened.
  static void ExpectEverythingHappened(const CrashTally& tally) {
    EXPECT_GT(tally.replays[0], 0U);
    EXPECT_GT(tally.replays[1], 0U);
    EXPECT_GT(tally.recovery_states, 0U);
    EXPECT_GT(tally.kills, 0U);
    EXPECT_GT(tally.failed_syncs, 0U);
    EXPECT_GT(tally.lost_headers, 0U);
    const bool is_child = GetParam().shape.subformat == Subformat::kDifferencing;
    EXPECT_EQ(tally.rewrites > 0, is_child);
    if (GetParam().shape.subformat == Subformat::kFixed) return;  // nothing but blocks is written
    EXPECT_GT(tally.replays[2], 0U);
    EXPECT_GT(tally.restarted_logs, 0U);
    EXPECT_GT(tally.reused_blocks, 0U);
  }
};

TEST_P(CrashMatrix, PowerCutAnywhere_BreaksNoPromise) {
  CrashTally tally;
  const std::optional<uint64_t> only = NumberFrom("VHDXKIT_CRASH_SEED");
  const uint64_t wanted = StatesWanted(GetParam());
  const std::optional<uint64_t> first = NumberFrom("VHDXKIT_CRASH_FIRST");
  uint64_t seed = only.value_or(first.value_or(1));
  for (; tally.states.size() < wanted && tally.broken.size() < 3; ++seed) {
    CrashLineage(GetParam().shape, seed, tally).Run(kSessions);
    if (only) break;
  }
  std::cout << "seeds up to " << seed << "; " << Describe(tally) << "\n";
  for (const std::string& sentence : tally.broken) ADD_FAILURE() << sentence;
  // Few states may lack something, and so may those of any seeds but the usual ones.
  const bool enough = !only && !first && tally.broken.empty() && wanted >= GetParam().share;
  if (enough) ExpectEverythingHappened(tally);
}

INSTANTIATE_TEST_SUITE_P(Disks, CrashMatrix, ::testing::ValuesIn(kCases),
                         [](const auto& row) { return std::string(row.param.name); });

}  // namespace
}  // namespace vhdx::tests

#include "operation_cuts.h"

#include <random>

#include "bytes/formatting.h"
#include "testing/crash_cursor.h"

namespace vhdx::tests {
namespace {

constexpr uint64_t kCutsAtAPoint = 2;
constexpr size_t kPointsOfARun = 30;   // of a longer one, about as many, chosen at random
constexpr size_t kOneInRepeated = 16;  // of the states

}  // namespace

std::string OperationCuts::Run(const testing::CrashState& state, uint64_t seed,
                               const Operation& operation, const Judge& judge) {
  seed_ = seed;
  operation_ = operation;
  judge_ = judge;
  return RunFrom(state, 1);
}

std::string OperationCuts::RunFrom(const testing::CrashState& state, int depth) {
  const auto store = std::make_shared<testing::CrashStore>(
      state, testing::CrashStore::Options{.seed = seed_ + runs_});
  const auto done = operation_(store, seed_ * 1'000'003 + ++runs_);
  if (!done) return Format("seed {}, run {}: {}", seed_, runs_, ToString(done.error()));
  const auto record = store->Record();
  testing::CrashCursor cursor(store->base(), record);
  std::mt19937_64 random(seed_ + runs_);
  for (;; cursor.Advance()) {
    const bool is_chosen = cursor.at_end() || random() % record.size() < kPointsOfARun;
    for (uint64_t cut = 0; is_chosen && cut <= kCutsAtAPoint; ++cut) {
      // The last is a kill, which loses nothing.
      const bool is_kill = cut == kCutsAtAPoint;
      const testing::CrashState left = is_kill ? cursor.cached() : cursor.Cut(cut);
      if (!states_.insert(left.Hash()).second) continue;
      const std::string wrong = LookAt(left, cursor.at_end() && is_kill, depth);
      if (!wrong.empty()) {
        return Format("{}; seed {}, run {}, point {} of {}, cut {}", wrong, seed_, runs_,
                      cursor.index(), record.size(), cut);
      }
    }
    if (cursor.at_end()) return {};
  }
}

std::string OperationCuts::LookAt(const testing::CrashState& state, bool is_done, int depth) {
  std::string wrong = judge_(state, is_done);
  if (!wrong.empty() || depth == 0 || states_.size() % kOneInRepeated != 0) return wrong;
  ++repeated_;
  return RunFrom(state, depth - 1);
}

}  // namespace vhdx::tests

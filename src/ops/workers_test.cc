#include "ops/workers.h"

#include <gtest/gtest.h>

#include <atomic>

#include "testing/outcome.h"

namespace vhdx {
namespace {

TEST(Workers, EachRunsOnce) {
  std::atomic<unsigned> sum = 0;
  Workers workers;
  ASSERT_TRUE(workers.Run(4, [&](unsigned worker) -> Result<void> {
    sum += worker + 1;
    return {};
  }));
  EXPECT_EQ(sum, 1u + 2 + 3 + 4);
  EXPECT_FALSE(workers.stopping());
}

TEST(Workers, FailureOfOneStopsTheOthers) {
  Workers workers;
  const auto done = workers.Run(3, [&](unsigned worker) -> Result<void> {
    if (worker == 1) return Fail(ErrorCode::kIo, "broken");
    while (!workers.stopping()) {
    }
    return {};
  });
  EXPECT_EQ(testing::OutcomeOf(done), "io");
}

}  // namespace
}  // namespace vhdx

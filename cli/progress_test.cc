#include "cli/progress.h"

#include <gtest/gtest.h>

#include <chrono>

#include "bytes/arithmetic.h"
#include "json/json.h"

namespace vhdx::cli {
namespace {

using std::chrono::seconds;

const RateMeter::Time kStart{};

TEST(RateMeter, NothingIsKnownAtFirst) {
  RateMeter meter(kStart);
  const ProgressState state = meter.Update(kStart, 0, 100);
  EXPECT_EQ(state.bytes_per_second, 0);
  EXPECT_FALSE(state.time_left);
}

TEST(RateMeter, SteadyRateTellsTheTimeLeft) {
  RateMeter meter(kStart);
  ProgressState state;
  for (int i = 1; i <= 3; ++i) {
    state = meter.Update(kStart + seconds(i), static_cast<uint64_t>(i) * 100, 1000);
  }
  EXPECT_DOUBLE_EQ(state.bytes_per_second, 100);
  EXPECT_EQ(state.time_left, seconds(7));
}

TEST(RateMeter, OldTimesAreForgotten) {
  RateMeter meter(kStart);
  meter.Update(kStart + seconds(1), 1'000'000, 2'000'000);  // a hole, skipped
  ProgressState state;
  for (int i = 2; i <= 20; ++i) {
    state = meter.Update(kStart + seconds(i), 1'000'000 + static_cast<uint64_t>(i) * 10, 2'000'000);
  }
  EXPECT_DOUBLE_EQ(state.bytes_per_second, 10);
}

TEST(ProgressBar, ShowsAllThatAUserWantsToKnow) {
  const ProgressState state{.done_bytes = kGiB,
                            .total_bytes = 4 * kGiB,
                            .bytes_per_second = 512.0 * static_cast<double>(kMiB),
                            .time_left = seconds(6)};
  EXPECT_EQ(ProgressBar(state, 80),
            " 25 % [########-------------------------]  1 GiB of 4 GiB  512 MiB/s  0:06 left");
}

// A number that is cut would read as another.
TEST(ProgressBar, NarrowTerminalsGetWholeFields) {
  const ProgressState state{.done_bytes = 120 * kMiB,
                            .total_bytes = 500 * kMiB,
                            .bytes_per_second = 391.0 * static_cast<double>(kMiB),
                            .time_left = seconds(1)};
  EXPECT_EQ(ProgressBar(state, 60), " 24 %  120 MiB of 500 MiB  391 MiB/s  0:01 left");
  EXPECT_EQ(ProgressBar(state, 40), " 24 %  120 MiB of 500 MiB  0:01 left");
  EXPECT_EQ(ProgressBar(state, 20), " 24 %  0:01 left");
  EXPECT_EQ(ProgressBar(state, 8), " 24 %");
}

TEST(ProgressBar, FitsAnyTerminal) {
  const ProgressState state{.done_bytes = 1,
                            .total_bytes = UINT64_MAX,
                            .bytes_per_second = 1e9,
                            .time_left = seconds(10'000'000)};
  for (size_t columns = 0; columns < 300; ++columns) {
    EXPECT_LT(ProgressBar(state, columns).size(), std::max<size_t>(columns, 1));
  }
}

TEST(ProgressBar, NothingToDoIsDone) { EXPECT_TRUE(ProgressBar({}, 80).starts_with("100 % [")); }

TEST(ProgressBar, UnknownTotalIsLeftOut) {
  const ProgressState state =
      RateMeter(kStart).Update(kStart + seconds(2), 4 * kMiB, /*total_bytes=*/0);
  EXPECT_EQ(ProgressBar(state, 80), "4 MiB  2 MiB/s");
  EXPECT_EQ(ProgressBar(state, 6), "4 MiB");
  const Json json = Json::parse(ProgressLine(state));
  EXPECT_EQ(json["progress"]["done"], 4 * kMiB);
  EXPECT_TRUE(json["progress"]["total"].is_null() && json["progress"]["percent"].is_null() &&
              json["progress"]["time-left"].is_null());
}

TEST(ProgressLine, IsOneObject) {
  const Json json = Json::parse(ProgressLine(
      {.done_bytes = 1, .total_bytes = 3, .bytes_per_second = 10.7, .time_left = seconds(2)}));
  const Json expected = {
      {"progress", {{"done", 1}, {"total", 3}, {"percent", 33.3}, {"rate", 10}, {"time-left", 2}}}};
  EXPECT_EQ(json, expected);
}

}  // namespace
}  // namespace vhdx::cli

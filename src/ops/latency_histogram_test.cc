#include "ops/latency_histogram.h"

#include <gtest/gtest.h>

#include <memory>

namespace vhdx {
namespace {

using std::chrono::nanoseconds;

std::unique_ptr<LatencyHistogram> Histogram() { return std::make_unique<LatencyHistogram>(); }

TEST(LatencyHistogram, NothingIsZero) {
  const auto histogram = Histogram();
  EXPECT_EQ(histogram->mean(), nanoseconds(0));
  EXPECT_EQ(histogram->Percentile(0.5), nanoseconds(0));
  EXPECT_EQ(histogram->max(), nanoseconds(0));
}

TEST(LatencyHistogram, MeanAndMaximumAreExact) {
  const auto histogram = Histogram();
  for (const int time : {1, 2, 1'000'003}) histogram->Add(nanoseconds(time));
  EXPECT_EQ(histogram->mean(), nanoseconds(1'000'006 / 3));
  EXPECT_EQ(histogram->max(), nanoseconds(1'000'003));
  EXPECT_EQ(histogram->Percentile(1), nanoseconds(1'000'003));
}

TEST(LatencyHistogram, PercentilesAreRightToOneInSixtyFour) {
  const auto histogram = Histogram();
  for (int i = 1; i <= 100'000; ++i) histogram->Add(nanoseconds(i));
  for (const double part : {0.001, 0.25, 0.5, 0.9, 0.99, 0.999}) {
    const double exact = part * 100'000;
    const auto found = static_cast<double>(histogram->Percentile(part).count());
    EXPECT_GE(found, exact);
    EXPECT_LE(found, exact * (1 + 1.0 / 64) + 1);
  }
}

TEST(LatencyHistogram, LongestTimesHaveAPlace) {
  const auto histogram = Histogram();
  histogram->Add(nanoseconds::max());
  EXPECT_EQ(histogram->max(), nanoseconds::max());
  EXPECT_EQ(histogram->Percentile(0.5), nanoseconds::max());
}

TEST(LatencyHistogram, SumOfTwoIsBoth) {
  const auto a = Histogram();
  const auto b = Histogram();
  for (int i = 0; i < 10; ++i) a->Add(nanoseconds(10));
  for (int i = 0; i < 30; ++i) b->Add(nanoseconds(20));
  a->Add(*b);
  EXPECT_EQ(a->count(), 40u);
  EXPECT_EQ(a->Percentile(0.25), nanoseconds(10));
  EXPECT_EQ(a->Percentile(0.26), nanoseconds(20));
}

}  // namespace
}  // namespace vhdx

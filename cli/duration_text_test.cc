#include "cli/duration_text.h"

#include <gtest/gtest.h>

namespace vhdx::cli {
namespace {

using std::chrono::nanoseconds;

TEST(FormatDuration, UnitFitsTheNumber) {
  EXPECT_EQ(FormatDuration(nanoseconds(812)), "812 ns");
  EXPECT_EQ(FormatDuration(nanoseconds(4'700)), "4.7 us");
  EXPECT_EQ(FormatDuration(nanoseconds(31'200'000)), "31.2 ms");
  EXPECT_EQ(FormatDuration(nanoseconds(12'340'000'000)), "12.34 s");
}

}  // namespace
}  // namespace vhdx::cli

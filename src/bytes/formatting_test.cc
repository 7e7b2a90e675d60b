#include "bytes/formatting.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace vhdx {
namespace {

TEST(Formatting, EachKindOfValue) {
  EXPECT_EQ(Format("{} {:>5} {:08x}", uint64_t{7}, "ab", 255U), "7    ab 000000ff");
  EXPECT_EQ(Format("{:.1f} {:>{}}", 1.25, std::string_view("x"), 3), "1.2   x");
  EXPECT_EQ(Format("{{}} {}", std::string("s")), "{} s");
  EXPECT_EQ(Format("{} {}", 'c', true), "c true");
}

TEST(Formatting, JoinedWords) {
  EXPECT_EQ(Join({}, ", "), "");
  const std::vector<std::string> words = {"a", "a", ""};
  EXPECT_EQ(Join(words, ", "), "a, a, ");
}

TEST(Formatting, CountedThings) {
  EXPECT_EQ(Counted(1, "entry", "entries"), "1 entry");
  EXPECT_EQ(Counted(0, "entry", "entries"), "0 entries");
  EXPECT_EQ(Counted(2, "entry", "entries"), "2 entries");
}

}  // namespace
}  // namespace vhdx

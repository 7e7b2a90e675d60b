#include "tools/free_space/lvm_text.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <string>

namespace vhdx::free_space {
namespace {

TEST(LvmText, SectionsAndSettings_AreReadAsTheyAreWritten) {
  const auto root = ParseLvmText(
      "# a comment\n"
      "vg-0.a+b_c{id=\"x\" number = 18446744073709551615 # more\n"
      "  list = [ \"a\", 7,\n\"b\" ] none = []\n inner { deep {} } }\ntail = \"\"");
  ASSERT_TRUE(root);
  EXPECT_EQ(root->Values("tail").size(), 1U);
  const LvmSection* group = root->Section("vg-0.a+b_c");
  ASSERT_NE(group, nullptr);
  EXPECT_EQ(group->Text("id"), "x");
  EXPECT_EQ(group->Number("number"), UINT64_MAX);
  EXPECT_TRUE(group->Lists("list", "b"));
  EXPECT_FALSE(group->Lists("list", "7"));
  EXPECT_EQ(group->Values("list").size(), 3U);
  EXPECT_TRUE(group->Values("none").empty());
  ASSERT_NE(group->Section("inner"), nullptr);
  EXPECT_NE(group->Section("inner")->Section("deep"), nullptr);
  EXPECT_EQ(group->Section("deep"), nullptr);
}

TEST(LvmText, ValueOfAnotherType_IsNotThere) {
  const auto root = ParseLvmText(
      "text = \"7\" number = 7 negative = -7 fraction = 7.5 large = 18446744073709551616");
  ASSERT_TRUE(root);
  EXPECT_EQ(root->Number("text"), std::nullopt);
  EXPECT_EQ(root->Text("number"), "");
  EXPECT_EQ(root->Number("number"), 7U);
  for (const char* name : {"negative", "fraction", "large", "missing"}) {
    EXPECT_EQ(root->Number(name), std::nullopt) << name;
  }
}

TEST(LvmText, BackslashInAText_TakesTheMeaningFromTheNextCharacter) {
  const auto root = ParseLvmText(R"(a = "say \"so\" \\" b = "# {")");
  ASSERT_TRUE(root);
  EXPECT_EQ(root->Text("a"), R"(say "so" \)");
  EXPECT_EQ(root->Text("b"), "# {");
}

TEST(LvmText, EmptyText_IsAnEmptySection) {
  EXPECT_TRUE(ParseLvmText(""));
  EXPECT_TRUE(ParseLvmText(" \n# nothing"));
}

TEST(LvmText, TextThatIsNot_IsNotRead) {
  for (const char* text :
       {"a",           "a =",    "a {",       "a { b = 1", "}",          "a }",
        "a = [",       "a = [1", "a = [1,",   "a = [1 2]", "a = \"",     "a = \"\\",
        "a = \"x\\\"", "= 1",    "a = {",     "a = 1 2",   "a {} a = 1", "a = 1 a = 1",
        "{}",          "a = ]",  "a = [[1]]", "\x01"}) {
    EXPECT_FALSE(ParseLvmText(text)) << text;
  }
}

TEST(LvmText, SectionsInSections_AreBounded) {
  const auto nested = [](size_t depth) {
    std::string text;
    for (size_t i = 0; i < depth; ++i) text += "a{";
    return text + std::string(depth, '}');
  };
  EXPECT_TRUE(ParseLvmText(nested(8)));
  EXPECT_FALSE(ParseLvmText(nested(9)));
  EXPECT_FALSE(ParseLvmText(nested(1000000)));
}

TEST(LvmText, Parts_AreBounded) {
  std::string list = "a = [1";
  for (size_t i = 2; i < kMaxLvmTextParts; ++i) list += ",1";
  EXPECT_TRUE(ParseLvmText(list + "]"));
  EXPECT_FALSE(ParseLvmText(list + ",1]"));
}

}  // namespace
}  // namespace vhdx::free_space

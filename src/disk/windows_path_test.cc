#include "disk/windows_path.h"

#include <gtest/gtest.h>

namespace vhdx {
namespace {

using Names = std::vector<std::string>;

TEST(SplitPath, BothSeparatorsAndDots_GiveNames) {
  EXPECT_EQ(SplitPath(R"(.\a\b.vhdx)"), (Names{"a", "b.vhdx"}));
  EXPECT_EQ(SplitPath(R"(..\..\x/y.vhdx)"), (Names{"..", "..", "x", "y.vhdx"}));
  EXPECT_EQ(SplitPath(R"(\\a\\\b\)"), (Names{"a", "b"}));
  EXPECT_EQ(SplitPath(""), Names{});
  EXPECT_EQ(SplitPath(R"(.\.)"), Names{});
}

TEST(SplitAbsolutePath, RootsOfWindows_AreDropped) {
  EXPECT_EQ(SplitAbsolutePath(R"(C:\vm\base.vhdx)"), (Names{"vm", "base.vhdx"}));
  EXPECT_EQ(SplitAbsolutePath(R"(\\?\C:\vm\base.vhdx)"), (Names{"vm", "base.vhdx"}));
  EXPECT_EQ(SplitAbsolutePath(R"(\\?\Volume{26a21bda-a627-11d7-9931-806e6f6e6963}\vm\base.vhdx)"),
            (Names{"vm", "base.vhdx"}));
  EXPECT_EQ(SplitAbsolutePath(R"(\\?\UNC\server\share\base.vhdx)"),
            (Names{"server", "share", "base.vhdx"}));
  EXPECT_EQ(SplitAbsolutePath(R"(\\server\share\base.vhdx)"),
            (Names{"server", "share", "base.vhdx"}));
  EXPECT_EQ(SplitAbsolutePath("/srv/vm/base.vhdx"), (Names{"srv", "vm", "base.vhdx"}));
}

TEST(SameNameIgnoringCase, LettersOfAsciiOnly_AreFolded) {
  EXPECT_TRUE(SameNameIgnoringCase("Base.VHDX", "bASE.vhdx"));
  EXPECT_FALSE(SameNameIgnoringCase("base.vhdx", "base.vhd"));
  EXPECT_FALSE(SameNameIgnoringCase("\xc3\x84", "\xc3\xa4"));
}

TEST(IsImageName, ByExtension_InAnyCase) {
  EXPECT_TRUE(IsImageName("a.vhdx"));
  EXPECT_TRUE(IsImageName("a.AvhdX"));
  EXPECT_FALSE(IsImageName("a.vhd"));
  EXPECT_FALSE(IsImageName("vhdx"));
  EXPECT_FALSE(IsImageName("a.vhdx.bak"));
}

}  // namespace
}  // namespace vhdx

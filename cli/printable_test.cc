#include "cli/printable.h"

#include <gtest/gtest.h>

#include <string>

namespace vhdx::cli {
namespace {

TEST(Printable, TextStays) {
  EXPECT_EQ(Printable(""), "");
  EXPECT_EQ(Printable("C:\\vm\\base disk.vhdx"), "C:\\vm\\base disk.vhdx");
  EXPECT_EQ(Printable("größe 磁盘 💾"), "größe 磁盘 💾");
}

TEST(Printable, ControlCharactersAreEscaped) {
  EXPECT_EQ(Printable("a\x1b[2Jb"), "a\\x1b[2Jb");
  EXPECT_EQ(Printable("two\nlines\r\t"), "two\\x0alines\\x0d\\x09");
  EXPECT_EQ(Printable(std::string("nul\0", 4)), "nul\\x00");
  EXPECT_EQ(Printable("\x7f"), "\\x7f");
  EXPECT_EQ(Printable("\u009b31m"), "\\u{9b}31m");
}

TEST(Printable, MarksThatReorderTextAreEscaped) {
  EXPECT_EQ(Printable("a\u202exdhv"), "a\\u{202e}xdhv");
  EXPECT_EQ(Printable("\u2067x\u2069"), "\\u{2067}x\\u{2069}");
}

TEST(Printable, BytesThatAreNoTextAreEscaped) {
  EXPECT_EQ(Printable("caf\xe9.vhdx"), "caf\\xe9.vhdx");
  EXPECT_EQ(Printable("\xff\xfe"), "\\xff\\xfe");
  EXPECT_EQ(Printable("gr\xc3\xb6\xff"), "gr\\xc3\\xb6\\xff");
}

}  // namespace
}  // namespace vhdx::cli

#include "cli/batch_table.h"

#include <gtest/gtest.h>

#include <string>

namespace vhdx::cli {
namespace {

TEST(BatchTable, NumbersComeFirstSoThatLongNamesDoNotMoveThem) {
  BatchTable table({"old", "new size"});
  table.Add("/srv/a.vhdx", {.cells = {"10 GiB", "1.5 GiB"}, .remark = ""});
  table.Add("/srv/b.vhdx", {.cells = {}, .remark = "skipped: it is in use"});
  EXPECT_EQ(table.ToText(),
            "   old  new size  file\n"
            "10 GiB   1.5 GiB  /srv/a.vhdx\n"
            "                  /srv/b.vhdx: skipped: it is in use\n");
}

TEST(BatchTable, WithoutHeadingsOrFiles_IsEmpty) {
  BatchTable none({});
  none.Add("a", {});
  EXPECT_EQ(none.ToText(), "");
  EXPECT_EQ(BatchTable({"old"}).ToText(), "");
}

TEST(BatchTable, NamesAndRemarks_AreSafeForATerminal) {
  BatchTable table({"old"});
  table.Add("a\x1B[2J", {.cells = {"1"}, .remark = "\x1B[2J"});
  EXPECT_EQ(table.ToText().find('\x1B'), std::string::npos);
}

}  // namespace
}  // namespace vhdx::cli

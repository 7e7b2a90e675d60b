// Documents agree with the tables in the code that they repeat.

#include <gtest/gtest.h>
#include <vhdxkit/finding.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

namespace vhdx {
namespace {

const std::string kRoot = VHDXKIT_SOURCE_DIR;

std::string ReadText(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::string_view SeverityWord(Severity severity) {
  switch (severity) {
    case Severity::kRefuse:
      return "refuse";
    case Severity::kReadOnly:
      return "read-only";
    case Severity::kTolerate:
      return "tolerate";
    case Severity::kNote:
      return "note";
  }
  return "";
}

std::string TableOfRules() {
  std::string table = "| id | severity | what is wrong | basis |\n|---|---|---|---|\n";
  for (const Rule* rule : AllRules()) {
    table += "| `" + std::string(rule->id) + "` | " + std::string(SeverityWord(rule->severity)) +
             " | " + std::string(rule->meaning) + " | " + std::string(rule->basis) + " |\n";
  }
  return table;
}

// With VHDXKIT_UPDATE_DOCUMENTS=1 the table is written instead.
TEST(Documents, TableOfRulesIsThatOfTheCode) {
  const std::string path = kRoot + "/docs/format.md";
  std::string text = ReadText(path);
  constexpr std::string_view kBegin = "<!-- rules: begin -->\n";
  constexpr std::string_view kEnd = "<!-- rules: end -->";
  const size_t begin = text.find(kBegin);
  const size_t end = text.find(kEnd);
  ASSERT_NE(begin, std::string::npos);
  ASSERT_NE(end, std::string::npos);
  const size_t start = begin + kBegin.size();
  if (std::getenv("VHDXKIT_UPDATE_DOCUMENTS") != nullptr) {
    std::ofstream(path) << text.replace(start, end - start, TableOfRules());
    return;
  }
  EXPECT_EQ(text.substr(start, end - start), TableOfRules())
      << "write it anew with VHDXKIT_UPDATE_DOCUMENTS=1 " << "tests/documents_test";
}

}  // namespace
}  // namespace vhdx

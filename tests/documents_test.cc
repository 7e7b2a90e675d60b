// Documents agree with the tables in the code that they repeat.

#include <gtest/gtest.h>
#include <vhdxkit/finding.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <regex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "format/transitions.h"

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

// The words of those whose bits are set, in order.
std::string WordsOf(uint8_t set, std::span<const std::string_view> words) {
  std::string text;
  for (size_t i = 0; i < words.size(); ++i) {
    if ((set >> i & 1) == 0) continue;
    if (!text.empty()) text += ", ";
    text += words[i];
  }
  return text;
}

std::string_view StepWords(const format::Transition& transition) {
  switch (transition.step) {
    case format::Transition::Step::kNothing:
      return "nothing";
    case format::Transition::Step::kInPlace:
      return transition.sets_bits ? "in place; bits are set" : "in place";
    case format::Transition::Step::kAllocate:
      return transition.sets_bits ? "allocated; bits are set" : "allocated";
    case format::Transition::Step::kFree:
      return "offset 0; its space, if any, is freed";
    case format::Transition::Step::kFreeIfAllocated:
      return "if it has space: offset 0; its space is freed";
  }
  return "";
}

std::string_view OrderWords(format::Transition::Order order) {
  switch (order) {
    case format::Transition::Order::kAny:
      return "";
    case format::Transition::Order::kIfStale:
      return "if the space is stale";
    case format::Transition::Order::kPayloadFirst:
      return "yes";
  }
  return "";
}

std::string TableOfTransitions() {
  constexpr std::string_view kStates[] = {"0", "1", "2", "3", "4", "5", "6", "7"};
  constexpr std::string_view kDisks[] = {"fixed", "dynamic", "child"};
  constexpr std::string_view kRequests[] = {"write", "zeroes", "trim"};
  constexpr std::string_view kParts[] = {"whole", "part"};
  std::string table =
      "| from | disk | request | of the block | what is done | to | payload first | the rest of "
      "the "
      "block |\n|---|---|---|---|---|---|---|---|\n";
  for (const format::TransitionRow& row : format::TransitionTable()) {
    const bool changes = row.transition.step != format::Transition::Step::kNothing;
    table += "| " + WordsOf(row.from, kStates) + " | " + WordsOf(row.disks, kDisks) + " | " +
             WordsOf(row.requests, kRequests) + " | " + WordsOf(row.parts, kParts) + " | " +
             std::string(StepWords(row.transition)) + " | " +
             (changes ? std::to_string(static_cast<int>(row.transition.to)) : "") + " | " +
             std::string(OrderWords(row.transition.order)) + " | " + std::string(row.rest) + " |\n";
  }
  return table;
}

// With VHDXKIT_UPDATE_DOCUMENTS=1 the table is written instead.
void ExpectTableInFormat(const std::string& name, const std::string& table) {
  const std::string path = kRoot + "/docs/format.md";
  std::string text = ReadText(path);
  const std::string first = "<!-- " + name + ": begin -->\n";
  const size_t begin = text.find(first);
  const size_t end = text.find("<!-- " + name + ": end -->");
  ASSERT_NE(begin, std::string::npos);
  ASSERT_NE(end, std::string::npos);
  const size_t start = begin + first.size();
  if (std::getenv("VHDXKIT_UPDATE_DOCUMENTS") != nullptr) {
    std::ofstream(path) << text.replace(start, end - start, table);
    return;
  }
  EXPECT_EQ(text.substr(start, end - start), table)
      << "write it anew with VHDXKIT_UPDATE_DOCUMENTS=1 tests/documents_test";
}

TEST(Documents, TableOfRulesIsThatOfTheCode) { ExpectTableInFormat("rules", TableOfRules()); }

TEST(Documents, TableOfTransitionsIsThatOfTheCode) {
  ExpectTableInFormat("transitions", TableOfTransitions());
}

// Code in the README: the comment before it names its file in examples/, and may name a function.
struct Quote {
  std::string file;
  std::string function;  // empty: the whole file
  size_t start = 0;      // of the code in the README
  size_t length = 0;
};

std::vector<Quote> QuotesIn(const std::string& text) {
  const std::regex pattern(
      "<!-- (examples/\\w+\\.cc)(?:: (\\w+))? -->\n```cpp\n((?:(?!```)[^\n]*\n)*)```\n");
  std::vector<Quote> quotes;
  for (std::sregex_iterator at(text.begin(), text.end(), pattern), end; at != end; ++at) {
    quotes.push_back({(*at)[1], (*at)[2], static_cast<size_t>(at->position(3)),
                      static_cast<size_t>(at->length(3))});
  }
  return quotes;
}

// From the line that declares the function to the brace that closes it.
std::string FunctionIn(const std::string& source, const std::string& name) {
  const size_t at = source.find(" " + name + "(");
  if (at == std::string::npos) return "";
  const size_t start = source.rfind('\n', at) + 1;
  return source.substr(start, source.find("\n}\n", start) + 3 - start);
}

std::string Quoted(const Quote& quote) {
  const std::string source = ReadText(kRoot + "/" + quote.file);
  return quote.function.empty() ? source : FunctionIn(source, quote.function);
}

// With VHDXKIT_UPDATE_DOCUMENTS=1 the code in the README is written instead.
TEST(Documents, ExamplesInTheReadmeAreThoseInTheirFiles) {
  const std::string path = kRoot + "/README.md";
  std::string text = ReadText(path);
  std::vector<Quote> quotes = QuotesIn(text);
  EXPECT_EQ(quotes.size(), 2U);
  if (std::getenv("VHDXKIT_UPDATE_DOCUMENTS") != nullptr) {
    std::ranges::reverse(quotes);  // what is replaced moves what follows
    for (const Quote& quote : quotes) text.replace(quote.start, quote.length, Quoted(quote));
    std::ofstream(path) << text;
    return;
  }
  for (const Quote& quote : quotes) {
    EXPECT_NE(Quoted(quote), "") << quote.file;
    EXPECT_EQ(text.substr(quote.start, quote.length), Quoted(quote))
        << quote.file << "; write it anew with VHDXKIT_UPDATE_DOCUMENTS=1 tests/documents_test";
  }
}

}  // namespace
}  // namespace vhdx

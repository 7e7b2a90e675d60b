// What people read agrees with the program: every option of a help text is in the man page and the
// other way round, commands in documents exist, links lead somewhere; and nobody falls back into
// phrases that no native speaker would use.

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <regex>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "tests/command.h"

namespace vhdx {
namespace {

namespace fs = std::filesystem;

const fs::path kRoot = VHDXKIT_SOURCE_DIR;

const std::vector<std::string> kCommands = {"create",  "info",    "check",   "map",   "dump",
                                            "convert", "compare", "measure", "chain", "snapshot",
                                            "resize",  "compact", "serve",   "ctl",   "bench"};

std::string ReadText(const fs::path& path) {
  std::ifstream file(path);
  EXPECT_TRUE(file) << path;
  return {std::istreambuf_iterator<char>(file), {}};
}

std::set<std::string> Matches(const std::string& text, const std::regex& pattern) {
  std::set<std::string> found;
  for (std::sregex_iterator at(text.begin(), text.end(), pattern), end; at != end; ++at) {
    found.insert((*at)[1]);
  }
  return found;
}

std::string HelpOf(const std::string& command) {
  const tests::CommandResult help = tests::RunVhdx({command, "--help"});
  EXPECT_EQ(help.exit_status, 0);
  return help.out;
}

// The options that a command lists: its own, and those of every command.
std::set<std::string> OptionsOf(const std::string& command) {
  const std::string help = HelpOf(command);
  std::set<std::string> options;
  // "  -O, --output-format raw|vhdx".
  const std::regex line("\n  (-[^ ,]+)(?:, (--[^ ]+))?");
  for (std::sregex_iterator at(help.begin(), help.end(), line), end; at != end; ++at) {
    options.insert((*at)[1]);
    if ((*at)[2].matched) options.insert((*at)[2]);
  }
  options.erase("-h");
  options.erase("--help");
  return options;
}

// The sections of the man page without the marks of roff, by their headings.
std::map<std::string, std::string> SectionsOfManPage() {
  std::string text = ReadText(kRoot / "docs/man/vhdx.1");
  text = std::regex_replace(text, std::regex("\\\\-"), "-");
  text = std::regex_replace(text, std::regex("\\\\f[BIRP]"), "");
  std::map<std::string, std::string> sections;
  std::string name;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with(".SH ") || line.starts_with(".SS ")) {
      name = line.substr(4);
      // "vhdx create [option ...] FILE": the command.
      if (name.starts_with("vhdx ")) name = name.substr(5, name.find(' ', 5) - 5);
    }
    sections[name] += line + "\n";
  }
  return sections;
}

const std::regex kOption("(?:^|[^A-Za-z0-9-])(--?[A-Za-z0][a-z-]*[a-z]|-[A-Za-z0])(?![a-z-])");

TEST(Tree, OptionsOfTheHelpAreInTheManPage) {
  const auto sections = SectionsOfManPage();
  std::string shared;
  for (const char* name : {"Every command", "Reading disks and images", "Many files"}) {
    ASSERT_TRUE(sections.contains(name)) << name;
    shared += sections.at(name);
  }
  const std::set<std::string> in_shared = Matches(shared, kOption);
  EXPECT_GT(in_shared.size(), 15U);
  for (const std::string& command : kCommands) {
    ASSERT_TRUE(sections.contains(command)) << command;
    const std::set<std::string> in_section = Matches(sections.at(command), kOption);
    const std::set<std::string> options = OptionsOf(command);
    EXPECT_GT(options.size(), 5U) << command;
    for (const std::string& option : options) {
      EXPECT_TRUE(in_section.contains(option) || in_shared.contains(option))
          << "vhdx " << command << " " << option << " is not in vhdx(1)";
    }
    for (const std::string& option : in_section) {
      EXPECT_TRUE(options.contains(option))
          << "vhdx(1) has " << option << ", which vhdx " << command << " does not have";
    }
  }
}

// `vhdx COMMAND --option` in a document is a command that there is, with options that it has.
TEST(Tree, CommandsInDocumentsExist) {
  std::map<std::string, std::set<std::string>> options;
  for (const std::string& command : kCommands) options[command] = OptionsOf(command);
  size_t seen = 0;
  for (const char* document : {"README.md", "CHANGELOG.md", "CONTRIBUTING.md", "docs/testing.md",
                               "docs/performance.md", "docs/design.md", "quickstart"}) {
    std::istringstream lines(ReadText(kRoot / document));
    const std::regex call("(?:^|[`( ])vhdx ([a-z]+)((?: [^`#|]*)?)");
    for (std::string line; std::getline(lines, line);) {
      for (std::sregex_iterator at(line.begin(), line.end(), call), end; at != end; ++at) {
        const std::string command = (*at)[1];
        if (!options.contains(command)) continue;  // prose
        ++seen;
        const std::string words = (*at)[2];
        const size_t run = words.find("--run");
        for (const std::string& option : Matches(words.substr(0, run), kOption)) {
          EXPECT_TRUE(options[command].contains(option))
              << document << ": vhdx " << command << " has no " << option << "\n  " << line;
        }
      }
    }
  }
  EXPECT_GT(seen, 20U);
}

// Files that belong to the tree, and not to a build.
std::vector<fs::path> FilesBelow(const fs::path& folder, const std::set<std::string>& endings) {
  std::vector<fs::path> files;
  for (auto at = fs::recursive_directory_iterator(folder); at != fs::end(at); ++at) {
    const std::string name = at->path().filename().string();
    if (at->is_directory() && (name == "build" || name == ".git")) at.disable_recursion_pending();
    if (at->is_regular_file() && endings.contains(at->path().extension().string())) {
      files.push_back(at->path());
    }
  }
  std::ranges::sort(files);
  return files;
}

TEST(Tree, LinksLeadToFiles) {
  size_t seen = 0;
  for (const fs::path& document : FilesBelow(kRoot, {".md"})) {
    const std::string text = ReadText(document);
    const std::regex link("\\]\\(([^)#:]+)(#[^)]*)?\\)");
    for (const std::string& target : Matches(text, link)) {
      ++seen;
      EXPECT_TRUE(fs::exists(document.parent_path() / target)) << document << ": " << target;
    }
  }
  EXPECT_GT(seen, 5U);
}

// "docs/format.md, section 9.5" in a comment is a section that there is.
TEST(Tree, SectionsInCommentsExist) {
  const std::set<std::string> headings =
      Matches(ReadText(kRoot / "docs/format.md"), std::regex("\n#+ ([0-9]+(?:\\.[0-9]+)*)"));
  EXPECT_GT(headings.size(), 40U);
  size_t seen = 0;
  for (const char* folder : {"include", "src", "json", "control", "cli", "nbdkit", "confine",
                             "tools", "testing", "tests"}) {
    for (const fs::path& source : FilesBelow(kRoot / folder, {".h", ".cc"})) {
      if (source.filename() == "tree_test.cc") continue;
      const std::string text = ReadText(source);
      const std::regex reference("format\\.md,? +(?:// *)?sections? ([0-9]+(?:\\.[0-9]+)*)");
      for (const std::string& section : Matches(text, reference)) {
        ++seen;
        EXPECT_TRUE(headings.contains(section)) << source << ": section " << section;
      }
      EXPECT_EQ(text.find("format reference"), std::string::npos) << source;
    }
  }
  EXPECT_GT(seen, 5U);
}

// The text of a source that users see: its string literals.
std::string LiteralsOf(const std::string& source) {
  std::string text;
  std::istringstream lines(source);
  const std::regex literal("\"((?:[^\"\\\\]|\\\\.)*)\"");
  for (std::string line; std::getline(lines, line);) {
    const size_t start = line.find_first_not_of(' ');
    if (start == std::string::npos || line.compare(start, 2, "//") == 0) continue;
    for (std::sregex_iterator at(line.begin(), line.end(), literal), end; at != end; ++at) {
      text += (*at)[1].str() + "\n";
    }
  }
  return text;
}

// The list grows with each review.
const std::array<const char*, 26> kPhrases = {
    "\\b(?:is|are|be) no (?:power|multiple|size|number|GUID|name|path|text|directory|VHDX)\\b",
    "\\bif (?:it is )?not said\\b",
    "\\bas far as (?:that is )?not said\\b",
    "\\bthat there (?:is|are) not\\b",
    "\\bthere is no (?:option|command)\\b",
    "\\bhow to use it\\b",
    "\\btells (?:whether|how|the)\\b",
    "\\bhold the same\\b",
    "\\bmust not be written any more\\b",
    "\\bcannot be read any more\\b",
    "\\bcould not be read any more\\b",
    "\\boddities\\b",
    "\\bbelongs? to nothing\\b",
    "\\bwhen it is whole\\b",
    "\\bparents may lie\\b",
    "\\bfor people\\b",
    "\\bcannot find the real path\\b",
    "\\bcannot look at\\b",
    "\\ball the same\\b",
    "\\bexclude each other\\b",
    "\\bis told to\\b",
    "\\blife goes on\\b",
    "\\bgets its name when\\b",
    "\\bwhat is not said\\b",
    "\\bwhoever\\b",
    "\\bbehind (?:the end|that|this file)\\b",
};

void ExpectPlainEnglish(const fs::path& path, const std::string& text) {
  for (const char* phrase : kPhrases) {
    std::smatch match;
    EXPECT_FALSE(std::regex_search(text, match, std::regex(phrase, std::regex::icase)))
        << path << ": \"" << match.str() << "\"";
  }
}

TEST(Tree, WhatUsersReadIsPlainEnglish) {
  for (const char* document :
       {"README.md", "CHANGELOG.md", "CONTRIBUTING.md", "docs/man/vhdx.1",
        "docs/man/nbdkit-vhdx-plugin.1", "docs/man/vhdx-free-space.1", "quickstart"}) {
    ExpectPlainEnglish(document, ReadText(kRoot / document));
  }
  for (const char* folder : {"include", "examples"}) {
    for (const fs::path& file : FilesBelow(kRoot / folder, {".h", ".cc"})) {
      ExpectPlainEnglish(file, ReadText(file));
    }
  }
  for (const char* folder : {"src", "json", "control", "cli", "nbdkit", "confine", "tools"}) {
    for (const fs::path& source : FilesBelow(kRoot / folder, {".h", ".cc"})) {
      if (source.string().ends_with("_test.cc")) continue;
      ExpectPlainEnglish(source, LiteralsOf(ReadText(source)));
    }
  }
}

TEST(Tree, PlantedPhraseIsFound) {
  const std::string literals =
      LiteralsOf("  return \"3M\\\" is no power of two\";\n// there is no option\n");
  EXPECT_TRUE(std::regex_search(literals, std::regex(kPhrases[0])));
  EXPECT_FALSE(std::regex_search(literals, std::regex(kPhrases[4])));
}

// A path of the machine that somebody worked on says nothing to anybody else.
TEST(Tree, NoPathOfOneMachine) {
  const std::regex machine("(/root/|/home/(?!me\\b|newcomer\\b|user\\b)[a-z]+/)");
  // Where this tree stands, and the files beside it that the tests read.
  const std::vector<std::string> here = {kRoot.string(), (kRoot.parent_path() / "shared").string()};
  for (const fs::path& file :
       FilesBelow(kRoot, {".md", ".h", ".cc", ".sh", ".py", ".txt", ".cmake", ".1", ".json", ""})) {
    if (file.filename() == "tree_test.cc" || file.filename() == ".git") continue;
    const std::string text = ReadText(file);
    std::smatch match;
    EXPECT_FALSE(std::regex_search(text, match, machine)) << file << ": " << match.str();
    for (const std::string& path : here) {
      EXPECT_EQ(text.find(path), std::string::npos) << file << ": " << path;
    }
  }
}

}  // namespace
}  // namespace vhdx

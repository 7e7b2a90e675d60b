// What all commands have in common: how they are called, and how they end.

#include "cli/command_line.h"

#include <gtest/gtest.h>

#include <regex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "cli/commands_fixture.h"

namespace vhdx::cli {
namespace {

TEST_F(Commands, UsageMistakesAreOneSentenceAndAHint) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> mistakes = {
      {{}, "vhdx: the command is missing; see `vhdx --help`\n"},
      {{"--json"}, ""},
      {{"merge", "x"},
       "vhdx: \"merge\" is not implemented yet; `vhdx convert CHILD NEW.vhdx` writes a chain into "
       "one new image; see `vhdx --help`\n"},
      {{"inof", "x"}, "vhdx: unknown command \"inof\"; did you mean `info`?\n"},
      {{"info"}, "vhdx: info: FILE is missing; see `vhdx info --help`\n"},
      {{"info", "--frob", "x"}, "vhdx: info: unknown option \"--frob\"; see `vhdx info --help`\n"},
      {{"info", "--jsn", "x"}, "vhdx: info: unknown option \"--jsn\"; did you mean `--json`?\n"},
      {{"check", "-r", "all", "x"},
       "vhdx: check: -r is --recursive here, and repairing is not implemented yet; a directory of "
       "that name is ./all; see `vhdx check --help`\n"},
      {{"info", "file:///x"},
       "vhdx: info: \"file:///x\" is a URI; a file here is named by its path: /x; see `vhdx info "
       "--help`\n"},
      {{"map", "a", "b"}, "vhdx: map: too many arguments, from \"b\"; see `vhdx map --help`\n"},
      {{"bench", "x", "--block"}, "vhdx: bench: --block needs a value; see `vhdx bench --help`\n"},
      {{"bench", "x", "--block", "4q"},
       "vhdx: bench: --block: \"4q\" is not a size: use bytes, or a number with k, M, G or T, "
       "such as 64k; see `vhdx bench --help`\n"},
      {{"bench", "x", "--step", "4k", "--random"},
       "vhdx: bench: --step and --random cannot be combined; see `vhdx bench --help`\n"},
      {{"bench", "x", "--flush-interval", "3"},
       "vhdx: bench: --flush-interval needs --write; see `vhdx bench --help`\n"},
      {{"create", "x", "1G", "--seed", "s"},
       "vhdx: create: --seed needs --reproducible; see `vhdx create --help`\n"},
      {{"bench", "x", "--depth", "0"},
       "vhdx: bench: --depth: \"0\" is not a number from 1 to 1024; see `vhdx bench --help`\n"},
      {{"convert", "a", "b", "-O", "vhd"},
       "vhdx: convert: --output-format: \"vhd\" is not one of: raw, vhdx; write a raw disk, then "
       "`qemu-img convert -f raw -O vpc disk.raw FILE`; see `vhdx convert "
       "--help`\n"},
      {{"create", "a", "1G", "--disk-id", "0"},
       "vhdx: create: --disk-id: \"0\" is not a GUID; one looks like "
       "01234567-89ab-4cde-8f01-23456789abcd; see `vhdx create --help`\n"},
      {{"snapshot", "a"}, "vhdx: snapshot: CHILD is missing; see `vhdx snapshot --help`\n"},
      {{"--progress", "fast", "info", "x"},
       "vhdx: info: --progress: \"fast\" is not one of: auto, bar, json, none; see `vhdx info "
       "--help`\n"}};
  for (const auto& [arguments, message] : mistakes) {
    const Outcome outcome = Run(arguments);
    EXPECT_EQ(outcome.status, 64);
    EXPECT_EQ(outcome.out, "");
    if (!message.empty()) {
      EXPECT_EQ(outcome.err, message);
    }
  }
}

TEST_F(Commands, HelpIsACommandToo) {
  EXPECT_EQ(Run({"help"}).out, Run({"--help"}).out);
  EXPECT_EQ(Run({"help", "info"}).out, Run({"info", "--help"}).out);
  EXPECT_EQ(Run({"help", "inof"}).status, 64);
  EXPECT_EQ(Run({"help", "info", "check"}).status, 64);
  EXPECT_EQ(Run({"-q", "help", "info"}).out, Run({"help", "info"}).out);
  EXPECT_EQ(Run({"-V"}).out, Run({"--version"}).out);
  EXPECT_EQ(Run({"convert", "-p", "-O", "raw", "/vm/base.vhdx", "/vm/p.raw"}).status, 0);
}

TEST_F(Commands, UsageMistakesAreJsonWhereJsonIsWanted) {
  const Outcome outcome = Run({"info", "--json"});
  EXPECT_EQ(outcome.status, 64);
  EXPECT_EQ(outcome.out, "");
  EXPECT_EQ(outcome.error()["code"], "usage");
}

TEST_F(Commands, SharedOptionsStandBeforeOrBehind) {
  EXPECT_TRUE(Run({"--json", "info", "/vm/base.vhdx"}).json().is_object());
  EXPECT_TRUE(Run({"info", "--json", "/vm/base.vhdx"}).json().is_object());
  EXPECT_TRUE(Run({"info", "/vm/base.vhdx", "--json", "-q"}).json().is_object());
}

TEST_F(Commands, ParentDirTakesOneFolderEachTime) {
  ASSERT_TRUE(files_.Rename("/vm/base.vhdx", "/store/base.vhdx", RenameMode::kReplace));
  files_.AddFolder("/empty");
  EXPECT_EQ(Run({"map", "/vm/child.avhdx"}).status, 1);
  EXPECT_EQ(
      Run({"map", "--parent-dir", "/empty", "--parent-dir", "/store", "/vm/child.avhdx"}).status,
      0);
}

TEST_F(Commands, FileNamedAsACommandIsAFile) {
  ASSERT_TRUE(testing::BuildAt(base_, files_, "/check"));
  EXPECT_EQ(Run({"info", "check"}).status, 0);
}

TEST_F(Commands, HelpNamesEveryOption) {
  EXPECT_NE(Run({"--help"}).out.find("\n  convert "), std::string::npos);
  const std::string help = Run({"convert", "--help"}).out;
  for (const char* text :
       {"usage: vhdx convert [OPTION...] SRC DST\n", "--force", "-n, --no-create",
        "-O, --output-format raw|vhdx", "--json", "--parent-dir DIR"}) {
    EXPECT_NE(help.find(text), std::string::npos) << text << help;
  }
}

TEST_F(Commands, HelpAndVersionAreDocumentsWhereJsonIsWanted) {
  EXPECT_EQ(Run({"help", "info", "--json"}).json()["help"], Run({"info", "--help"}).out);
  EXPECT_EQ(Run({"info", "--help", "--json"}).out, Run({"help", "info", "--json"}).out);
  EXPECT_EQ(Run({"--version", "--json"}).out, Run({"version", "--json"}).out);
}

TEST_F(Commands, HelpOfMeasureHasOnlyWhatChangesTheSize) {
  const std::string help = Run({"measure", "--help"}).out;
  EXPECT_NE(help.find("--log-size"), std::string::npos) << help;
  EXPECT_EQ(help.find("--creator"), std::string::npos) << help;
}

TEST_F(Commands, HelpFitsEightyColumns) {
  for (const char* command :
       {"create", "info", "check", "map", "dump", "convert", "compare", "measure", "chain",
        "snapshot", "serve", "ctl", "bench", "version", "completion", "help"}) {
    std::string help = Run({command, "--help"}).out;
    EXPECT_FALSE(help.empty());
    while (!help.empty()) {
      const size_t end = help.find('\n');
      EXPECT_LE(end, 80u) << help.substr(0, end);
      help.erase(0, end + 1);
    }
  }
}

TEST_F(Commands, VersionIsToldBothWays) {
  EXPECT_EQ(Run({"version"}).out, Run({"--version"}).out);
  EXPECT_EQ(KeysOf(Run({"version", "--json"}).json()), Keys{"version"});
}

TEST_F(Commands, UnknownOptionsAreNamedWhereverTheyStand) {
  for (const std::vector<std::string>& words : std::vector<std::vector<std::string>>{
           {"create", "/a.vhdx", "1G", "--blocksize", "1M"}, {"info", "--blocksize", "/a.vhdx"}}) {
    const Outcome outcome = Run(words);
    EXPECT_EQ(outcome.status, 64);
    EXPECT_NE(outcome.err.find("unknown option \"--blocksize\""), std::string::npos) << outcome.err;
  }
}

TEST_F(Commands, ForceShareWarns) {
  const Outcome outcome = Run({"map", "-U", "/vm/base.vhdx"});
  EXPECT_EQ(outcome.status, 0);
  EXPECT_TRUE(outcome.err.starts_with("vhdx: warning: /vm/base.vhdx: ")) << outcome.err;
}

TEST_F(Commands, BusyFileIsOneSentenceAndForceShareReadsIt) {
  const auto writer = *files_.Open("/vm/base.vhdx", {.access = FileAccess::kReadWrite});
  ASSERT_TRUE(writer->Lock(LockMode::kExclusive));
  for (const char* command : {"info", "check", "map", "dump", "measure", "bench"}) {
    const Outcome outcome = Run({command, "--json", "/vm/base.vhdx"});
    EXPECT_EQ(outcome.status, 1) << command;
    EXPECT_EQ(outcome.out, "");
    EXPECT_EQ(outcome.error()["code"], "busy") << command;
    EXPECT_EQ(Run({command, "-U", "/vm/base.vhdx"}).status, 0) << command;
  }
}

TEST_F(Commands, InterruptionEndsWith130) {
  for (const std::vector<std::string>& arguments :
       std::vector<std::vector<std::string>>{{"convert", "/vm/base.vhdx", "/a.raw"},
                                             {"compare", "/vm/base.vhdx", "/vm/child.avhdx"},
                                             {"map", "/vm/base.vhdx"},
                                             {"check", "/vm/base.vhdx"},
                                             {"dump", "/vm/base.vhdx"},
                                             {"bench", "/vm/base.vhdx"}}) {
    EXPECT_EQ(cli::Run(files_, arguments, true).status, 130) << arguments[0];
  }
  EXPECT_EQ(files_.Contents("/a.raw"), nullptr);
}

TEST_F(Commands, MissingParentIsNamedWithWhatHelps) {
  ASSERT_TRUE(files_.Remove("/vm/base.vhdx"));
  const Outcome outcome = Run({"map", "/vm/child.avhdx"});
  EXPECT_EQ(outcome.status, 1);
  for (const std::string& text : {std::string("base.vhdx"), std::string("--parent-dir")}) {
    EXPECT_NE(outcome.err.find(text), std::string::npos) << outcome.err;
  }
}

// Every word of every help that is an option has to be in the script of every shell.
TEST_F(Commands, CompletionCoversEveryCommandAndOption) {
  const std::vector<std::string> commands = {"create",  "info",    "check",   "map",   "dump",
                                             "convert", "compare", "measure", "chain", "snapshot",
                                             "serve",   "ctl",     "bench"};
  std::set<std::string> options;
  for (const std::string& command : commands) {
    const std::string help = Run({command, "--help"}).out;
    const std::regex option("\n  (?:(-\\w), )?(--[a-z-]+|-\\w)");
    for (std::sregex_iterator at(help.begin(), help.end(), option), end; at != end; ++at) {
      options.insert((*at)[2]);
    }
  }
  EXPECT_GT(options.size(), 50U);
  for (const char* shell : {"bash", "zsh", "fish"}) {
    const std::string script = Run({"completion", shell}).out;
    for (const std::string& command : commands) {
      EXPECT_NE(script.find(command), std::string::npos) << shell << " " << command;
    }
    for (const std::string& option : options) {
      // fish names options without their dashes.
      const bool is_long = option.starts_with("--");
      const std::string name = std::string(shell) != "fish" ? option
                               : is_long                    ? "-l " + option.substr(2)
                                                            : "-s " + option.substr(1);
      EXPECT_NE(script.find(name), std::string::npos) << shell << " " << option;
    }
  }
  EXPECT_EQ(Run({"completion", "tcsh"}).status, 64);
}

}  // namespace
}  // namespace vhdx::cli

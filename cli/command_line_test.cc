// The commands as a whole, in this process, on files in memory.

#include "cli/command_line.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <string>
#include <vector>

#include "cli/json_text.h"
#include "testing/image_builder.h"
#include "testing/memory_file_system.h"

namespace vhdx::cli {
namespace {

using testing::ImageSpec;
using testing::MemoryFileSystem;

struct Outcome {
  int status = 0;
  std::string out;
  std::string err;

  Json json() const { return Json::parse(out); }
  // The last line on standard error.
  Json error() const {
    const size_t line_end = err.find_last_not_of('\n');
    const size_t line_start = err.rfind('\n', line_end);
    return Json::parse(err.substr(line_start == std::string::npos ? 0 : line_start + 1))["error"];
  }
};

std::string TakeText(int fd) {
  std::string text(static_cast<size_t>(::lseek(fd, 0, SEEK_END)), '\0');
  EXPECT_EQ(::pread(fd, text.data(), text.size(), 0), static_cast<ssize_t>(text.size()));
  ::close(fd);
  return text;
}

Outcome Run(FileSystem& files, const std::vector<std::string>& arguments,
            bool is_interrupted = false) {
  const std::atomic<bool> interrupted = is_interrupted;
  const int out = ::memfd_create("out", 0);
  const int err = ::memfd_create("err", 0);
  const ExitStatus status = RunCommandLine(
      arguments, {.files = files, .interrupted = interrupted, .output_fd = out, .error_fd = err});
  return {.status = static_cast<int>(status), .out = TakeText(out), .err = TakeText(err)};
}

std::vector<std::string> KeysOf(const Json& json) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : json.items()) keys.push_back(key);
  return keys;
}

using Keys = std::vector<std::string>;

// base.vhdx with two blocks, child.avhdx with one more and part of another.
class Commands : public ::testing::Test {
 protected:
  void SetUp() override {
    base_ = testing::DynamicImage({.disk_size = 16 * kMiB, .block_size = kMiB});
    base_.blocks = {testing::FullBlock(0), testing::FullBlock(2), testing::ZeroBlock(4)};
    ASSERT_TRUE(testing::BuildAt(base_, files_, "/vm/base.vhdx"));
    child_ = testing::ChildOf(base_, ".\\base.vhdx");
    child_.blocks = {testing::FullBlock(1), testing::PartialBlock(2, {{8, 8}})};
    ASSERT_TRUE(testing::BuildAt(child_, files_, "/vm/child.avhdx"));
  }

  Outcome Run(const std::vector<std::string>& arguments) { return cli::Run(files_, arguments); }

  MemoryFileSystem files_;
  ImageSpec base_;
  ImageSpec child_;
};

TEST_F(Commands, UsageMistakesAreOneSentenceAndAHint) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> mistakes = {
      {{}, "vhdx: the command is missing; see `vhdx --help`\n"},
      {{"--json"}, ""},
      {{"inof", "x"},
       "vhdx: there is no command \"inof\", did you mean `info`?; see `vhdx --help`\n"},
      {{"info"}, "vhdx: info: FILE is missing; see `vhdx info --help`\n"},
      {{"info", "--frob", "x"},
       "vhdx: info: there is no option \"--frob\"; see `vhdx info --help`\n"},
      {{"info", "a", "b"}, "vhdx: info: too many arguments, from \"b\"; see `vhdx info --help`\n"},
      {{"bench", "x", "--block"}, "vhdx: bench: --block needs a value; see `vhdx bench --help`\n"},
      {{"bench", "x", "--block", "4q"},
       "vhdx: bench: --block: \"4q\" is no size; sizes are bytes, or a number with k, M, G or T, "
       "such as 64k; see `vhdx bench --help`\n"},
      {{"bench", "x", "--depth", "0"},
       "vhdx: bench: --depth: \"0\" is no number from 1 to 1024; see `vhdx bench --help`\n"},
      {{"convert", "a", "b", "-O", "vhd"},
       "vhdx: convert: --output-format: \"vhd\" is not one of: raw, vhdx; see `vhdx convert "
       "--help`\n"},
      {{"create", "a", "1G", "--disk-id", "0"},
       "vhdx: create: --disk-id: \"0\" is no GUID; one looks like "
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

TEST_F(Commands, HelpFitsEightyColumns) {
  for (const char* command :
       {"create", "info", "check", "map", "dump", "convert", "compare", "measure", "chain",
        "snapshot", "serve", "bench", "version", "completion"}) {
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

TEST_F(Commands, InfoHasTheKeysOfQemuImg) {
  const Json json = Run({"info", "--json", "/vm/base.vhdx"}).json();
  EXPECT_EQ(KeysOf(json), (Keys{"filename", "format", "virtual-size", "actual-size", "cluster-size",
                                "dirty-flag", "format-specific"}));
  EXPECT_EQ(json["virtual-size"], 16 * kMiB);
  const Json data = json["format-specific"]["data"];
  EXPECT_EQ(KeysOf(data), (Keys{"subformat", "block-size", "logical-sector-size",
                                "physical-sector-size", "disk-id", "creator", "file-write-guid",
                                "data-write-guid", "log", "file-size", "host-sparse"}));
  EXPECT_EQ(KeysOf(data["log"]), (Keys{"guid", "size", "state", "entries"}));
  EXPECT_EQ(data["subformat"], "dynamic");
  EXPECT_EQ(data["log"]["state"], "clean");
}

TEST_F(Commands, InfoOfAChildNamesItsParent) {
  const Json json = Run({"info", "--json", "/vm/child.avhdx"}).json();
  EXPECT_EQ(json["backing-filename"], ".\\base.vhdx");
  EXPECT_EQ(json["full-backing-filename"], "/vm/base.vhdx");
  EXPECT_EQ(json["backing-filename-format"], "vhdx");
  const Json parent = json["format-specific"]["data"]["parent"];
  EXPECT_EQ(KeysOf(parent), (Keys{"linkage", "linkage2", "relative-path", "volume-path",
                                  "absolute-win32-path", "resolved", "identity"}));
  EXPECT_EQ(parent["identity"], "ok");
}

TEST_F(Commands, InfoWorksWithoutTheParent) {
  ASSERT_TRUE(files_.Remove("/vm/base.vhdx"));
  const Outcome outcome = Run({"info", "--json", "/vm/child.avhdx"});
  EXPECT_EQ(outcome.status, 0);
  EXPECT_EQ(outcome.json()["format-specific"]["data"]["parent"]["identity"], "missing");
  EXPECT_FALSE(outcome.json().contains("full-backing-filename"));
}

TEST_F(Commands, InfoCountsBlocks) {
  const Json data =
      Run({"info", "--json", "--blocks", "/vm/base.vhdx"}).json()["format-specific"]["data"];
  EXPECT_EQ(KeysOf(data["blocks"]),
            (Keys{"total", "present", "partial", "zero", "unmapped", "undefined"}));
  EXPECT_EQ(data["blocks"]["present"], 2);
  EXPECT_EQ(data["blocks"]["zero"], 1);
  EXPECT_TRUE(data.contains("fragmentation"));
  EXPECT_FALSE(data.contains("minimum-size"));  // no partition table
}

TEST_F(Commands, InfoOfAChainIsAnArrayTopFirst) {
  const Json json = Run({"info", "--json", "--chain", "/vm/child.avhdx"}).json();
  ASSERT_EQ(json.size(), 2u);
  EXPECT_EQ(json[0]["filename"], "/vm/child.avhdx");
  EXPECT_EQ(json[1]["filename"], "/vm/base.vhdx");
  EXPECT_EQ(Run({"info", "--json", "--chain", "/vm/base.vhdx"}).json().size(), 1u);
}

TEST_F(Commands, InfoTextCannotPlayWithTheTerminal) {
  base_.creator = "\x1b[2Jevil\n";
  ASSERT_TRUE(testing::BuildAt(base_, files_, "/evil.vhdx"));
  const std::string text = Run({"info", "/evil.vhdx"}).out;
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
  EXPECT_NE(text.find("\\x1b[2Jevil\\x0a"), std::string::npos);
}

TEST_F(Commands, CheckOfACleanImage) {
  const Outcome outcome = Run({"check", "--json", "/vm/base.vhdx"});
  EXPECT_EQ(outcome.status, 0);
  EXPECT_EQ(KeysOf(outcome.json()),
            (Keys{"filename", "format", "check-errors", "corruptions", "leaks", "image-end-offset",
                  "total-clusters", "allocated-clusters", "fragmented-clusters", "findings"}));
  EXPECT_EQ(outcome.json()["allocated-clusters"], 2);
}

TEST_F(Commands, CheckTellsCorruptionsWithTheirRules) {
  base_.blocks = {testing::FullBlock(0, 64 * kMiB), testing::FullBlock(1, 64 * kMiB)};
  ASSERT_TRUE(testing::BuildAt(base_, files_, "/bad.vhdx"));
  const Outcome outcome = Run({"check", "--json", "/bad.vhdx"});
  EXPECT_EQ(outcome.status, 2);
  const Json finding = outcome.json()["findings"][0];
  EXPECT_EQ(KeysOf(finding), (Keys{"rule", "severity", "file", "offset", "found", "expected",
                                   "sentence", "repair"}));
  const Outcome text = Run({"check", "/bad.vhdx"});
  EXPECT_EQ(text.status, 2);
  EXPECT_NE(text.out.find("[bat.entry.overlap]"), std::string::npos) << text.out;
}

TEST_F(Commands, CheckOfOddAndOfForeignFiles) {
  base_.patches = {testing::PatchFill(0x10000, 4096, std::byte{0})};  // one header is gone
  ASSERT_TRUE(testing::BuildAt(base_, files_, "/odd.vhdx"));
  EXPECT_EQ(Run({"check", "/odd.vhdx"}).status, 3);
  files_.AddFile("/other", std::as_bytes(std::span("QFI\xfb\0\0\0\3", 8)));
  const Outcome other = Run({"check", "/other"});
  EXPECT_EQ(other.status, 63);
  EXPECT_NE(other.out.find("a QCOW2 image"), std::string::npos) << other.out;
  EXPECT_EQ(Run({"check", "/gone"}).status, 1);
}

TEST_F(Commands, CheckShowsNotesWhenAsked) {
  base_.file_size = 64 * kMiB;  // a long tail
  ASSERT_TRUE(testing::BuildAt(base_, files_, "/tail.vhdx"));
  EXPECT_EQ(Run({"check", "/tail.vhdx"}).out.find("note:"), std::string::npos);
  const Outcome verbose = Run({"check", "-v", "/tail.vhdx"});
  EXPECT_EQ(verbose.status, 0);
  EXPECT_NE(verbose.out.find("note: "), std::string::npos) << verbose.out;
  const Json findings = Run({"check", "--json", "/tail.vhdx"}).json()["findings"];
  EXPECT_TRUE(std::ranges::any_of(
      findings, [](const Json& finding) { return finding["severity"] == "note"; }));
}

TEST_F(Commands, MapIsAnArrayOfExtents) {
  const Json json = Run({"map", "--json", "/vm/child.avhdx"}).json();
  ASSERT_TRUE(json.is_array());
  uint64_t position = 0;
  for (const Json& extent : json) {
    Keys expected = {"start", "length", "depth", "present", "zero", "data"};
    if (extent["data"] == true) expected.insert(expected.end(), {"offset", "filename"});
    EXPECT_EQ(KeysOf(extent), expected);
    EXPECT_EQ(extent["start"], position);
    position += extent["length"].get<uint64_t>();
  }
  EXPECT_EQ(position, 16 * kMiB);
  EXPECT_EQ(json[0]["depth"], 1);
  EXPECT_EQ(json[0]["filename"], "/vm/base.vhdx");
  EXPECT_EQ(json[1]["depth"], 0);
}

TEST_F(Commands, MapThatCannotBeFinishedIsNotBegun) {
  base_.bat_entries = {{.index = 9, .raw = 4}};  // a state that does not exist
  ASSERT_TRUE(testing::BuildAt(base_, files_, "/bad.vhdx"));
  const Outcome outcome = Run({"map", "--json", "/bad.vhdx"});
  EXPECT_EQ(outcome.status, 1);
  EXPECT_EQ(outcome.out, "");
  EXPECT_EQ(outcome.error()["rule"], "bat.entry.state");
  EXPECT_EQ(KeysOf(outcome.error()),
            (Keys{"code", "rule", "file", "offset", "found", "expected", "sentence"}));
  EXPECT_EQ(Run({"map", "/bad.vhdx"}).status, 1);
}

TEST_F(Commands, DumpHasEveryPart) {
  const Json json = Run({"dump", "--json", "/vm/child.avhdx"}).json();
  EXPECT_EQ(KeysOf(json), (Keys{"filename", "file-identifier", "headers", "regions", "metadata",
                                "locator", "log", "bat", "bitmap"}));
  EXPECT_GT(json["locator"][1]["value-offset"], json["locator"][1]["key-offset"]);
  EXPECT_EQ(json["headers"].size(), 2u);
  EXPECT_EQ(json["headers"][0]["file-offset"], 0x10000);
  EXPECT_EQ(json["regions"][1]["file-offset"], 0x40000);
  EXPECT_EQ(json["locator"][1]["value"], ".\\base.vhdx");
  EXPECT_EQ(json["bitmap"][0]["block"], 2);
  EXPECT_EQ(json["bitmap"][0]["runs"][0]["length"], 4096);
}

TEST_F(Commands, DumpOfOnePartHasThatPart) {
  EXPECT_EQ(KeysOf(Run({"dump", "--json", "/vm/base.vhdx", "bat"}).json()),
            (Keys{"filename", "bat"}));
  const std::string text = Run({"dump", "/vm/base.vhdx", "headers"}).out;
  EXPECT_TRUE(text.starts_with("File identifier at 0")) << text;
  EXPECT_NE(text.find("Header 1 at 65536"), std::string::npos) << text;
  EXPECT_EQ(text.find("BAT"), std::string::npos);
}

TEST_F(Commands, CompareSaysWhetherAndWhere) {
  ASSERT_EQ(Run({"convert", "-q", "/vm/child.avhdx", "/a.raw"}).status, 0);
  EXPECT_EQ(Run({"compare", "/vm/child.avhdx", "/a.raw"}).status, 0);
  files_.Contents("/a.raw")->Write(5 * kMiB + 3, std::as_bytes(std::span("x", 1)));
  const Outcome outcome = Run({"compare", "--json", "/vm/child.avhdx", "/a.raw"});
  EXPECT_EQ(outcome.status, 1);
  const Json expected = {{"identical", false},
                         {"first-difference", 5 * kMiB + 3},
                         {"differences", {{{"start", 5 * kMiB}, {"length", 512}}}}};
  EXPECT_EQ(outcome.json(), expected);
  EXPECT_EQ(Run({"compare", "/vm/child.avhdx", "/gone"}).status, 2);
  EXPECT_EQ(Run({"compare", "-q", "/vm/child.avhdx", "/a.raw"}).out, "");
}

TEST_F(Commands, CompareNotesALongerDisk) {
  ASSERT_EQ(Run({"convert", "-q", "/vm/base.vhdx", "/a.raw"}).status, 0);
  files_.Contents("/a.raw")->Resize(20 * kMiB);
  const Outcome outcome = Run({"compare", "/vm/base.vhdx", "/a.raw"});
  EXPECT_EQ(outcome.status, 0);
  EXPECT_NE(outcome.err.find("/a.raw"), std::string::npos);
  EXPECT_EQ(Run({"compare", "--strict", "/vm/base.vhdx", "/a.raw"}).status, 1);
}

TEST_F(Commands, MeasureSaysWhatConvertNeeds) {
  const Json raw = Run({"measure", "--json", "/vm/base.vhdx"}).json();
  const Json expected = {{"required", 16 * kMiB}, {"fully-allocated", 16 * kMiB}};
  EXPECT_EQ(raw, expected);
  const Json vhdx =
      Run({"measure", "--json", "-O", "vhdx", "--block-size", "1M", "/vm/base.vhdx"}).json();
  EXPECT_EQ(vhdx["required"], (11 + 2) * kMiB);
  EXPECT_EQ(vhdx["fully-allocated"], (11 + 16) * kMiB);
}

TEST_F(Commands, ChainDrawsTheTree) {
  const std::string text = Run({"chain", "/vm"}).out;
  EXPECT_NE(text.find("/vm/base.vhdx"), std::string::npos);
  EXPECT_NE(text.find("\n└─ /vm/child.avhdx"), std::string::npos) << text;
  EXPECT_EQ(Run({"chain", "--json", "/vm/base.vhdx", "/vm"}).json().size(), 2u);
}

TEST_F(Commands, BenchReads) {
  const Json json =
      Run({"bench", "--json", "--count", "100", "--depth", "2", "/vm/child.avhdx"}).json();
  EXPECT_EQ(KeysOf(json), (Keys{"requests", "bytes", "seconds", "requests-per-second",
                                "bytes-per-second", "latency-ns", "flushes", "counters"}));
  EXPECT_EQ(json["requests"], 100);
  EXPECT_EQ(Run({"bench", "--random", "--block", "1M", "--count", "3", "/vm/base.vhdx"}).status, 0);
  EXPECT_EQ(Run({"bench", "--block", "1G", "/vm/base.vhdx"}).status, 1);
}

TEST_F(Commands, BenchWritesAndCountsWhatThatCost) {
  ASSERT_EQ(Run({"create", "-q", "/a.vhdx", "64M", "--block-size", "1M"}).status, 0);
  const Json json = Run({"bench", "--json", "--write", "--count", "64", "--step", "1M",
                         "--flush-interval", "16", "/a.vhdx"})
                        .json();
  EXPECT_EQ(json["flushes"], 5);
  EXPECT_EQ(json["counters"]["allocations"], 64);
  EXPECT_EQ(json["counters"]["payload-bytes"], 64 * 4096);
  EXPECT_EQ(Run({"check", "-q", "/a.vhdx"}).status, 0);
  EXPECT_NE(Run({"bench", "--write", "--count", "1", "/a.vhdx"}).out.find("log entries"),
            std::string::npos);
  EXPECT_EQ(Run({"bench", "--write", "--count", "1", "/vm/base.vhdx"}).status, 1);  // a parent
}

TEST_F(Commands, ConvertSaysWhatItDid) {
  const Outcome outcome = Run({"convert", "--json", "/vm/base.vhdx", "/a.raw"});
  EXPECT_EQ(KeysOf(outcome.json()),
            (Keys{"source", "source-format", "target", "target-format", "virtual-size",
                  "target-size", "copied", "cloned", "zero", "seconds"}));
  EXPECT_EQ(outcome.json()["copied"], 2 * kMiB);
  EXPECT_EQ(Run({"convert", "-q", "--force", "/vm/base.vhdx", "/a.raw"}).out, "");
}

TEST_F(Commands, ConvertRefusesATargetThatExists) {
  files_.AddFile("/a.raw");
  const Outcome outcome = Run({"convert", "/vm/base.vhdx", "/a.raw"});
  EXPECT_EQ(outcome.status, 1);
  EXPECT_NE(outcome.err.find("--force"), std::string::npos);
  EXPECT_EQ(files_.Contents("/a.raw")->size(), 0u);
}

TEST_F(Commands, ConvertTellsTheFormatByTheName) {
  const auto format = [&](const std::vector<std::string>& arguments) {
    return Run(arguments).json()["target-format"];
  };
  EXPECT_EQ(format({"convert", "--json", "/vm/base.vhdx", "/1.vhdx"}), "vhdx");
  EXPECT_EQ(format({"convert", "--json", "/vm/base.vhdx", "/1.raw"}), "raw");
  EXPECT_EQ(format({"convert", "--json", "-O", "raw", "/vm/base.vhdx", "/2.vhdx"}), "raw");
  EXPECT_EQ(format({"convert", "--json", "-O", "vhdx", "/vm/base.vhdx", "/2"}), "vhdx");
  EXPECT_EQ(format({"convert", "--json", "-n", "/vm/child.avhdx", "/2"}), "vhdx");
  EXPECT_EQ(Run({"compare", "-q", "/vm/child.avhdx", "/2"}).status, 0);
}

TEST_F(Commands, ConvertRefusesOptionsThatMeanNothing) {
  for (const std::vector<std::string>& options : std::vector<std::vector<std::string>>{
           {"--fixed"}, {"--preallocate"}, {"--log-size", "2M"}, {"--logical-sector", "4096"}}) {
    std::vector<std::string> words = {"convert", "/vm/base.vhdx", "/a.raw"};
    words.insert(words.end(), options.begin(), options.end());
    EXPECT_EQ(Run(words).status, 64);
    EXPECT_NE(Run(words).err.find(options[0] + " is for a VHDX"), std::string::npos);
  }
  // Not a raw disk under a name that says otherwise, unless that is said.
  EXPECT_EQ(Run({"convert", "/vm/base.vhdx", "/a.qcow2"}).status, 1);
  EXPECT_EQ(Run({"convert", "-O", "raw", "/vm/base.vhdx", "/a.qcow2"}).status, 0);
  EXPECT_EQ(Run({"convert", "-O", "vhdx", "/vm/base.vhdx", "-"}).status, 64);
  EXPECT_EQ(Run({"convert", "-", "/a.raw"}).status, 64);
}

TEST_F(Commands, CreateSaysWhatItMade) {
  const Outcome outcome = Run({"create", "--json", "/a.vhdx", "40G", "--block-size", "2M"});
  EXPECT_EQ(outcome.json(), Json::parse(R"({"filename": "/a.vhdx", "format": "vhdx",
      "subformat": "dynamic", "virtual-size": 42949672960, "cluster-size": 2097152,
      "file-size": 11534336})"));
  EXPECT_EQ(Run({"create", "-q", "/b.vhdx", "40G", "--fixed"}).out, "");
  const Json info = Run({"info", "--json", "/a.vhdx"}).json();
  EXPECT_EQ(info["format-specific"]["data"]["logical-sector-size"], 512);
}

TEST_F(Commands, CreateTakesItsOptions) {
  ASSERT_EQ(Run({"create", "/a.vhdx", "1G", "--fixed", "--block-size", "1M", "--log-size", "3M",
                 "--logical-sector", "4096", "--physical-sector", "4096", "--creator", "me",
                 "--disk-id", "{01234567-89AB-4CDE-8F01-23456789ABCD}"})
                .status,
            0);
  const Json data = Run({"info", "--json", "/a.vhdx"}).json()["format-specific"]["data"];
  EXPECT_EQ(data["subformat"], "fixed");
  EXPECT_EQ(data["block-size"], kMiB);
  EXPECT_EQ(data["log"]["size"], 3 * kMiB);
  EXPECT_EQ(data["logical-sector-size"], 4096);
  EXPECT_EQ(data["creator"], "me");
  EXPECT_EQ(data["disk-id"], "01234567-89ab-4cde-8f01-23456789abcd");
}

TEST_F(Commands, CreateIsReproducibleWhereAsked) {
  const auto guid = [&](const std::vector<std::string>& options) {
    std::vector<std::string> arguments = {"create", "-q", "--force", "/a.vhdx"};
    arguments.insert(arguments.end(), options.begin(), options.end());
    EXPECT_EQ(Run(arguments).status, 0);
    return Run({"info", "--json", "/a.vhdx"}).json()["format-specific"]["data"]["data-write-guid"];
  };
  const auto once = guid({"1G", "--reproducible"});
  EXPECT_EQ(guid({"1G", "--reproducible"}), once);
  EXPECT_NE(guid({"2G", "--reproducible"}), once);
  EXPECT_NE(guid({"1G", "--reproducible", "--seed", "x"}), once);
  EXPECT_NE(guid({"1G", "--reproducible", "--block-size", "4M"}), once);
  EXPECT_NE(guid({"1G"}), guid({"1G"}));
}

TEST_F(Commands, ConvertIsReproducibleWhereAsked) {
  const auto bytes = [&](const std::string& source) {
    EXPECT_EQ(Run({"convert", "-q", "--force", "--reproducible", "--block-size", "1M", "-O", "vhdx",
                   source, "/made"})
                  .status,
              0);
    auto file = *files_.Open("/made", {});
    std::vector<std::byte> all(*file->Size());
    EXPECT_TRUE(file->ReadExactAt(0, all));
    return all;
  };
  const auto once = bytes("/vm/child.avhdx");
  EXPECT_EQ(bytes("/vm/child.avhdx"), once);
  EXPECT_NE(bytes("/vm/base.vhdx"), once);
  // The same contents in another form.
  ASSERT_EQ(Run({"convert", "-q", "/vm/child.avhdx", "/flat.raw"}).status, 0);
  EXPECT_EQ(bytes("/flat.raw"), once);
}

TEST_F(Commands, UnknownOptionsAreNamedWhereverTheyStand) {
  for (const std::vector<std::string>& words : std::vector<std::vector<std::string>>{
           {"create", "/a.vhdx", "1G", "--blocksize", "1M"}, {"info", "--blocksize", "/a.vhdx"}}) {
    const Outcome outcome = Run(words);
    EXPECT_EQ(outcome.status, 64);
    EXPECT_NE(outcome.err.find("there is no option \"--blocksize\""), std::string::npos)
        << outcome.err;
  }
}

TEST_F(Commands, CreateSaysWhatIsWrong) {
  const auto fails = [&](std::vector<std::string> arguments, const std::string& words,
                         int status = 1) {
    arguments.insert(arguments.begin(), "create");
    const Outcome outcome = Run(arguments);
    EXPECT_EQ(outcome.status, status) << words;
    EXPECT_NE(outcome.err.find(words), std::string::npos) << outcome.err;
    EXPECT_EQ(std::ranges::count(outcome.err, '\n'), 1) << outcome.err;
  };
  fails({"/a.vhdx"}, "say how large", 64);
  fails({"/a.vhdx", "0"}, "no bytes", 64);
  fails({"/a.vhdx", "1000"}, "/a.vhdx: a size of 1000 bytes is no multiple");
  fails({"/a.vhdx", "65T"}, "64T or less");
  fails({"/a.vhdx", "1G", "--block-size", "3M"}, "power of two", 64);
  fails({"/a.vhdx", "1G", "--log-size", "0"}, "multiple of 1M", 64);
  fails({"/a.vhdx", "--parent", "/vm/base.vhdx", "--fixed"}, "cannot be fixed", 64);
  fails({"/a.vhdx", "--parent", "/gone.vhdx"}, "/gone.vhdx");
  fails({"/vm/base.vhdx", "1G"}, "--force");
  fails({"/vm/base.vhdx", "1G", "--force"}, "child.avhdx");
  EXPECT_FALSE(files_.Contents("/a.vhdx"));
}

TEST_F(Commands, SnapshotPutsAChildOnTop) {
  const Outcome outcome = Run({"snapshot", "--json", "/vm/child.avhdx", "/vm/top.avhdx"});
  EXPECT_EQ(outcome.json()["backing-filename"], "/vm/child.avhdx");
  EXPECT_EQ(Run({"info", "--json", "--chain", "/vm/top.avhdx"}).json().size(), 3u);
  EXPECT_EQ(Run({"compare", "-q", "/vm/top.avhdx", "/vm/child.avhdx"}).status, 0);
}

TEST_F(Commands, SnapshotInAnotherFolderSaysHowItIsFound) {
  files_.AddFolder("/other");
  const Outcome outcome = Run({"snapshot", "/vm/base.vhdx", "/other/top.vhdx"});
  EXPECT_EQ(outcome.status, 0);
  EXPECT_NE(outcome.err.find("--parent-dir /vm/"), std::string::npos) << outcome.err;
}

TEST_F(Commands, RawSourcesThatLookLikeImagesNeedAWord) {
  std::string bytes(kMiB, '\0');
  bytes.replace(bytes.size() - 512, 8, "conectix");
  files_.AddFile("/disk", std::as_bytes(std::span(bytes)));
  const Outcome refused = Run({"convert", "/disk", "/a.raw"});
  EXPECT_EQ(refused.status, 1);
  EXPECT_NE(refused.err.find("VHD image"), std::string::npos) << refused.err;
  EXPECT_NE(refused.err.find("-f raw"), std::string::npos);
  EXPECT_EQ(Run({"convert", "-f", "raw", "/disk", "/a.raw"}).status, 0);
  EXPECT_NE(Run({"compare", "/a.raw", "/disk", "-f", "raw"}).err.find("-F raw"), std::string::npos);
}

TEST_F(Commands, OddRawSizesArePaddedAndSaid) {
  files_.AddFile("/disk", std::as_bytes(std::span("seven b")).first(7));
  const Outcome outcome = Run({"convert", "/disk", "/a.raw"});
  EXPECT_EQ(outcome.status, 0);
  EXPECT_NE(outcome.err.find("505 bytes of zeros"), std::string::npos) << outcome.err;
  EXPECT_EQ(files_.Contents("/a.raw")->size(), 512u);
}

TEST_F(Commands, MissingSignatureIsNotTakenForRaw) {
  files_.AddFile("/broken.vhdx", std::as_bytes(std::span("garbage")));
  const Outcome outcome = Run({"convert", "/broken.vhdx", "/a.raw"});
  EXPECT_EQ(outcome.status, 1);
  EXPECT_EQ(files_.Contents("/a.raw"), nullptr);
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

TEST_F(Commands, MissingParentIsNamedWithAllThatWasTried) {
  ASSERT_TRUE(files_.Remove("/vm/base.vhdx"));
  const Outcome outcome = Run({"map", "/vm/child.avhdx"});
  EXPECT_EQ(outcome.status, 1);
  for (const std::string& text :
       {std::string("base.vhdx"), base_.data_write_guid.ToString(), std::string("--parent-dir")}) {
    EXPECT_NE(outcome.err.find(text), std::string::npos) << outcome.err;
  }
}

TEST_F(Commands, CompletionCoversEveryCommandAndOption) {
  for (const char* shell : {"bash", "zsh", "fish"}) {
    const std::string script = Run({"completion", shell}).out;
    for (const char* word : {"info", "completion", "parent-dir", "force-share", "output-format",
                             "random", "locator", "logical-sector", "snapshot-writes"}) {
      EXPECT_NE(script.find(word), std::string::npos) << shell << " " << word;
    }
  }
  EXPECT_EQ(Run({"completion", "tcsh"}).status, 64);
}

}  // namespace
}  // namespace vhdx::cli

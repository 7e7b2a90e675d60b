// The commands that only look: what they print.

#include <gtest/gtest.h>
#include <vhdxkit/disk.h>
#include <vhdxkit/inspect.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "cli/commands_fixture.h"
#include "format/layout.h"
#include "testing/fault_file.h"
#include "testing/guest_volumes.h"

namespace vhdx::cli {
namespace {

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
  EXPECT_FALSE(data.contains("minimum-size"));  // nothing is recognized
}

TEST_F(Commands, InfoSaysWhyTheMinimumSizeIsUnknown) {
  const std::string path = "/vm/guest.vhdx";
  const auto image = testing::DynamicImage({.disk_size = 16 * kMiB, .block_size = kMiB});
  ASSERT_TRUE(testing::BuildAt(image, files_, path));
  const auto text = [&] { return Run({"info", "--blocks", path}).out; };
  EXPECT_NE(text().find("unknown: nothing is recognized on the disk\n"), std::string::npos)
      << text();
  {
    auto disk = Disk::Open(files_, path, {.access = DiskAccess::kReadWrite});
    ASSERT_TRUE(disk) << ToString(disk.error());
    ASSERT_TRUE((*disk)->Write(0, testing::GuestVolumeNamed("luks2").bytes));
    ASSERT_TRUE((*disk)->Close());
  }
  EXPECT_NE(text().find("unknown: LUKS2 on the whole disk extends to the end of the disk\n"),
            std::string::npos)
      << text();
  ASSERT_TRUE(files_.Remove("/vm/base.vhdx"));
  const std::string child = Run({"info", "--blocks", "/vm/child.avhdx"}).out;
  EXPECT_NE(child.find("unknown: the disk cannot be read\n"), std::string::npos) << child;
}

TEST_F(Commands, InfoDoesNotCountBlocksPastTheEnd) {
  base_.file_size = testing::PlanLayout(base_).end - kMiB;
  ASSERT_TRUE(testing::BuildAt(base_, files_, "/cut.vhdx"));
  const Outcome outcome = Run({"info", "--blocks", "/cut.vhdx"});
  EXPECT_EQ(outcome.status, 0);
  EXPECT_NE(outcome.out.find("1 of 16 in the file, 1 past its end"), std::string::npos)
      << outcome.out;
  EXPECT_NE(outcome.err.find("1 block ends past the end of the file"), std::string::npos)
      << outcome.err;
}

TEST_F(Commands, InfoOfAChainIsAnArrayTopFirst) {
  const Json json = Run({"info", "--json", "--chain", "/vm/child.avhdx"}).json();
  ASSERT_EQ(json.size(), 2u);
  EXPECT_EQ(json[0]["filename"], "/vm/child.avhdx");
  EXPECT_EQ(json[1]["filename"], "/vm/base.vhdx");
  EXPECT_EQ(Run({"info", "--json", "--chain", "/vm/base.vhdx"}).json().size(), 1u);
}

TEST_F(Commands, InfoOfAChainWithoutEndHasTheRule) {
  testing::ImageSpec self = testing::ChildOf(base_, ".\\self.vhdx");
  self.data_write_guid = base_.data_write_guid;
  ASSERT_TRUE(testing::BuildAt(self, files_, "/vm/self.vhdx"));
  const Outcome outcome = Run({"info", "--json", "--chain", "/vm/self.vhdx"});
  EXPECT_EQ(outcome.status, 1);
  EXPECT_EQ(outcome.error()["rule"], "parent.loop");
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
            (Keys{"filename", "format", "check-errors", "corruptions", "leaks",
                  "unreferenced-bytes", "image-end-offset", "total-clusters", "allocated-clusters",
                  "fragmented-clusters", "findings"}));
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

TEST_F(Commands, CheckTellsAWrongParentFromDamage) {
  testing::ImageSpec other = base_;
  other.data_write_guid = testing::TestGuid(90);
  ASSERT_TRUE(testing::BuildAt(other, files_, "/vm/other.vhdx"));
  const Outcome named = Run({"check", "/vm/child.avhdx", "--parent", "/vm/other.vhdx"});
  EXPECT_EQ(named.status, 1);
  EXPECT_NE(named.out.find("/vm/child.avhdx: no damage found, but a parent could not be checked"),
            std::string::npos)
      << named.out;
  EXPECT_EQ(
      Run({"check", "/vm/child.avhdx", "--parent", "/vm/other.vhdx", "--ignore-parent-id"}).status,
      3);
  files_.AddFile("/text", std::as_bytes(std::span("text", 4)));
  EXPECT_EQ(Run({"check", "/vm/child.avhdx", "--parent", "/text"}).status, 1);

  // One that lies where the child says is a fault of the chain.
  ASSERT_TRUE(files_.Remove("/vm/base.vhdx"));
  ASSERT_TRUE(testing::BuildAt(other, files_, "/vm/base.vhdx"));
  const Outcome found = Run({"check", "/vm/child.avhdx"});
  EXPECT_EQ(found.status, 2);
  EXPECT_NE(found.out.find("/vm/child.avhdx: no damage found, but a parent does not match"),
            std::string::npos)
      << found.out;
  const Json json = Run({"check", "--json", "/vm/child.avhdx"}).json();
  EXPECT_EQ(json["corruptions"], 0);
  EXPECT_EQ(json["check-errors"], 1);
  const Json& finding = json["findings"].back();
  EXPECT_EQ(finding["rule"], "parent.linkage");
  EXPECT_EQ(std::string(finding["sentence"]).find("[parent.linkage]"), std::string::npos);
}

TEST_F(Commands, QuietMapHasNoSummary) {
  const std::string usual = Run({"map", "/vm/base.vhdx"}).out;
  const std::string quiet = Run({"map", "-q", "/vm/base.vhdx"}).out;
  EXPECT_TRUE(usual.starts_with(quiet));
  EXPECT_NE(usual, quiet);
}

TEST_F(Commands, CheckTellsADamagedParentFromADamagedChild) {
  base_.blocks = {testing::FullBlock(0, 64 * kMiB), testing::FullBlock(1, 64 * kMiB)};
  ASSERT_TRUE(files_.Remove("/vm/base.vhdx"));
  ASSERT_TRUE(testing::BuildAt(base_, files_, "/vm/base.vhdx"));
  const Outcome outcome = Run({"check", "/vm/child.avhdx"});
  EXPECT_EQ(outcome.status, 2);
  EXPECT_NE(outcome.out.find("/vm/child.avhdx: no damage in this file, but a parent is corrupt"),
            std::string::npos)
      << outcome.out;
}

TEST_F(Commands, CheckSaysFirstThatAFileWasCut) {
  base_.patches = {testing::PatchFill(0x10000, 4096, std::byte{0})};  // one header is gone
  base_.blocks = {testing::FullBlock(0), testing::FullBlock(1, 64 * kMiB)};
  base_.file_size = 20 * kMiB;
  ASSERT_TRUE(testing::BuildAt(base_, files_, "/cut.vhdx"));
  const Outcome outcome = Run({"check", "/cut.vhdx"});
  EXPECT_TRUE(outcome.out.starts_with("error: /cut.vhdx: the file is cut off")) << outcome.out;
  EXPECT_NE(outcome.out.find("expected a file of at least 68157440 bytes instead of 20971520"),
            std::string::npos)
      << outcome.out;
}

TEST_F(Commands, CheckCountsOneBlock) {
  const testing::ImageSpec small = testing::DynamicImage({.disk_size = kMiB, .block_size = kMiB});
  ASSERT_TRUE(testing::BuildAt(small, files_, "/small.vhdx"));
  EXPECT_NE(Run({"check", "/small.vhdx"}).out.find("0 of 1 block in the file"), std::string::npos);
}

TEST_F(Commands, DumpHasItsWarningsInTheDocument) {
  base_.log.log_guid = testing::TestGuid(9);  // of a log that was never begun
  ASSERT_TRUE(testing::BuildAt(base_, files_, "/never.vhdx"));
  const Outcome outcome = Run({"dump", "--json", "/never.vhdx", "headers"});
  EXPECT_EQ(outcome.json()["warnings"][0]["file"], "/never.vhdx") << outcome.out;
}

TEST_F(Commands, MapWarnsOfBlocksInOnePlace) {
  base_.blocks = {testing::FullBlock(0, 64 * kMiB), testing::FullBlock(1, 64 * kMiB)};
  ASSERT_TRUE(testing::BuildAt(base_, files_, "/bad.vhdx"));
  const Outcome outcome = Run({"map", "/bad.vhdx"});
  EXPECT_EQ(outcome.status, 0);
  EXPECT_TRUE(outcome.err.starts_with("vhdx: warning: /bad.vhdx: ")) << outcome.err;
}

TEST_F(Commands, MapShowsWhatTheRestOfTheBatSays) {
  testing::ImageSpec spec = testing::DynamicImage({.disk_size = 2 * kGiB, .block_size = kMiB});
  spec.blocks = {testing::FullBlock(0), testing::FullBlock(1500)};
  ASSERT_TRUE(testing::BuildAt(spec, files_, "/large.vhdx"));
  const uint64_t bat = Inspect(files_, "/large.vhdx")->image.bat_region.file_offset;
  auto plan = std::make_shared<testing::FaultPlan>();
  testing::FaultFileSystem failing(files_, plan);
  plan->Add({.call = testing::FileCall::kRead,
             .range = FileRange{bat + 8192, 4096},
             .length = testing::FaultLength::kFromThen});
  const Outcome outcome = cli::Run(failing, {"map", "/large.vhdx"});
  EXPECT_EQ(outcome.status, 1);
  EXPECT_NE(outcome.out.find("  data  "), std::string::npos) << outcome.out << outcome.err;
  EXPECT_NE(outcome.out.find("  bad\n"), std::string::npos) << outcome.out << outcome.err;
  const Outcome check = cli::Run(failing, {"check", "/large.vhdx"});
  EXPECT_EQ(check.status, 1);
  EXPECT_NE(check.out.find("/large.vhdx: could not be checked to the end"), std::string::npos)
      << check.out;
}

TEST_F(Commands, CheckOfFileWhoseMetadataCannotBeRead) {
  ASSERT_TRUE(testing::BuildAt(base_, files_, "/sick.vhdx"));
  const uint64_t metadata = Inspect(files_, "/sick.vhdx")->image.metadata_region.file_offset;
  auto plan = std::make_shared<testing::FaultPlan>();
  testing::FaultFileSystem failing(files_, plan);
  plan->Add({.call = testing::FileCall::kRead,
             .range = FileRange{metadata, 4096},
             .length = testing::FaultLength::kFromThen});
  const Outcome check = cli::Run(failing, {"check", "/sick.vhdx"});
  EXPECT_EQ(check.status, 1);
  EXPECT_EQ(check.err, "");
  EXPECT_NE(check.out.find("[file.unreadable]"), std::string::npos) << check.out;
  EXPECT_NE(check.out.find("/sick.vhdx: could not be checked to the end"), std::string::npos)
      << check.out;
  const Json json = cli::Run(failing, {"check", "--json", "/sick.vhdx"}).json();
  EXPECT_EQ(json["check-errors"], 1);
  EXPECT_EQ(json["corruptions"], 0);
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
  EXPECT_EQ(KeysOf(json), (Keys{"filename", "log-state", "file-identifier", "headers", "regions",
                                "metadata", "locator", "log", "bat", "bitmap", "verdicts"}));
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
            (Keys{"filename", "bat", "verdicts"}));
  const std::string text = Run({"dump", "/vm/base.vhdx", "headers"}).out;
  EXPECT_TRUE(text.starts_with("File identifier at 0")) << text;
  EXPECT_NE(text.find("Header 1 at 65536"), std::string::npos) << text;
  EXPECT_EQ(text.find("BAT"), std::string::npos);
}

TEST_F(Commands, DumpOfASoundImageHasVerdictsWithoutErrors) {
  const Json json = Run({"dump", "--json", "/vm/child.avhdx"}).json();
  EXPECT_EQ(KeysOf(json["verdicts"]),
            (Keys{"file", "headers", "regions", "metadata", "locator", "log", "bat", "bitmap"}));
  const Json sound = {{"error", nullptr}, {"findings", Json::array()}};
  for (const Json& verdict : json["verdicts"]) EXPECT_EQ(verdict, sound);
  for (const Json& item : json["metadata"]) EXPECT_EQ(item["error"], nullptr);
  for (const Json& entry : json["locator"]) EXPECT_EQ(entry["findings"], Json::array());
}

TEST_F(Commands, DumpShowsWhatIsLeftWithoutABlockSize) {
  const uint64_t item = testing::PlanLayout(base_).ItemOffset(format::kFileParametersGuid);
  base_.patches = {testing::PatchFill(item, 4, std::byte{1})};
  ASSERT_TRUE(testing::BuildAt(base_, files_, "/bad.vhdx"));
  const Outcome text = Run({"dump", "/bad.vhdx"});
  EXPECT_EQ(text.status, 1);
  EXPECT_TRUE(text.out.starts_with("File identifier at 0")) << text.out;
  for (const char* part : {"Header 2 at 131072", "Region table 1 at 196608", "Virtual Disk ID",
                           "Log at ", "BAT at "}) {
    EXPECT_NE(text.out.find(part), std::string::npos) << part;
  }
  EXPECT_NE(text.out.find("error: the block size is not a power of two"), std::string::npos);
  EXPECT_NE(text.out.find("it is not known which block an entry is for"), std::string::npos);
  // Once, whatever depends on it.
  EXPECT_EQ(std::ranges::count(text.err, '\n'), 1) << text.err;
  EXPECT_TRUE(text.err.starts_with("vhdx: /bad.vhdx: the block size")) << text.err;

  const Outcome outcome = Run({"dump", "--json", "/bad.vhdx"});
  EXPECT_EQ(outcome.status, 1);
  EXPECT_EQ(outcome.error()["rule"], "metadata.block-size");
  const Json json = outcome.json();
  EXPECT_EQ(json["metadata"][0]["error"], outcome.error());
  EXPECT_EQ(json["metadata"][0]["value"]["block-size"], 0x01010101);
  EXPECT_EQ(json["metadata"][1]["error"], nullptr);
  EXPECT_EQ(json["verdicts"]["metadata"]["error"], nullptr);
  EXPECT_EQ(json["verdicts"]["bitmap"]["error"], outcome.error());
  ASSERT_FALSE(json["bat"].empty());
  EXPECT_EQ(json["bat"][0]["kind"], nullptr);
  EXPECT_EQ(json["bat"][0]["state-name"], nullptr);
  EXPECT_GT(json["bat"][0]["file-offset"], 0);
  EXPECT_EQ(Run({"dump", "/bad.vhdx", "headers"}).status, 0);
}

TEST_F(Commands, DumpListsTheEntriesOfALogThatCannotBeReplayed) {
  base_.log.log_guid = testing::TestGuid(9);
  base_.log.entries = {{}, {.tail = 0, .checksum_xor = 1}};
  base_.log.entries[0].tail = 8192;  // so there is no sequence
  ASSERT_TRUE(testing::BuildAt(base_, files_, "/bad.vhdx"));
  const Outcome text = Run({"dump", "/bad.vhdx", "log"});
  EXPECT_EQ(text.status, 1);
  EXPECT_NE(text.out.find("dirty, cannot be replayed"), std::string::npos) << text.out;
  EXPECT_NE(text.out.find("[log.sequence-none]"), std::string::npos) << text.out;
  const Json json = Run({"dump", "--json", "/bad.vhdx"}).json();
  ASSERT_EQ(json["log"].size(), 1U);
  EXPECT_EQ(json["log"][0]["active"], false);
  EXPECT_EQ(json["verdicts"]["log"]["error"]["rule"], "log.sequence-none");
  EXPECT_EQ(json["bat"][0]["kind"], "payload");
}

TEST_F(Commands, DumpSaysOfEachHeaderWhatIsWrong) {
  base_.late_patches = {testing::PatchFill(0x10000, 4, std::byte{0}),
                        testing::PatchFill(0x20fff, 1, std::byte{1})};
  ASSERT_TRUE(testing::BuildAt(base_, files_, "/bad.vhdx"));
  const Outcome outcome = Run({"dump", "--json", "/bad.vhdx"});
  EXPECT_EQ(outcome.status, 1);
  const Json json = outcome.json();
  EXPECT_EQ(json["headers"][0]["findings"][0]["rule"], "header.signature");
  EXPECT_FALSE(json["headers"][0].contains("checksum"));
  EXPECT_EQ(json["headers"][1]["valid"], false);
  EXPECT_EQ(json["headers"][1]["findings"][0]["rule"], "header.checksum");
  EXPECT_TRUE(json["headers"][1].contains("log-offset"));
  EXPECT_EQ(json["verdicts"]["headers"]["error"]["rule"], "header.none");
  EXPECT_EQ(json["bat"][0]["kind"], "payload");
  EXPECT_EQ(json["log-state"], "unknown");
  const std::string text = Run({"dump", "/bad.vhdx"}).out;
  EXPECT_NE(text.find("Both headers\n  error: neither header is valid"), std::string::npos) << text;
  // The log is not found for the same reason, which is not repeated.
  EXPECT_NE(text.find("  error: see above [header.none]\n"), std::string::npos) << text;
}

TEST_F(Commands, DumpOfACutFileReportsItsFirstErrorOnly) {
  ASSERT_TRUE(testing::BuildAt(base_, files_, "/bad.vhdx"));
  files_.Contents("/bad.vhdx")->Resize(0x35000);
  const Outcome text = Run({"dump", "/bad.vhdx"});
  EXPECT_EQ(text.status, 1);
  EXPECT_EQ(std::ranges::count(text.err, '\n'), 1) << text.err;
  EXPECT_NE(text.err.find("[file.truncated]"), std::string::npos) << text.err;
  for (const char* part :
       {"Region table 2 at 262144 (0x40000): not valid\n  error: the file is cut",
        "Metadata: not found\n", "Parent locator: not found\n", "BAT: not found\n",
        "  error: see above [region.none]\n"}) {
    EXPECT_NE(text.out.find(part), std::string::npos) << part << text.out;
  }
  const Outcome outcome = Run({"dump", "--json", "/bad.vhdx"});
  EXPECT_EQ(outcome.error()["rule"], "file.truncated");
  const Json json = outcome.json();
  EXPECT_EQ(json["log-state"], "clean");
  EXPECT_EQ(json["locator"], nullptr);
  EXPECT_EQ(json["verdicts"]["locator"]["error"]["rule"], "region.none");
}

TEST_F(Commands, DumpSaysWhichInvalidRegionTableItFollows) {
  base_.late_patches = {testing::PatchFill(0x30000, 4, std::byte{0}),
                        testing::PatchFill(0x4ffff, 1, std::byte{1})};
  ASSERT_TRUE(testing::BuildAt(base_, files_, "/bad.vhdx"));
  const Outcome outcome = Run({"dump", "/bad.vhdx"});
  EXPECT_EQ(outcome.status, 1);
  EXPECT_NE(outcome.out.find("  what follows is where region table 2 says that it is\n"),
            std::string::npos)
      << outcome.out;
  EXPECT_NE(outcome.out.find("Virtual Disk ID"), std::string::npos) << outcome.out;
}

TEST_F(Commands, DumpOfOneInvalidCopySucceeds) {
  base_.late_patches = {testing::PatchFill(0x30000, 4, std::byte{0})};
  ASSERT_TRUE(testing::BuildAt(base_, files_, "/odd.vhdx"));
  const Outcome outcome = Run({"dump", "/odd.vhdx"});
  EXPECT_EQ(outcome.status, 0);
  EXPECT_EQ(outcome.err, "");
  EXPECT_NE(outcome.out.find("  warning: a region table has no signature"), std::string::npos)
      << outcome.out;
}

TEST_F(Commands, DumpOfAnotherFormatIsRefused) {
  files_.AddFile("/other", std::as_bytes(std::span("QFI\xfb\0\0\0\3", 8)));
  const Outcome outcome = Run({"dump", "--json", "/other"});
  EXPECT_EQ(outcome.status, 1);
  EXPECT_EQ(outcome.out, "");
  EXPECT_EQ(outcome.error()["rule"], "file.signature");
}

TEST_F(Commands, DumpGoesOnAfterABatThatCannotBeRead) {
  auto plan = std::make_shared<testing::FaultPlan>();
  testing::FaultFileSystem failing(files_, plan);
  const uint64_t bat = Inspect(files_, "/vm/base.vhdx")->image.bat_region.file_offset;
  plan->Add({.call = testing::FileCall::kRead,
             .range = FileRange{bat, 4096},
             .length = testing::FaultLength::kFromThen});
  const Outcome outcome = cli::Run(failing, {"dump", "--json", "/vm/base.vhdx"});
  EXPECT_EQ(outcome.status, 1);
  const Json json = outcome.json();
  EXPECT_EQ(json["bat"], Json::array());
  EXPECT_EQ(json["verdicts"]["bat"]["error"]["code"], "io");
  EXPECT_EQ(json["verdicts"]["metadata"]["error"], nullptr);
  EXPECT_EQ(outcome.error()["code"], "io");
  const Outcome text = cli::Run(failing, {"dump", "/vm/base.vhdx"});
  EXPECT_NE(text.out.find("Sector bitmaps of"), std::string::npos) << text.out;
}

TEST_F(Commands, CheckGoesOnAfterTheFirstError) {
  const testing::ImageLayout layout = testing::PlanLayout(base_);
  base_.patches = {
      testing::PatchFill(layout.ItemOffset(format::kPhysicalSectorSizeGuid), 4, std::byte{1}),
      testing::PatchFill(layout.ItemOffset(format::kVirtualDiskSizeGuid), 8, std::byte{0})};
  base_.late_patches = {testing::PatchFill(0x10000, 4096, std::byte{0}),
                        testing::PatchFill(0x20000, 4096, std::byte{0})};
  ASSERT_TRUE(testing::BuildAt(base_, files_, "/bad.vhdx"));
  const Outcome outcome = Run({"check", "--json", "/bad.vhdx"});
  EXPECT_EQ(outcome.status, 2);
  const Json json = outcome.json();
  std::vector<std::string> rules;
  for (const Json& finding : json["findings"]) {
    if (finding["severity"] == "error") rules.push_back(finding["rule"]);
  }
  EXPECT_EQ(rules, (std::vector<std::string>{"header.none", "metadata.sector-size",
                                             "metadata.disk-size"}));
  EXPECT_EQ(json["corruptions"], 3);
}

TEST_F(Commands, CheckOfARefusedImageLooksAtItsBat) {
  base_.patches = {testing::PatchFill(0x10000 + 66, 1, std::byte{2}),
                   testing::PatchFill(0x20000 + 66, 1, std::byte{2})};  // the version
  base_.bat_entries = {{.index = 9, .raw = 4}};
  ASSERT_TRUE(testing::BuildAt(base_, files_, "/bad.vhdx"));
  const Outcome outcome = Run({"check", "/bad.vhdx"});
  EXPECT_EQ(outcome.status, 2);
  EXPECT_NE(outcome.out.find("[header.version]"), std::string::npos) << outcome.out;
  EXPECT_NE(outcome.out.find("[bat.entry.state]"), std::string::npos) << outcome.out;
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
  const Json fixed = Run({"measure", "--json", "-O", "vhdx", "--fixed", "--logical-sector", "4096",
                          "--log-size", "1M", "--preallocate", "/vm/base.vhdx"})
                         .json();
  EXPECT_EQ(fixed["required"], (4 + 16) * kMiB);
  EXPECT_EQ(Run({"measure", "--fixed", "/vm/base.vhdx"}).status, 64);
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
  const std::string text = Run({"bench", "--write", "--count", "2", "--depth", "9", "/a.vhdx"}).out;
  EXPECT_NE(text.find("payload bytes      8192\n"), std::string::npos) << text;
  EXPECT_NE(text.find("2 in flight"), std::string::npos) << text;  // there were no more requests
  EXPECT_EQ(text.find("allocations"), std::string::npos) << text;  // none: not worth a line
  EXPECT_EQ(Run({"bench", "--write", "--count", "1", "/vm/base.vhdx"}).status, 1);  // a parent
}

}  // namespace
}  // namespace vhdx::cli

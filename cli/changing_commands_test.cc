// The commands that change an image in place: what they refuse before they open anything, and what
// they skip.

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "cli/commands_fixture.h"

namespace vhdx::cli {
namespace {

using Mistakes = std::vector<std::pair<std::vector<std::string>, std::string>>;

class ChangingCommands : public Commands {
 protected:
  // Each is a usage error of the command, which is before the sentence, and help is after it.
  void ExpectUsage(const std::string& command, const Mistakes& mistakes) {
    for (const auto& [words, sentence] : mistakes) {
      std::vector<std::string> arguments = {command};
      arguments.insert(arguments.end(), words.begin(), words.end());
      const Outcome outcome = Run(arguments);
      EXPECT_EQ(outcome.status, 64) << sentence;
      EXPECT_EQ(outcome.out, "");
      EXPECT_EQ(outcome.err,
                "vhdx: " + command + ": " + sentence + "; see `vhdx " + command + " --help`\n");
    }
  }
};

TEST_F(ChangingCommands, ResizeRefusesWhatIsNotANewSize) {
  const std::string missing =
      "SIZE is missing: the new size of the disk, such as 40G, +10G or -10G, or --to-minimum";
  ExpectUsage(
      "resize",
      {{{}, "FILE is missing"},
       {{"a.vhdx"}, missing},
       {{"a.vhdx", "b.vhdx"}, missing},
       {{"40G"}, "FILE is missing: `vhdx resize FILE 40G`"},
       {{"40G", "a.vhdx"}, "the size comes last: `vhdx resize a.vhdx 40G`"},
       {{"+1G", "a.vhdx"}, "the size comes last: `vhdx resize a.vhdx +1G`"},
       {{"a.vhdx", "10X"}, "SIZE: \"10X\" is not a size; use one such as 40G, +10G or -10G"},
       {{"a.vhdx", "-10.3G"}, "SIZE: \"-10.3G\" is not a whole number of bytes; use -10547M"},
       {{"a.vhdx", "-0.5G"},
        "\"-0.5G\" is taken for the option -0; use a smaller unit, such as -512M"},
       {{"a1"}, missing},
       {{"1.vhdx"}, missing},
       {{"a.vhdx", "0"}, "SIZE is 0: the size of a disk must not be zero"},
       {{"a.vhdx", "65T"}, "SIZE is 65 TiB, which is more than a VHDX can have, 64T"},
       {{"a.vhdx", "1000"},
        "SIZE is 1000 bytes, which is not a multiple of the sector size, 512; the next multiple is "
        "1024; a number without a unit is in bytes: write 1000M or 1000G for larger units"},
       {{"a.vhdx", "40G", "--to-minimum"},
        "SIZE and --to-minimum cannot be combined; a file of that name is ./40G"},
       {{"a.vhdx", "nbd://host/disk", "40G"},
        "NBD URIs are not supported yet; for a raw disk: `nbdcopy nbd://host/disk - | vhdx convert "
        "-f raw - disk.vhdx`"}});
}

TEST_F(ChangingCommands, ResizeKnowsTheOptionsOfOtherTools) {
  ExpectUsage(
      "resize",
      {{{"--shrink", "a.vhdx", "1G"},
        "unknown option \"--shrink\": a smaller SIZE is enough; it is refused where data would be "
        "cut off, unless --allow-unsafe is given"},
       {{"-f", "vhdx", "a.vhdx", "1G"}, "unknown option \"-f\": the image is always a VHDX"},
       {{"-Path", "a.vhdx"}, "unknown option \"-Path\": the files are named without an option"},
       {{"a.vhdx", "-SizeBytes", "1G"},
        "unknown option \"-SizeBytes\": the size comes last: `vhdx resize FILE SIZE`"}});
}

TEST_F(ChangingCommands, CompactRefusesOptionsThatContradictEachOther) {
  ExpectUsage(
      "compact",
      {{{}, "FILE is missing"},
       {{"a", "--mode", "fast"},
        "--mode: \"fast\" is not one of: full, quick, prezeroed, pretrimmed, retrim"},
       {{"a", "b", "--free-map", "m"},
        "--free-map is of one disk, and cannot be used with several files"},
       {{"a", "--free-map", "m", "--mode", "prezeroed"},
        "--free-map has no effect with --mode prezeroed"},
       {{"a", "--filesystems", "appliance", "--mode=pretrimmed"},
        "--filesystems=appliance has no effect with --mode pretrimmed"},
       {{"a", "--filesystems", "appliance", "--free-map", "m"},
        "--free-map and --filesystems=appliance cannot be combined"},
       {{"a", "--filesystems", "appliance", "--lvm-free"},
        "--lvm-free and --filesystems=appliance cannot be combined"},
       {{"a", "--filesystems", "appliance", "--dry-run"},
        "--dry-run and --filesystems=appliance cannot be combined: the appliance writes"},
       {{"a", "--filesystems", "appliance", "--min-savings", "1G"},
        "--min-savings and --filesystems=appliance cannot be combined: what the appliance frees is "
        "not known before"},
       {{"a", "b", "--filesystems", "appliance", "--jobs", "2"},
        "--jobs and --filesystems=appliance cannot be combined"},
       {{"a", "--min-savings", "some"},
        "--min-savings: \"some\" is not a size or a percentage, such as 100M or 10%"},
       {{"a", "--min-savings", "101%"},
        "--min-savings: \"101%\" is not a size or a percentage, such as 100M or 10%"},
       {{"-Mode", "Full", "a"}, "unknown option \"-Mode\": use --mode"}});
}

TEST_F(ChangingCommands, CmdletsAreNamedByOurCommands) {
  EXPECT_EQ(Run({"Resize-VHD"}).err,
            "vhdx: unknown command \"Resize-VHD\"; use `resize`; see `vhdx --help`\n");
  EXPECT_EQ(Run({"Optimize-VHD"}).err,
            "vhdx: unknown command \"Optimize-VHD\"; use `compact`; see `vhdx --help`\n");
}

TEST_F(ChangingCommands, ParentsAreSkippedWhereThatIsWanted) {
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"compact", "/vm/base.vhdx"}, {"resize", "/vm/base.vhdx", "1G"}}) {
    std::vector<std::string> arguments = words;
    arguments.emplace_back("--skip-with-children");
    const Outcome text = Run(arguments);
    EXPECT_EQ(text.status, 0);
    EXPECT_EQ(text.out, "/vm/base.vhdx: skipped: it is the parent of /vm/child.avhdx\n");
    arguments.emplace_back("--json");
    const Json json = Run(arguments).json();
    EXPECT_EQ(KeysOf(json), (Keys{"filename", "skipped"}));
    EXPECT_EQ(json["skipped"], "it is the parent of /vm/child.avhdx");
  }
}

TEST_F(ChangingCommands, SeveralFiles_EndWithATable) {
  const Outcome outcome =
      Run({"compact", "--skip-with-children", "/vm/base.vhdx", "/vm/gone.vhdx"});
  EXPECT_EQ(outcome.status, 1);
  EXPECT_NE(outcome.out.find("\nold  new  saved  file\n"
                             "                 /vm/base.vhdx: skipped: it is the parent of "
                             "/vm/child.avhdx\n"
                             "                 /vm/gone.vhdx: "),
            std::string::npos)
      << outcome.out;
  const Outcome quiet =
      Run({"compact", "-q", "--skip-with-children", "/vm/base.vhdx", "/vm/gone.vhdx"});
  EXPECT_EQ(quiet.out, "");
  EXPECT_EQ(quiet.status, 1);
}

}  // namespace
}  // namespace vhdx::cli

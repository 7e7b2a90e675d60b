// The commands that make disks: create, snapshot and convert.

#include <gtest/gtest.h>

#include <algorithm>
#include <span>
#include <string>
#include <vector>

#include "cli/commands_fixture.h"

namespace vhdx::cli {
namespace {

TEST_F(Commands, ConvertSaysWhatItDid) {
  const Outcome outcome = Run({"convert", "--json", "/vm/base.vhdx", "/a.raw"});
  EXPECT_EQ(KeysOf(outcome.json()),
            (Keys{"source", "source-format", "target", "target-format", "virtual-size",
                  "target-size", "copied", "cloned", "zero", "seconds"}));
  EXPECT_EQ(outcome.json()["copied"], 2 * kMiB);
  EXPECT_EQ(Run({"convert", "-q", "--force", "/vm/base.vhdx", "/a.raw"}).out, "");
}

TEST_F(Commands, ConvertKeepsTheSectorSizeOfADevice) {
  files_.AddFile("/raw", std::vector<std::byte>(kMiB, std::byte{1}));
  files_.SetCapabilities({.sector_size = 4096, .punch_hole = true});
  ASSERT_EQ(Run({"convert", "-q", "-O", "vhdx", "/raw", "/large.vhdx"}).status, 0);
  const auto sector_size = [&](const std::string& path) {
    const Json json = Run({"info", "--json", path}).json();
    return json["format-specific"]["data"]["logical-sector-size"].get<int>();
  };
  EXPECT_EQ(sector_size("/large.vhdx"), 4096);
  files_.SetCapabilities({.punch_hole = true});
  const Outcome changed = Run({"convert", "--logical-sector", "512", "/large.vhdx", "/small.vhdx"});
  EXPECT_EQ(sector_size("/small.vhdx"), 512);
  EXPECT_NE(changed.err.find("changes from 4096 to 512"), std::string::npos) << changed.err;
  const Outcome raw = Run({"convert", "/large.vhdx", "/large.raw"});
  EXPECT_NE(raw.err.find("losetup --sector-size 4096"), std::string::npos) << raw.err;
  EXPECT_EQ(Run({"convert", "/vm/base.vhdx", "/base.raw"}).err.find("sector"), std::string::npos);
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
    EXPECT_NE(Run(words).err.find(options[0] + " needs -O vhdx"), std::string::npos);
  }
  // Not a raw disk under a name that says otherwise, unless that is said.
  EXPECT_EQ(Run({"convert", "/vm/base.vhdx", "/a.qcow2"}).status, 64);
  EXPECT_EQ(Run({"convert", "-O", "raw", "/vm/base.vhdx", "/a.qcow2"}).status, 0);
  EXPECT_EQ(Run({"convert", "-O", "vhdx", "/vm/base.vhdx", "-"}).status, 64);
  EXPECT_EQ(Run({"convert", "-", "-"}).status, 64);
}

TEST_F(Commands, NoCreateKeepsAnImageOfAnotherFormat) {
  std::vector<std::byte> qcow2(kMiB);
  std::ranges::copy(std::as_bytes(std::span("QFI\xfb\0\0\0\3", 8)), qcow2.begin());
  files_.AddFile("/x.qcow2", qcow2);
  files_.AddFile("/small.raw", std::vector<std::byte>(512));
  const Outcome refused = Run({"convert", "-n", "/small.raw", "/x.qcow2"});
  EXPECT_EQ(refused.status, 1);
  EXPECT_NE(refused.err.find("-O raw overwrites it"), std::string::npos) << refused.err;
  EXPECT_EQ(Run({"convert", "-n", "-O", "raw", "/small.raw", "/x.qcow2"}).status, 0);
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

TEST_F(Commands, CreateSaysWhatIsWrong) {
  const auto fails = [&](std::vector<std::string> arguments, const std::string& words,
                         int status = 1) {
    arguments.insert(arguments.begin(), "create");
    const Outcome outcome = Run(arguments);
    EXPECT_EQ(outcome.status, status) << words;
    EXPECT_NE(outcome.err.find(words), std::string::npos) << outcome.err;
    EXPECT_EQ(std::ranges::count(outcome.err, '\n'), 1) << outcome.err;
  };
  fails({"/a.vhdx"}, "SIZE is missing", 64);
  fails({"/a.vhdx", "0"}, "must not be zero", 64);
  fails({"/a.vhdx", "1000"}, "the next multiple is 1024", 64);
  fails({"/a.vhdx", "65T"}, "more than a VHDX can have, 64T", 64);
  fails({"/a.vhdx", "1G", "--block-size", "3M"}, "power of two", 64);
  fails({"/a.vhdx", "1G", "--log-size", "0"}, "multiple of 1M", 64);
  fails({"/a.vhdx", "--parent", "/vm/base.vhdx", "--fixed"}, "cannot be combined", 64);
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
  // Said once, and of what becomes of it.
  const Outcome large = Run({"convert", "/disk", "/a.vhdx", "--logical-sector", "4096"});
  EXPECT_EQ(large.err,
            "vhdx: note: /disk: its size, 7 bytes, is not a multiple of the sector size, 4096; "
            "it is padded with 4089 bytes of zeros\n");
}

TEST_F(Commands, ConvertSaysWhatItWrote) {
  const Outcome vhdx = Run({"convert", "/vm/base.vhdx", "/a.vhdx"});
  EXPECT_TRUE(vhdx.out.starts_with("/a.vhdx: 16 MiB written as a VHDX (")) << vhdx.out;
  EXPECT_EQ(vhdx.err, "");
  const Outcome raw = Run({"convert", "/vm/base.vhdx", "/a.raw"});
  EXPECT_TRUE(raw.out.starts_with("/a.raw: 16 MiB written as a raw disk (")) << raw.out;
  EXPECT_EQ(raw.err, "");
  // The name does not say it.
  const Outcome unsaid = Run({"convert", "/vm/base.vhdx", "/backup"});
  EXPECT_NE(unsaid.err.find("so it is a raw disk; -O vhdx"), std::string::npos) << unsaid.err;
  EXPECT_EQ(Run({"convert", "-q", "/vm/base.vhdx", "/quiet"}).err, "");
  EXPECT_EQ(Run({"convert", "-O", "raw", "/vm/base.vhdx", "/said"}).err, "");
}

TEST_F(Commands, NamesOfOtherFormatsAreRefusedUnlessTheFormatIsSaid) {
  const Outcome refused = Run({"convert", "/vm/base.vhdx", "/a.QCOW2"});
  EXPECT_EQ(refused.status, 64);
  EXPECT_NE(refused.err.find("`qemu-img convert -f raw -O qcow2 disk.raw /a.QCOW2`"),
            std::string::npos)
      << refused.err;
  const Outcome said = Run({"convert", "-O", "vhdx", "/vm/base.vhdx", "/a.qcow2"});
  EXPECT_EQ(said.status, 0);
  EXPECT_NE(said.err.find("this is a VHDX, although its name ends in .qcow2"), std::string::npos);
  EXPECT_NE(Run({"convert", "-O", "raw", "/vm/base.vhdx", "/b.vhdx"}).err.find("warning"),
            std::string::npos);
  const Outcome created = Run({"create", "/c.vmdk", "1G"});
  EXPECT_EQ(created.status, 64);
  EXPECT_NE(created.err.find("`qemu-img create -f vmdk /c.vmdk SIZE`"), std::string::npos)
      << created.err;
  EXPECT_EQ(Run({"snapshot", "/vm/base.vhdx", "/vm/c.vhd"}).status, 64);
  EXPECT_EQ(files_.Contents("/c.vmdk"), nullptr);
  const Outcome warned = Run({"create", "/c.img", "1G"});
  EXPECT_EQ(warned.status, 0);
  EXPECT_NE(warned.err.find("although its name ends in .img"), std::string::npos) << warned.err;
}

TEST_F(Commands, MissingSignatureIsNotTakenForRaw) {
  files_.AddFile("/broken.vhdx", std::as_bytes(std::span("garbage")));
  const Outcome outcome = Run({"convert", "/broken.vhdx", "/a.raw"});
  EXPECT_EQ(outcome.status, 1);
  EXPECT_EQ(files_.Contents("/a.raw"), nullptr);
}

TEST_F(Commands, InterruptionSaysWhatIsLeft) {
  const std::string before = "vhdx: the operation was cancelled; ";
  const auto interrupted = [&](const std::vector<std::string>& arguments) {
    return cli::Run(files_, arguments, true).err;
  };
  EXPECT_EQ(interrupted({"convert", "/vm/base.vhdx", "/new.vhdx"}),
            before + "the target was not written\n");
  ASSERT_EQ(Run({"create", "/there.vhdx", "16M"}).status, 0);
  EXPECT_EQ(interrupted({"convert", "-n", "/vm/base.vhdx", "/there.vhdx"}),
            before + "the target is incomplete\n");
}

}  // namespace
}  // namespace vhdx::cli

// Commands that make images, as a user runs them: with pipes, signals, limits of the host, and QEMU
// as the other reader.

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "bytes/arithmetic.h"
#include "command.h"
#include "testing/host_folder.h"
#include "testing/image_builder.h"
#include "testing/sample.h"

namespace vhdx::tests {
namespace {

constexpr int kTerminated = 143;

class CliWrite : public testing::HostFolderTest {
 protected:
  void SetUp() override {
    const auto built =
        testing::BuildAt(testing::SampleDisk({.disk_size = 32 * kMiB}), files(), PathOf("s.vhdx"));
    ASSERT_TRUE(built) << ToString(built.error());
    ASSERT_EQ(RunVhdx({"convert", "-q", PathOf("s.vhdx"), PathOf("s.raw")}).exit_status, 0);
  }

  CommandResult Shell(const std::string& script) {
    return RunCommand({"sh", "-c", "cd " + folder() + "; vhdx=" VHDXKIT_COMMAND "; " + script});
  }
  std::vector<std::string> Names() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(folder())) {
      names.push_back(entry.path().filename().string());
    }
    std::ranges::sort(names);
    return names;
  }
  void ExpectCopy(const std::string& name) {
    EXPECT_EQ(RunVhdx({"check", "-q", PathOf(name)}).exit_status, 0);
    EXPECT_EQ(RunVhdx({"compare", "--strict", PathOf(name), PathOf("s.raw")}).exit_status, 0);
  }
};

TEST_F(CliWrite, PipeBecomesAnImage) {
  for (const char* options : {"", "--fixed", "--block-size 1M"}) {
    const CommandResult done =
        Shell(std::string("cat s.raw | $vhdx convert --force - new.vhdx ") + options);
    EXPECT_EQ(done.exit_status, 0) << done.err;
    ExpectCopy("new.vhdx");
  }
}

// What was private to somebody stays so, and can be written.
TEST_F(CliWrite, SnapshotIsForThosePeopleThatMayUseItsParent) {
  for (const auto& [parent, child] :
       {std::pair("600", "600"), std::pair("440", "640"), std::pair("664", "664")}) {
    const CommandResult done =
        Shell(std::string("cp s.vhdx p.vhdx; chmod ") + parent +
              " p.vhdx; $vhdx snapshot -q --force p.vhdx c.vhdx && stat -c %a c.vhdx");
    EXPECT_EQ(done.out, std::string(child) + "\n") << done.err;
    ASSERT_EQ(Shell("rm -f p.vhdx c.vhdx").exit_status, 0);
  }
}

TEST_F(CliWrite, FixedImageFromAPipeHasAllItsSpace) {
  ASSERT_EQ(Shell("head -c 5000000 /dev/zero | $vhdx convert -q - n.vhdx --fixed --block-size 4M")
                .exit_status,
            0);
  auto file = Open("n.vhdx");
  EXPECT_EQ(*file->Size(), (1 + 8 + 1 + 8 + 1) * kMiB);  // the BAT of 1 MiB is the last
  EXPECT_GE(*file->AllocatedBytes(), (8 + 8) * kMiB);
}

TEST_F(CliWrite, PipeThatCarriesAnImageIsRefusedWithAdvice) {
  const CommandResult refused = Shell("cat s.vhdx | $vhdx convert - new.vhdx");
  EXPECT_EQ(refused.exit_status, 1);
  EXPECT_NE(refused.err.find("-f raw"), std::string::npos) << refused.err;
  EXPECT_EQ(Shell("cat s.vhdx | $vhdx convert -q -f raw - new.vhdx").exit_status, 0);
}

TEST_F(CliWrite, InterruptedConversionLeavesNothing) {
  const auto names = Names();
  const CommandResult stopped = Shell(
      "mkfifo pipe; exec 9<> pipe; $vhdx convert -f raw - new.vhdx < pipe & p=$!; "
      "for i in $(seq 200); do ls -A | grep -q partial && break; sleep 0.05; done; "
      "ls -A | grep partial; kill -TERM $p; wait $p; s=$?; rm pipe; exit $s");
  EXPECT_EQ(stopped.exit_status, kTerminated) << stopped.err;
  EXPECT_NE(stopped.out.find(".new.vhdx."), std::string::npos) << stopped.out;
  EXPECT_EQ(Names(), names);
}

TEST_F(CliWrite, HostWithoutRoomIsOneSentenceAndLeavesNothing) {
  const auto names = Names();
  // 20 MiB a file, which for the command is as if the host were full.
  for (const char* command : {"create new.vhdx 1G --fixed", "convert s.raw new.vhdx --fixed",
                              "create new.vhdx 1G --log-size 30M"}) {
    const CommandResult failed =
        Shell(std::string("ulimit -f $((20 * 1024 * 2)); $vhdx ") + command);
    EXPECT_EQ(failed.exit_status, 1) << command;
    EXPECT_TRUE(failed.err.starts_with("vhdx: new.vhdx: ")) << failed.err;
    EXPECT_EQ(std::ranges::count(failed.err, '\n'), 1) << failed.err;
    EXPECT_EQ(Names(), names) << command;
  }
}

TEST_F(CliWrite, QemuReadsWhatConvertWrites) {
  if (!HasProgram("qemu-img")) GTEST_SKIP() << "no qemu-img";
  for (const char* options : {"--block-size=1M", "--block-size=8M", "--fixed"}) {
    ASSERT_EQ(RunVhdx({"convert", "-q", "--force", options, PathOf("s.vhdx"), PathOf("n.vhdx")})
                  .exit_status,
              0);
    const CommandResult same = RunCommand(
        {"qemu-img", "compare", "-f", "vhdx", "-F", "raw", PathOf("n.vhdx"), PathOf("s.raw")});
    EXPECT_EQ(same.exit_status, 0) << same.out << same.err;
  }
}

TEST_F(CliWrite, WhatQemuWritesIsConverted) {
  if (!HasProgram("qemu-img")) GTEST_SKIP() << "no qemu-img";
  ASSERT_EQ(RunCommand({"qemu-img", "convert", "-O", "vhdx", PathOf("s.raw"), PathOf("q.vhdx")})
                .exit_status,
            0);
  EXPECT_EQ(RunVhdx({"convert", "-q", PathOf("q.vhdx"), PathOf("n.vhdx")}).exit_status, 0);
  ExpectCopy("n.vhdx");
}

TEST_F(CliWrite, MeasuredLengthIsThatOfTheFile) {
  for (const char* options : {"", "--block-size 1M", "--fixed"}) {
    const CommandResult done =
        Shell(std::string("options='") + options +
              "'; $vhdx convert -q --force s.vhdx n.vhdx $options && "
              "$vhdx measure -O vhdx --json $options s.vhdx | grep required | tr -dc 0-9; echo; "
              "stat -c %s n.vhdx");
    const size_t line = done.out.find('\n');
    ASSERT_NE(line, std::string::npos) << done.err;
    EXPECT_EQ(done.out.substr(0, line) + "\n", done.out.substr(line + 1)) << options;
  }
}

TEST_F(CliWrite, InfoTellsOfHolesAndOfTheWayToWindows) {
  ASSERT_EQ(RunVhdx({"create", "-q", PathOf("n.vhdx"), "1G"}).exit_status, 0);
  const std::string info = RunVhdx({"info", PathOf("n.vhdx"), PathOf("n.vhdx")}).out;
  EXPECT_NE(info.find("--sparse=never"), std::string::npos) << info;
  EXPECT_EQ(info.find("--sparse=never"), info.rfind("--sparse=never")) << info;  // once in a run
  EXPECT_NE(RunVhdx({"check", "-v", PathOf("n.vhdx")}).out.find("host.sparse"), std::string::npos);
  ASSERT_EQ(Shell("cp --sparse=never n.vhdx whole.vhdx").exit_status, 0);
  ASSERT_EQ(RunVhdx({"create", "-q", PathOf("p.vhdx"), "1G", "--preallocate"}).exit_status, 0);
  for (const char* name : {"whole.vhdx", "p.vhdx"}) {
    EXPECT_EQ(RunVhdx({"info", PathOf(name)}).out.find("sparse"), std::string::npos) << name;
  }
}

}  // namespace
}  // namespace vhdx::tests

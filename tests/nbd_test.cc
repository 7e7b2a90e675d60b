// A disk over NBD: the plugin under nbdkit, as the tools of libnbd see it, and `vhdx serve`.

#include <gtest/gtest.h>
#include <unistd.h>
#include <vhdxkit/create.h>
#include <vhdxkit/disk.h>

#include <algorithm>
#include <csignal>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "bytes/arithmetic.h"
#include "command.h"
#include "testing/host_folder.h"
#include "testing/image_builder.h"

namespace vhdx::tests {
namespace {

using Json = nlohmann::json;

class Nbd : public testing::HostFolderTest {
 protected:
  void SetUp() override {
    if (!HasProgram("nbdkit") || !HasProgram("nbdinfo")) GTEST_SKIP() << "no nbdkit, or no libnbd";
    testing::ImageSpec base = testing::DynamicImage({.disk_size = 64 * kMiB});
    base.blocks = {testing::FullBlock(0), testing::FullBlock(5), testing::ZeroBlock(7)};
    ASSERT_TRUE(testing::BuildAt(base, files(), PathOf("base.vhdx")));
    testing::ImageSpec child = testing::ChildOf(base, ".\\base.vhdx");
    child.blocks = {testing::PartialBlock(1, {{8, 8}, {100, 1}}), testing::ZeroBlock(5)};
    ASSERT_TRUE(testing::BuildAt(child, files(), PathOf("child.vhdx")));
  }

  // Runs a command of the shell, in the test's folder, while the plugin serves a file.
  CommandResult Serve(const std::string& parameters, const std::string& command) {
    return Shell("nbdkit -U - $plugin " + parameters + " --run '" + command + "'");
  }
  CommandResult Shell(const std::string& script) {
    return RunCommand(
        {"sh", "-c",
         "cd " + folder() + "; plugin=" VHDXKIT_PLUGIN "; vhdx=" VHDXKIT_COMMAND "; " + script});
  }
  void ExpectClean(const std::string& name) {
    const CommandResult check = RunVhdx({"check", PathOf(name)});
    EXPECT_EQ(check.exit_status, 0) << check.out;
  }
  std::vector<std::byte> BytesOf(const std::string& name) { return testing::ReadAll(*Open(name)); }
};

struct Extent {
  uint64_t start = 0;
  uint64_t length = 0;
  bool data = false;
  friend bool operator==(const Extent&, const Extent&) = default;
};

// Of the JSON of `vhdx map` or `nbdinfo --map`: what lies next to each other and is alike is one.
std::vector<Extent> Merged(const Json& map, const std::string& start,
                           const std::function<bool(const Json&)>& is_data) {
  std::vector<Extent> extents;
  for (const Json& entry : map) {
    const Extent next{entry[start], entry["length"], is_data(entry)};
    if (!extents.empty() && extents.back().data == next.data) {
      extents.back().length += next.length;
    } else {
      extents.push_back(next);
    }
  }
  return extents;
}

TEST_F(Nbd, MapIsThatOfTheCommand) {
  const CommandResult theirs = Serve("-r file=child.vhdx", "nbdinfo --map --json \"$uri\"");
  const CommandResult ours = RunVhdx({"map", "--json", PathOf("child.vhdx")});
  ASSERT_EQ(theirs.exit_status, 0) << theirs.err;
  const auto nbd = Merged(Json::parse(theirs.out), "offset",
                          [](const Json& entry) { return entry["type"] == 0; });
  EXPECT_EQ(nbd, Merged(Json::parse(ours.out), "start",
                        [](const Json& entry) { return entry["data"].get<bool>(); }));
  EXPECT_GT(nbd.size(), 4U);
}

TEST_F(Nbd, CopyOutHoldsTheDiskAndChangesNothing) {
  const auto before = BytesOf("child.vhdx");
  const CommandResult copied = Serve("-r file=child.vhdx", "nbdcopy \"$uri\" out.raw");
  ASSERT_EQ(copied.exit_status, 0) << copied.err;
  EXPECT_EQ(RunVhdx({"compare", PathOf("child.vhdx"), PathOf("out.raw")}).exit_status, 0);
  EXPECT_EQ(BytesOf("child.vhdx"), before);
}

TEST_F(Nbd, CopyInArrivesAndIsClean) {
  ASSERT_EQ(RunVhdx({"convert", PathOf("child.vhdx"), PathOf("in.raw")}).exit_status, 0);
  ASSERT_TRUE(
      Create(files(), PathOf("new.vhdx"), {.size_bytes = 64 * kMiB, .block_size_bytes = 2 * kMiB}));
  const CommandResult copied = Serve("file=new.vhdx", "nbdcopy --flush in.raw \"$uri\"");
  ASSERT_EQ(copied.exit_status, 0) << copied.err;
  EXPECT_EQ(RunVhdx({"compare", PathOf("new.vhdx"), PathOf("in.raw")}).exit_status, 0);
  ExpectClean("new.vhdx");
}

TEST_F(Nbd, ConnectingWithoutWritingChangesNothing) {
  const auto before = BytesOf("child.vhdx");
  ASSERT_EQ(Serve("file=child.vhdx", "nbdinfo \"$uri\"").exit_status, 0);
  EXPECT_EQ(BytesOf("child.vhdx"), before);
}

TEST_F(Nbd, EveryKindOfRequestIsServed) {
  if (!HasProgram("qemu-io")) GTEST_SKIP() << "no qemu-io";
  const CommandResult done = Serve(
      "file=child.vhdx",
      "qemu-io -f raw -c \"write -P 7 1000 3000\" -c \"discard 2M 4M\" -c \"write -z 5M 1000\" "
      "-c \"write -f -P 9 9M 64k\" -c flush -c \"read -P 7 1000 3000\" -c \"read -P 0 2M 4M\" "
      "-c \"read -P 9 9M 64k\" \"$uri\"");
  EXPECT_EQ(done.exit_status, 0) << done.out << done.err;
  EXPECT_EQ(done.out.find("failed"), std::string::npos) << done.out;
  ExpectClean("child.vhdx");
}

TEST_F(Nbd, WhatTheDiskCanIsTold) {
  const auto told = [&](const std::string& parameters) {
    // What the contents look like it asks the program `file`; without that it prints garbage.
    const CommandResult info = Serve(parameters, "nbdinfo --json --no-content \"$uri\"");
    EXPECT_EQ(info.exit_status, 0) << info.err;
    return Json::parse(info.out)["exports"][0];
  };
  const Json writable = told("file=child.vhdx");
  EXPECT_EQ(writable["export-size"], 64 * kMiB);
  EXPECT_EQ(writable["is_read_only"], false);
  for (const char* ability : {"can_multi_conn", "can_fua", "can_flush", "can_trim", "can_zero"}) {
    EXPECT_EQ(writable[ability], true) << ability;
  }
  EXPECT_EQ(writable["block_size_minimum"], 1);
  EXPECT_EQ(writable["block_size_preferred"], 4096);
  EXPECT_EQ(told("-r file=child.vhdx")["is_read_only"], true);
}

TEST_F(Nbd, DiskWithTwoBlocksInOnePlace_IsServedReadOnly) {
  testing::ImageSpec spec = testing::DynamicImage();
  spec.blocks = {testing::FullBlock(0, 64 * kMiB), testing::FullBlock(1, 64 * kMiB)};
  ASSERT_TRUE(testing::BuildAt(spec, files(), PathOf("double.vhdx")));
  const CommandResult info = Serve("file=double.vhdx", "nbdinfo --json --no-content \"$uri\"");
  EXPECT_EQ(info.exit_status, 0) << info.err;
  EXPECT_EQ(Json::parse(info.out)["exports"][0]["is_read_only"], true);
  EXPECT_NE(info.err.find("[bat.entry.overlap]; serving it read-only\n"), std::string::npos)
      << info.err;
  const CommandResult served = RunVhdx({"serve", PathOf("double.vhdx"), "--run", "true"});
  EXPECT_EQ(served.exit_status, 1);
  EXPECT_NE(served.err.find("[bat.entry.overlap]"), std::string::npos) << served.err;
  const CommandResult read =
      RunVhdx({"serve", "--read-only", PathOf("double.vhdx"), "--run", "true"});
  EXPECT_EQ(read.exit_status, 0);
  EXPECT_TRUE(read.err.starts_with("vhdx: warning: ")) << read.err;
  // A server that is stopped as soon as it has said where it is.
  const CommandResult json = Shell(
      "$vhdx serve --json --read-only double.vhdx > said & server=$!; "
      "for i in $(seq 200); do [ -s said ] && break; sleep 0.05; done; "
      "kill $server; wait $server; cat said");
  EXPECT_EQ(Json::parse(json.out)["warnings"][0]["file"], "double.vhdx") << json.out;
}

TEST_F(Nbd, ParentIsServedReadOnly) {
  const CommandResult info = Serve("file=base.vhdx", "nbdinfo --json --no-content \"$uri\"");
  EXPECT_EQ(info.exit_status, 0) << info.err;
  EXPECT_EQ(Json::parse(info.out)["exports"][0]["is_read_only"], true);
  EXPECT_NE(info.err.find("child.vhdx; changing it would make that child unreadable; serving it "
                          "read-only"),
            std::string::npos)
      << info.err;
}

TEST_F(Nbd, MistakesAreSentences) {
  const auto fails = [&](const std::string& parameters, const std::string& words) {
    const CommandResult result = Serve(parameters, "nbdinfo \"$uri\"");
    EXPECT_NE(result.exit_status, 0) << parameters;
    EXPECT_NE(result.err.find(words), std::string::npos) << result.err;
  };
  fails("", "file= is missing");
  fails("file=child.vhdx parent-di=/", "unknown parameter \"parent-di\"");
  fails("file=child.vhdx no-lock=perhaps", "no-lock");
  fails("file=gone.vhdx", "No such file");
  fails("file=base.vhdx access=write", "is the parent of");
}

TEST_F(Nbd, ParentIsFoundInTheFolderThatIsNamed) {
  ASSERT_EQ(Shell("mkdir other && mv base.vhdx other").exit_status, 0);
  EXPECT_NE(Serve("-r file=child.vhdx", "true").exit_status, 0);
  EXPECT_EQ(Serve("-r file=child.vhdx parent-dir=other", "nbdinfo \"$uri\"").exit_status, 0);
}

// -- vhdx serve --

// Serves in the background until its client is done.
constexpr const char* kWithServer =
    "$vhdx serve $arguments > uri & server=$!; "
    "for i in $(seq 200); do [ -s uri ] && break; sleep 0.05; done; uri=$(cat uri); $client; "
    "kill $server; wait $server; ";

TEST_F(Nbd, ServePutsItsSocketWhereNobodyElseGoesAndRemovesIt) {
  const CommandResult done =
      Shell("arguments=child.vhdx; client='nbdinfo --size $uri'; client=\"eval $client\"; " +
            std::string(kWithServer) +
            "echo status $?; socket=${uri#*socket=}; ls -d $socket $(dirname $socket)");
  EXPECT_NE(done.out.find(std::to_string(64 * kMiB) + "\n"), std::string::npos) << done.out;
  EXPECT_NE(done.out.find("status 0\n"), std::string::npos) << done.out;
  EXPECT_EQ(done.err.find("vhdx: "), std::string::npos) << done.err;
  EXPECT_EQ(done.out.find("/socket"), std::string::npos) << done.out;
}

TEST_F(Nbd, ServerThatCannotSayWhereItIs_Stops) {
  for (const char* const where : {">/dev/full", ">&-"}) {
    const CommandResult done =
        Shell("mkdir -p run; XDG_RUNTIME_DIR=$PWD/run timeout 60 $vhdx serve child.vhdx " +
              std::string(where) + "; echo $? >&2; ls run >&2");
    EXPECT_TRUE(done.err.starts_with("vhdx: standard output: ")) << done.err;
    EXPECT_TRUE(done.err.ends_with("\n1\n")) << done.err;
  }
}

TEST_F(Nbd, ServeMakesFolderAndSocketForTheirOwnerAlone) {
  const CommandResult done = Shell(
      "arguments=child.vhdx; client='eval stat -c %a ${uri#*socket=} "
      "$(dirname ${uri#*socket=})'; " +
      std::string(kWithServer));
  EXPECT_EQ(done.out, "600\n700\n") << done.err;
}

TEST_F(Nbd, ServeAtAPathOfTheUserRefusesAFileThatIsThere) {
  EXPECT_EQ(Shell("arguments='child.vhdx --socket s'; client='eval cd /; nbdinfo --size $uri'; " +
                  std::string(kWithServer) + "test ! -e s")
                .exit_status,
            0);
  const CommandResult refused = Shell("echo precious > s; $vhdx serve child.vhdx --socket s");
  EXPECT_EQ(refused.exit_status, 1);
  EXPECT_NE(refused.err.find("the file exists and is not a socket"), std::string::npos)
      << refused.err;
  EXPECT_EQ(Shell("cat s").out, "precious\n");
}

TEST_F(Nbd, SocketOfADeadServer_IsReplaced) {
  const CommandResult done = Shell(
      "$vhdx serve --read-only child.vhdx --socket s > uri 2> /dev/null & server=$!; "
      "for i in $(seq 200); do [ -s uri ] && break; sleep 0.05; done; "
      "$vhdx serve --read-only child.vhdx --socket s --run true; echo live $?; "
      "kill -9 $server; wait $server 2> /dev/null; "
      "for i in $(seq 200); do nbdinfo \"$(cat uri)\" > /dev/null 2>&1 || break; sleep 0.05; done; "
      "test -e s && echo left; "
      "$vhdx serve --read-only child.vhdx --socket s --run true; echo dead $?");
  EXPECT_EQ(done.out, "live 1\nleft\ndead 0\n") << done.err;
  EXPECT_NE(done.err.find("another server listens"), std::string::npos) << done.err;
}

TEST_F(Nbd, ServeRunsACommandAndEndsWithItsStatus) {
  const CommandResult done = RunVhdx(
      {"serve", "--read-only", PathOf("base.vhdx"), "--run", "nbdinfo --size $uri; umask; exit 3"});
  EXPECT_EQ(done.exit_status, 3) << done.err;
  EXPECT_TRUE(done.out.starts_with(std::to_string(64 * kMiB))) << done.out;
  EXPECT_EQ(done.out.find("077"), std::string::npos) << done.out;
}

TEST_F(Nbd, ServeRefusesAParentUnlessItIsOnlyRead) {
  const CommandResult refused = RunVhdx({"serve", PathOf("base.vhdx"), "--run", "true"});
  EXPECT_EQ(refused.exit_status, 1);
  EXPECT_NE(refused.err.find("child.vhdx"), std::string::npos) << refused.err;
  EXPECT_EQ(RunVhdx({"serve", PathOf("base.vhdx"), "--read-only", "--run", "true"}).exit_status, 0);
}

TEST_F(Nbd, ServeCanPutAllWritesIntoANewChild) {
  if (!HasProgram("qemu-io")) GTEST_SKIP() << "no qemu-io";
  const auto before = BytesOf("base.vhdx");
  const CommandResult done =
      RunVhdx({"serve", PathOf("base.vhdx"), "--snapshot-writes", PathOf("new.vhdx"), "--run",
               "qemu-io -f raw -c 'write -P 5 1M 4k' $uri"});
  EXPECT_EQ(done.exit_status, 0) << done.err;
  EXPECT_EQ(BytesOf("base.vhdx"), before);
  ExpectClean("new.vhdx");
  auto disk = Disk::Open(files(), PathOf("new.vhdx"));
  ASSERT_TRUE(disk) << ToString(disk.error());
  std::vector<std::byte> bytes(4096);
  ASSERT_TRUE((*disk)->Read(kMiB, bytes));
  EXPECT_EQ(bytes, std::vector<std::byte>(4096, std::byte{5}));
}

TEST_F(Nbd, ChildThatIsNotServed_IsNotLeftBehind) {
  const CommandResult failed = RunVhdx({"serve", PathOf("child.vhdx"), "--snapshot-writes",
                                        PathOf("new.vhdx"), "--socket", PathOf("gone/s")});
  EXPECT_EQ(failed.exit_status, 1);
  EXPECT_EQ(Shell("test ! -e new.vhdx").exit_status, 0);
  const CommandResult exists = Shell("touch there; $vhdx serve child.vhdx --snapshot-writes there");
  EXPECT_NE(exists.err.find("already; name another file"), std::string::npos) << exists.err;
  const CommandResult image = Shell(
      "$vhdx snapshot -q child.vhdx old.avhdx; $vhdx serve child.vhdx --snapshot-writes old.avhdx; "
      "test -e old.avhdx");
  EXPECT_EQ(image.exit_status, 0);
  EXPECT_NE(image.err.find("use `vhdx serve old.avhdx`; else name another"), std::string::npos)
      << image.err;
}

TEST_F(Nbd, StoppedServer_EndsItsCommand) {
  const CommandResult done = Shell(
      "$vhdx serve --read-only child.vhdx --run 'echo $uri > up; exec sleep 60' & server=$!; "
      "for i in $(seq 200); do [ -s up ] && break; sleep 0.05; done; "
      "kill $server; wait $server");
  EXPECT_EQ(done.exit_status, 128 + SIGTERM) << done.err;
}

TEST_F(Nbd, SignalToServerAlone_EndsAllThatTheCommandStarted) {
  const CommandResult done = Shell(
      "env --default-signal=INT $vhdx serve --read-only child.vhdx "
      "--run 'sh -c \"echo \\$\\$ > up; exec sleep 60\" | cat; true' & server=$!; "
      "for i in $(seq 200); do [ -s up ] && break; sleep 0.05; done; "
      "kill -INT $server; wait $server; echo $?; "
      "for i in $(seq 100); do kill -0 $(cat up) 2> /dev/null || break; sleep 0.05; done; "
      "kill -0 $(cat up)");
  EXPECT_EQ(done.out, "130\n") << done.err;
  EXPECT_NE(done.exit_status, 0);
}

// Ctrl-C is for the command, which goes on if it wants to; the server does, too.
// Without exec, the shell that script(1) starts would die of it.
TEST_F(Nbd, CommandThatCatchesCtrlC_IsServedUntilItsEnd) {
  if (!HasProgram("script")) GTEST_SKIP() << "no script";
  const CommandResult done = Shell(
      "cat > command << 'END'\ntrap 'echo caught' INT\ntouch up\nsleep 60\n"
      "nbdinfo --size $uri\nexit 7\nEND\n"
      "{ for i in $(seq 200); do [ -e up ] && break; sleep 0.05; done; sleep 0.2; "
      "printf '\\003'; sleep 1; } | "
      "script -qec \"exec $vhdx serve --read-only child.vhdx --run '. ./command'\" /dev/null");
  EXPECT_EQ(done.exit_status, 7) << done.out << done.err;
  EXPECT_NE(done.out.find("caught\r\n67108864\r\n"), std::string::npos) << done.out;
}

TEST_F(Nbd, CommandThatEndsWith130_EndsTheServerWith130) {
  EXPECT_EQ(
      RunVhdx({"serve", "--read-only", PathOf("child.vhdx"), "--run", "exit 130"}).exit_status,
      130);
}

// Whether the server stops in order or runs a command: what it could not keep is a failure.
TEST_F(Nbd, LastFlushThatFails_IsTheExitStatus) {
  if (!HasProgram("qemu-io")) GTEST_SKIP() << "no qemu-io";
  ASSERT_EQ(RunVhdx({"create", PathOf("new.vhdx"), "64M"}).exit_status, 0);
  const std::string write = "qemu-io -f raw -t writeback -c \"write 0 4k\" $uri > /dev/null";
  const CommandResult fine = Shell("$vhdx serve new.vhdx --run '" + write + "'");
  EXPECT_EQ(fine.exit_status, 0) << fine.err;
  const std::string failing = "LD_PRELOAD=" VHDXKIT_FAILING_SYNC " ";
  const CommandResult run = Shell(failing + "$vhdx serve new.vhdx --run '" + write + "; true'");
  EXPECT_EQ(run.exit_status, 1);
  EXPECT_NE(run.err.find("vhdx: the server failed"), std::string::npos) << run.err;
  const CommandResult stopped =
      Shell(failing +
            "$vhdx serve new.vhdx > uri & server=$!; "
            "for i in $(seq 200); do [ -s uri ] && break; sleep 0.05; done; "
            "uri=$(cat uri); " +
            write + "; kill $server; wait $server");
  EXPECT_EQ(stopped.exit_status, 1);
  EXPECT_NE(stopped.err.find("vhdx: the server failed"), std::string::npos) << stopped.err;
}

TEST_F(Nbd, ServerHoldsTheLockFromTheStart) {
  const CommandResult inside = Shell(
      "export vhdx; $vhdx serve child.vhdx --run '\"$vhdx\" serve child.vhdx "
      "--run true'");
  EXPECT_EQ(inside.exit_status, 1);
  EXPECT_NE(inside.err.find("child.vhdx: the file is open for writing in nbdkit (pid "),
            std::string::npos)
      << inside.err;
  EXPECT_TRUE(
      inside.err.ends_with("); stop it (`vhdx serve` uses nbdkit), or use --read-only -U to "
                           "serve it anyway\n"))
      << inside.err;
  const CommandResult readers = Shell(
      "export vhdx; $vhdx serve --read-only child.vhdx --run '\"$vhdx\" serve --read-only "
      "child.vhdx --run true'");
  EXPECT_EQ(readers.exit_status, 0) << readers.err;
}

TEST_F(Nbd, RequestsOfAnyAlignment_AreServed) {
  if (!HasProgram("nbdsh")) GTEST_SKIP() << "no nbdsh";
  const CommandResult done =
      Serve("file=child.vhdx",
            "PATH=/usr/bin:$PATH nbdsh -u \"$uri\" -c \"h.pwrite(b\\\"hello\\\" * 100, 1000003)\" "
            "-c \"assert h.pread(500, 1000003) == b\\\"hello\\\" * 100\" "
            "-c \"h.zero(7, 1000010); h.trim(3, 1000020)\" "
            "-c \"assert h.pread(4, 1000008) == b\\\"he\\\" + bytes(2)\"");
  EXPECT_EQ(done.exit_status, 0) << done.err;
  ExpectClean("child.vhdx");
}

// The end of the file is cut off, and with it some blocks.
TEST_F(Nbd, BlocksThatAreLostCostNothingElse) {
  ASSERT_EQ(RunVhdx({"create", PathOf("cut.vhdx"), "16M", "--block-size", "1M"}).exit_status, 0);
  ASSERT_EQ(Serve("file=cut.vhdx",
                  "PATH=/usr/bin:$PATH nbdsh -u \"$uri\" -c \"h.pwrite(b\\\"x\\\" * 8388608, 0)\"")
                .exit_status,
            0);
  ASSERT_EQ(Shell("truncate -s -2M cut.vhdx").exit_status, 0);
  const CommandResult map = Serve("-r file=cut.vhdx", "nbdinfo --map --json \"$uri\"");
  ASSERT_EQ(map.exit_status, 0) << map.err;
  const auto extents =
      Merged(Json::parse(map.out), "offset", [](const Json& entry) { return entry["type"] == 0; });
  EXPECT_EQ(extents, (std::vector<Extent>{{0, 8 * kMiB, true}, {8 * kMiB, 8 * kMiB, false}}));
  const CommandResult reads = Serve(
      "-r file=cut.vhdx",
      "PATH=/usr/bin:$PATH nbdsh -u \"$uri\" -c \"assert h.pread(6291456, 0) == b\\\"x\\\" * "
      "6291456\" "
      "-c \"bad = 0\" -c \"for i in range(200):\n try: h.pread(512, 6291456)\n except nbd.Error: "
      "bad += 1\" -c \"assert bad == 200\"");
  EXPECT_EQ(reads.exit_status, 0) << reads.err;
  EXPECT_LT(std::count(reads.err.begin(), reads.err.end(), '\n'), 10) << reads.err;
  EXPECT_NE(reads.err.find("not logged: 199 more"), std::string::npos) << reads.err;
  // Its writer would refuse every write.
  const CommandResult writable = Serve("file=cut.vhdx", "nbdinfo --is read-only \"$uri\"");
  EXPECT_EQ(writable.exit_status, 0) << writable.err;
  const CommandResult table = RunVhdx({"map", PathOf("cut.vhdx")});
  EXPECT_EQ(table.exit_status, 1);
  EXPECT_NE(table.out.find("  2097152       2 MiB  bad\n"), std::string::npos) << table.out;
  EXPECT_NE(table.out.find("bad 2 MiB\n"), std::string::npos) << table.out;
}

TEST_F(Nbd, ServeSaysWhatIsWrongBeforeItServes) {
  const auto fails = [&](std::vector<std::string> arguments, const std::string& words, int status) {
    arguments.insert(arguments.begin(), "serve");
    const CommandResult result = RunVhdx(arguments);
    EXPECT_EQ(result.exit_status, status);
    EXPECT_NE(result.err.find(words), std::string::npos) << result.err;
    EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
  };
  fails({PathOf("gone.vhdx")}, "No such file", 1);
  fails({PathOf("child.vhdx"), "--listen", "here:there"}, "is not an address", 64);
  fails({PathOf("child.vhdx"), "--listen", "10809", "--socket", "s"}, "cannot be combined", 64);
  fails({PathOf("child.vhdx"), "--socket", PathOf("gone/s"), "--run", "true"}, "could not serve",
        1);
  // In nbdkit's words, where only it can tell.
  fails({PathOf("child.vhdx"), "--socket", PathOf("gone/s")}, "nbdkit could not serve: ", 1);
}

TEST_F(Nbd, ServePassesOnWhatTheServerSays) {
  const CommandResult done = Shell(
      "arguments='--read-only base.vhdx'; "
      "client='eval truncate -s 4M base.vhdx; nbdcopy $uri out.raw 2> client'; " +
      std::string(kWithServer));
  EXPECT_NE(done.err.find("nbdkit: "), std::string::npos) << done.err;
  EXPECT_NE(done.err.find("base.vhdx"), std::string::npos) << done.err;
}

TEST_F(Nbd, ServeTellsTheCommandWhereItListens) {
  // Somewhere in what nobody else was given.
  const std::string port = std::to_string(20000 + ::getpid() % 10000);
  const CommandResult size = Shell("$vhdx serve --read-only child.vhdx --listen 127.0.0.2:" + port +
                                   " --run 'echo $uri; nbdinfo --size $uri'");
  EXPECT_EQ(size.exit_status, 0) << size.err;
  EXPECT_EQ(size.out, "nbd://127.0.0.2:" + port + "\n67108864\n");
}

TEST_F(Nbd, SocketIsForItsOwnerAlone) {
  const CommandResult mode =
      Shell("$vhdx serve --read-only child.vhdx --run 'stat -c %a $unixsocket'");
  EXPECT_EQ(mode.out, "600\n") << mode.err;
}

}  // namespace
}  // namespace vhdx::tests

// `vhdx serve --control` and `vhdx ctl`, with the plugin in the real nbdkit: snapshots of a disk
// that clients write meanwhile, and everything that can be wrong about a request.

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <vhdxkit/create.h>
#include <vhdxkit/disk.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "bytes/arithmetic.h"
#include "command.h"
#include "control/unix_socket.h"
#include "testing/host_folder.h"
#include "testing/scale.h"

namespace vhdx::tests {
namespace {

using Json = nlohmann::json;

constexpr uint64_t kDiskSize = 16 * kMiB;

// How a script of the shell serves disk.vhdx in the background, with the sockets nbd and control;
// `served` is the process, and `stopped` its exit status after it has been waited for.
constexpr const char* kServe =
    "serve() { \"$vhdx\" serve \"$@\" --socket nbd --control control > uri & served=$!; "
    "for i in $(seq 400); do [ -s uri ] && break; sleep 0.05; done; }; "
    "ctl() { \"$vhdx\" ctl control \"$@\"; }; "
    "put() { qemu-io -f raw -c \"write -P $1 $2 64k\" -c flush \"$(cat uri)\" > /dev/null; }; "
    "stop() { ctl stop; wait $served; }; ";

constexpr const char* kAsNobody = "setpriv --reuid=65534 --regid=65534 --clear-groups ";

class Control : public testing::HostFolderTest {
 protected:
  void SetUp() override {
    if (!HasProgram("nbdkit") || !HasProgram("nbdinfo") || !HasProgram("qemu-io")) {
      GTEST_SKIP() << "no nbdkit, no libnbd, or no qemu-io";
    }
    Make("disk.vhdx");
  }

  void Make(const std::string& name) {
    ASSERT_TRUE(Create(files(), PathOf(name), {.size_bytes = kDiskSize, .block_size_bytes = kMiB}));
  }
  CommandResult Shell(const std::string& script) {
    return RunCommand({"sh", "-c",
                       "cd " + folder() +
                           "; plugin=" VHDXKIT_PLUGIN "; vhdx=" VHDXKIT_COMMAND "; " +
                           std::string(kServe) + script});
  }
  // The same in a process of its own, which that command starts.
  CommandResult Script(const std::string& command, const std::string& script) {
    std::ofstream(PathOf("script")) << kServe << script;
    return Shell("export vhdx; " + command + "sh script");
  }
  // A script with a server of disk.vhdx that is stopped afterwards and has to end well.
  CommandResult WithServer(const std::string& script, const std::string& options = "") {
    CommandResult result =
        Shell("serve disk.vhdx " + options + "; " + script + "; stop; echo stopped $?");
    EXPECT_TRUE(result.out.ends_with("stopped 0\n")) << result.out << result.err;
    result.out.resize(result.out.rfind("stopped "));
    return result;
  }
  void ExpectClean(const std::string& name) {
    const CommandResult check = RunVhdx({"check", PathOf(name)});
    EXPECT_EQ(check.exit_status, 0) << check.out << check.err;
  }
  // The byte that the 64 KiB at that offset consist of.
  int At(const std::string& name, uint64_t offset) {
    auto disk = Disk::Open(files(), PathOf(name));
    EXPECT_TRUE(disk) << ToString(disk.error());
    if (!disk) return -1;
    std::vector<std::byte> bytes(64 * kKiB);
    EXPECT_TRUE((*disk)->Read(offset, bytes));
    EXPECT_EQ(bytes, std::vector<std::byte>(bytes.size(), bytes[0]));
    return std::to_integer<int>(bytes[0]);
  }
  bool Exists(const std::string& name) { return std::filesystem::exists(PathOf(name)); }

  CommandResult Writers(const std::string& what, uint64_t count) {
    return RunCommand({"/usr/bin/python3", "-B", VHDXKIT_SOURCE_DIR "/tests/control_writers.py",
                       what, VHDXKIT_COMMAND, folder(), std::to_string(count)});
  }
};

// -- Snapshots --

TEST_F(Control, SnapshotsKeepWhatWasWrittenBefore) {
  const CommandResult done = WithServer(
      "put 1 0; put 1 1M; ctl snapshot one.avhdx; put 2 0; ctl snapshot --json two.avhdx; "
      "put 3 0; put 3 2M");
  EXPECT_EQ(done.err, "");
  const size_t json = done.out.find('{');
  ASSERT_NE(json, std::string::npos) << done.out;
  EXPECT_TRUE(done.out.starts_with("created " + PathOf("one.avhdx") + "; its parent is " +
                                   PathOf("disk.vhdx") + ", which must not be changed"))
      << done.out;
  const Json reply = Json::parse(done.out.substr(json));
  EXPECT_EQ(reply["parent"], PathOf("one.avhdx"));
  EXPECT_EQ(reply["child"], PathOf("two.avhdx"));
  EXPECT_GT(reply["pause-ns"], 0);
  const auto contents = [&](const std::string& name) {
    return std::vector<int>{At(name, 0), At(name, kMiB), At(name, 2 * kMiB)};
  };
  EXPECT_EQ(contents("disk.vhdx"), (std::vector<int>{1, 1, 0}));
  EXPECT_EQ(contents("one.avhdx"), (std::vector<int>{2, 1, 0}));
  EXPECT_EQ(contents("two.avhdx"), (std::vector<int>{3, 1, 3}));
  ExpectClean("two.avhdx");
}

TEST_F(Control, ChildHasThePermissionsOfItsParent) {
  ASSERT_EQ(::chmod(PathOf("disk.vhdx").c_str(), 0640), 0);
  WithServer("ctl -q snapshot child.avhdx");
  struct stat parent = {};
  struct stat child = {};
  ASSERT_EQ(::stat(PathOf("disk.vhdx").c_str(), &parent), 0);
  ASSERT_EQ(::stat(PathOf("child.avhdx").c_str(), &child), 0);
  EXPECT_EQ(child.st_mode & 07777U, 0640U);
  EXPECT_EQ(child.st_uid, parent.st_uid);
}

// The process that goes into the background keeps the locks of the image, although the one that it
// comes from ends.
TEST_F(Control, ServerInTheBackground_KeepsTheImageLocked) {
  const CommandResult done = Shell(
      "nbdkit -P $PWD/pid -U $PWD/nbd $plugin $PWD/disk.vhdx access=write; echo started $?; "
      "\"$vhdx\" serve disk.vhdx --run true 2> refused; echo refused $?; "
      "qemu-io -f vhdx -c 'write 0 512' disk.vhdx > /dev/null 2>&1; echo refused $?; "
      "pid=$(cat pid); kill $pid; while kill -0 $pid 2> /dev/null; do sleep 0.02; done; "
      "\"$vhdx\" serve disk.vhdx --run true; echo free $?");
  EXPECT_EQ(done.out, "started 0\nrefused 1\nrefused 1\nfree 0\n") << done.err;
}

TEST_F(Control, ParentIsReadableAtOnceAndNotServedForWritingAgain) {
  const CommandResult done = WithServer(
      "ctl -q snapshot child.avhdx; \"$vhdx\" check -q disk.vhdx; echo check $?; "
      "\"$vhdx\" check -q child.avhdx; echo child $?; "
      "\"$vhdx\" serve disk.vhdx --run true; echo serve $?");
  EXPECT_EQ(done.out, "check 0\nchild 1\nserve 1\n") << done.err;
  EXPECT_NE(done.err.find("vhdx: disk.vhdx: the file is open in nbdkit"), std::string::npos)
      << done.err;
  const CommandResult parent = Shell("\"$vhdx\" serve disk.vhdx --run true");
  EXPECT_EQ(parent.exit_status, 1);
  EXPECT_NE(parent.err.find("is the parent of"), std::string::npos) << parent.err;
  EXPECT_NE(parent.err.find("child.avhdx"), std::string::npos) << parent.err;
  EXPECT_EQ(Shell("\"$vhdx\" serve child.avhdx --run true").exit_status, 0);
}

TEST_F(Control, TenSnapshotsWhileClientsWrite) {
  const CommandResult done = Writers("snapshots", 10);
  EXPECT_EQ(done.exit_status, 0) << done.out << done.err;
}

TEST_F(Control, ServerKilledDuringSnapshots) {
  const CommandResult done = Writers("kill", testing::Scaled(20));
  EXPECT_EQ(done.exit_status, 0) << done.out << done.err;
}

TEST_F(Control, TwoSnapshotsAtOnce) {
  const CommandResult done = WithServer(
      "ctl -q snapshot a.avhdx & a=$!; ctl -q snapshot b.avhdx; echo $?; wait $a; echo $?; "
      "ctl -q snapshot c.avhdx & a=$!; ctl -q snapshot c.avhdx; b=$?; wait $a; echo $(($? + b))");
  EXPECT_EQ(done.out, "0\n0\n1\n") << done.err;
  EXPECT_NE(done.err.find("c.avhdx: the file exists already"), std::string::npos) << done.err;
  ExpectClean("c.avhdx");
}

TEST_F(Control, ParentInAnotherDirectoryIsNoted) {
  const CommandResult done = WithServer("mkdir other; ctl snapshot other/child.avhdx");
  EXPECT_NE(done.err.find("use --parent-dir " + folder() + "/ with every command"),
            std::string::npos)
      << done.err;
}

// -- The other commands --

TEST_F(Control, InfoIsOfTheImageThatIsServed) {
  const CommandResult done =
      WithServer("put 1 0; ctl info; ctl -q snapshot child.avhdx; put 2 0; ctl info --json");
  EXPECT_TRUE(done.out.starts_with(PathOf("disk.vhdx") + "\n  format           VHDX, dynamic\n"))
      << done.out;
  EXPECT_NE(done.out.find("  log              in use by the server\n"), std::string::npos)
      << done.out;
  const Json info = Json::parse(done.out.substr(done.out.find('{')));
  EXPECT_EQ(info["filename"], PathOf("child.avhdx"));
  EXPECT_EQ(info["virtual-size"], kDiskSize);
  EXPECT_EQ(info["full-backing-filename"], PathOf("disk.vhdx"));
}

TEST_F(Control, FlushSaysNothing) {
  const CommandResult done = WithServer("ctl flush; echo $?; ctl flush --json");
  EXPECT_EQ(done.out, "0\n{}\n") << done.err;
}

TEST_F(Control, StopEndsTheServerAndReturnsWhenTheFileIsFree) {
  const CommandResult done = Shell(
      "serve disk.vhdx; put 7 0; ctl stop; echo $?; \"$vhdx\" check -q disk.vhdx; echo $?; "
      "wait $served; echo $?; ls control nbd");
  EXPECT_EQ(done.out, "0\n0\n0\n") << done.err;
  EXPECT_EQ(At("disk.vhdx", 0), 7);
}

TEST_F(Control, StopThatCannotFlushIsAFailureOfBoth) {
  const CommandResult done =
      Shell("export LD_PRELOAD=" VHDXKIT_FAILING_SYNC
            "; serve disk.vhdx; unset LD_PRELOAD; "
            "qemu-io -f raw -t writeback -c \"write 0 4k\" \"$(cat uri)\" > /dev/null; "
            "ctl flush; echo $?; ctl stop; echo $?; wait $served; echo $?");
  EXPECT_EQ(done.out, "1\n1\n1\n") << done.err;
  EXPECT_NE(done.err.find("vhdx: the server failed"), std::string::npos) << done.err;
}

TEST_F(Control, CommandThatIsRunCanControlItsServer) {
  const CommandResult done = Shell(
      "export vhdx; \"$vhdx\" serve disk.vhdx --control control --run "
      "'\"$vhdx\" ctl -q control snapshot child.avhdx; exit 3'");
  EXPECT_EQ(done.exit_status, 3) << done.err;
  EXPECT_TRUE(Exists("child.avhdx"));
}

// -- What is wrong --

TEST_F(Control, ReadOnlyServerTakesNoSnapshot) {
  const CommandResult done = WithServer(
      "ctl info | head -n 1; ctl flush; echo $?; ctl snapshot child.avhdx; echo $?", "--read-only");
  EXPECT_EQ(done.out, PathOf("disk.vhdx") + "\n0\n1\n") << done.err;
  EXPECT_NE(done.err.find("disk.vhdx: the disk is served read-only; a snapshot needs a server that "
                          "may write\n"),
            std::string::npos)
      << done.err;
  EXPECT_FALSE(Exists("child.avhdx"));
}

TEST_F(Control, NamesThatCannotBeCreatedAreRefusedAndTheServerGoesOn) {
  const CommandResult done = WithServer(
      "touch there; ctl snapshot there; echo $?; ctl snapshot disk.vhdx; echo $?; "
      "ctl snapshot gone/child.avhdx; echo $?; ctl snapshot /proc/child.avhdx; echo $?; "
      "ctl snapshot .; echo $?; ctl --json snapshot there; echo $?; put 5 0; "
      "ctl -q snapshot child.avhdx; put 6 0");
  EXPECT_EQ(done.out, "1\n1\n1\n1\n1\n1\n") << done.err;
  for (const char* const text :
       {"/there: the file exists already; a snapshot makes a new one\n",
        "/disk.vhdx: the file exists already; a snapshot makes a new one\n",
        "/gone/child.avhdx: its directory does not exist; create that first\n",
        "vhdx: /proc/child.avhdx: "}) {
    EXPECT_NE(done.err.find(text), std::string::npos) << text << done.err;
  }
  const size_t json = done.err.find("{\"error\"");
  ASSERT_NE(json, std::string::npos) << done.err;
  const Json error = Json::parse(done.err.substr(json))["error"];
  EXPECT_EQ(error["code"], "exists");
  EXPECT_EQ(error["file"], PathOf("there"));
  EXPECT_EQ(At("disk.vhdx", 0), 5);
  EXPECT_EQ(At("child.avhdx", 0), 6);
}

// Root may write everywhere: then somebody else serves.
TEST_F(Control, DirectoryThatCannotBeWrittenIsRefused) {
  ASSERT_EQ(Shell("mkdir -m 700 run; mkdir -m 500 closed; cp disk.vhdx run").exit_status, 0);
  std::string as_nobody;
  if (::geteuid() == 0) {
    ASSERT_EQ(Shell("chmod 711 .; chown -R 65534:65534 run").exit_status, 0);
    as_nobody = kAsNobody;
    if (Shell(as_nobody + "\"$vhdx\" version").exit_status != 0) {
      GTEST_SKIP() << "nobody else may run the command";
    }
  }
  const CommandResult done =
      Script(as_nobody,
             "cd run; serve disk.vhdx; ctl snapshot ../closed/child.avhdx; echo $?; stop; echo $?");
  EXPECT_EQ(done.out, "1\n0\n") << done.err;
  EXPECT_NE(done.err.find("Permission denied"), std::string::npos) << done.err;
}

TEST_F(Control, FullFileSystemIsRefusedAndTheServerGoesOn) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can mount a small file system";
  const CommandResult done =
      Script("unshare -m ",
             "mkdir full && mount -t tmpfs -o size=1m tmpfs full && serve disk.vhdx; put 1 0; "
             "ctl snapshot full/child.avhdx; echo $?; ls -A full; put 2 0; stop; echo $?");
  EXPECT_EQ(done.out, "1\n0\n") << done.err;
  EXPECT_NE(done.err.find("No space left"), std::string::npos) << done.err;
  EXPECT_EQ(At("disk.vhdx", 0), 2);
}

// Directory, mode of the socket, and what the kernel says of the other side.
TEST_F(Control, AnotherUserIsRefused) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can be another user";
  const std::string as_nobody = std::string(kAsNobody) + "\"$vhdx\" ctl ";
  const CommandResult done =
      WithServer(as_nobody + "$PWD/control info; echo $?; chmod 755 .; " + as_nobody +
                 "$PWD/control info; echo $?; chmod 666 control; " + as_nobody +
                 "$PWD/control stop; echo $?; chmod 700 .; ctl info > /dev/null; echo $?");
  if (done.err.find("setpriv") != std::string::npos) GTEST_SKIP() << done.err;
  EXPECT_EQ(done.out, "1\n1\n1\n0\n") << done.err;
  EXPECT_NE(done.err.find("Permission denied; only the user who started the server, and root, may "
                          "control it\n"),
            std::string::npos)
      << done.err;
  EXPECT_NE(done.err.find("vhdx: only the user who started the server, and root, may control it\n"),
            std::string::npos)
      << done.err;
}

TEST_F(Control, WhatIsNotARequestIsAnsweredAndChangesNothing) {
  ASSERT_EQ(Shell("serve disk.vhdx").exit_status, 0);
  const auto fd = control::ConnectTo(PathOf("control"));
  ASSERT_TRUE(fd) << ToString(fd.error());
  const auto ask = [&](const std::string& line) {
    if (!line.empty()) {
      EXPECT_EQ(::send(fd->get(), line.data(), line.size(), MSG_NOSIGNAL),
                static_cast<ssize_t>(line.size()));
    }
    std::string reply;
    char byte = 0;
    while (::recv(fd->get(), &byte, 1, 0) == 1 && byte != '\n') reply += byte;
    return reply;
  };
  for (const std::string& line :
       {std::string("\n"), std::string("stop\n"), std::string("\0\xff\n", 3), std::string("[{}]\n"),
        std::string("{\"execute\": \"fly\"}\n")}) {
    EXPECT_TRUE(ask(line).starts_with("{\"error\":{\"code\":\"invalid-argument\"")) << line;
  }
  EXPECT_EQ(ask("{\"execute\": \"flush\", \"id\": [1]}\n"), R"({"return":{},"id":[1]})");
  EXPECT_EQ(ask("{\"execute\": \"stop\"}\n"), R"({"return":{}})");
  EXPECT_EQ(ask(""), "");  // closed
}

TEST_F(Control, DeadSocketIsReplacedAndNamedSo) {
  const CommandResult done = Shell(
      "\"$vhdx\" serve --json disk.vhdx --control control > said & served=$!; "
      "for i in $(seq 400); do grep -q pid said && break; sleep 0.05; done; "
      "kill -9 $(sed -n 's/.*\"pid\": *//p' said); wait $served; rm -f uri; "
      "ctl info; echo $?; serve disk.vhdx; ctl info > /dev/null; echo $?; stop");
  EXPECT_EQ(done.out, "1\n0\n") << done.err;
  EXPECT_NE(
      done.err.find("vhdx: control: no server listens on it any more: it was killed; start it "
                    "again\n"),
      std::string::npos)
      << done.err;
}

TEST_F(Control, SocketOfNbdIsNamedSo) {
  const CommandResult done = WithServer("\"$vhdx\" ctl nbd info; echo $?");
  EXPECT_EQ(done.out, "1\n");
  EXPECT_NE(
      done.err.find("vhdx: nbd: this socket is for NBD clients; name the one that `vhdx serve "
                    "--control` was given\n"),
      std::string::npos)
      << done.err;
}

TEST_F(Control, SecondServerOnTheSocketIsRefused) {
  Make("other.vhdx");
  const CommandResult done =
      WithServer("\"$vhdx\" serve other.vhdx --control control --run true; echo $?");
  EXPECT_EQ(done.out, "1\n") << done.err;
  EXPECT_NE(done.err.find("vhdx: control: another server listens on this socket\n"),
            std::string::npos)
      << done.err;
}

TEST_F(Control, ServeRefusesPlacesForItsSocket) {
  const auto refused = [&](const std::string& options, const std::string& words) {
    const CommandResult done = Shell("\"$vhdx\" serve disk.vhdx " + options + " --run true");
    EXPECT_NE(done.exit_status, 0) << options;
    EXPECT_NE(done.err.find(words), std::string::npos) << done.err;
  };
  ASSERT_EQ(Shell("mkdir -m 755 open; touch file").exit_status, 0);
  refused(
      "--control open/control",
      "the directory of a control socket must be closed to other users, but \"open\" is open to "
      "them; make one with `mkdir -m 700 DIR`");
  refused("--control gone/control", "gone/control: the directory of the socket does not exist");
  refused("--control file", "file: the file exists and is not a socket");
  refused("--control s --socket s", "s: --socket and --control are the same path");
  EXPECT_EQ(Shell("cat file").exit_status, 0);
}

TEST_F(Control, PluginNeedsToKnowHowTheDiskIsOpened) {
  const auto plugin = [&](const std::string& parameters) {
    return Shell("nbdkit -U - $plugin disk.vhdx " + parameters +
                 " --run '\"$vhdx\" ctl control info > /dev/null'");
  };
  const CommandResult refused = plugin("control=control");
  EXPECT_NE(refused.exit_status, 0);
  EXPECT_NE(refused.err.find("control= needs access=read or access=write"), std::string::npos)
      << refused.err;
  ASSERT_EQ(Shell("chmod 755 .").exit_status, 0);
  EXPECT_NE(plugin("control=control access=write").err.find("must be closed to other users"),
            std::string::npos);
  ASSERT_EQ(Shell("chmod 700 .").exit_status, 0);
  const CommandResult fine = Shell(
      "nbdkit -P pid -U $PWD/nbd $plugin disk.vhdx access=write control=control; "
      "for i in $(seq 400); do [ -S control ] && break; sleep 0.05; done; "
      "ctl -q snapshot child.avhdx; echo $?; ctl stop; echo $?");
  EXPECT_EQ(fine.out, "0\n0\n") << fine.err;
  EXPECT_TRUE(Exists("child.avhdx"));
}

// -- Clients that stay --

// nbdkit refuses their requests, and ends when they have gone.
TEST_F(Control, StopWaitsForNbdClientsAndKeepsWhatTheyWroteBefore) {
  if (!HasProgram("nbdsh")) GTEST_SKIP() << "no nbdsh";
  const CommandResult done = WithServer(
      "PATH=/usr/bin:$PATH nbdsh -u \"$(cat uri)\" -c 'import time; "
      "h.pwrite(bytes([9]) * 65536, 0); open(\"up\", \"w\"); time.sleep(0.5)\n"
      "try: h.pwrite(bytes(65536), 0)\nexcept nbd.Error: print(\"refused\")' & "
      "for i in $(seq 200); do [ -e up ] && break; sleep 0.05; done");
  EXPECT_EQ(done.err, "");
  EXPECT_EQ(done.out, "refused\n");
  EXPECT_EQ(At("disk.vhdx", 0), 9);
}

}  // namespace
}  // namespace vhdx::tests

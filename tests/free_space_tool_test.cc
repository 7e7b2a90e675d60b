// vhdx-free-space as a process: on a file, and on a socket that this process serves.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <span>
#include <string>
#include <vector>

#include "bytes/arithmetic.h"
#include "free_space_fixture.h"
#include "io/file_descriptor.h"
#include "media/read_only_device.h"
#include "media/read_service.h"
#include "tools/free_space/ext.h"

extern char** environ;

namespace vhdx::tests {
namespace {

using free_space::ReadExtFreeSpace;

/// A device that counts what is asked of it, and looks at the process that asks.
class WatchedDevice final : public ReadOnlyDevice {
 public:
  WatchedDevice(BlockDevice& device, const std::atomic<pid_t>& reader)
      : ReadOnlyDevice({.name = "watched", .size_bytes = device.size_bytes()}),
        device_(device),
        reader_(reader) {}

  using ReadOnlyDevice::Read;
  Result<void> Read(uint64_t disk_offset, std::span<const MutableByteSpan> buffers) override {
    if (reads_++ == 0) {
      std::ifstream stream("/proc/" + std::to_string(reader_.load()) + "/status");
      status_ = {std::istreambuf_iterator<char>(stream), {}};
    }
    return device_.Read(disk_offset, buffers);
  }

  int reads() const { return reads_; }
  /// /proc/PID/status of the reader at the first read.
  const std::string& status() const { return status_; }

 private:
  BlockDevice& device_;
  const std::atomic<pid_t>& reader_;
  int reads_ = 0;
  std::string status_;
};

class FreeSpaceTool : public FreeSpaceTest {
 protected:
  void SetUp() override {
    MakeDisk(32 * kMiB);
    Run({"mke2fs", "-qF", "-t", "ext4", "-b", "1024", "DISK"});
  }

  std::string MapHere() { return MapOf(Ask(ReadExtFreeSpace)); }

  CommandResult RunTool(const std::string& arguments, const std::string& disk = "disk") {
    return RunCommand(
        {"sh", "-c",
         std::string("exec " VHDXKIT_FREE_SPACE " ") + arguments + " < '" + PathOf(disk) + "'"});
  }

  /// Starts the tool with one end of a socket, and its output in a file of the folder.
  void StartOnSocket(std::vector<std::string> words) {
    std::array<int, 2> ends = {};
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
    ours_ = FileDescriptor(ends[0]);
    const FileDescriptor theirs(ends[1]);
    words.insert(words.begin(), VHDXKIT_FREE_SPACE);
    std::vector<char*> pointers;
    for (std::string& word : words) pointers.push_back(word.data());
    pointers.push_back(nullptr);
    const std::string output = PathOf("map");
    const std::string errors = PathOf("errors");
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, theirs.get(), STDIN_FILENO);
    ::posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, output.c_str(),
                                       O_WRONLY | O_CREAT | O_TRUNC, 0600);
    ::posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, errors.c_str(),
                                       O_WRONLY | O_CREAT | O_TRUNC, 0600);
    pid_t child = 0;
    EXPECT_EQ(::posix_spawn(&child, pointers[0], &actions, nullptr, pointers.data(), environ), 0);
    ::posix_spawn_file_actions_destroy(&actions);
    child_ = child;
  }
  int WaitForTool() {
    ours_ = FileDescriptor();
    int status = 0;
    EXPECT_EQ(::waitpid(child_, &status, 0), child_);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }
  int socket() const { return ours_.get(); }
  const std::atomic<pid_t>& child() const { return child_; }

 private:
  FileDescriptor ours_;
  std::atomic<pid_t> child_ = 0;
};

TEST_F(FreeSpaceTool, FileOnStandardInputIsRead) {
  const CommandResult run = RunTool("-v ext4");
  EXPECT_EQ(run.exit_status, 0);
  EXPECT_EQ(run.err, "") << "a sandbox that lacks something";
  EXPECT_EQ(run.out, MapHere());
  EXPECT_EQ(RunTool("--no-sandbox EXT4").out, run.out);
}

TEST_F(FreeSpaceTool, VolumeIsWhereItIsSaidToBe) {
  const std::string volume = ReadText("disk");
  WriteText("large", std::string(1 * kMiB, 'x') + volume + std::string(512, 'x'));
  const CommandResult run = RunTool("ext4 1048576 33554432", "large");
  EXPECT_EQ(run.exit_status, 0) << run.err;
  EXPECT_EQ(run.out, MapHere());
}

TEST_F(FreeSpaceTool, SocketIsReadFromInsideTheSandbox) {
  StartOnSocket({"ext4"});
  auto disk = RawDevice::Open(Open("disk"));
  ASSERT_TRUE(disk);
  WatchedDevice watched(**disk, child());
  const auto served = ServeReads(watched, socket());
  EXPECT_TRUE(served) << ToString(served.error());
  EXPECT_EQ(WaitForTool(), 0);
  EXPECT_EQ(ReadText("map"), MapHere());
  EXPECT_GT(watched.reads(), 2);
  EXPECT_NE(watched.status().find("\nNoNewPrivs:\t1\n"), std::string::npos) << watched.status();
  EXPECT_NE(watched.status().find("\nSeccomp:\t2\n"), std::string::npos);
}

TEST_F(FreeSpaceTool, ServerThatGoesAwayIsAnError) {
  StartOnSocket({"ext4"});
  EXPECT_EQ(WaitForTool(), 1);
  EXPECT_NE(ReadText("errors").find("closed the socket"), std::string::npos);
  EXPECT_EQ(ReadText("map"), "");
}

TEST_F(FreeSpaceTool, UncleanVolumeHasAMapThatSaysWhy) {
  WriteText("commands", "ssv state 0\n");
  Run({"debugfs", "-w", "-f", "@commands", "DISK"});
  const CommandResult run = RunTool("ext4");
  EXPECT_EQ(run.exit_status, 0);
  EXPECT_NE(run.out.find("\n# left-alone: it was not unmounted cleanly\n"), std::string::npos);
  EXPECT_EQ(FreeLines(run.out), "");
}

TEST_F(FreeSpaceTool, KindThatNobodyReadsIsLeftAlone) {
  const CommandResult run = RunTool("ReFS");
  EXPECT_EQ(run.exit_status, 0);
  EXPECT_NE(run.out.find("# left-alone: nothing here reads ReFS\n"), std::string::npos);
}

TEST_F(FreeSpaceTool, MistakesAreNamed) {
  struct Mistake {
    const char* arguments;
    int status;
    const char* message;
  };
  const std::vector<Mistake> mistakes = {
      {"", 64, "expected KIND [OFFSET [LENGTH]] (see --help)"},
      {"ext4 1 2 3", 64, "expected KIND [OFFSET [LENGTH]] (see --help)"},
      {"ext5", 64, "unknown kind of volume \"ext5\" (see --help)"},
      {"ext4 x", 64, "\"x\" is not a number of bytes (see --help)"},
      {"ext4 0 -1", 64, "unknown option \"-1\" (see --help)"},
      {"--map ext4", 64, "unknown option \"--map\" (see --help)"},
      {"ext4 33554432", 1, "the volume is not inside of the disk of 33554432 bytes"},
      {"ext4 512 33554432", 1, "the volume is not inside of the disk of 33554432 bytes"},
  };
  for (const Mistake& mistake : mistakes) {
    const CommandResult run = RunTool(mistake.arguments);
    EXPECT_EQ(run.exit_status, mistake.status) << mistake.arguments;
    EXPECT_EQ(run.err, std::string("vhdx-free-space: ") + mistake.message + "\n");
    EXPECT_EQ(run.out, "");
  }
  const CommandResult device = RunCommand({VHDXKIT_FREE_SPACE, "ext4"});
  EXPECT_EQ(device.exit_status, 1);
  EXPECT_EQ(device.err,
            "vhdx-free-space: the disk on standard input: it is not a file, a block device or a "
            "socket\n");
}

TEST_F(FreeSpaceTool, VersionNamesTheLicense) {
  const CommandResult run = RunCommand({VHDXKIT_FREE_SPACE, "--version"});
  EXPECT_EQ(run.exit_status, 0);
  EXPECT_NE(run.out.find("GNU GPL version 2 or later"), std::string::npos);
}

}  // namespace
}  // namespace vhdx::tests

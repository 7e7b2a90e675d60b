// Locks against QEMU's: what we hold keeps qemu-io out as another QEMU would, and the other way
// round.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vhdxkit/file.h>

#include <array>
#include <csignal>
#include <memory>
#include <string>
#include <vector>

#include "io/file_descriptor.h"
#include "testing/host_folder.h"

extern char** environ;

namespace vhdx {
namespace {

/// A program with pipes on its standard input and output (errors included), killed when this goes.
class Program {
 public:
  explicit Program(const std::vector<std::string>& arguments) {
    std::array<int, 2> in = {-1, -1};
    std::array<int, 2> out = {-1, -1};
    EXPECT_EQ(::pipe2(in.data(), O_CLOEXEC), 0);
    EXPECT_EQ(::pipe2(out.data(), O_CLOEXEC), 0);
    const FileDescriptor its_input(in[0]);
    const FileDescriptor its_output(out[1]);
    input_ = FileDescriptor(in[1]);
    output_ = FileDescriptor(out[0]);
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, in[0], 0);
    ::posix_spawn_file_actions_adddup2(&actions, out[1], 1);
    ::posix_spawn_file_actions_adddup2(&actions, out[1], 2);
    std::vector<char*> argv;
    for (const std::string& argument : arguments)
      argv.push_back(const_cast<char*>(argument.c_str()));
    argv.push_back(nullptr);
    if (::posix_spawnp(&pid_, argv[0], &actions, nullptr, argv.data(), environ) != 0) pid_ = -1;
    ::posix_spawn_file_actions_destroy(&actions);
  }
  ~Program() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  bool started() const { return pid_ > 0; }
  /// Output until `text` has come, or until its end.
  std::string ReadUntil(const std::string& text) {
    std::string seen;
    char byte = 0;
    while (seen.find(text) == std::string::npos && ::read(output_.get(), &byte, 1) == 1)
      seen += byte;
    return seen;
  }
  std::string ReadToEnd() {
    input_ = FileDescriptor();
    return ReadUntil(std::string(1, '\0'));
  }

 private:
  pid_t pid_ = -1;
  FileDescriptor input_;
  FileDescriptor output_;
};

constexpr OpenFileOptions kWritable = {.access = FileAccess::kReadWrite};

class LockInterop : public testing::HostFolderTest {
 protected:
  void SetUp() override {
    if (Program({"qemu-io", "--version"}).started()) {
      Program({"qemu-img", "create", "-q", "-f", "vhdx", PathOf("a"), "8M"}).ReadToEnd();
    } else {
      GTEST_SKIP() << "qemu-io is not installed";
    }
  }

  /// What qemu-io says when it opens the image for a moment; our locks are held meanwhile.
  std::string TryQemu(std::vector<std::string> options) {
    std::vector<std::string> arguments = {"qemu-io", "-f", "vhdx", "-c", "length"};
    arguments.insert(arguments.end(), options.begin(), options.end());
    arguments.push_back(PathOf("a"));
    return Program(arguments).ReadToEnd();
  }
  /// A qemu-io that has the image open until the result is destroyed.
  std::unique_ptr<Program> HoldWithQemu(std::vector<std::string> options) {
    std::vector<std::string> arguments = {"qemu-io", "-f", "vhdx"};
    arguments.insert(arguments.end(), options.begin(), options.end());
    arguments.push_back(PathOf("a"));
    auto program = std::make_unique<Program>(arguments);
    EXPECT_EQ(program->ReadUntil("qemu-io> "), "qemu-io> ");
    return program;
  }
};

constexpr char kOpened[] = "8 MiB\n";

TEST_F(LockInterop, OurReaderLetsQemuReadButNotWrite) {
  const auto file = Open("a");
  ASSERT_TRUE(file->Lock(LockMode::kShared));
  EXPECT_EQ(TryQemu({"-r"}), kOpened);
  EXPECT_NE(TryQemu({}).find("Failed to get \"write\" lock"), std::string::npos);
}

TEST_F(LockInterop, OurWriterKeepsQemuOutUnlessForced) {
  const auto file = Open("a", kWritable);
  ASSERT_TRUE(file->Lock(LockMode::kExclusive));
  EXPECT_NE(TryQemu({"-r"}).find("Failed to get shared \"write\" lock"), std::string::npos);
  EXPECT_NE(TryQemu({}).find("Failed to get \"write\" lock"), std::string::npos);
  EXPECT_EQ(TryQemu({"-r", "-U"}), kOpened);
}

TEST_F(LockInterop, QemuReaderLetsUsReadButNotWrite) {
  const auto qemu = HoldWithQemu({"-r"});
  EXPECT_TRUE(Open("a")->Lock(LockMode::kShared));
  EXPECT_EQ(Open("a", kWritable)->Lock(LockMode::kExclusive).error().code, ErrorCode::kBusy);
}

TEST_F(LockInterop, QemuWriterKeepsUsOutAndIsNamed) {
  auto qemu = HoldWithQemu({});
  const Result<void> refused = Open("a")->Lock(LockMode::kShared);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kBusy);
  EXPECT_NE(refused.error().sentence.find("open for writing in qemu-io (pid "), std::string::npos)
      << refused.error().sentence;
  EXPECT_EQ(Open("a", kWritable)->Lock(LockMode::kExclusive).error().code, ErrorCode::kBusy);
  qemu.reset();
  EXPECT_TRUE(Open("a", kWritable)->Lock(LockMode::kExclusive));
}

}  // namespace
}  // namespace vhdx

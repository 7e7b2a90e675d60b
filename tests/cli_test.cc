// The command as a user runs it: a process of its own, with files, pipes and signals of the host.
// What one command prints in which case is tested beside it, in cli/command_line_test.cc.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "command.h"
#include "testing/host_folder.h"
#include "testing/image_builder.h"
#include "testing/sample.h"

extern char** environ;

namespace vhdx::tests {
namespace {

using Json = nlohmann::ordered_json;

const std::string kCommand = VHDXKIT_COMMAND;

constexpr int kFailed = 1;

std::string LastLine(const std::string& text) {
  const size_t end = text.find_last_not_of('\n');
  if (end == std::string::npos) return {};
  const size_t before = text.rfind('\n', end);
  const size_t start = before == std::string::npos ? 0 : before + 1;
  return text.substr(start, end - start + 1);
}

// One line that begins as all messages do.
void ExpectOneSentence(const CommandResult& result) {
  EXPECT_TRUE(result.err.starts_with("vhdx: ")) << result.err;
  EXPECT_EQ(result.err.find('\n'), result.err.size() - 1) << result.err;
  EXPECT_EQ(result.out, "");
}

class Cli : public testing::HostFolderTest {
 protected:
  std::string MakeImage(const std::string& name, const testing::ImageSpec& spec) {
    const auto built = testing::BuildAt(spec, files(), PathOf(name));
    EXPECT_TRUE(built) << ToString(built.error());
    return PathOf(name);
  }
  std::string MakeSample(const std::string& name = "sample.vhdx") {
    return MakeImage(name, testing::SampleDisk({.disk_size = 32 * kMiB}));
  }
  std::string MakeFile(const std::string& name, const std::string& bytes) {
    EXPECT_TRUE(New(name)->WriteAt(0, std::as_bytes(std::span(bytes))));
    return PathOf(name);
  }
  std::vector<std::string> Names() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(folder())) {
      names.push_back(entry.path().filename().string());
    }
    std::ranges::sort(names);
    return names;
  }

  // The error of a command that fails, both as a sentence and as JSON.
  void ExpectFailure(const std::vector<std::string>& arguments, const std::string& code,
                     const std::string& part_of_sentence) {
    const CommandResult text = RunVhdx(arguments);
    EXPECT_EQ(text.exit_status, kFailed);
    ExpectOneSentence(text);
    EXPECT_NE(text.err.find(part_of_sentence), std::string::npos) << text.err;
    std::vector<std::string> with_json = arguments;
    with_json.push_back("--json");
    const CommandResult json = RunVhdx(with_json);
    EXPECT_EQ(json.exit_status, kFailed);
    EXPECT_EQ(json.out, "");
    const Json error = Json::parse(LastLine(json.err))["error"];
    EXPECT_EQ(error["code"], code) << json.err;
    EXPECT_NE(error["sentence"].get<std::string>(), "");
  }

  // A command that reads a disk, and one that reads only images.
  void ExpectBadInput(const std::string& path, const std::string& code,
                      const std::string& part_of_sentence) {
    ExpectFailure({"info", path}, code, part_of_sentence);
    ExpectFailure({"dump", path}, code, part_of_sentence);
    ExpectFailure({"map", path}, code, part_of_sentence);
    ExpectFailure({"convert", path, PathOf("out.raw")}, code, part_of_sentence);
    EXPECT_FALSE(std::filesystem::exists(PathOf("out.raw")));
  }
};

// -- Bad input --

TEST_F(Cli, FolderIsRefused) { ExpectBadInput(folder(), "unsupported", "directory"); }

TEST_F(Cli, FileThatIsNotThereIsRefused) {
  ExpectBadInput(PathOf("gone.vhdx"), "not-found", "No such file");
}

TEST_F(Cli, EmptyFileIsRefused) {
  const std::string path = MakeFile("empty.vhdx", "");
  ExpectFailure({"info", path}, "corrupt", "empty");
  ExpectFailure({"map", path}, "invalid-argument", "empty");
  EXPECT_EQ(RunVhdx({"check", path}).exit_status, 63);
}

TEST_F(Cli, OtherFormatsAreNamedWithWhatHelps) {
  std::string vhd(kMiB, '\0');
  vhd.replace(vhd.size() - 512, 8, "conectix");
  ExpectBadInput(MakeFile("disk.vhd", vhd), "unsupported", "qemu-img convert -f vpc");
  ExpectBadInput(
      MakeFile("disk.qcow2", std::string("QFI\xfb\0\0\0\3", 8) + std::string(4096, '\0')),
      "unsupported", "qemu-img convert -f qcow2");
  ExpectBadInput(MakeFile("disk.gz", std::string("\x1f\x8b\x08", 3) + std::string(4096, 'x')),
                 "unsupported", "unpack");
  EXPECT_EQ(RunVhdx({"check", PathOf("disk.vhd")}).exit_status, 63);
}

// Root may read and write everything: somebody else must try.
CommandResult RunWithoutPrivileges(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), kCommand);
  if (::geteuid() == 0) {
    constexpr const char* kAsNobody[] = {"setpriv", "--reuid=65534", "--regid=65534",
                                         "--clear-groups"};
    arguments.insert(arguments.begin(), std::begin(kAsNobody), std::end(kAsNobody));
  }
  return RunCommand(arguments);
}

TEST_F(Cli, FileWithoutPermissionIsRefused) {
  const std::string path = MakeSample();
  std::filesystem::permissions(path, std::filesystem::perms::none);
  if (::geteuid() != 0) ExpectBadInput(path, "permission", "Permission denied");
  std::filesystem::permissions(folder(), std::filesystem::perms::all);
  if (RunWithoutPrivileges({"version"}).exit_status != 0) {
    GTEST_SKIP() << "root cannot be refused a file, and nobody else may run " << kCommand;
  }
  const CommandResult result = RunWithoutPrivileges({"info", path});
  EXPECT_EQ(result.exit_status, kFailed);
  ExpectOneSentence(result);
  EXPECT_NE(result.err.find("Permission denied"), std::string::npos) << result.err;
}

TEST_F(Cli, ImageThatMayNotBeWritten_IsNotServedUnlessReadOnly) {
  const std::string path = MakeSample();
  std::filesystem::permissions(path, std::filesystem::perms(0444));
  std::filesystem::permissions(folder(), std::filesystem::perms::all);
  if (RunWithoutPrivileges({"version"}).exit_status != 0) {
    GTEST_SKIP() << "root cannot be refused a file, and nobody else may run " << kCommand;
  }
  const CommandResult result = RunWithoutPrivileges({"serve", path});
  EXPECT_EQ(result.exit_status, kFailed);
  EXPECT_EQ(result.err, "vhdx: " + path +
                            ": cannot open the file for writing: Permission denied; --read-only "
                            "serves it\n");
}

TEST_F(Cli, MissingParentIsNamedWithItsPlace) {
  const testing::ImageSpec base = testing::DynamicImage();
  const std::string child = MakeImage("child.avhdx", testing::ChildOf(base, ".\\base.vhdx"));
  ExpectFailure({"map", child}, "not-found", "base.vhdx");
  ExpectFailure({"map", child}, "not-found", folder());
  ExpectFailure({"map", child}, "not-found", "--parent-dir");
  EXPECT_EQ(RunVhdx({"info", child}).exit_status, 0);
}

TEST_F(Cli, MissingParentFolderIsRefused) {
  const std::string child =
      MakeImage("child.avhdx", testing::ChildOf(testing::DynamicImage(), ".\\base.vhdx"));
  ExpectFailure({"map", child, "--parent-dir", PathOf("nowhere")}, "not-found", "nowhere");
}

TEST_F(Cli, FileInUseIsRefusedAndForceShareReadsIt) {
  const std::string path = MakeSample();
  const auto writer = Open("sample.vhdx", {.access = FileAccess::kReadWrite});
  if (auto locked = writer->Lock(LockMode::kExclusive); !locked) {
    GTEST_SKIP() << "no locks here: " << locked.error().sentence;
  }
  ExpectBadInput(path, "busy", "use -U to read it anyway");
  const CommandResult shared = RunVhdx({"info", "-U", path});
  EXPECT_EQ(shared.exit_status, 0);
  EXPECT_TRUE(shared.err.starts_with("vhdx: warning: ")) << shared.err;
}

// -- Targets --

TEST_F(Cli, ExistingTargetIsRefusedWithoutForce) {
  const std::string source = MakeSample();
  const std::string target = MakeFile("out.raw", "precious");
  ExpectFailure({"convert", source, target}, "exists", "--force");
  EXPECT_EQ(std::filesystem::file_size(target), 8u);
  EXPECT_EQ(RunVhdx({"convert", "--force", source, target}).exit_status, 0);
  EXPECT_EQ(std::filesystem::file_size(target), 32 * kMiB);
}

TEST_F(Cli, TargetThatIsTheSourceIsRefused) {
  const std::string source = MakeSample();
  ExpectFailure({"convert", "--force", "-O", "raw", source, source}, "invalid-argument", "source");
  ExpectFailure({"convert", "-n", "-O", "raw", source, source}, "invalid-argument", "source");
}

TEST_F(Cli, NoCreateWritesIntoWhatIsThere) {
  const std::string source = MakeSample();
  ExpectFailure({"convert", "-n", source, PathOf("gone.raw")}, "not-found", "gone.raw");
  const std::string target = MakeFile("out.raw", std::string(33 * kMiB, 'x'));
  const CommandResult result = RunVhdx({"convert", "-n", source, target});
  EXPECT_EQ(result.exit_status, 0) << result.err;
  EXPECT_NE(result.out.find("1 MiB"), std::string::npos) << result.out;
  EXPECT_EQ(std::filesystem::file_size(target), 33 * kMiB);
  EXPECT_EQ(RunVhdx({"compare", source, target}).exit_status, 1);  // the rest is still 'x'
}

TEST_F(Cli, TargetInAFolderThatIsNotThereIsRefused) {
  ExpectFailure({"convert", MakeSample(), PathOf("no/out.raw")}, "not-found", "out.raw");
}

TEST_F(Cli, FullDiskLeavesNothing) {
  const std::string source = MakeSample();
  const std::vector<std::string> before = Names();
  // A limit on file sizes says the same as a disk without room: no space.
  const CommandResult result =
      RunCommand({"sh", "-c", "ulimit -f 1024; exec \"$0\" convert \"$1\" \"$2\"", kCommand, source,
                  PathOf("out.raw")});
  EXPECT_EQ(result.exit_status, kFailed);
  ExpectOneSentence(result);
  EXPECT_EQ(Names(), before);
}

TEST_F(Cli, FullStandardOutputIsOneSentence) {
  const std::string source = MakeSample();
  for (const std::string arguments : {"convert \"$1\" -", "info \"$1\"", "map --json \"$1\"",
                                      "help", "--help", "info --help", "--version"}) {
    const CommandResult result =
        RunCommand({"sh", "-c", "exec \"$0\" " + arguments + " > /dev/full", kCommand, source});
    EXPECT_EQ(result.exit_status, kFailed) << arguments;
    EXPECT_NE(result.err.find("No space left on device"), std::string::npos) << result.err;
  }
}

// -- Standard output --

TEST_F(Cli, ClosedStandardStreamIsNamed) {
  const std::string source = MakeSample();
  const auto fails = [&](const std::string& script, const std::string& words) {
    const CommandResult result = RunCommand({"sh", "-c", script, kCommand, source});
    EXPECT_EQ(result.exit_status, kFailed) << script;
    ExpectOneSentence(result);
    EXPECT_TRUE(result.err.starts_with(words)) << script << ": " << result.err;
  };
  const std::string closed = "vhdx: standard output: it is closed, or not open for writing; ";
  fails("exec \"$0\" info \"$1\" >&-", closed);
  fails("exec \"$0\" convert \"$1\" - >&-", closed);
  fails("exec \"$0\" --help >&-", closed);
  fails("exec \"$0\" convert - \"$1.raw\" <&-", "vhdx: standard input: it is closed, or not ");
}

// Else the first files that are opened would be taken for the streams, and written over.
TEST_F(Cli, ClosedStandardStreams_AreNotTheImages) {
  const std::string source = MakeSample();
  const CommandResult result =
      RunCommand({"sh", "-c", "exec \"$0\" convert --progress=json \"$1\" \"$1.raw\" >&- 2>&-",
                  kCommand, source});
  EXPECT_EQ(result.exit_status, kFailed);
  EXPECT_EQ(RunVhdx({"compare", source, source + ".raw"}).exit_status, 0);
}

TEST_F(Cli, PipeGetsWhatAFileGets) {
  const std::string source = MakeSample();
  ASSERT_EQ(RunVhdx({"convert", "-q", source, PathOf("file.raw")}).exit_status, 0);
  const CommandResult piped = RunCommand(
      {"sh", "-c", "\"$0\" convert \"$1\" - | cat > \"$2\"", kCommand, source, PathOf("pipe.raw")});
  EXPECT_EQ(piped.exit_status, 0);
  EXPECT_EQ(testing::ReadAll(*Open("file.raw")), testing::ReadAll(*Open("pipe.raw")));
  EXPECT_NE(piped.err.find("standard output: "), std::string::npos) << piped.err;
}

TEST_F(Cli, RedirectedOutputIsSparse) {
  testing::ImageSpec spec = testing::DynamicImage({.disk_size = kGiB});
  spec.blocks = {testing::FullBlock(1)};
  const std::string source = MakeImage("sparse.vhdx", spec);
  ASSERT_EQ(RunCommand({"sh", "-c", "\"$0\" convert -q \"$1\" - > \"$2\"", kCommand, source,
                        PathOf("out.raw")})
                .exit_status,
            0);
  EXPECT_EQ(std::filesystem::file_size(PathOf("out.raw")), kGiB);
  EXPECT_LT(*Open("out.raw")->AllocatedBytes(), 16 * kMiB);
  EXPECT_EQ(RunVhdx({"compare", "--strict", source, PathOf("out.raw")}).exit_status, 0);
}

TEST_F(Cli, AppendedOutputIsWhole) {
  const std::string source = MakeSample();
  MakeFile("out.raw", "before");
  ASSERT_EQ(RunCommand({"sh", "-c", "\"$0\" convert -q \"$1\" - >> \"$2\"", kCommand, source,
                        PathOf("out.raw")})
                .exit_status,
            0);
  EXPECT_EQ(std::filesystem::file_size(PathOf("out.raw")), 32 * kMiB + 6);
}

TEST_F(Cli, ReaderThatStopsReadingEndsIt) {
  const std::string source = MakeSample();
  const auto with_head = [&](const std::string& arguments) {
    return RunCommand({"bash", "-c",
                       "\"$0\" " + arguments + " | head -c 1 > /dev/null; exit ${PIPESTATUS[0]}",
                       kCommand, source});
  };
  const CommandResult map = with_head("dump \"$1\"");
  EXPECT_TRUE(map.exit_status == 0 || map.exit_status == kFailed);
  EXPECT_EQ(map.err, "");
  const CommandResult convert = with_head("convert \"$1\" -");
  EXPECT_EQ(convert.exit_status, kFailed);
  ExpectOneSentence(convert);
  EXPECT_NE(convert.err.find("closed the pipe"), std::string::npos);
}

TEST_F(Cli, ResultsAndMessagesKeepApart) {
  const std::string source = MakeSample();
  for (const std::string command : {"info", "check", "map", "dump", "measure", "chain", "bench"}) {
    const CommandResult text = RunVhdx({command, source});
    EXPECT_NE(text.out, "") << command;
    EXPECT_EQ(text.err, "") << command;
    const CommandResult json = RunVhdx({command, "--json", source});
    EXPECT_TRUE(Json::accept(json.out)) << command;
    EXPECT_EQ(json.err, "") << command;
  }
}

TEST_F(Cli, ProgressIsJsonWhereAsked) {
  const CommandResult result =
      RunVhdx({"convert", "--progress=json", MakeSample(), PathOf("out.raw")});
  EXPECT_EQ(result.exit_status, 0);
  const Json last = Json::parse(LastLine(result.err))["progress"];
  EXPECT_EQ(last["done"], 32 * kMiB);
  EXPECT_EQ(last["total"], 32 * kMiB);
}

// -- Interruption --

pid_t Start(const std::vector<std::string>& arguments, int output_fd = STDOUT_FILENO) {
  std::vector<char*> pointers = {const_cast<char*>(kCommand.c_str())};
  for (const std::string& argument : arguments) {
    pointers.push_back(const_cast<char*>(argument.c_str()));
  }
  pointers.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  ::posix_spawn_file_actions_adddup2(&actions, output_fd, STDOUT_FILENO);
  pid_t child = -1;
  ::posix_spawn(&child, kCommand.c_str(), &actions, nullptr, pointers.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  return child;
}

int ExitStatusOf(pid_t child) {
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

// A conversion that is stopped between its first and its last byte by the signal.
class CliInterruption : public Cli, public ::testing::WithParamInterface<int> {
 protected:
  // Holds the command still as soon as it has begun to write. False: it was faster than we are.
  bool CatchInTheMiddle(pid_t child, size_t names_before) {
    while (Names().size() == names_before) {
      if (HasEnded(child)) return false;
    }
    ::kill(child, SIGSTOP);
    return !HasEnded(child) && !std::filesystem::exists(PathOf("out.raw"));
  }

  static bool HasEnded(pid_t child) {
    siginfo_t info = {};
    ::waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOHANG | WNOWAIT);
    return info.si_pid == child;
  }
};

TEST_P(CliInterruption, LeavesNothing) {
  testing::SampleShape shape{.disk_size = 256 * kMiB, .data_percent = 100};
  const std::string source = MakeImage("large.vhdx", testing::SampleDisk(shape));
  const std::vector<std::string> before = Names();
  const pid_t child = Start({"convert", "-j", "1", source, PathOf("out.raw")});
  ASSERT_GT(child, 0);
  const bool caught = CatchInTheMiddle(child, before.size());
  if (caught) ::kill(child, GetParam());
  ::kill(child, SIGCONT);
  const int exit_status = ExitStatusOf(child);
  if (!caught) GTEST_SKIP() << "the conversion was over before it could be interrupted";
  EXPECT_EQ(exit_status, 128 + GetParam());
  EXPECT_EQ(Names(), before);
}

INSTANTIATE_TEST_SUITE_P(Signals, CliInterruption,
                         ::testing::Values(SIGINT, SIGTERM, SIGHUP, SIGQUIT));

// Nor may a list that does not end, as on a terminal.
TEST_F(Cli, InterruptionEndsTheWaitForAList) {
  const CommandResult ended =
      RunCommand({"sh", "-c",
                  "cd " + folder() + "; mkfifo list; sleep 20 > list & writer=$!; " +
                      "timeout --preserve-status -s INT 1 " + kCommand +
                      " info --files-from - < list; echo status $?; kill $writer"});
  EXPECT_EQ(ended.out, "status 130\n") << ended.err;
}

// A reader that never reads must not keep the command from ending.
TEST_F(Cli, InterruptionEndsTheWaitForAReader) {
  std::array<int, 2> pipe = {};
  ASSERT_EQ(::pipe2(pipe.data(), O_CLOEXEC), 0);
  const pid_t child = Start({"convert", "-q", MakeSample(), "-"}, pipe[1]);
  ASSERT_GT(child, 0);
  // The pipe is full soon; there is no telling when from outside, and too early is no harm.
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  ::kill(child, SIGTERM);
  EXPECT_EQ(ExitStatusOf(child), 128 + SIGTERM);
  ::close(pipe[0]);
  ::close(pipe[1]);
}

}  // namespace
}  // namespace vhdx::tests

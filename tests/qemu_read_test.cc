// Images that QEMU makes, read by us and by QEMU: the same bytes.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vhdxkit/compare.h>
#include <vhdxkit/disk.h>
#include <vhdxkit/raw_device.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "bytes/arithmetic.h"
#include "command.h"
#include "testing/scale.h"

namespace vhdx::tests {
namespace {

class QemuImages : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!HasProgram("qemu-img") || !HasProgram("qemu-io")) {
      GTEST_SKIP() << "qemu-img and qemu-io (package qemu-utils) are not installed";
    }
    folder_ = ::testing::TempDir() + "vhdxkit-qemu-" + std::to_string(::getpid());
    std::filesystem::remove_all(folder_);
    ASSERT_TRUE(std::filesystem::create_directories(folder_));
    image_ = folder_ + "/image.vhdx";
  }
  void TearDown() override {
    if (!folder_.empty()) std::filesystem::remove_all(folder_);
  }

  void Create(const std::string& options, const std::string& size) const {
    const CommandResult made =
        RunCommand({"qemu-img", "create", "-q", "-f", "vhdx", "-o", options, image_, size});
    ASSERT_EQ(made.exit_status, 0) << made.err;
  }

  // Random writes, one command each.
  static std::vector<std::string> RandomWrites(std::mt19937_64& random, uint64_t disk_size,
                                               int count) {
    std::vector<std::string> commands;
    for (int i = 0; i < count; ++i) {
      const uint64_t length = 512 * (1 + random() % 512);
      const uint64_t offset = random() % (disk_size - length) / 512 * 512;
      commands.push_back("write -P " + std::to_string(1 + random() % 255) + " " +
                         std::to_string(offset) + " " + std::to_string(length));
    }
    return commands;
  }

  void Write(const std::vector<std::string>& commands) const {
    std::vector<std::string> arguments = {"qemu-io", "-f", "vhdx"};
    for (const std::string& command : commands) {
      arguments.insert(arguments.end(), {"-c", command});
    }
    arguments.push_back(image_);
    const CommandResult wrote = RunCommand(arguments);
    ASSERT_EQ(wrote.exit_status, 0) << wrote.err;
  }

  // Ours first: QEMU replays a dirty log into the file.
  void ExpectSameContents() {
    HostFileSystem files;
    auto disk = Disk::Open(files, image_);
    ASSERT_TRUE(disk) << ToString(disk.error());
    const std::string copy = folder_ + "/copy.vhdx";
    std::filesystem::copy_file(image_, copy, std::filesystem::copy_options::overwrite_existing);
    (void)RunCommand({"qemu-img", "check", "-q", "-r", "all", copy});
    const std::string raw_path = folder_ + "/raw";
    const CommandResult converted =
        RunCommand({"qemu-img", "convert", "-f", "vhdx", "-O", "raw", copy, raw_path});
    ASSERT_EQ(converted.exit_status, 0) << converted.err;
    auto raw_file = files.Open(raw_path, {});
    ASSERT_TRUE(raw_file);
    auto raw = RawDevice::Open(*std::move(raw_file));
    ASSERT_TRUE(raw);
    auto compared = Compare(**disk, **raw, {.strict = true});
    ASSERT_TRUE(compared) << ToString(compared.error());
    EXPECT_TRUE(compared->identical)
        << "first difference at " << compared->first_difference.value_or(0);
  }

  std::string folder_;
  std::string image_;
};

TEST_F(QemuImages, OfEverySubformatAndBlockSize_ReadTheSame) {
  std::mt19937_64 random(3);
  // 1 to 256 MiB; most of the time is QEMU's, so fewer where the counts are scaled down.
  const unsigned step = testing::Scale() == 1 ? 1 : 4;
  for (const std::string subformat : {"dynamic", "fixed"}) {
    for (unsigned shift = 0; shift <= 8; shift += step) {
      const uint64_t block_mib = uint64_t{1} << shift;
      SCOPED_TRACE(subformat + " " + std::to_string(block_mib) + " MiB");
      std::filesystem::remove(image_);
      // Not a whole number of blocks; more than one chunk where blocks are small.
      const uint64_t size = subformat == "fixed" ? 301 * kMiB : 9 * kGiB + 3 * kMiB;
      Create("subformat=" + subformat + ",block_size=" + std::to_string(block_mib * kMiB),
             std::to_string(size));
      Write(RandomWrites(random, size, 12));
      ExpectSameContents();
    }
  }
}

TEST_F(QemuImages, WithoutZeroBlocks_ReadTheSame) {
  std::mt19937_64 random(4);
  for (const std::string subformat : {"dynamic", "fixed"}) {
    std::filesystem::remove(image_);
    Create("subformat=" + subformat + ",block_state_zero=off,log_size=2M", "200M");
    Write(RandomWrites(random, 200 * kMiB, 10));
    ExpectSameContents();
  }
}

// QEMU's log is dirty while it allocates a block, so most kills leave it so.
TEST_F(QemuImages, KilledWhileTheyWereWritten_ReadTheSame) {
  std::mt19937_64 random(5);
  int dirty = 0;
  int without_entry = 0;
  // It ends with the second dirty log; few kills may all miss.
  const int most_rounds = 40;
  int rounds = 0;
  for (; rounds < most_rounds && dirty < 2; ++rounds) {
    std::filesystem::remove(image_);
    Create("block_size=1048576", "4G");
    std::vector<std::string> arguments = {"qemu-io", "-f", "vhdx"};
    for (const std::string& command : RandomWrites(random, 4 * kGiB, 3000)) {
      arguments.insert(arguments.end(), {"-c", command});
    }
    arguments.push_back(image_);
    std::vector<char*> pointers;
    for (std::string& argument : arguments) pointers.push_back(argument.data());
    pointers.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    pid_t child = 0;
    ASSERT_EQ(::posix_spawnp(&child, "qemu-io", &actions, nullptr, pointers.data(), environ), 0);
    ::posix_spawn_file_actions_destroy(&actions);
    std::this_thread::sleep_for(std::chrono::milliseconds(200 + random() % 400));
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);

    HostFileSystem files;
    auto disk = Disk::Open(files, image_);
    // Interop: QEMU names its log in the headers before its first entry is written.
    ASSERT_TRUE(disk) << ToString(disk.error());
    const bool begun = std::ranges::none_of(
        (*disk)->image_at_open(0).findings,
        [](const Finding& finding) { return finding.rule->id == "log.never-begun"; });
    if (!begun) ++without_entry;
    if ((*disk)->image_at_open(0).log.dirty) ++dirty;
    disk->reset();
    ExpectSameContents();
  }
  std::cout << dirty << " of " << rounds << " killed images have a dirty log, " << without_entry
            << " one without an entry\n";
  EXPECT_GT(dirty + without_entry, 0) << "no kill came while a block was allocated";
}

}  // namespace
}  // namespace vhdx::tests

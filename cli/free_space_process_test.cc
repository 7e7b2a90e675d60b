// Programs that answer like vhdx-free-space, and others that do not.

#include "cli/free_space_process.h"

#include <gtest/gtest.h>
#include <unistd.h>
#include <vhdxkit/raw_device.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bytes/arithmetic.h"
#include "cli/commands.h"
#include "cli/invocation.h"
#include "cli/messages.h"
#include "cli/text_output.h"
#include "guest/free_map.h"
#include "testing/guest_disk.h"
#include "testing/guest_volumes.h"
#include "testing/host_folder.h"

namespace vhdx::cli {
namespace {

using namespace std::chrono_literals;

constexpr uint64_t kVolumeOffset = kMiB;

class FreeSpaceProcess : public testing::HostFolderTest {
 protected:
  FreeSpaceProcess() : disk_(32 * kMiB) {
    WriteVolume(testing::GuestVolumeNamed("ext4"), disk_, kVolumeOffset);
  }

  // A shell script with that name and text; its path.
  std::string Program(const std::string& script) {
    std::string path = PathOf("program");
    std::ofstream(path) << "#!/bin/sh\n" << script << "\n";
    std::filesystem::permissions(path, std::filesystem::perms::owner_all);
    return path;
  }
  // A program that prints a map with these free ranges of the volume.
  std::string ProgramThatSays(const std::vector<DiskRange>& free, uint64_t unit_bytes = 4096) {
    guest::FreeSpace space{.unit_bytes = unit_bytes, .free = free, .metadata = {}};
    for (const DiskRange& range : free) space.counted_free_bytes += range.length_bytes;
    return ProgramThatPrints(space);
  }
  std::string ProgramThatPrints(const guest::FreeSpaceAnswer& answer) {
    std::ofstream map(PathOf("map"));
    EXPECT_TRUE(guest::PrintFreeMap(answer, testing::kGuestVolumeBytes,
                                    [&](std::string_view text) -> Result<void> {
                                      map << text;
                                      return {};
                                    }));
    return Program("cat \"$(dirname \"$0\")/map\"");
  }

  Result<std::vector<VolumeFreeSpace>> AskAll(const FreeSpaceProgram& program,
                                              const FreeSpaceArguments& arguments = {}) {
    const Command command{};
    const Messages messages(STDERR_FILENO, {});
    TextOutput out({.fd = STDOUT_FILENO, .interrupted = nullptr});
    const Invocation invocation{.command = command,
                                .options = {},
                                .files = files(),
                                .out = out,
                                .messages = messages,
                                .interrupted = interrupted_,
                                .error_fd = STDERR_FILENO};
    const auto device = disk_.Open();
    const std::vector<DiskVolume> volumes = {
        {.range = {kVolumeOffset, testing::kGuestVolumeBytes}, .partition = 1, .type = "ext4"}};
    return AskFreeSpaceWith(invocation, arguments, program)(*device, volumes);
  }
  // Of the only volume, which must not be an error.
  VolumeFreeSpace Ask(const std::string& program, std::chrono::milliseconds limit = 30s,
                      const FreeSpaceArguments& arguments = {}) {
    auto answers = AskAll({.path = program, .time_limit = limit}, arguments);
    EXPECT_TRUE(answers) << answers.error().sentence;
    return answers && answers->size() == 1 ? answers->front() : VolumeFreeSpace{};
  }
  std::string ReasonFor(const std::string& script) {
    const VolumeFreeSpace answer = Ask(Program(script));
    EXPECT_TRUE(answer.free.empty());
    return answer.skipped_because;
  }

  testing::GuestDisk disk_;
  std::atomic<bool> interrupted_ = false;
};

TEST_F(FreeSpaceProcess, FreeRanges_AreOfTheDisk) {
  const VolumeFreeSpace answer = Ask(ProgramThatSays({{64 * kKiB, 8 * kKiB}, {kMiB, 4 * kMiB}}));
  EXPECT_EQ(answer.skipped_because, "");
  EXPECT_EQ(answer.free, (std::vector<DiskRange>{{kVolumeOffset + 64 * kKiB, 8 * kKiB},
                                                 {kVolumeOffset + kMiB, 4 * kMiB}}));
  EXPECT_EQ(answer.volume.partition, 1U);
}

TEST_F(FreeSpaceProcess, ProgramIsToldWhereTheVolumeIs_AndIsServedTheDisk) {
  EXPECT_EQ(ReasonFor("echo \"$* $(head -c 8)\" >&2; exit 1"),
            "vhdx-free-space failed: ext4 1048576 16777216 vdxread1");
}

TEST_F(FreeSpaceProcess, LvmFree_IsForLvmAlone) {
  const VolumeFreeSpace answer = Ask(Program("echo \"$*\" >&2; exit 1"), 30s, {.lvm_free = true});
  EXPECT_EQ(answer.skipped_because, "vhdx-free-space failed: ext4 1048576 16777216");
}

TEST_F(FreeSpaceProcess, VolumeThatIsNotClean_IsLeftAloneForItsReason) {
  const VolumeFreeSpace answer =
      Ask(ProgramThatPrints(guest::LeftAlone{.reason = "its journal was not replayed"}));
  EXPECT_TRUE(answer.free.empty());
  EXPECT_EQ(answer.skipped_because, "its journal was not replayed");
}

TEST_F(FreeSpaceProcess, MapThatCallsASuperblockFree_IsNotBelieved) {
  const VolumeFreeSpace answer = Ask(ProgramThatSays({{0, 8 * kKiB}}));
  EXPECT_TRUE(answer.free.empty());
  EXPECT_NE(answer.skipped_because, "");
}

TEST_F(FreeSpaceProcess, MapThatReachesPastTheVolume_IsNotBelieved) {
  const VolumeFreeSpace answer = Ask(ProgramThatSays({{16 * kMiB - 4096, 8192}}));
  EXPECT_TRUE(answer.free.empty());
  EXPECT_NE(answer.skipped_because, "");
}

TEST_F(FreeSpaceProcess, ProgramThatFails_LeavesTheVolumeAlone) {
  EXPECT_EQ(ReasonFor("echo 'vhdx-free-space: no memory' >&2; exit 1"),
            "vhdx-free-space failed: no memory");
  EXPECT_EQ(ReasonFor("exit 1"), "vhdx-free-space failed: it said nothing");
  EXPECT_EQ(ReasonFor("kill -9 $$"), "vhdx-free-space failed: it said nothing");
  EXPECT_TRUE(ReasonFor("echo 'hello'").starts_with("vhdx-free-space printed a bad map: "));
  EXPECT_TRUE(ReasonFor("").starts_with("vhdx-free-space printed a bad map: "));
}

TEST_F(FreeSpaceProcess, MapThatIsCutOff_LeavesTheVolumeAlone) {
  const std::string path = ProgramThatSays({{kMiB, kMiB}});
  std::ofstream(path) << "#!/bin/sh\nhead -n 4 \"$(dirname \"$0\")/map\"\n";
  const VolumeFreeSpace answer = Ask(path);
  EXPECT_TRUE(answer.free.empty());
  EXPECT_TRUE(answer.skipped_because.starts_with("vhdx-free-space printed a bad map: "))
      << answer.skipped_because;
}

TEST_F(FreeSpaceProcess, ProgramThatTakesTooLong_IsKilled) {
  const VolumeFreeSpace answer = Ask(Program("sleep 600"), 200ms);
  EXPECT_EQ(answer.skipped_because, "vhdx-free-space did not finish in time");
}

TEST_F(FreeSpaceProcess, Interruption_EndsTheOperation) {
  interrupted_ = true;
  const auto answers = AskAll({.path = Program("sleep 600"), .time_limit = 30s});
  ASSERT_FALSE(answers);
  EXPECT_EQ(answers.error().code, ErrorCode::kCancelled);
}

TEST_F(FreeSpaceProcess, NotInstalled_SaysWhichPackageHasIt) {
  const auto answers = AskAll({.path = {}, .time_limit = 30s});
  ASSERT_TRUE(answers);
  EXPECT_EQ(answers->front().skipped_because,
            "vhdx-free-space is not installed (package vhdxkit-filesystems)");
}

TEST_F(FreeSpaceProcess, MapOfTheUser_TakesThePlaceOfTheProgram) {
  std::ofstream(PathOf("user.map")) << "0x0 ?\n0x0 0x100000 +\n0x100000 0x1000 ?\n";
  const FreeSpaceArguments arguments{
      .ask_file_systems = false,
      .maps = {{.path = PathOf("user.map"), .disk_offset = kVolumeOffset}}};
  const VolumeFreeSpace answer = Ask(Program("exit 1"), 30s, arguments);
  EXPECT_EQ(answer.skipped_because, "");
  EXPECT_EQ(answer.free, (std::vector<DiskRange>{{kVolumeOffset + kMiB, 4 * kKiB}}));
}

TEST_F(FreeSpaceProcess, MapOfTheUserForNothing_IsAnErrorThatNamesWhatIsThere) {
  const auto answers =
      AskAll({.path = {}, .time_limit = 30s}, {.maps = {{.path = "user.map", .disk_offset = 0}}});
  ASSERT_FALSE(answers);
  EXPECT_EQ(answers.error().sentence,
            "no file system starts at offset 0 of the disk; there is one at 1048576 (ext4)");
  EXPECT_EQ(answers.error().file, "user.map");
}

}  // namespace
}  // namespace vhdx::cli

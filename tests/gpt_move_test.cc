// What our plans make of the GPT of a disk that changes its size, and what others say to it:
// sgdisk, sfdisk and blkid.

#include "guest/gpt_move.h"

#include <gtest/gtest.h>
#include <vhdxkit/raw_device.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "bytes/arithmetic.h"
#include "command.h"
#include "testing/host_folder.h"

namespace vhdx::tests {
namespace {

using guest::DiskContents;
using guest::GptPlan;

constexpr uint64_t kDiskBytes = 100 * kMiB;

// A disk with sectors of that size: a file or, since sgdisk takes files only with sectors of 512
// bytes, a loop device over one.
class GptOfOthers : public testing::HostFolderTest, public ::testing::WithParamInterface<uint32_t> {
 protected:
  void SetUp() override {
    for (const char* program : {"sgdisk", "sfdisk", "blkid", "losetup"}) {
      if (!HasProgram(program)) GTEST_SKIP() << "no " << program;
    }
    auto file = New("disk");
    ASSERT_TRUE(file->Resize(kDiskBytes));
    path_ = PathOf("disk");
    if (GetParam() == 512) return;
    const CommandResult loop = RunCommand(
        {"losetup", "--find", "--show", "--sector-size", std::to_string(GetParam()), path_});
    if (loop.exit_status != 0) GTEST_SKIP() << "no loop device to be had: " << loop.err;
    path_ = loop.out.substr(0, loop.out.find('\n'));
  }
  void TearDown() override {
    if (path_.starts_with("/dev/loop")) RunCommand({"losetup", "--detach", path_});
  }

  std::string Run(std::vector<std::string> arguments) const {
    arguments.push_back(path_);
    const CommandResult result = RunCommand(arguments);
    EXPECT_EQ(result.exit_status, 0) << result.out << result.err;
    return result.out;
  }

  // Of the file, and of the device that shows it.
  void SetSize(uint64_t size_bytes) {
    std::filesystem::resize_file(PathOf("disk"), size_bytes);
    if (path_.starts_with("/dev/loop")) Run({"losetup", "--set-capacity"});
  }

  // The disk has these bytes, and zeros after them.
  void Restore(const std::vector<std::byte>& bytes, uint64_t size_bytes) {
    SetSize(bytes.size());
    ASSERT_TRUE(Open("disk", {.access = FileAccess::kReadWrite})->WriteAt(0, ByteSpan(bytes)));
    SetSize(size_bytes);
  }

  // As the command does it.
  GptPlan Resize(uint64_t new_size) {
    auto disk = OpenDisk();
    const uint64_t old_size = disk->size_bytes();
    auto plan =
        guest::PlanGptMove(*guest::ReadDiskContents(*disk), *guest::ReadGptOnDisk(*disk), new_size);
    EXPECT_TRUE(plan) << ToString(plan.error());
    if (!plan) return {};
    EXPECT_TRUE(guest::CarryOut(plan->repair, *disk));
    if (new_size > old_size) {
      disk.reset();  // which another may open only then
      SetSize(new_size);
      disk = OpenDisk();
    }
    EXPECT_TRUE(guest::CarryOut(plan->move, *disk));
    disk.reset();
    if (new_size < old_size) SetSize(new_size);
    return *std::move(plan);
  }

  DiskContents Contents() {
    auto disk = OpenDisk();
    return *guest::ReadDiskContents(*disk);
  }

  std::vector<std::byte> BootRecord() {
    std::vector<std::byte> bytes(512);
    EXPECT_TRUE(Open("disk")->ReadExactAt(0, bytes));
    return bytes;
  }
  std::vector<std::byte> Bytes() { return testing::ReadAll(*Open("disk")); }

  void ExpectNoProblems() const {
    const std::string verdict = Run({"sgdisk", "--verify"});
    EXPECT_NE(verdict.find("No problems found"), std::string::npos) << verdict;
    const std::string said = Run({"sfdisk", "--verify"});
    EXPECT_NE(said.find("No errors detected"), std::string::npos) << said;
    EXPECT_EQ(Run({"blkid", "-p", "-s", "PTTYPE", "-o", "value"}), "gpt\n");
  }

  std::string PartitionsOfSfdisk() const {
    std::string dump = Run({"sfdisk", "--dump"});
    // The last usable sector is what changes.
    const size_t at = dump.find("last-lba:");
    return dump.erase(at, dump.find('\n', at) - at);
  }

  const std::string& path() const { return path_; }

 private:
  std::unique_ptr<RawDevice> OpenDisk() {
    auto file = files().Open(path_, {.access = FileAccess::kReadWrite});
    if (!file) throw std::runtime_error(ToString(file.error()));
    return *RawDevice::Open(*std::move(file));
  }

  std::string path_;
};

// Two partitions that end at 40 MiB, with a name and attributes.
std::vector<std::string> MakeGpt(std::vector<std::string> options = {}) {
  std::vector<std::string> arguments = {"sgdisk",     "-n", "1:1M:+9M",       "-n",
                                        "3:20M:+20M", "-c", "3:Daten \u00FC", "-t",
                                        "1:ef00",     "-A", "3:set:60"};
  arguments.insert(arguments.begin() + 1, options.begin(), options.end());
  return arguments;
}

TEST_P(GptOfOthers, DiskThatGrowsAndShrinks_HasNoProblems) {
  Run(MakeGpt());
  const std::string partitions = PartitionsOfSfdisk();
  const uint64_t minimum = *Contents().MinimumSize().size_bytes;
  for (const uint64_t size : {200 * kMiB, minimum, 64 * kMiB, 64 * kMiB + GetParam(), 60 * kMiB,
                              5 * kGiB, 64 * kMiB, 3 * kTiB, 100 * kMiB}) {
    SCOPED_TRACE(size);
    Resize(size);
    ExpectNoProblems();
    EXPECT_EQ(PartitionsOfSfdisk(), partitions);
    EXPECT_TRUE(Resize(size).empty());
  }
}

TEST_P(GptOfOthers, TablesOfOtherSizes_HaveNoProblems) {
  for (const char* entries : {"4", "300", "1024"}) {
    SCOPED_TRACE(entries);
    Run(MakeGpt({"--clear", "-S", entries}));
    const std::string partitions = PartitionsOfSfdisk();
    for (const uint64_t size : {200 * kMiB, 64 * kMiB, kDiskBytes}) {
      Resize(size);
      ExpectNoProblems();
      EXPECT_EQ(PartitionsOfSfdisk(), partitions);
    }
  }
}

TEST_P(GptOfOthers, EitherCopyThatIsDamaged_IsRebuilt) {
  Run(MakeGpt());
  const std::string partitions = PartitionsOfSfdisk();
  for (const uint64_t offset : {uint64_t{GetParam()}, 200 * kMiB - GetParam()}) {
    Resize(200 * kMiB);
    const std::vector<std::byte> zeros(GetParam());
    ASSERT_TRUE(Open("disk", {.access = FileAccess::kReadWrite})->WriteAt(offset, ByteSpan(zeros)));
    if (path() != PathOf("disk")) Run({"blockdev", "--flushbufs"});
    EXPECT_NE(Resize(80 * kMiB).rebuilt, "");
    ExpectNoProblems();
    EXPECT_EQ(PartitionsOfSfdisk(), partitions);
  }
}

// Where both write, they write the same; sgdisk does not wipe the old backup.
TEST_P(GptOfOthers, DiskThatGrew_IsByteForByteThatOfSgdisk) {
  constexpr uint64_t kSmall = 42 * kMiB;
  SetSize(kSmall);
  Run(MakeGpt());
  const std::vector<std::byte> before = Bytes();
  for (const uint64_t size : {kSmall + 33 * GetParam(), 64 * kMiB}) {
    SCOPED_TRACE(size);
    Restore(before, size);
    Run({"sgdisk", "--move-second-header"});
    std::vector<std::byte> expected = Bytes();
    const auto backup = static_cast<ptrdiff_t>(16 * kKiB + GetParam());
    const auto old_end = expected.begin() + kSmall;
    std::fill(old_end - backup, old_end, std::byte{0});
    Restore(before, size);
    Resize(size);
    EXPECT_TRUE(Bytes() == expected);
  }
}

TEST_P(GptOfOthers, HybridMbr_IsKept) {
  Run(MakeGpt());
  Run({"sgdisk", "--hybrid", "3:EE"});
  const auto mbr = BootRecord();
  Resize(200 * kMiB);
  EXPECT_EQ(BootRecord(), mbr);
  EXPECT_EQ(Contents().table.gpt->backup_header.end(), 200 * kMiB);
}

INSTANTIATE_TEST_SUITE_P(Sectors, GptOfOthers, ::testing::Values(512U, 4096U),
                         ::testing::PrintToStringParamName());

}  // namespace
}  // namespace vhdx::tests

// New images on the host's own file system: their space, and what other programs say of them.

#include <gtest/gtest.h>
#include <vhdxkit/create.h>

#include <chrono>
#include <string>

#include "bytes/arithmetic.h"
#include "command.h"
#include "testing/host_folder.h"

namespace vhdx::tests {
namespace {

class CreateOnHost : public testing::HostFolderTest {
 protected:
  std::string Make(const std::string& name, const CreateOptions& options) {
    const auto report = Create(files(), PathOf(name), options);
    EXPECT_TRUE(report) << ToString(report.error());
    return PathOf(name);
  }
};

TEST_F(CreateOnHost, FixedDiskHasItsSpace) {
  Make("fixed.vhdx", {.subformat = Subformat::kFixed, .size_bytes = 100 * kMiB + 512});
  auto file = Open("fixed.vhdx");
  EXPECT_EQ(*file->Size(), (11 + 102) * kMiB);
  EXPECT_GE(*file->AllocatedBytes(), 102 * kMiB);
}

TEST_F(CreateOnHost, PreallocatedDiskHasNoHole) {
  for (const Subformat subformat : {Subformat::kDynamic, Subformat::kFixed}) {
    Make("whole.vhdx", {.subformat = subformat,
                        .size_bytes = 20 * kMiB,
                        .preallocate = true,
                        .replace_existing = true});
    auto file = Open("whole.vhdx");
    EXPECT_EQ(*file->NextHole(0), *file->Size());
    EXPECT_GE(*file->AllocatedBytes(), *file->Size());
  }
}

TEST_F(CreateOnHost, LargestDiskTakesAMomentAndAFewMebibytes) {
  const auto start = std::chrono::steady_clock::now();
  Make("huge.vhdx", {.size_bytes = 64 * kTiB, .block_size_bytes = kMiB});
  // Measured: 25 ms. Ten times that is a machine under load; a BAT that is written takes longer.
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(1));
  auto file = Open("huge.vhdx");
  EXPECT_EQ(*file->Size(), (1 + 8 + 1 + 513) * kMiB);
  EXPECT_LT(*file->AllocatedBytes(), 10 * kMiB);
}

TEST_F(CreateOnHost, QemuFindsNothingAmiss) {
  if (!HasProgram("qemu-img")) GTEST_SKIP() << "no qemu-img";
  for (const Subformat subformat : {Subformat::kDynamic, Subformat::kFixed}) {
    for (const uint64_t block_size : {kMiB, 2 * kMiB, 32 * kMiB, 256 * kMiB}) {
      const std::string path = Make("disk.vhdx", {.subformat = subformat,
                                                  .size_bytes = 40 * kMiB,
                                                  .block_size_bytes = block_size,
                                                  .replace_existing = true});
      EXPECT_EQ(RunCommand({"qemu-img", "check", path}).exit_status, 0) << block_size;
      const CommandResult info = RunCommand({"qemu-img", "info", "--output=json", path});
      EXPECT_NE(info.out.find("\"virtual-size\": 41943040"), std::string::npos) << info.out;
      EXPECT_NE(info.out.find("\"cluster-size\": " + std::to_string(block_size)), std::string::npos)
          << info.out;
    }
  }
}

TEST_F(CreateOnHost, LibvhdiReadsTheParentOfAChild) {
  if (!HasProgram("vhdiinfo")) GTEST_SKIP() << "no vhdiinfo";
  const std::string base = Make("base.vhdx", {.size_bytes = kGiB});
  const std::string child =
      Make("child.vhdx", {.subformat = Subformat::kDifferencing, .parent_path = base});
  const CommandResult info = RunCommand({"vhdiinfo", child});
  EXPECT_EQ(info.exit_status, 0) << info.err;
  EXPECT_NE(info.out.find("Differential"), std::string::npos) << info.out;
  EXPECT_NE(info.out.find("base.vhdx"), std::string::npos) << info.out;
}

}  // namespace
}  // namespace vhdx::tests

// Volumes that other programs make in a file, fill, and know the free space of.

#ifndef VHDXKIT_TOOLS_FREE_SPACE_MADE_VOLUME_FIXTURE_H_
#define VHDXKIT_TOOLS_FREE_SPACE_MADE_VOLUME_FIXTURE_H_

#include <gtest/gtest.h>
#include <unistd.h>
#include <vhdxkit/block_device.h>
#include <vhdxkit/raw_device.h>

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <ios>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "testing/host_folder.h"
#include "tests/command.h"
#include "tools/free_space/reader_fixture.h"

namespace vhdx::free_space {

class MadeVolume : public testing::HostFolderTest {
 protected:
  ~MadeVolume() override { Unmount(); }

  void MakeDisk(uint64_t size_bytes) {
    auto file = New("disk");
    ASSERT_TRUE(file->Resize(size_bytes));
  }

  /// Runs a program, which must succeed, with the disk in the place of "DISK".
  void Run(std::vector<std::string> arguments) {
    std::ranges::replace(arguments, "DISK", PathOf("disk"));
    const tests::CommandResult made = tests::RunCommand(arguments);
    ASSERT_EQ(made.exit_status, 0) << arguments.front() << ": " << made.out << made.err;
  }
  /// Runs a shell script in the folder with the disk.
  void RunScript(const std::string& script) {
    Run({"sh", "-euc", "cd \"$1\"\n" + script, "sh", folder()});
  }

  std::unique_ptr<RawDevice> OpenDisk(const std::string& name = "disk") {
    auto disk = RawDevice::Open(Open(name));
    EXPECT_TRUE(disk) << ToString(disk.error());
    return *std::move(disk);
  }

  /// Mounts the disk at "mount", or says why that cannot be done. `how` is a script that gets a
  /// loop device as its first argument.
  std::string Mount(const std::string& how = "mount \"$1\" mount") {
    if (::geteuid() != 0) return "only root can mount";
    const auto loop = tests::RunCommand({"losetup", "-f", "--show", PathOf("disk")});
    if (loop.exit_status != 0) return "no loop device to be had: " + loop.err;
    loop_ = loop.out.substr(0, loop.out.find('\n'));
    const auto done =
        tests::RunCommand({"sh", "-euc", "cd \"$2\"\nmkdir mount\n" + how, "sh", loop_, folder()});
    if (done.exit_status != 0) return "cannot mount: " + done.err;
    is_mounted_ = true;
    return "";
  }
  void Unmount() {
    if (is_mounted_) Run({"umount", PathOf("mount")});
    if (!loop_.empty()) Run({"losetup", "-d", loop_});
    is_mounted_ = false;
    loop_.clear();
  }

  /// What is free by partclone, which calls what is used "+".
  std::vector<DiskRange> FreeByPartclone(const std::string& program) {
    Run({program, "-D", "-q", "-s", "DISK", "-O", PathOf("map")});
    std::ifstream map(PathOf("map"));
    std::vector<DiskRange> free;
    for (std::string line; std::getline(map, line);) {
      std::istringstream words(line);
      std::string status;
      DiskRange range;
      words >> std::hex >> range.disk_offset >> range.length_bytes >> status;
      if (words && line.starts_with("0x") && status == "?") free.push_back(range);
    }
    EXPECT_FALSE(free.empty());
    return free;
  }

 private:
  std::string loop_;
  bool is_mounted_ = false;
};

}  // namespace vhdx::free_space

#endif  // VHDXKIT_TOOLS_FREE_SPACE_MADE_VOLUME_FIXTURE_H_

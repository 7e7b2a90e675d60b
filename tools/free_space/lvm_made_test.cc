// LVM physical volumes made by its own tools, with file systems in their logical volumes.

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "bytes/arithmetic.h"
#include "tests/command.h"
#include "tools/free_space/btrfs.h"
#include "tools/free_space/free_space.h"
#include "tools/free_space/lvm.h"
#include "tools/free_space/made_volume_fixture.h"
#include "tools/free_space/mapped_volume.h"
#include "tools/free_space/reader_fixture.h"

namespace vhdx::free_space {
namespace {

// LVM wants block devices, and nothing of this needs a device mapper. It sees only the loop device,
// and keeps its own files in the folder.
class LvmMade : public MadeVolume {
 protected:
  // Runs commands of LVM in a shell, in which "lvm" is as above and $1 the loop device, and $2
  // another; or says why that cannot be done.
  std::string RunLvm(const std::string& script) {
    if (!tests::HasProgram("lvm")) return "no lvm";
    if (::geteuid() != 0) return "only root can have loop devices";
    const auto done = tests::RunCommand({"sh", "-euc", kStart + script, "sh", folder()});
    EXPECT_EQ(done.exit_status, 0) << done.out << done.err;
    return "";
  }

  LvmPhysicalVolume Description() {
    auto answer = ReadLvmPhysicalVolume(*device_);
    EXPECT_TRUE(answer) << ToString(answer.error());
    if (answer && std::get_if<LvmPhysicalVolume>(&*answer) != nullptr) {
      return std::get<LvmPhysicalVolume>(*std::move(answer));
    }
    ADD_FAILURE() << (answer ? std::get<LeftAlone>(*answer).reason : "");
    return {};
  }

  void Load() { device_ = OpenDisk(); }

  std::unique_ptr<RawDevice> device_;

 private:
  static constexpr const char* kStart =
      "cd \"$1\"\n"
      "export LVM_SUPPRESS_FD_WARNINGS=1 LVM_SYSTEM_DIR=\"$1/lvm\"\n"
      "mkdir -p lvm\n"
      "first=$(losetup -f --show disk)\n"
      "second=\n"
      "trap 'losetup -d $first; [ -z \"$second\" ] || losetup -d $second' EXIT\n"
      "if [ -e other ]; then second=$(losetup -f --show other); fi\n"
      "run() {\n"
      "  command=$1; shift\n"
      "  lvm $command --driverloaded n --config \"devices { use_devicesfile=0 scan_lvs=0\n"
      "    filter=[ \\\"a|^$first\\$|\\\", \\\"a|^${second:-$first}\\$|\\\", \\\"r|.*|\\\" ] }\n"
      "    global { locking_dir=\\\"$PWD/lvm\\\" } backup { backup=0 archive=0 }\n"
      "    activation { udev_sync=0 udev_rules=0 monitoring=0 }\" \"$@\"\n"
      "}\n";
};

TEST_F(LvmMade, VolumesInPieces_AreMapped) {
  MakeDisk(200 * kMiB);
  const std::string why = RunLvm(
      "run pvcreate -y $first; run vgcreate vg0 $first\n"
      "run lvcreate -an -Zn -Wn -y -n a -l 10 vg0\n"
      "run lvcreate -an -Zn -Wn -y -n b -l 5 vg0\n"
      "run lvextend -l 16 vg0/a\n"
      "run lvremove -y vg0/b");
  if (!why.empty()) GTEST_SKIP() << why;
  Load();
  const auto described = Description();
  EXPECT_EQ(described.group, "vg0");
  ASSERT_EQ(described.linear.size(), 1U);
  const uint64_t extent = 4 * kMiB;
  EXPECT_EQ(described.linear[0].name, "a");
  const std::vector<MappedSegment> segments = {{0, kMiB, 10 * extent},
                                               {10 * extent, kMiB + 15 * extent, 6 * extent}};
  EXPECT_EQ(described.linear[0].segments, segments);
  const auto* space = std::get_if<FreeSpace>(&described.free_extents);
  ASSERT_NE(space, nullptr);
  const std::vector<DiskRange> free = {{kMiB + 10 * extent, 5 * extent},
                                       {kMiB + 21 * extent, 28 * extent}};
  EXPECT_EQ(space->free, free);
  ExpectSoundAndCounted(*space, 200 * kMiB);
}

// So often that the texts go round the ring, of which there are two.
TEST_F(LvmMade, MetadataThatWentRoundTheRing_IsRead) {
  MakeDisk(64 * kMiB);
  const std::string why = RunLvm(
      "run pvcreate -y --metadatacopies 2 --metadatasize 32k $first; run vgcreate -s 1m vg0 "
      "$first\n"
      "for i in $(seq 1 24); do run lvcreate -an -Zn -Wn -y -n v$i -l 1 vg0; done");
  if (!why.empty()) GTEST_SKIP() << why;
  Load();
  EXPECT_EQ(Description().linear.size(), 24U);
}

TEST_F(LvmMade, OtherVolumes_AreNamed) {
  MakeDisk(200 * kMiB);
  RunScript("truncate -s 200M other");
  const std::string why = RunLvm(
      "run pvcreate -y $first; run pvcreate -y $second; run vgcreate vg0 $first $second\n"
      "run lvcreate -an -Zn -Wn -y -n linear -l 2 vg0 $first\n"
      "run lvcreate -an -Zn -Wn -y -n elsewhere -l 2 vg0 $second\n"
      "run lvcreate -an -Zn -Wn -y -n striped -i 2 -l 2 vg0");
  if (!why.empty()) GTEST_SKIP() << why;
  Load();
  const auto described = Description();
  ASSERT_EQ(described.linear.size(), 1U);
  EXPECT_EQ(described.linear[0].name, "linear");
  ASSERT_EQ(described.others.size(), 2U);
  EXPECT_EQ(described.others[0].reason, "it is not wholly on this physical volume");
  EXPECT_EQ(described.others[1].reason, "it is striped");
}

TEST_F(LvmMade, ExportedGroup_IsLeftAlone) {
  MakeDisk(64 * kMiB);
  const std::string why =
      RunLvm("run pvcreate -y $first; run vgcreate vg0 $first; run vgexport vg0");
  if (!why.empty()) GTEST_SKIP() << why;
  Load();
  const auto answer = ReadLvmPhysicalVolume(*device_);
  ASSERT_TRUE(answer);
  const auto* left = std::get_if<LeftAlone>(&*answer);
  ASSERT_NE(left, nullptr);
  EXPECT_EQ(left->reason, "its volume group vg0 is exported");
}

// A file system over two segments, in the wrong order on the device.
TEST_F(LvmMade, FileSystemInAVolume_IsReadThroughIt) {
  if (!tests::HasProgram("mkfs.btrfs")) GTEST_SKIP() << "no mkfs.btrfs";
  MakeDisk(400 * kMiB);
  const std::string why = RunLvm(
      "run pvcreate -y $first; run vgcreate vg0 $first\n"
      "run lvcreate -an -Zn -Wn -y -n a -l 10 vg0\n"
      "run lvcreate -an -Zn -Wn -y -n b -l 30 vg0\n"
      "run lvremove -y vg0/a\n"
      "run lvextend -l 40 vg0/b $first:0-9\n"
      "mkdir files; head -c 20000000 /dev/urandom > files/a\n"
      "truncate -s 160M volume; mkfs.btrfs -q --rootdir files volume\n"
      "dd if=volume of=disk bs=1M count=120 seek=41 conv=notrunc status=none\n"
      "dd if=volume of=disk bs=1M skip=120 seek=1 conv=notrunc status=none");
  if (!why.empty()) GTEST_SKIP() << why;
  Load();
  const auto described = Description();
  ASSERT_EQ(described.linear.size(), 1U);
  ASSERT_EQ(described.linear[0].segments.size(), 2U);
  MappedVolume mapped(*device_, described.linear[0].segments, "vg0/b");
  const auto alone = OpenDisk("volume");
  ASSERT_EQ(mapped.size_bytes(), alone->size_bytes());
  const FreeSpace space = FreeSpaceOf(ReadBtrfsFreeSpace, mapped);
  EXPECT_EQ(space.free, FreeSpaceOf(ReadBtrfsFreeSpace, *alone).free);
  ExpectSoundAndCounted(mapped.OnDevice(space), 400 * kMiB);
}

}  // namespace
}  // namespace vhdx::free_space

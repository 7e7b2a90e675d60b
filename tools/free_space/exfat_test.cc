#include "tools/free_space/exfat.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <ostream>
#include <span>
#include <string>
#include <vector>

#include "bytes/arithmetic.h"
#include "bytes/endian.h"
#include "testing/free_space_volumes.h"
#include "testing/guest_disk.h"
#include "tests/command.h"
#include "tools/free_space/made_volume_fixture.h"
#include "tools/free_space/reader_fixture.h"

namespace vhdx::free_space {
namespace {

using testing::ExfatVolume;
using testing::FreeSpaceVolume;
using testing::kExfatFatOffset;
using testing::kExfatHeapOffset;

constexpr uint64_t kExfatRoot = kExfatHeapOffset + 4 * uint64_t{512};  // its second cluster

template <OnDisk T>
std::string ReasonWith(uint64_t offset, T value) {
  FreeSpaceVolume volume = ExfatVolume();
  volume.disk.Write(offset, std::as_bytes(std::span(&value, 1)));
  testing::FixExfatChecksum(volume.disk);
  return ReasonOf(ReadExfatFreeSpace, volume.disk);
}

TEST(ExfatFreeSpace, ClustersWithoutABit_AreFree) {
  const FreeSpaceVolume volume = ExfatVolume();
  const FreeSpace space = FreeSpaceOf(ReadExfatFreeSpace, *volume.disk.Open());
  EXPECT_EQ(space.free, volume.free);
  EXPECT_EQ(space.unit_bytes, volume.unit_bytes);
  ExpectSoundAndCounted(space, volume.disk.size_bytes());
  // Boot sectors and FAT, the root directory, the up-case table, the bitmap.
  EXPECT_EQ(space.metadata, (std::vector<DiskRange>{{0, kExfatHeapOffset},
                                                    {kExfatHeapOffset + 1024, 512},
                                                    {kExfatHeapOffset + 2048, 512},
                                                    {kExfatHeapOffset + 512, 512},
                                                    {kExfatHeapOffset, 512}}));
}

TEST(ExfatFreeSpace, MarkedVolume_IsLeftAlone) {
  EXPECT_EQ(ReasonWith(106, le16(2)), "it was not unmounted (VolumeDirty)");
  EXPECT_EQ(ReasonWith(106, le16(4)), "it is marked as having had disk errors (MediaFailure)");
  EXPECT_EQ(ReasonWith(106, le16(1)), "it uses a second FAT that it does not have");
}

TEST(ExfatFreeSpace, SecondFat_IsUsedWithTheSecondBitmap) {
  FreeSpaceVolume volume = ExfatVolume();
  const auto write = [&](uint64_t offset, auto value) {
    volume.disk.Write(offset, std::as_bytes(std::span(&value, 1)));
  };
  const auto fat = volume.disk.contents()->Bytes({kExfatFatOffset, 8 * 512});
  volume.disk.Write(kExfatFatOffset + 8 * 512, fat);
  write(106, le16(1));
  write(110, uint8_t{2});
  testing::FixExfatChecksum(volume.disk);
  EXPECT_EQ(ReasonOf(ReadExfatFreeSpace, volume.disk),
            "its root directory has no allocation bitmap or no up-case table");
  write(kExfatRoot + 1, uint8_t{1});
  EXPECT_EQ(FreeSpaceOf(ReadExfatFreeSpace, *volume.disk.Open()).free, volume.free);
  write(kExfatFatOffset + 2 * 4, le32(0));  // of the other FAT
  EXPECT_EQ(FreeSpaceOf(ReadExfatFreeSpace, *volume.disk.Open()).free, volume.free);
}

TEST(ExfatFreeSpace, BitmapWithFewerBitsThanThePercentage_IsLeftAlone) {
  EXPECT_EQ(ReasonWith(112, uint8_t{4}), "");  // rounding
  EXPECT_EQ(ReasonWith(112, uint8_t{0}), "");
  EXPECT_EQ(ReasonWith(112, uint8_t{0xFF}), "");
  EXPECT_EQ(ReasonWith(112, uint8_t{5}),
            "5 % of it are in use by its boot sector, 3 % by its bitmap");
}

TEST(ExfatFreeSpace, ImpossibleStructure_IsLeftAlone) {
  EXPECT_EQ(ReasonWith(96, le32(1)), "its root directory is outside of the volume");
  EXPECT_EQ(ReasonWith(96, le32(605)), "its root directory is outside of the volume");
  EXPECT_EQ(ReasonWith(84, le32(4)), "its FAT is not where a FAT can be");
  EXPECT_EQ(ReasonWith(84, le32(41)), "its FAT is not where a FAT can be");
  EXPECT_EQ(ReasonWith(kExfatFatOffset + 6 * 4, le32(4)),
            "its root directory has too many clusters");
  EXPECT_EQ(ReasonWith(kExfatFatOffset + 2 * 4, le32(5)),
            "its allocation bitmap has too many clusters");
  EXPECT_EQ(ReasonWith(kExfatRoot + 24, le64(74)), "its allocation bitmap has the wrong size");
  EXPECT_EQ(ReasonWith(kExfatRoot + 32 + 24, le64(0)), "its up-case table is invalid");
  EXPECT_EQ(ReasonWith(kExfatRoot, uint8_t{0x01}),
            "its root directory has no allocation bitmap or no up-case table");
}

TEST(ExfatFreeSpace, VolumeThatIsCut_IsLeftAlone) {
  FreeSpaceVolume volume = ExfatVolume();
  volume.disk.Resize(volume.disk.size_bytes() - 512);
  EXPECT_EQ(ReasonOf(ReadExfatFreeSpace, volume.disk), "it is larger than its partition");
}

TEST(ExfatFreeSpace, ChangedBytes_YieldRangesInsideTheVolumeOrAReason) {
  ReadWithChangedBytes(ReadExfatFreeSpace, ExfatVolume().disk,
                       {{72, 41}, {kExfatFatOffset, 28}, {kExfatRoot, 64}, {kExfatHeapOffset, 75}},
                       testing::FixExfatChecksum);
}

struct MadeExfat {
  std::string name;
  uint64_t size_bytes;
  std::string cluster;
};

std::ostream& operator<<(std::ostream& out, const MadeExfat& c) { return out << c.name; }

class MadeExfatVolume : public MadeVolume, public ::testing::WithParamInterface<MadeExfat> {
 protected:
  void SetUp() override {
    for (const char* program : {"mkfs.exfat", "mount.exfat-fuse", "partclone.exfat"}) {
      if (!tests::HasProgram(program)) GTEST_SKIP() << "no " << program;
    }
    MakeDisk(GetParam().size_bytes);
    Run({"mkfs.exfat", "-c", GetParam().cluster, "DISK"});
    const std::string why_not = Mount("mount.exfat-fuse \"$1\" mount");
    if (!why_not.empty()) GTEST_SKIP() << why_not;
  }
};

INSTANTIATE_TEST_SUITE_P(Mkfs, MadeExfatVolume,
                         ::testing::Values(MadeExfat{"SmallClusters", 20 * kMiB, "512"},
                                           MadeExfat{"Default", 300 * kMiB, "4K"},
                                           MadeExfat{"LargeClusters", 900 * kMiB, "128K"}),
                         [](const ::testing::TestParamInfo<MadeExfat>& tested) {
                           return tested.param.name;
                         });

TEST_P(MadeExfatVolume, FreeSpaceIsWhatPartcloneSays) {
  RunScript(R"sh(
    mkdir mount/folder
    for i in 1 2 3 4 5 6 7 8 9; do
      head -c "$((i * 54321))" /dev/zero > "mount/file$i"
      cp "mount/file$i" mount/folder/
    done
    rm mount/file2 mount/file5 mount/folder/file7
    head -c 400000 /dev/zero > mount/again
  )sh");
  RunScript("sync -f mount; cp --sparse=always disk dirty");
  EXPECT_EQ(ReasonOf(ReadExfatFreeSpace, *OpenDisk("dirty")), "it was not unmounted (VolumeDirty)");
  Unmount();
  const auto disk = OpenDisk();
  const FreeSpace space = FreeSpaceOf(ReadExfatFreeSpace, *disk);
  ExpectSoundAndCounted(space, disk->size_bytes());
  EXPECT_GT(space.free.size(), 1U);
  EXPECT_EQ(space.free, FreeByPartclone("partclone.exfat"));
}

}  // namespace
}  // namespace vhdx::free_space

#include "tools/free_space/fat.h"

#include <gtest/gtest.h>
#include <vhdxkit/file.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <ostream>
#include <regex>
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

using testing::FatVolume;
using testing::FreeSpaceVolume;
using testing::SetFatEntry;

class FatFreeSpace : public ::testing::TestWithParam<int> {
 protected:
  int bits() const { return GetParam(); }
  uint32_t end_of_file() const { return bits() == 32 ? 0x0FFFFFFF : (1U << bits()) - 1; }
  std::string ReasonWithEntry(uint64_t cluster, uint32_t value) {
    FreeSpaceVolume volume = FatVolume(bits());
    SetFatEntry(volume.disk, bits(), cluster, value);
    return ReasonOf(ReadFatFreeSpace, volume.disk);
  }
  std::string ReasonWithByte(uint64_t offset, uint8_t value) {
    FreeSpaceVolume volume = FatVolume(bits());
    const std::byte byte{value};
    volume.disk.Write(offset, {&byte, 1});
    return ReasonOf(ReadFatFreeSpace, volume.disk);
  }
};

INSTANTIATE_TEST_SUITE_P(Bits, FatFreeSpace, ::testing::Values(12, 16, 32),
                         ::testing::PrintToStringParamName());

TEST_P(FatFreeSpace, ClustersWithoutAnEntry_AreFree) {
  const FreeSpaceVolume volume = FatVolume(bits());
  const FreeSpace space = FreeSpaceOf(ReadFatFreeSpace, *volume.disk.Open());
  EXPECT_EQ(space.free, volume.free);
  EXPECT_EQ(space.unit_bytes, volume.unit_bytes);
  ExpectSoundAndCounted(space, volume.disk.size_bytes());
  const uint64_t heap = testing::PlacesOfFatVolume(bits()).heap_offset;
  EXPECT_EQ(space.metadata.front(), (DiskRange{0, heap}));
}

TEST_P(FatFreeSpace, DirtyVolume_IsLeftAlone) {
  constexpr const char* kDirty = "it was not unmounted (dirty flag)";
  constexpr const char* kErrors = "it is marked as having had disk errors";
  const uint64_t state_offset = bits() == 32 ? 65 : 37;
  EXPECT_EQ(ReasonWithByte(state_offset, 1), kDirty);
  EXPECT_EQ(ReasonWithByte(state_offset, 2), kErrors);
  if (bits() == 12) return;
  const uint32_t clean = (end_of_file() >> 1) + 1;
  EXPECT_EQ(ReasonWithEntry(1, end_of_file() - clean), kDirty);
  EXPECT_EQ(ReasonWithEntry(1, end_of_file() - clean / 2), kErrors);
}

TEST_P(FatFreeSpace, ContradictoryFat_IsLeftAlone) {
  EXPECT_EQ(ReasonWithEntry(3, 4), "its cluster 4 is both free and in use");
  EXPECT_EQ(ReasonWithEntry(4, 5), "two files share its cluster 5");
  EXPECT_EQ(ReasonWithEntry(3, 1), "the entry of cluster 3 in its FAT is invalid");
  EXPECT_EQ(ReasonWithEntry(3, end_of_file() - 0x10),
            "the entry of cluster 3 in its FAT is invalid");
  EXPECT_EQ(ReasonWithEntry(3, end_of_file() - 0xF), "");
}

TEST_P(FatFreeSpace, CopiesThatDiffer_AreLeftAlone) {
  const auto places = testing::PlacesOfFatVolume(bits());
  const uint64_t second = places.fat_offset + places.fat_bytes;
  EXPECT_EQ(ReasonWithByte(second + 6 * static_cast<uint64_t>(bits()) / 8, 1),
            "the copies of its FAT differ");
}

TEST_P(FatFreeSpace, VolumeThatIsCut_IsLeftAlone) {
  FreeSpaceVolume volume = FatVolume(bits());
  volume.disk.Resize(volume.disk.size_bytes() - 512);
  EXPECT_EQ(ReasonOf(ReadFatFreeSpace, volume.disk), "it is larger than its partition");
  volume.disk.Resize(0);
  EXPECT_EQ(ReasonOf(ReadFatFreeSpace, volume.disk), "its boot sector is not that of a FAT");
}

TEST_P(FatFreeSpace, ChangedBytes_YieldRangesInsideTheVolumeOrAReason) {
  const auto places = testing::PlacesOfFatVolume(bits());
  ReadWithChangedBytes(ReadFatFreeSpace, FatVolume(bits()).disk,
                       {{11, 64},
                        {places.fat_offset, 64},
                        {places.fat_offset, places.fat_bytes},
                        {places.fat_offset + places.fat_bytes, 64}});
}

TEST(Fat32FreeSpace, CountOfTheInfoSector_IsReported) {
  FreeSpaceVolume volume = FatVolume(32);
  const auto write = [&](uint32_t count) {
    const le32 stored(count);
    volume.disk.Write(512 + 488, std::as_bytes(std::span(&stored, 1)));
    return FreeSpaceOf(ReadFatFreeSpace, *volume.disk.Open()).counted_free_bytes;
  };
  EXPECT_EQ(write(17), uint64_t{17} * 512);
  EXPECT_EQ(write(UINT32_MAX), TotalBytes(volume.free));
}

TEST(Fat32FreeSpace, UnusualVolume_IsLeftAlone) {
  const auto reason = [](uint64_t offset, uint8_t value) {
    const FreeSpaceVolume volume = FatVolume(32);
    const std::byte byte{value};
    volume.disk.contents()->Write(offset, {&byte, 1});
    return ReasonOf(ReadFatFreeSpace, volume.disk);
  };
  EXPECT_EQ(reason(40, 0x80), "its FATs are not mirrored");
  EXPECT_EQ(reason(44, 1), "its root directory is outside of the volume");
  EXPECT_EQ(reason(44, 4), "its cluster 4 is both free and in use");
  EXPECT_EQ(reason(44, 5), "two files share its cluster 5");
}

// Its FAT would have a bit of memory for each of two thousand million clusters.
TEST(Fat32FreeSpace, MoreClustersThanThereAreNumbers_AreLeftAlone) {
  FreeSpaceVolume volume = FatVolume(32);
  const auto put = [&](uint64_t offset, uint32_t value) {
    const le32 stored(value);
    volume.disk.Write(offset, std::as_bytes(std::span(&stored, 1)));
  };
  put(32, uint32_t{1} << 31);
  put(36, uint32_t{1} << 25);
  volume.disk.Resize(2 * kTiB);
  EXPECT_EQ(ReasonOf(ReadFatFreeSpace, volume.disk), "it has more clusters than a FAT can number");
}

struct MadeFat {
  std::string name;
  uint64_t size_bytes;
  std::vector<std::string> options;
};

std::ostream& operator<<(std::ostream& out, const MadeFat& c) { return out << c.name; }

class MadeFatVolume : public MadeVolume, public ::testing::WithParamInterface<MadeFat> {
 protected:
  void SetUp() override {
    for (const char* program : {"mkfs.fat", "mcopy", "fsck.fat", "partclone.fat"}) {
      if (!tests::HasProgram(program)) GTEST_SKIP() << "no " << program;
    }
    MakeDisk(GetParam().size_bytes);
    std::vector<std::string> mkfs = {"mkfs.fat", "DISK"};
    mkfs.insert(mkfs.begin() + 1, GetParam().options.begin(), GetParam().options.end());
    Run(mkfs);
    RunScript(R"sh(
      export MTOOLS_SKIP_CHECK=1
      mmd -i disk ::folder
      for i in 1 2 3 4 5 6 7 8 9; do
        head -c "$((i * 12345))" /dev/urandom > "file$i"
        mcopy -i disk "file$i" "::file$i"
        mcopy -i disk "file$i" "::folder/file$i"
      done
      mdel -i disk ::file2 ::file5 ::folder/file7
    )sh");
  }

  /// Clusters that are free by fsck.fat, which says how many are used of how many.
  uint64_t FreeClustersByFsck() {
    const auto checked = tests::RunCommand({"fsck.fat", "-n", PathOf("disk")});
    EXPECT_EQ(checked.exit_status, 0) << checked.out;
    std::smatch found;
    if (!std::regex_search(checked.out, found, std::regex("([0-9]+)/([0-9]+) clusters"))) return 0;
    return std::stoull(found[2]) - std::stoull(found[1]);
  }

  void OverwriteFreeSpace(const FreeSpace& space) {
    auto file = Open("disk", {.access = FileAccess::kReadWrite});
    for (const DiskRange& range : space.free) {
      const std::vector<std::byte> bytes(std::min(range.length_bytes, kMiB), std::byte{0xAA});
      ASSERT_TRUE(file->WriteAt(range.disk_offset, bytes));
      ASSERT_TRUE(file->WriteAt(range.end() - bytes.size(), bytes));
    }
  }
};

INSTANTIATE_TEST_SUITE_P(
    Mkfs, MadeFatVolume,
    ::testing::Values(MadeFat{"Fat12Floppy", 1440 * kKiB, {"-F", "12"}},
                      MadeFat{"Fat12LargeClusters", 30 * kMiB, {"-F", "12", "-s", "16"}},
                      MadeFat{"Fat16", 40 * kMiB, {"-F", "16", "-s", "4"}},
                      MadeFat{"Fat16LargeClusters", 900 * kMiB, {"-F", "16", "-s", "64"}},
                      MadeFat{"Fat16OneCopy", 40 * kMiB, {"-F", "16", "-f", "1"}},
                      MadeFat{
                          "Fat16LargeSectors", 40 * kMiB, {"-F", "16", "-S", "4096", "-s", "1"}},
                      MadeFat{"Fat32", 64 * kMiB, {"-F", "32", "-s", "1"}},
                      MadeFat{"Fat32LargeClusters", 2200 * kMiB, {"-F", "32", "-s", "64"}},
                      MadeFat{"Fat32LargeSectors", 300 * kMiB, {"-F", "32", "-S", "4096"}}),
    [](const ::testing::TestParamInfo<MadeFat>& tested) { return tested.param.name; });

TEST_P(MadeFatVolume, FreeSpaceIsAllThatNoFileUses) {
  const auto disk = OpenDisk();
  const FreeSpace space = FreeSpaceOf(ReadFatFreeSpace, *disk);
  ExpectSoundAndCounted(space, disk->size_bytes());
  EXPECT_EQ(TotalBytes(space.free), FreeClustersByFsck() * space.unit_bytes);
  // It does not understand FAT12.
  if (!GetParam().name.starts_with("Fat12")) {
    EXPECT_EQ(space.free, FreeByPartclone("partclone.fat"));
  }
  OverwriteFreeSpace(space);
  EXPECT_EQ(FreeClustersByFsck() * space.unit_bytes, TotalBytes(space.free));
  RunScript(R"sh(
    export MTOOLS_SKIP_CHECK=1
    for i in 1 3 4 6 7 8 9; do mcopy -n -i disk "::file$i" - | cmp - "file$i"; done
    for i in 1 2 3 4 5 6 8 9; do mcopy -n -i disk "::folder/file$i" - | cmp - "file$i"; done
  )sh");
}

}  // namespace
}  // namespace vhdx::free_space

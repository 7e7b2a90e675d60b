#include "tools/free_space/xfs.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <ostream>
#include <span>
#include <sstream>
#include <string>
#include <utility>
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

using testing::FreeSpaceVolume;
using testing::GuestDisk;
using testing::kXfsBlockBytes;
using testing::kXfsGroupBlocks;
using testing::kXfsLogOffset;
using testing::kXfsLogSectors;
using testing::WriteXfsLog;
using testing::XfsVolume;

constexpr const char* kNotReplayed =
    "its log has not been replayed (it does not end with an unmount record)";
constexpr uint64_t kGroupOne = kXfsGroupBlocks * kXfsBlockBytes;
constexpr uint64_t kFreeHeader = 512;
constexpr uint64_t kInodeHeader = 1024;
constexpr uint64_t kFreeList = 1536;

template <std::unsigned_integral T>
void PutBig(GuestDisk& disk, uint64_t offset, T value) {
  const LittleEndian<T> stored(std::byteswap(value));
  disk.Write(offset, std::as_bytes(std::span(&stored, 1)));
}

class XfsFreeSpace : public ::testing::TestWithParam<uint32_t> {
 protected:
  static uint32_t version() { return GetParam(); }
  static bool has_checksums() { return version() == 5; }
  static uint64_t leaf_header_bytes() { return has_checksums() ? 56 : 16; }

  template <std::unsigned_integral T>
  static std::string ReasonWith(uint64_t offset, T value) {
    FreeSpaceVolume volume = XfsVolume(version());
    PutBig(volume.disk, offset, value);
    testing::FixXfsChecksums(volume.disk);
    return ReasonOf(ReadXfsFreeSpace, volume.disk);
  }
  static std::string ReasonWithRecord(uint64_t index, uint32_t first, uint32_t count) {
    FreeSpaceVolume volume = XfsVolume(version());
    const uint64_t offset = 12 * kXfsBlockBytes + leaf_header_bytes() + 8 * index;
    PutBig(volume.disk, offset, first);
    PutBig(volume.disk, offset + 4, count);
    testing::FixXfsChecksums(volume.disk);
    return ReasonOf(ReadXfsFreeSpace, volume.disk);
  }
  static std::string ReasonWithLog(uint32_t cycle, uint64_t record_sector) {
    FreeSpaceVolume volume = XfsVolume(version());
    WriteXfsLog(volume.disk, cycle, record_sector);
    return ReasonOf(ReadXfsFreeSpace, volume.disk);
  }
};

INSTANTIATE_TEST_SUITE_P(Version, XfsFreeSpace, ::testing::Values(4, 5),
                         ::testing::PrintToStringParamName());

TEST_P(XfsFreeSpace, RecordsOfTheTreeByNumber_AreFree) {
  const FreeSpaceVolume volume = XfsVolume(version());
  const FreeSpace space = FreeSpaceOf(ReadXfsFreeSpace, *volume.disk.Open());
  EXPECT_EQ(space.free, volume.free);
  EXPECT_EQ(space.unit_bytes, volume.unit_bytes);
  ExpectSoundAndCounted(space, volume.disk.size_bytes());
}

TEST_P(XfsFreeSpace, HeadersTreesListsLogAndRootInodes_AreMetadata) {
  const FreeSpaceVolume volume = XfsVolume(version());
  const FreeSpace space = FreeSpaceOf(ReadXfsFreeSpace, *volume.disk.Open());
  const auto has = [&](uint64_t offset, uint64_t length) {
    return std::ranges::find(space.metadata, DiskRange{offset, length}) != space.metadata.end();
  };
  EXPECT_TRUE(has(kXfsLogOffset, kXfsLogSectors * 512));
  EXPECT_TRUE(has(16 * kXfsBlockBytes, 16 * kXfsBlockBytes));
  for (const uint64_t group : {uint64_t{0}, kGroupOne}) {
    EXPECT_TRUE(has(group, 2048));
    const uint64_t roots = has_checksums() ? 6 : 3;
    for (uint64_t block = 2; block < 2 + roots; ++block) {
      EXPECT_TRUE(has(group + block * kXfsBlockBytes, kXfsBlockBytes)) << block;
    }
    for (uint64_t block = 8; block < 12; ++block) {
      EXPECT_TRUE(has(group + block * kXfsBlockBytes, kXfsBlockBytes)) << block;
    }
  }
  EXPECT_TRUE(has(12 * kXfsBlockBytes, kXfsBlockBytes));
}

TEST_P(XfsFreeSpace, LogThatEndsInAnUnmount_IsCleanWhereverItEnds) {
  for (uint64_t sector = 0; sector < kXfsLogSectors; ++sector) {
    EXPECT_EQ(ReasonWithLog(7, sector), "") << sector;
    EXPECT_EQ(ReasonWithLog(1, sector), "") << sector;
  }
}

TEST_P(XfsFreeSpace, LogThatEndsOtherwise_IsLeftAlone) {
  // The record of the kit is that of sectors 9 and 10.
  const uint64_t record = kXfsLogOffset + uint64_t{9} * 512;
  EXPECT_EQ(ReasonWith(record + 512 + 9, uint8_t{0}), kNotReplayed);  // a commit
  EXPECT_EQ(ReasonWith(record + 40, uint32_t{2}), kNotReplayed);
  EXPECT_EQ(ReasonWith(record + 12, uint32_t{1024}), kNotReplayed);
  EXPECT_EQ(ReasonWith(record, uint32_t{3}), "its log has no record");
  // A sector after it, of the same cycle: of a record whose header was lost.
  EXPECT_EQ(ReasonWith(record + 1024, uint32_t{3}), kNotReplayed);
  EXPECT_EQ(ReasonWith(record + 1536, uint32_t{3}), "the end of its log cannot be found");
  EXPECT_EQ(ReasonWith(record + 1536, uint32_t{1}), "the end of its log cannot be found");
  EXPECT_EQ(ReasonWith(kXfsLogOffset, uint32_t{2}), "the end of its log cannot be found");
}

TEST_P(XfsFreeSpace, UnusualVolume_IsLeftAlone) {
  EXPECT_EQ(ReasonWith(16, uint64_t{5}), "a part of its data is on a realtime device");
  EXPECT_EQ(ReasonWith(48, uint64_t{0}), "its log is on another device");
  EXPECT_EQ(ReasonWith(48, uint64_t{2 * kXfsGroupBlocks}), "its log is outside of the volume");
  EXPECT_EQ(ReasonWith(48, uint64_t{kXfsGroupBlocks + 48}), "its log is outside of the volume");
  EXPECT_EQ(ReasonWith(96, uint32_t{60}), "its log is outside of the volume");
  EXPECT_EQ(ReasonWith(96, uint32_t{0}), "its log has an invalid size");
  EXPECT_EQ(ReasonWith(56, UINT64_MAX), "its root directory is outside of the volume");
  EXPECT_EQ(ReasonWith(100, uint16_t{3}), "its version of XFS is too old");
  EXPECT_EQ(ReasonWith(124, uint8_t{5}), "the size of its allocation groups is invalid");
  if (!has_checksums()) return;
  EXPECT_EQ(ReasonWith(216, uint32_t{0x1B}), "it is marked as damaged (needsrepair)");
  EXPECT_EQ(ReasonWith(216, uint32_t{0x20B}), "it has unknown features (0x200, 0x0)");
  EXPECT_EQ(ReasonWith(212, uint32_t{0x1F}), "it has unknown features (0x0, 0x10)");
}

TEST_P(XfsFreeSpace, CountsThatDiffer_AreLeftAlone) {
  EXPECT_EQ(ReasonWith(144, uint64_t{45}),
            "45 of its blocks are free by its superblock, 46 by its groups");
  EXPECT_EQ(ReasonWith(kGroupOne + kFreeHeader + 52, uint32_t{15}),
            "allocation group 1 is damaged: its count of free blocks");
  EXPECT_EQ(ReasonWith(kFreeHeader + 60, uint32_t{1}),
            "46 of its blocks are free by its superblock, 45 by its groups");
}

TEST_P(XfsFreeSpace, DamagedHeader_IsLeftAlone) {
  EXPECT_EQ(ReasonWith(kGroupOne + kFreeHeader, uint8_t{0}), "allocation group 1 is damaged: XAGF");
  EXPECT_EQ(ReasonWith(kFreeHeader + 8, uint32_t{1}), "allocation group 0 is damaged: XAGF");
  EXPECT_EQ(ReasonWith(kInodeHeader + 8, uint32_t{1}), "allocation group 0 is damaged: XAGI");
  EXPECT_EQ(ReasonWith(kFreeHeader + 12, uint32_t{63}),
            "allocation group 0 is damaged: its length");
  EXPECT_EQ(ReasonWith(kFreeHeader + 20, uint32_t{64}),
            "allocation group 0 is damaged: its tree of free space by size");
  EXPECT_EQ(ReasonWith(kFreeHeader + 28, uint32_t{10}),
            "allocation group 0 is damaged: the depth of its tree of free space");
  for (const uint64_t field : {uint64_t{40}, uint64_t{44}, uint64_t{48}}) {
    EXPECT_EQ(ReasonWith(kFreeHeader + field, uint32_t{3}),
              "allocation group 0 is damaged: its free list");
  }
  const uint64_t ring = kFreeList + (has_checksums() ? 36 : 0);
  EXPECT_EQ(ReasonWith(ring, uint32_t{64}), "allocation group 0 is damaged: its free list");
}

TEST_P(XfsFreeSpace, DamagedTree_IsLeftAlone) {
  constexpr const char* kTree = "allocation group 0 is damaged: its tree of free space";
  EXPECT_EQ(ReasonWith(kFreeHeader + 16, uint32_t{64}), kTree);
  EXPECT_EQ(ReasonWith(kFreeHeader + 28, uint32_t{1}), kTree);
  EXPECT_EQ(ReasonWith(2 * kXfsBlockBytes + 6, uint16_t{0}), kTree);
  EXPECT_EQ(ReasonWith(2 * kXfsBlockBytes + 6, uint16_t{85}), kTree);
  EXPECT_EQ(ReasonWith(12 * kXfsBlockBytes + 6, uint16_t{127}), kTree);
  EXPECT_EQ(ReasonWith(12 * kXfsBlockBytes + 6, uint16_t{0}), kTree);
  // A child that is met twice, and a node that is a child of its own.
  const uint64_t pointers =
      2 * kXfsBlockBytes + leaf_header_bytes() + (kXfsBlockBytes - leaf_header_bytes()) / 12 * 8;
  EXPECT_EQ(ReasonWith(pointers + 4, uint32_t{12}), kTree);
  EXPECT_EQ(ReasonWith(pointers, uint32_t{2}), kTree);
  EXPECT_EQ(ReasonWithRecord(1, 35, 7), kTree);
  EXPECT_EQ(ReasonWithRecord(1, 40, 0), kTree);
  EXPECT_EQ(ReasonWithRecord(1, 40, 25), kTree);
  EXPECT_EQ(ReasonWithRecord(1, 40, 2), "");
  // The last group is shorter.
  const uint64_t leaf = kGroupOne + 2 * kXfsBlockBytes + leaf_header_bytes();
  EXPECT_EQ(ReasonWith(leaf + 4, uint32_t{17}),
            "allocation group 1 is damaged: its tree of free space");
}

TEST(XfsChecksums, ChangedByteThatIsNotLookedAt_IsLeftAlone) {
  FreeSpaceVolume volume = XfsVolume(5);
  for (const auto& [offset, reason] : std::vector<std::pair<uint64_t, std::string>>{
           {300, "its superblock is not that of an XFS"},
           {kFreeHeader + 300, "allocation group 0 is damaged: XAGF"},
           {kInodeHeader + 400, "allocation group 0 is damaged: XAGI"},
           {kFreeList + 200, "allocation group 0 is damaged: XAFL"},
           {13 * kXfsBlockBytes + 900, "allocation group 0 is damaged: its tree of free space"}}) {
    volume.disk.Break(offset);
    EXPECT_EQ(ReasonOf(ReadXfsFreeSpace, volume.disk), reason);
    volume = XfsVolume(5);
  }
}

TEST_P(XfsFreeSpace, ChangedBytes_YieldRangesInsideTheVolumeOrAReason) {
  const std::vector<DiskRange> places = {
      {4, 252},
      {kFreeHeader, 96},
      {kFreeList, 512},
      {kGroupOne + kFreeHeader, 96},
      {kGroupOne + kInodeHeader, 40},
      {2 * kXfsBlockBytes, 80},
      {2 * kXfsBlockBytes + leaf_header_bytes(), kXfsBlockBytes - leaf_header_bytes()},
      {12 * kXfsBlockBytes, 80},
      {kXfsLogOffset + uint64_t{8} * 512, 2048}};
  ReadWithChangedBytes(ReadXfsFreeSpace, XfsVolume(version()).disk, places,
                       testing::FixXfsChecksums);
}

struct MadeXfs {
  std::string name;
  std::vector<std::string> options;
};

std::ostream& operator<<(std::ostream& out, const MadeXfs& c) { return out << c.name; }

class MadeXfsVolume : public MadeVolume, public ::testing::WithParamInterface<MadeXfs> {
 protected:
  void SetUp() override {
    for (const char* program : {"mkfs.xfs", "xfs_db", "partclone.xfs"}) {
      if (!tests::HasProgram(program)) GTEST_SKIP() << "no " << program;
    }
    MakeDisk(600 * kMiB);
  }

  void Make(const std::vector<std::string>& more = {}) {
    std::vector<std::string> mkfs = {"mkfs.xfs", "-q", "-f"};
    mkfs.insert(mkfs.end(), GetParam().options.begin(), GetParam().options.end());
    mkfs.insert(mkfs.end(), more.begin(), more.end());
    mkfs.emplace_back("DISK");
    Run(mkfs);
  }

  /// What xfs_db calls free: also the blocks of the free lists.
  std::vector<DiskRange> FreeByXfsDb(uint64_t block_bytes) {
    const auto listed = tests::RunCommand({"xfs_db", "-f", "-r", "-c", "sb 0", "-c", "p agblocks",
                                           "-c", "freesp -d", PathOf("disk")});
    EXPECT_EQ(listed.exit_status, 0) << listed.err;
    std::istringstream lines(listed.out);
    std::string line;
    std::getline(lines, line);
    const uint64_t group_blocks = std::stoull(line.substr(line.find('=') + 1));
    std::getline(lines, line);
    std::vector<DiskRange> free;
    while (std::getline(lines, line) && line.find("from") == std::string::npos) {
      std::istringstream words(line);
      uint64_t group = 0;
      uint64_t block = 0;
      uint64_t count = 0;
      words >> group >> block >> count;
      free.push_back({(group * group_blocks + block) * block_bytes, count * block_bytes});
    }
    return Merged(free);
  }

  static std::vector<DiskRange> Merged(std::vector<DiskRange> ranges) {
    std::ranges::sort(ranges);
    std::vector<DiskRange> merged;
    for (const DiskRange& range : ranges) {
      if (!merged.empty() && merged.back().end() == range.disk_offset) {
        merged.back().length_bytes += range.length_bytes;
      } else {
        merged.push_back(range);
      }
    }
    return merged;
  }

  /// The free space is what both programs say, but for the blocks of the free lists.
  void ExpectFreeSpaceIsRight() {
    const auto disk = OpenDisk();
    const FreeSpace space = FreeSpaceOf(ReadXfsFreeSpace, *disk);
    ASSERT_FALSE(space.free.empty());
    ExpectSoundAndCounted(space, disk->size_bytes());
    const std::vector<DiskRange> by_xfs_db = FreeByXfsDb(space.unit_bytes);
    EXPECT_EQ(FreeByPartclone("partclone.xfs"), by_xfs_db);
    std::vector<DiskRange> with_lists = space.free;
    for (const DiskRange& range : space.metadata) {
      if (Overlaps(by_xfs_db, range)) with_lists.push_back(range);
    }
    EXPECT_EQ(Merged(with_lists), by_xfs_db);
    Run({"xfs_repair", "-n", "-f", "DISK"});
  }
};

INSTANTIATE_TEST_SUITE_P(
    Mkfs, MadeXfsVolume,
    ::testing::Values(
        MadeXfs{"Version4", {"-m", "crc=0", "-i", "size=256"}},
        MadeXfs{"Version4Eager",
                {"-m", "crc=0", "-l", "version=1,lazy-count=0", "-d", "agcount=3"}},
        MadeXfs{"Version4SmallBlocks", {"-m", "crc=0", "-b", "size=512"}}, MadeXfs{"Default", {}},
        MadeXfs{"SmallBlocks", {"-b", "size=1024", "-m", "reflink=1,rmapbt=1", "-d", "agcount=7"}},
        MadeXfs{"Plain", {"-m", "reflink=0,rmapbt=0,finobt=0", "-i", "sparse=0"}},
        MadeXfs{"LargeSectors", {"-s", "size=4096", "-m", "reflink=1,rmapbt=1"}},
        MadeXfs{"LargeBlocks", {"-b", "size=65536", "-i", "size=2048", "-l", "su=256k"}}),
    [](const ::testing::TestParamInfo<MadeXfs>& tested) { return tested.param.name; });

TEST_P(MadeXfsVolume, FilledByMkfs_HasTheFreeSpaceThatItsToolsSee) {
  RunScript(R"sh(
    { echo x; echo 0 0; echo d--755 0 0
      for i in $(seq 60); do
        head -c "$((i * 7777))" /dev/zero > "file$i"
        echo "file$i ---644 0 0 $PWD/file$i"
      done
      echo '$'
    } > files
  )sh");
  Make({"-p", PathOf("files")});
  ExpectFreeSpaceIsRight();
}

// Not every kernel mounts version 4.
class MountedXfsVolume : public MadeXfsVolume {};

INSTANTIATE_TEST_SUITE_P(
    Mkfs, MountedXfsVolume,
    ::testing::Values(MadeXfs{"Default", {}},
                      MadeXfs{"SmallBlocks",
                              {"-b", "size=1024", "-m", "reflink=1,rmapbt=1", "-d", "agcount=7"}},
                      MadeXfs{"LargeSectors", {"-s", "size=4096", "-m", "reflink=1,rmapbt=1"}},
                      MadeXfs{"LargeStripes", {"-l", "su=256k"}}),
    [](const ::testing::TestParamInfo<MadeXfs>& tested) { return tested.param.name; });

// A kernel that writes it, and that leaves it open.
TEST_P(MountedXfsVolume, FilledAndEmptiedByTheKernel_HasTheFreeSpaceThatItsToolsSee) {
  Make();
  const std::string why_not = Mount();
  if (!why_not.empty()) GTEST_SKIP() << why_not;
  RunScript(R"sh(
    for i in $(seq 900); do printf %5000s x > "mount/file$i"; done
    sync -f mount
    rm mount/file*[02468]
    if cp --reflink=always mount/file1 mount/clone 2> /dev/null; then
      printf other 1<> mount/clone
    fi
    sync -f mount
    cp --sparse=always disk dirty
  )sh");
  EXPECT_EQ(ReasonOf(ReadXfsFreeSpace, *OpenDisk("dirty")), kNotReplayed);
  Unmount();
  ExpectFreeSpaceIsRight();
}

}  // namespace
}  // namespace vhdx::free_space

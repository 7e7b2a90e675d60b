#include "tools/free_space/btrfs.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "bytes/arithmetic.h"
#include "bytes/endian.h"
#include "testing/btrfs_volume.h"
#include "testing/guest_disk.h"
#include "tools/free_space/free_space.h"
#include "tools/free_space/reader_fixture.h"

namespace vhdx::free_space {
namespace {

using testing::BtrfsField;
using testing::BtrfsVolume;

std::string BtrfsReason(const BtrfsVolume& volume) {
  return ReasonOf(ReadBtrfsFreeSpace, volume.disk());
}

TEST(Btrfs, VolumeOfTheKit_HasTheFreeRangesItWasMadeWith) {
  for (const bool block_group_tree : {false, true}) {
    const BtrfsVolume volume({.block_group_tree = block_group_tree});
    const auto device = volume.disk().Open();
    const FreeSpace space = FreeSpaceOf(ReadBtrfsFreeSpace, *device);
    EXPECT_EQ(space.unit_bytes, 4096U);
    EXPECT_EQ(space.free, volume.free());
    ExpectSoundAndCounted(space, BtrfsVolume::kBytes);
  }
}

TEST(Btrfs, BlocksThatWereRead_AreMetadata) {
  const BtrfsVolume volume;
  const auto device = volume.disk().Open();
  const FreeSpace space = FreeSpaceOf(ReadBtrfsFreeSpace, *device);
  for (const uint64_t block : {BtrfsVolume::kChunkRoot, BtrfsVolume::kRootTree,
                               BtrfsVolume::kDeviceTree, BtrfsVolume::kLastExtentLeaf}) {
    EXPECT_NE(std::ranges::find(space.metadata, DiskRange{block, BtrfsVolume::kBlockBytes}),
              space.metadata.end());
  }
}

TEST(Btrfs, VolumeThatIsLarger_HasNothingFreeAfterTheDevice) {
  BtrfsVolume volume;
  volume.disk().Resize(BtrfsVolume::kBytes + kMiB);
  EXPECT_EQ(FreeSpaceOf(ReadBtrfsFreeSpace, *volume.disk().Open()).free, volume.free());
}

struct BtrfsSuperblockCase {
  BtrfsField field;
  uint64_t value;
  const char* reason;
};

TEST(Btrfs, SuperblockThatForbidsIt_IsLeftAloneForThatReason) {
  const std::vector<BtrfsSuperblockCase> cases = {
      {BtrfsField::kLogTree, 33 * kMiB, "its log has not been replayed (log_root)"},
      {BtrfsField::kFlags, 1 | 4, "errors were found in it"},
      {BtrfsField::kFlags, uint64_t{1} << 32, "it is a seed of other file systems"},
      {BtrfsField::kFlags, uint64_t{1} << 50, "its superblock has unknown flags (0x4000000000000)"},
      {BtrfsField::kDeviceCount, 2, "it has 2 devices"},
      {BtrfsField::kDeviceId, 0, "it is the replacement of another device, and not complete"},
      {BtrfsField::kDeviceId, 2, "it has a chunk on another device (number 1)"},
      {BtrfsField::kDeviceTotalBytes, 81 * kMiB, "it has 84934656 bytes, and the volume 83886080"},
      {BtrfsField::kTotalBytes, 79 * kMiB, "it has 82837504 bytes, and its only device 83886080"},
      {BtrfsField::kDeviceUsedBytes, 13 * kMiB, "its superblock and its list of devices differ"},
      {BtrfsField::kUsedBytes, 98305,
       "its superblock counts 98305 bytes in use, and its block groups 98304"},
      {BtrfsField::kIncompatibleFeatures, 0x1341, "it is for zoned devices"},
      {BtrfsField::kIncompatibleFeatures, 0x2341, "its extent tree is of version 2"},
      {BtrfsField::kIncompatibleFeatures, 0x4341, "it has a tree of RAID stripes"},
      {BtrfsField::kIncompatibleFeatures, 0x8341, "it has unknown features (0x8000)"},
      {BtrfsField::kReadOnlyFeatures, 0x13, "it has unknown features for reading only (0x10)"},
      {BtrfsField::kReadOnlyFeatures, 0xB, "its tree 11 is missing"},
      {BtrfsField::kGeneration, 8,
       "its tree 3 is damaged (block at logical address 16777216: of another generation)"},
  };
  for (const BtrfsSuperblockCase& c : cases) {
    BtrfsVolume volume;
    volume.Set(c.field, c.value);
    if (c.field == BtrfsField::kGeneration) volume.CopySuperblock();
    EXPECT_EQ(BtrfsReason(volume), c.reason);
  }
}

TEST(Btrfs, ChecksumsOfOtherTypes_AreLeftAlone) {
  BtrfsVolume volume;
  volume.Set(BtrfsField::kChecksumType, 1, 2);
  EXPECT_EQ(BtrfsReason(volume), "its checksums are of a type that is not verified (xxHash)");
}

TEST(Btrfs, SuperblockThatIsDamaged_IsLeftAlone) {
  BtrfsVolume volume;
  volume.disk().Break(BtrfsVolume::kSuperblock + 3000);
  EXPECT_EQ(BtrfsReason(volume), "its superblock is damaged");
  volume.disk().Resize(BtrfsVolume::kSuperblock + 4095);
  EXPECT_EQ(BtrfsReason(volume), "its superblock is damaged");
}

TEST(Btrfs, CopyOfTheSuperblock_MattersOnlyIfItIsNewer) {
  BtrfsVolume volume;
  volume.disk().Break(BtrfsVolume::kCopy + 3000);
  EXPECT_EQ(BtrfsReason(volume), "");
  volume.Set(BtrfsField::kGeneration, 10);
  volume.CopySuperblock();
  volume.Set(BtrfsField::kGeneration, 9);
  EXPECT_EQ(BtrfsReason(volume), "a copy of its superblock is newer than the superblock");
}

TEST(Btrfs, ListOfSystemChunksThatIsDamaged_IsLeftAlone) {
  for (const uint64_t bytes : {2049U, 130U, 64U, 1U}) {
    BtrfsVolume volume;
    volume.Set(BtrfsField::kSystemChunksBytes, bytes, 4);
    EXPECT_EQ(BtrfsReason(volume), "its superblock is damaged (list of system chunks)") << bytes;
  }
  BtrfsVolume volume;
  volume.Set(BtrfsField::kSystemChunksBytes, 0, 4);
  EXPECT_EQ(BtrfsReason(volume),
            "its tree 3 is damaged (block at logical address 16777216: in no chunk)");
}

TEST(Btrfs, LevelOfATreeThatIsTooHigh_IsLeftAlone) {
  BtrfsVolume volume;
  volume.Set(BtrfsField::kChunkLevel, 8, 1);
  EXPECT_EQ(BtrfsReason(volume), "its tree 3 is damaged (its level)");
}

TEST(Btrfs, BlockWithAWrongChecksum_IsLeftAlone) {
  for (const uint64_t block :
       {BtrfsVolume::kChunkRoot, BtrfsVolume::kRootTree, BtrfsVolume::kDeviceTree,
        BtrfsVolume::kExtentRoot, BtrfsVolume::kFirstExtentLeaf, BtrfsVolume::kLastExtentLeaf}) {
    BtrfsVolume volume;
    volume.disk().Break(block + 2000);
    EXPECT_NE(BtrfsReason(volume).find("wrong checksum"), std::string::npos) << block;
  }
}

// A field of the header of a block, and what is said of it.
TEST(Btrfs, BlockThatIsAnother_IsLeftAlone) {
  const std::vector<std::pair<size_t, const char*>> cases = {
      {32, "of another file system"}, {48, "of another address"}, {80, "of another generation"},
      {88, "of another tree"},        {100, "of another level"},  {98, "too many entries"}};
  for (const auto& [offset, why] : cases) {
    BtrfsVolume volume;
    volume.ChangeBlock(BtrfsVolume::kLastExtentLeaf,
                       [&](std::span<std::byte> block) { block[offset] ^= std::byte{1}; });
    EXPECT_EQ(
        BtrfsReason(volume),
        std::string("its tree 2 is damaged (block at logical address 33574912: ") + why + ")");
  }
}

struct ChangedBtrfsBlock {
  uint64_t block;
  std::function<void(const BtrfsVolume&, std::span<std::byte>)> change;
  std::string reason;
};

void PutBtrfs(std::span<std::byte> block, size_t at, uint64_t value) {
  StoreTo(block.subspan(at), le64(value));
}

// The key of an item of a leaf.
size_t BtrfsKeyOf(size_t item) { return BtrfsVolume::kHeaderBytes + item * 25; }

std::string BtrfsReasonAfter(const ChangedBtrfsBlock& c) {
  BtrfsVolume volume;
  volume.ChangeBlock(c.block, [&](std::span<std::byte> block) { c.change(volume, block); });
  return BtrfsReason(volume);
}

TEST(Btrfs, BlocksOfTreesThatContradictThemselves_AreLeftAlone) {
  constexpr uint64_t kLeaf = BtrfsVolume::kLastExtentLeaf;
  const std::string place = "its tree 2 is damaged (block at logical address ";
  const std::vector<ChangedBtrfsBlock> cases = {
      {kLeaf, [](auto&, auto block) { PutBtrfs(block, BtrfsKeyOf(2), 1); },
       place + "33574912: keys that do not ascend)"},
      {kLeaf, [](auto&, auto block) { PutBtrfs(block, BtrfsKeyOf(0), 65 * kMiB); },
       place + "33574912: another first key)"},
      {kLeaf, [](auto&, auto block) { StoreTo(block.subspan(96), le32(0)); },
       place + "33574912: empty)"},
      {kLeaf, [](auto&, auto block) { StoreTo(block.subspan(BtrfsKeyOf(1) + 21), le32(4000)); },
       place + "33574912: data in the wrong place)"},
      // The second child is the first once more.
      {BtrfsVolume::kExtentRoot,
       [](auto&, auto block) {
         const auto first = block.subspan(BtrfsVolume::kHeaderBytes, 33);
         std::ranges::copy(first, block.subspan(BtrfsVolume::kHeaderBytes + 33).begin());
       },
       place + "33570816: keys that do not ascend)"},
  };
  for (const ChangedBtrfsBlock& c : cases) EXPECT_EQ(BtrfsReasonAfter(c), c.reason);
}

TEST(Btrfs, ChunksThatContradictThemselves_AreLeftAlone) {
  constexpr uint64_t kChunks = BtrfsVolume::kChunkRoot;
  const auto change = [](size_t item, size_t field, uint64_t value) {
    return [=](const BtrfsVolume& volume, std::span<std::byte> block) {
      PutBtrfs(block, volume.DataOf(kChunks, item) + field, value);
    };
  };
  const std::vector<ChangedBtrfsBlock> cases = {
      {kChunks, change(3, 24, 0x11),
       "it has a chunk whose profile is neither SINGLE nor DUP (type 0x11)"},
      {kChunks, change(3, 24, 0x21), "its chunk at logical address 67108864 is damaged"},
      {kChunks, change(3, 24, 0), "it has a chunk for nothing"},
      {kChunks, change(3, 0, 0), "its chunk at logical address 67108864 is damaged"},
      {kChunks, change(3, 0, 8 * kMiB + 1), "its chunk at logical address 67108864 is damaged"},
      {kChunks, change(3, 0, 21 * kMiB), "its chunk at logical address 67108864 is damaged"},
      {kChunks, change(3, 48, 2), "it has a chunk on another device (number 2)"},
      {kChunks, change(3, 64, 7), "it has a chunk on another device (number 1)"},
      {kChunks, change(3, 56, UINT64_MAX - 4095),
       "its chunk at logical address 67108864 is damaged"},
      {kChunks, change(3, 56, 13 * kMiB), "its chunks overlap on the device"},
      {kChunks, change(3, 56, 50 * kMiB), "its chunk tree and its device tree differ"},
      {kChunks, change(2, 0, 33 * kMiB), "its chunks overlap in logical addresses"},
      {kChunks, change(1, 0, 512 * kKiB), "its superblock and its chunk tree differ"},
      {kChunks, change(0, 0, 3), "it has another device (number 3)"},
      {kChunks, [](auto&, auto block) { block[BtrfsKeyOf(3) + 8] = std::byte{229}; },
       "its chunk tree has an unknown item"},
  };
  for (const ChangedBtrfsBlock& c : cases) EXPECT_EQ(BtrfsReasonAfter(c), c.reason);
}

TEST(Btrfs, DeviceThatIsReplaced_IsLeftAlone) {
  for (const uint64_t state : {1U, 4U, 5U}) {
    BtrfsVolume volume;
    volume.ChangeBlock(BtrfsVolume::kDeviceTree, [&](std::span<std::byte> block) {
      PutBtrfs(block, volume.DataOf(BtrfsVolume::kDeviceTree, 0) + 32, state);
    });
    EXPECT_EQ(BtrfsReason(volume), "its device is being replaced") << state;
  }
}

TEST(Btrfs, ExtentsThatContradictTheirCounts_AreLeftAlone) {
  constexpr uint64_t kLast = BtrfsVolume::kLastExtentLeaf;
  const std::vector<ChangedBtrfsBlock> cases = {
      // The second extent of data starts in the first.
      {kLast, [](auto&, auto block) { PutBtrfs(block, BtrfsKeyOf(3), 64 * kMiB + 4096); },
       "its extents overlap (logical address 67112960)"},
      {kLast, [](auto&, auto block) { PutBtrfs(block, BtrfsKeyOf(3), 72 * kMiB); },
       "it has an extent that is in no chunk (logical address 75497472)"},
      {kLast, [](auto&, auto block) { PutBtrfs(block, BtrfsKeyOf(3) + 9, 8 * kMiB); },
       "it has an extent that is in no chunk (logical address 68157440)"},
      {kLast, [](auto&, auto block) { PutBtrfs(block, BtrfsKeyOf(3) + 9, 8192); },
       "its block group at logical address 67108864 counts 69632 bytes in use, and its extents "
       "have 73728"},
      {kLast, [](auto&, auto block) { block[BtrfsKeyOf(3) + 8] = std::byte{170}; },
       "its extent tree has an item of unknown type 170"},
  };
  for (const ChangedBtrfsBlock& c : cases) EXPECT_EQ(BtrfsReasonAfter(c), c.reason);
}

TEST(Btrfs, BlockGroupsThatContradictTheirChunks_AreLeftAlone) {
  constexpr uint64_t kGroups = BtrfsVolume::kBlockGroupTree;
  const auto reason = [](const std::function<void(BtrfsVolume&, std::span<std::byte>)>& change) {
    BtrfsVolume volume({.block_group_tree = true});
    volume.ChangeBlock(kGroups, [&](std::span<std::byte> block) { change(volume, block); });
    return BtrfsReason(volume);
  };
  EXPECT_EQ(reason([](BtrfsVolume&, auto block) { PutBtrfs(block, BtrfsKeyOf(2), 80 * kMiB); }),
            "it has a block group without a chunk");
  EXPECT_EQ(reason([](BtrfsVolume&, auto block) { PutBtrfs(block, BtrfsKeyOf(2) + 9, kMiB); }),
            "it has a block group that contradicts its chunk");
  EXPECT_EQ(reason([](BtrfsVolume& volume, auto block) {
              PutBtrfs(block, volume.DataOf(kGroups, 2) + 16, 4);
            }),
            "it has a block group that contradicts its chunk");
  EXPECT_EQ(reason([](BtrfsVolume&, auto block) { block[BtrfsKeyOf(2) + 8] = std::byte{193}; }),
            "its list of block groups is damaged");
  EXPECT_EQ(reason([](BtrfsVolume&, auto block) { StoreTo(block.subspan(96), le32(2)); }),
            "its chunk at logical address 67108864 has no block group");
}

std::vector<DiskRange> BtrfsStructures() {
  return {{BtrfsVolume::kSuperblock, 1000},     {BtrfsVolume::kCopy, 100},
          {BtrfsVolume::kChunkRoot, 4096},      {BtrfsVolume::kRootTree, 4096},
          {BtrfsVolume::kDeviceTree, 4096},     {BtrfsVolume::kExtentRoot, 200},
          {BtrfsVolume::kFirstExtentLeaf, 400}, {BtrfsVolume::kLastExtentLeaf, 300}};
}

TEST(Btrfs, ChangedBytes_NeverLeadOutOfTheVolume) {
  const BtrfsVolume volume;
  ReadWithChangedBytes(ReadBtrfsFreeSpace, volume.disk(), BtrfsStructures());
}

TEST(Btrfs, ChangedBytesUnderRightChecksums_NeverLeadOutOfTheVolume) {
  const BtrfsVolume volume;
  ReadWithChangedBytes(
      ReadBtrfsFreeSpace, volume.disk(), BtrfsStructures(),
      [](testing::GuestDisk& disk) { testing::FixBtrfsChecksums(*disk.contents()); });
}

}  // namespace
}  // namespace vhdx::free_space

// What is free of ext2, ext3 and ext4, held against partclone.

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <filesystem>
#include <ostream>
#include <span>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "bytes/arithmetic.h"
#include "bytes/endian.h"
#include "free_space_fixture.h"
#include "guest/superblock_fields.h"
#include "testing/scale.h"
#include "tools/free_space/ext.h"

namespace vhdx::tests {
namespace {

using free_space::ReadExtFreeSpace;
using guest::FreeSpace;

class ExtFreeSpace : public FreeSpaceTest {
 protected:
  // A folder of files, for mke2fs to copy.
  void MakeFiles() {
    std::filesystem::create_directories(PathOf("files/deep"));
    for (int i = 0; i < 40; ++i) {
      const auto size = static_cast<size_t>(1 + (i * i * 977) % 200'000);
      WriteText("files/" + std::to_string(i), std::string(size, static_cast<char>('a' + i % 26)));
    }
    WriteText("files/deep/file", "deep");
  }

  // Made, filled, and every third file removed.
  void MakeFileSystem(uint64_t disk_bytes, std::vector<std::string> options) {
    MakeDisk(disk_bytes);
    MakeFiles();
    std::vector<std::string> words = {"mke2fs", "-qF", "-d", "@files"};
    words.insert(words.end(), options.begin(), options.end());
    words.push_back("DISK");
    Run(std::move(words));
    std::string commands;
    for (int i = 0; i < 40; i += 3) commands += "rm /" + std::to_string(i) + "\n";
    Debug(commands);
    Run({"e2fsck", "-fn", "DISK"});
  }
  void MakeFileSystem() { MakeFileSystem(32 * kMiB, {"-t", "ext4", "-b", "1024"}); }

  void Debug(const std::string& commands) {
    WriteText("commands", commands);
    Run({"debugfs", "-w", "-f", "@commands", "DISK"});
  }
};

struct ExtCase {
  std::string name;
  std::vector<std::string> options;
  uint64_t disk_bytes = 64 * kMiB;
};

std::ostream& operator<<(std::ostream& out, const ExtCase& c) { return out << c.name; }

class ExtForms : public ExtFreeSpace, public ::testing::WithParamInterface<ExtCase> {};

TEST_P(ExtForms, MapIsThatOfPartclone) {
  MakeFileSystem(GetParam().disk_bytes, GetParam().options);
  ExpectAsPartclone(ReadExtFreeSpace, "partclone.extfs");
}

INSTANTIATE_TEST_SUITE_P(
    All, ExtForms,
    ::testing::Values(
        ExtCase{"Ext2SmallBlocks", {"-t", "ext2", "-b", "1024"}},
        ExtCase{"Ext2OldRevision", {"-t", "ext2", "-r", "0"}},
        ExtCase{"Ext3", {"-t", "ext3", "-b", "1024"}},
        ExtCase{"Ext4SmallBlocks", {"-t", "ext4", "-b", "1024"}},
        ExtCase{"Ext4MiddleBlocks", {"-t", "ext4", "-b", "2048"}},
        ExtCase{"Ext4", {"-t", "ext4", "-b", "4096"}},
        ExtCase{"Ext4ManyGroups", {"-t", "ext4", "-b", "4096"}, 3 * kGiB + 12 * kKiB},
        ExtCase{"Ext4WithoutJournal", {"-t", "ext4", "-O", "^has_journal"}},
        ExtCase{"Ext4Without64Bit", {"-t", "ext4", "-O", "^64bit"}},
        ExtCase{"Ext4WithoutChecksums", {"-t", "ext4", "-b", "1024", "-O", "^metadata_csum"}},
        ExtCase{"Ext4WithoutFlexGroups", {"-t", "ext4", "-b", "1024", "-O", "^flex_bg"}},
        ExtCase{"Ext4MetaGroups",
                {"-t", "ext4", "-b", "1024", "-O", "meta_bg,^resize_inode"},
                256 * kMiB},
        ExtCase{"Ext4SparseCopies", {"-t", "ext4", "-b", "1024", "-O", "sparse_super2"}},
        ExtCase{"Ext4MultipleMountProtection", {"-t", "ext4", "-O", "mmp"}}),
    [](const auto& tested) { return tested.param.name; });

// partclone does not know clusters; dumpe2fs lists which are free, by the first block of each.
struct ClusterCase {
  std::string name;
  uint64_t block_bytes;
  uint64_t cluster_bytes;
};

std::ostream& operator<<(std::ostream& out, const ClusterCase& c) { return out << c.name; }

class ExtClusters : public ExtFreeSpace, public ::testing::WithParamInterface<ClusterCase> {
 protected:
  std::vector<DiskRange> RangesOfDumpe2fs() {
    std::vector<DiskRange> ranges;
    std::istringstream lines(Run({"dumpe2fs", "DISK"}).out);
    std::string line;
    constexpr std::string_view kHead = "  Free blocks: ";
    while (std::getline(lines, line)) {
      if (line.starts_with(kHead)) AddRanges(line.substr(kHead.size()), ranges);
    }
    return ranges;
  }

 private:
  // "16-64, 96"
  static void AddRanges(const std::string& text, std::vector<DiskRange>& ranges) {
    std::istringstream words(text);
    uint64_t first = 0;
    while (words >> first) {
      uint64_t last = first;
      if (words.peek() == '-') words.ignore() >> last;
      words.ignore();  // the comma
      const DiskRange range{first * GetParam().block_bytes,
                            (last - first) * GetParam().block_bytes + GetParam().cluster_bytes};
      if (!ranges.empty() && ranges.back().end() == range.disk_offset) {
        ranges.back().length_bytes += range.length_bytes;
      } else {
        ranges.push_back(range);
      }
    }
  }
};

TEST_P(ExtClusters, MapIsThatOfDumpe2fs) {
  MakeFileSystem(128 * kMiB, {"-t", "ext4", "-b", std::to_string(GetParam().block_bytes), "-O",
                              "bigalloc", "-C", std::to_string(GetParam().cluster_bytes)});
  EXPECT_EQ(Believed(ReadExtFreeSpace).free, RangesOfDumpe2fs());
}

INSTANTIATE_TEST_SUITE_P(All, ExtClusters,
                         ::testing::Values(ClusterCase{"Of64KiB", 4096, 65536},
                                           ClusterCase{"Of16KiB", 1024, 16384}),
                         [](const auto& tested) { return tested.param.name; });

TEST_F(ExtFreeSpace, MetadataIsNeverFree) {
  MakeFileSystem();
  const auto space = std::get<FreeSpace>(Ask(ReadExtFreeSpace));
  // The boot block, the superblock and its descriptors are the first of it.
  ASSERT_FALSE(space.metadata.empty());
  EXPECT_EQ(space.metadata.front().disk_offset, 0U);
  EXPECT_GT(space.metadata.front().length_bytes, 2 * kKiB);
  // A journal of 1024 blocks, and 8192 inodes of 256 bytes, at least.
  uint64_t metadata = 0;
  for (const DiskRange& range : space.metadata) metadata += range.length_bytes;
  EXPECT_GT(metadata, 3 * kMiB);
}

// -- What is not clean --

struct UncleanCase {
  std::string name;
  std::string commands;
  std::string reason;
};

std::ostream& operator<<(std::ostream& out, const UncleanCase& c) { return out << c.name; }

class ExtUnclean : public ExtFreeSpace, public ::testing::WithParamInterface<UncleanCase> {};

TEST_P(ExtUnclean, IsLeftAlone) {
  MakeFileSystem();
  ASSERT_EQ(ReasonOf(ReadExtFreeSpace), "");
  Debug(GetParam().commands);
  EXPECT_EQ(ReasonOf(ReadExtFreeSpace), GetParam().reason);
}

INSTANTIATE_TEST_SUITE_P(
    All, ExtUnclean,
    ::testing::Values(UncleanCase{"NeedsRecovery", "feature needs_recovery\n",
                                  "its journal has not been replayed (needs_recovery)"},
                      UncleanCase{"NotUnmounted", "ssv state 0\n", "it was not unmounted cleanly"},
                      UncleanCase{"Errors", "ssv state 3\n", "it is marked as having errors"},
                      UncleanCase{"OrphanRecovery", "ssv state 5\n", "its recovery is under way"},
                      UncleanCase{"Orphans", "ssv last_orphan 12\n",
                                  "files of it have yet to be removed (orphan inodes)"}),
    [](const auto& tested) { return tested.param.name; });

TEST_F(ExtFreeSpace, UsedByAnotherHostIsLeftAlone) {
  MakeFileSystem(32 * kMiB, {"-t", "ext4", "-b", "1024", "-O", "mmp"});
  ASSERT_EQ(ReasonOf(ReadExtFreeSpace), "");
  // The block that begins with "PMM\0" and the number of a clean file system.
  constexpr uint32_t kClean = 0xFF4D4D50;
  for (uint64_t offset = 0; offset < 32 * kMiB; offset += kKiB) {
    const auto start = ReadDisk(offset, 8);
    if (LoadFrom<le32>(start) != 0x004D4D50 ||
        LoadFrom<le32>(std::span(start).subspan(4)) != kClean)
      continue;
    const le32 sequence = 7;
    Patch(offset + 4, std::as_bytes(std::span(&sequence, 1)));
  }
  EXPECT_EQ(ReasonOf(ReadExtFreeSpace),
            "another host uses it, or did not unmount it (multiple mount protection)");
}

TEST_F(ExtFreeSpace, JournalWithTransactionsIsLeftAloneWithoutTheFlag) {
  MakeFileSystem();
  for (uint64_t offset = 0; offset < 32 * kMiB; offset += kKiB) {
    const auto start = ReadDisk(offset, 8);
    if (LoadFrom<guest::be32>(start) != 0xC03B3998) continue;
    Patch(offset + 28, std::array{std::byte{0}, std::byte{0}, std::byte{0}, std::byte{1}});
  }
  EXPECT_EQ(ReasonOf(ReadExtFreeSpace),
            "its journal contains transactions that have not been replayed");
}

TEST_F(ExtFreeSpace, OtherCountOfAGroupIsLeftAlone) {
  MakeFileSystem();
  Debug("set_bg 1 free_blocks_count 5\nset_bg 1 checksum calc\n");
  const std::string reason = ReasonOf(ReadExtFreeSpace);
  EXPECT_TRUE(reason.ends_with(" blocks of group 1 are free by its bitmap, and 5 by its count"))
      << reason;
}

TEST_F(ExtFreeSpace, OtherCountOfTheSuperblockIsNotBelieved) {
  MakeFileSystem();
  Debug("ssv free_blocks_count 100\n");
  EXPECT_NE(WhyNotBelieved(std::get<FreeSpace>(Ask(ReadExtFreeSpace))).find("by its own count"),
            std::string::npos);
}

TEST_F(ExtFreeSpace, VolumeThatIsCutOffIsLeftAlone) {
  MakeFileSystem();
  std::filesystem::resize_file(PathOf("disk"), 31 * kMiB);
  EXPECT_EQ(ReasonOf(ReadExtFreeSpace),
            "it is larger (33554432 bytes) than the volume that it is on (32505856)");
}

TEST_F(ExtFreeSpace, WhatIsNoFileSystemIsLeftAlone) {
  MakeDisk(1 * kMiB);
  EXPECT_EQ(ReasonOf(ReadExtFreeSpace), "it has no valid superblock");
}

TEST_F(ExtFreeSpace, DamageIsFoundOrHarmless) {
  MakeFileSystem(8 * kMiB, {"-t", "ext4", "-b", "1024"});
  ExpectHarmlessWhenDamaged(ReadExtFreeSpace, testing::Scaled(400));
}

// Without checksums, damage is found by what contradicts itself.
TEST_F(ExtFreeSpace, DamageWithoutChecksumsIsFoundOrHarmless) {
  MakeFileSystem(8 * kMiB, {"-t", "ext4", "-b", "1024", "-O", "^metadata_csum"});
  ExpectHarmlessWhenDamaged(ReadExtFreeSpace, testing::Scaled(400));
}

}  // namespace
}  // namespace vhdx::tests

// Btrfs file systems made by its own tools, against what partclone says that they use.

#include <gtest/gtest.h>
#include <vhdxkit/file.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <istream>
#include <ostream>
#include <regex>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "bytes/arithmetic.h"
#include "tests/command.h"
#include "tools/free_space/btrfs.h"
#include "tools/free_space/disk_ranges.h"
#include "tools/free_space/free_space.h"
#include "tools/free_space/made_volume_fixture.h"
#include "tools/free_space/reader_fixture.h"

namespace vhdx::free_space {
namespace {

constexpr uint64_t kBtrfsBytes = 400 * kMiB;

class BtrfsMade : public MadeVolume {
 protected:
  // Files of many sizes, in a folder for mkfs.btrfs.
  void MakeFiles() {
    RunScript(
        "mkdir files\n"
        "for i in $(seq 1 60); do head -c $((i * i * 700)) /dev/urandom > files/$i; done\n"
        "for i in $(seq 1 300); do echo $i > files/small-$i; done\n"
        "truncate -s 5M files/hole\n"
        "head -c 9000000 /dev/zero > files/zeros");
  }
  void MakeFileSystem(const std::vector<std::string>& options, uint64_t bytes = kBtrfsBytes) {
    MakeDisk(bytes);
    std::vector<std::string> arguments = {"mkfs.btrfs", "-qf"};
    arguments.insert(arguments.end(), options.begin(), options.end());
    arguments.emplace_back("DISK");
    Run(arguments);
  }

  // Byte for byte; then what is free is overwritten, and the file system is still whole.
  void ExpectWhatItsTreesSay() {
    const auto disk = OpenDisk();
    const FreeSpace space = FreeSpaceOf(ReadBtrfsFreeSpace, *disk);
    ExpectSoundAndCounted(space, disk->size_bytes());
    EXPECT_EQ(space.free, FreeByDumps(disk->size_bytes()));
    auto file = Open("disk", {.access = FileAccess::kReadWrite});
    const std::vector<std::byte> noise(64 * kKiB, std::byte{0xA5});
    for (const DiskRange& range : space.free) {
      // Its start and its end; all of it takes long.
      const auto bytes = ByteSpan(noise).first(std::min(noise.size(), range.length_bytes));
      ASSERT_TRUE(file->WriteAt(range.disk_offset, bytes));
      ASSERT_TRUE(file->WriteAt(range.end() - bytes.size(), bytes));
    }
    Run({"btrfs", "check", "--check-data-csum", "DISK"});
  }

  // partclone counts in blocks of the trees, calls used what an extent touches and some more, and
  // leaves out the second copies of profile DUP. What it calls free in other profiles is free.
  void ExpectAllThatPartcloneCallsFree() {
    const FreeSpace space = FreeSpaceOf(ReadBtrfsFreeSpace, *OpenDisk());
    const auto free = Without(FreeByPartclone("partclone.btrfs"), space.free);
    EXPECT_EQ(Without(free, NeverFree()), std::vector<DiskRange>());
  }

 private:
  static std::vector<DiskRange> NeverFree() { return {{0, kMiB}, {64 * kMiB, 64 * kKiB}}; }

  struct DumpedChunk {
    DiskRange logical;
    std::vector<uint64_t> stripes;
  };

  // Lines of "btrfs inspect-internal dump-tree".
  std::vector<std::string> Dump(const std::string& tree) {
    const auto dumped =
        tests::RunCommand({"btrfs", "inspect-internal", "dump-tree", "-t", tree, PathOf("disk")});
    EXPECT_EQ(dumped.exit_status, 0) << dumped.err;
    std::istringstream text(dumped.out);
    std::vector<std::string> lines;
    for (std::string line; std::getline(text, line);) lines.push_back(line);
    return lines;
  }

  std::vector<DumpedChunk> DumpedChunks() {
    const std::regex key("key \\(FIRST_CHUNK_TREE CHUNK_ITEM (\\d+)\\)");
    const std::regex length("^\\s+length (\\d+) owner");
    const std::regex stripe("stripe \\d+ devid 1 offset (\\d+)");
    std::vector<DumpedChunk> chunks;
    for (const std::string& line : Dump("chunk")) {
      std::smatch match;
      if (std::regex_search(line, match, key)) chunks.push_back({{std::stoull(match[1]), 0}, {}});
      if (chunks.empty()) continue;
      if (std::regex_search(line, match, length)) {
        chunks.back().logical.length_bytes = std::stoull(match[1]);
      }
      if (std::regex_search(line, match, stripe)) {
        chunks.back().stripes.push_back(std::stoull(match[1]));
      }
    }
    return chunks;
  }

  // Extents, in logical addresses.
  std::vector<DiskRange> DumpedExtents() {
    const std::regex key("key \\((\\d+) (EXTENT|METADATA)_ITEM (\\d+)\\)");
    const std::regex size("^nodesize\\s+(\\d+)");
    const auto superblock =
        tests::RunCommand({"btrfs", "inspect-internal", "dump-super", PathOf("disk")});
    std::smatch match;
    uint64_t node_bytes = 0;
    std::istringstream text(superblock.out);
    for (std::string line; std::getline(text, line);) {
      if (std::regex_search(line, match, size)) node_bytes = std::stoull(match[1]);
    }
    std::vector<DiskRange> extents;
    for (const std::string& line : Dump("extent")) {
      if (!std::regex_search(line, match, key)) continue;
      extents.push_back(
          {std::stoull(match[1]), match[2] == "METADATA" ? node_bytes : std::stoull(match[3])});
    }
    EXPECT_FALSE(extents.empty());
    return extents;
  }

  std::vector<DiskRange> FreeByDumps(uint64_t disk_bytes) {
    std::vector<DiskRange> used = NeverFree();
    const std::vector<DumpedChunk> chunks = DumpedChunks();
    for (const DiskRange& extent : DumpedExtents()) {
      for (const DumpedChunk& chunk : chunks) {
        if (extent.disk_offset < chunk.logical.disk_offset ||
            extent.disk_offset >= chunk.logical.end()) {
          continue;
        }
        for (const uint64_t stripe : chunk.stripes) {
          used.push_back(
              {stripe + (extent.disk_offset - chunk.logical.disk_offset), extent.length_bytes});
        }
      }
    }
    std::ranges::sort(used);
    const std::vector<DiskRange> disk = {{0, disk_bytes}};
    return Without(disk, used);
  }
};

struct BtrfsCase {
  const char* name;
  std::vector<std::string> options;
  bool has_second_copies = true;
};
void PrintTo(const BtrfsCase& c, std::ostream* out) { *out << c.name; }

class BtrfsOfMkfs : public BtrfsMade, public ::testing::WithParamInterface<BtrfsCase> {};

TEST_P(BtrfsOfMkfs, FreeRangesAreThoseOfItsTrees) {
  if (!tests::HasProgram("mkfs.btrfs")) GTEST_SKIP() << "no mkfs.btrfs";
  const BtrfsCase& c = GetParam();
  MakeFileSystem(c.options);
  ExpectWhatItsTreesSay();
  if (HasFatalFailure()) return;
  MakeFiles();
  std::vector<std::string> filled = c.options;
  filled.insert(filled.end(), {"--rootdir", PathOf("files")});
  RunScript("rm disk");
  MakeFileSystem(filled);
  ExpectWhatItsTreesSay();
}

TEST_P(BtrfsOfMkfs, WhatPartcloneCallsFree_IsFree) {
  if (!tests::HasProgram("mkfs.btrfs")) GTEST_SKIP() << "no mkfs.btrfs";
  if (!tests::HasProgram("partclone.btrfs")) GTEST_SKIP() << "no partclone.btrfs";
  const BtrfsCase& c = GetParam();
  if (c.has_second_copies) return;
  MakeFiles();
  std::vector<std::string> filled = c.options;
  filled.insert(filled.end(), {"--rootdir", PathOf("files")});
  MakeFileSystem(filled);
  ExpectAllThatPartcloneCallsFree();
}

INSTANTIATE_TEST_SUITE_P(
    , BtrfsOfMkfs,
    ::testing::Values(
        BtrfsCase{"Default", {}}, BtrfsCase{"SingleMetadata", {"-m", "single"}, false},
        BtrfsCase{"DoubledData", {"-d", "dup", "-m", "dup"}},
        BtrfsCase{"Mixed", {"--mixed", "-m", "dup", "-d", "dup"}},
        BtrfsCase{"MixedSingle", {"--mixed", "-m", "single", "-d", "single"}, false},
        BtrfsCase{"SmallNodes", {"-n", "4096"}}, BtrfsCase{"LargeNodes", {"-n", "65536"}},
        BtrfsCase{"OldFeatures", {"-O", "^skinny-metadata,^no-holes", "-R", "^free-space-tree"}}),
    [](const auto& tested) { return std::string(tested.param.name); });

// What is left alone, with the reason.
class BtrfsLeftAlone : public BtrfsMade {
 protected:
  std::string Reason() { return ReasonOf(ReadBtrfsFreeSpace, *OpenDisk()); }
};

TEST_F(BtrfsLeftAlone, OtherChecksums) {
  if (!tests::HasProgram("mkfs.btrfs")) GTEST_SKIP() << "no mkfs.btrfs";
  for (const auto& [option, name] : std::vector<std::pair<std::string, std::string>>{
           {"xxhash", "xxHash"}, {"sha256", "SHA-256"}, {"blake2", "BLAKE2b"}}) {
    MakeFileSystem({"--csum", option});
    EXPECT_EQ(Reason(), "its checksums are of a type that is not verified (" + name + ")");
    RunScript("rm disk");
  }
}

TEST_F(BtrfsLeftAlone, TwoDevices) {
  if (!tests::HasProgram("mkfs.btrfs")) GTEST_SKIP() << "no mkfs.btrfs";
  RunScript("truncate -s 400M other");
  MakeFileSystem({"-m", "raid1", "-d", "raid0", PathOf("other")});
  EXPECT_EQ(Reason(), "it has 2 devices");
}

TEST_F(BtrfsLeftAlone, Seed) {
  if (!tests::HasProgram("mkfs.btrfs")) GTEST_SKIP() << "no mkfs.btrfs";
  MakeFileSystem({});
  Run({"btrfstune", "-f", "-S", "1", "DISK"});
  EXPECT_EQ(Reason(), "it is a seed of other file systems");
}

TEST_F(BtrfsMade, AnotherUuidOfTheMetadata_IsNotAProblem) {
  if (!tests::HasProgram("mkfs.btrfs")) GTEST_SKIP() << "no mkfs.btrfs";
  MakeFiles();
  MakeFileSystem({"--rootdir", PathOf("files")});
  Run({"btrfstune", "-f", "-m", "DISK"});
  ExpectWhatItsTreesSay();
}

// With a compressed tree, snapshots, what was deleted and what was balanced away.
constexpr const char* kBtrfsLife =
    "mount -o compress=zstd \"$1\" mount\n"
    "btrfs -q subvolume create mount/a\n"
    "for i in $(seq 1 40); do\n"
    "  head -c $((i * 40000)) /dev/urandom > mount/a/$i\n"
    "  head -c $((i * 90000)) /dev/zero > mount/a/zeros-$i\n"
    "done\n"
    "seq 1 400000 > mount/a/numbers\n"
    "sync\n"
    "btrfs -q subvolume snapshot mount/a mount/b\n"
    "rm mount/a/1* mount/b/2*\n"
    "cp --reflink=always mount/a/numbers mount/a/shared\n"
    "dd if=/dev/urandom of=mount/a/shared bs=4k seek=20 count=9 conv=notrunc status=none\n"
    "truncate -s 9M mount/a/sparse; fallocate -l 3M mount/a/reserved\n"
    "btrfs -q balance start -dusage=90 mount\n"
    "btrfs -q subvolume delete -C mount/b\n"
    "sync";

// All copies of everything are read in the end.
TEST_F(BtrfsMade, FileSystemThatWasUsed_HasTheFreeRangesOfItsTrees) {
  if (!tests::HasProgram("mkfs.btrfs")) GTEST_SKIP() << "no mkfs.btrfs";
  for (const char* metadata : {"dup", "single"}) {
    MakeFileSystem({"-m", metadata});
    if (const std::string why = Mount(kBtrfsLife); !why.empty()) GTEST_SKIP() << why;
    Unmount();
    ExpectWhatItsTreesSay();
    RunScript("rmdir mount");
    EXPECT_EQ(Mount("mount \"$1\" mount\nbtrfs -q scrub start -B mount"), "");
    Unmount();
    RunScript("rmdir mount; rm disk");
  }
}

TEST_F(BtrfsLeftAlone, LogThatWasNotReplayed) {
  if (!tests::HasProgram("mkfs.btrfs")) GTEST_SKIP() << "no mkfs.btrfs";
  MakeFileSystem({});
  const std::string why = Mount(
      "mount \"$1\" mount\n"
      "echo 1 > mount/a; sync; echo 2 > mount/b\n"
      "sync mount/b\n"
      "cp --sparse=always disk copy");
  if (!why.empty()) GTEST_SKIP() << why;
  Unmount();
  EXPECT_EQ(ReasonOf(ReadBtrfsFreeSpace, *OpenDisk("copy")),
            "its log has not been replayed (log_root)");
  EXPECT_EQ(Reason(), "");
}

}  // namespace
}  // namespace vhdx::free_space

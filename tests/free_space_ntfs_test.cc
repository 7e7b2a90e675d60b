// What is free of NTFS, held against partclone.

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <ostream>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "bytes/arithmetic.h"
#include "bytes/endian.h"
#include "free_space_fixture.h"
#include "testing/scale.h"
#include "tools/free_space/ntfs.h"

namespace vhdx::tests {
namespace {

using free_space::ReadNtfsFreeSpace;
using guest::FreeSpace;

constexpr uint64_t kDiskBytes = 64 * kMiB;
constexpr uint64_t kClusterBytes = 4096;

class NtfsFreeSpace : public FreeSpaceTest {
 protected:
  void MakeFileSystem(uint64_t disk_bytes, uint64_t cluster_bytes) {
    MakeDisk(disk_bytes);
    Run({"mkntfs", "-qfF", "-s", "512", "-c", std::to_string(cluster_bytes), "-p", "0", "-H", "16",
         "-S", "63", "DISK"});
  }
  void MakeFileSystem() { MakeFileSystem(kDiskBytes, kClusterBytes); }
  void Copy(const std::string& name, const std::string& text) {
    WriteText("file", text);
    Run({"ntfscp", "-q", "-f", "DISK", "@file", "/" + name});
  }
  // Files of some sizes, and every third emptied, which leaves holes.
  void Fill() {
    for (int i = 0; i < 12; ++i) {
      Copy("file" + std::to_string(i), std::string(static_cast<size_t>(100 + i * i * 7777), 'x'));
    }
    for (int i = 0; i < 12; i += 3) {
      Run({"ntfstruncate", "-f", "DISK", std::to_string(64 + i), "0x80", "0"});
    }
  }

  uint64_t MftOffset() { return LoadFrom<le64>(ReadDisk(48, 8)) * kClusterBytes; }

  // $LogFile, which mkntfs fills with 0xFF.
  uint64_t LogOffset() {
    for (uint64_t offset = 0; offset < kDiskBytes; offset += kClusterBytes) {
      const auto bytes = ReadDisk(offset, kClusterBytes);
      if (std::ranges::all_of(bytes, [](std::byte b) { return b == std::byte{0xFF}; })) {
        return offset;
      }
    }
    ADD_FAILURE() << "no $LogFile";
    return 0;
  }
};

struct NtfsCase {
  uint64_t cluster_bytes;
  uint64_t disk_bytes;
};

std::ostream& operator<<(std::ostream& out, const NtfsCase& c) {
  return out << c.cluster_bytes << " of " << c.disk_bytes;
}

class NtfsClusters : public NtfsFreeSpace, public ::testing::WithParamInterface<NtfsCase> {};

TEST_P(NtfsClusters, MapIsThatOfPartclone) {
  MakeFileSystem(GetParam().disk_bytes, GetParam().cluster_bytes);
  Fill();
  ExpectAsPartclone(ReadNtfsFreeSpace, "partclone.ntfs");
}

INSTANTIATE_TEST_SUITE_P(All, NtfsClusters,
                         ::testing::Values(NtfsCase{512, 32 * kMiB}, NtfsCase{1024, 48 * kMiB},
                                           NtfsCase{2048, 48 * kMiB + 1536},
                                           NtfsCase{4096, 64 * kMiB}, NtfsCase{16384, 64 * kMiB},
                                           NtfsCase{65536, 128 * kMiB + 4608},
                                           NtfsCase{4096, 3 * kGiB}),
                         [](const auto& tested) {
                           return std::to_string(tested.param.cluster_bytes) + "BytesOf" +
                                  std::to_string(tested.param.disk_bytes / kMiB) + "MiB";
                         });

TEST_F(NtfsFreeSpace, MetadataIsWhatSystemFilesUse) {
  MakeFileSystem();
  const auto metadata = std::get<FreeSpace>(Ask(ReadNtfsFreeSpace)).metadata;
  const auto contains = [&](uint64_t offset) {
    return std::ranges::any_of(metadata, [&](const DiskRange& range) {
      return range.disk_offset <= offset && offset < range.end();
    });
  };
  EXPECT_TRUE(contains(0));
  EXPECT_TRUE(contains(kDiskBytes - 512)) << "the copy of the boot sector";
  EXPECT_TRUE(contains(MftOffset()));
  EXPECT_TRUE(contains(LoadFrom<le64>(ReadDisk(56, 8)) * kClusterBytes)) << "$MFTMirr";
  EXPECT_TRUE(contains(LogOffset()));
}

// -- What is not clean --

TEST_F(NtfsFreeSpace, DirtyIsLeftAlone) {
  MakeFileSystem();
  // $Volume is the fourth record; its attribute 0x70 has the flags at byte 10.
  const uint64_t record = MftOffset() + uint64_t{3} * 1024;
  const auto bytes = ReadDisk(record, 1024);
  size_t attribute = LoadFrom<le16>(std::span(bytes).subspan(20));
  while (LoadFrom<le32>(std::span(bytes).subspan(attribute)) != 0x70) {
    attribute += LoadFrom<le32>(std::span(bytes).subspan(attribute + 4));
    ASSERT_LT(attribute, 1000U);
  }
  const size_t value = attribute + LoadFrom<le16>(std::span(bytes).subspan(attribute + 20));
  const uint64_t mirror = LoadFrom<le64>(ReadDisk(56, 8)) * kClusterBytes;
  for (const uint64_t table : {MftOffset(), mirror}) {
    Patch(table + (record - MftOffset()) + value + 10, std::array{std::byte{1}});
  }
  EXPECT_EQ(ReasonOf(ReadNtfsFreeSpace), "it is marked as dirty");
}

TEST_F(NtfsFreeSpace, HibernatedIsLeftAlone) {
  MakeFileSystem();
  std::string hibernation(4096, '\0');
  Copy("hiberfil.sys", hibernation);
  EXPECT_EQ(ReasonOf(ReadNtfsFreeSpace), "") << "a file that Windows has emptied";
  hibernation.replace(0, 4, "hibr");
  Copy("hiberfil.sys", hibernation);
  EXPECT_EQ(ReasonOf(ReadNtfsFreeSpace), "a hibernated Windows uses it");
}

template <typename T>
void Put(std::vector<std::byte>& page, size_t offset, T value) {
  StoreTo(std::span(page).subspan(offset), LittleEndian<T>(value));
}

// A page with a restart area, as Windows leaves it: one client, and the flag that says whether the
// volume was unmounted.
std::vector<std::byte> RestartPage(bool is_clean) {
  constexpr uint16_t kNone = 0xFFFF;
  constexpr size_t kArea = 48;
  constexpr size_t kClient = kArea + 48;
  std::vector<std::byte> page(4096);
  std::memcpy(page.data(), "RSTR", 4);
  Put<uint16_t>(page, 4, 30);      // the update sequence array
  Put<uint16_t>(page, 6, 9);       // and its length
  Put<uint32_t>(page, 16, 4096);   // a page of the system
  Put<uint32_t>(page, 20, 4096);   // and of the log
  Put<uint16_t>(page, 24, kArea);  // the restart area
  Put<uint16_t>(page, 26, 1);      // version 1.1
  Put<uint16_t>(page, 28, 1);
  Put<uint16_t>(page, kArea + 8, 1);                   // clients
  Put<uint16_t>(page, kArea + 10, kNone);              // the first that is free
  Put<uint16_t>(page, kArea + 12, 0);                  // and in use
  Put<uint16_t>(page, kArea + 14, is_clean ? 2 : 0);   // flags
  Put<uint32_t>(page, kArea + 16, 67 - 22);            // for a log of 2 MiB
  Put<uint16_t>(page, kArea + 20, 48 + 160);           // length of the area and its client
  Put<uint16_t>(page, kArea + 22, 48);                 // the client
  Put<uint64_t>(page, kArea + 24, uint64_t{2} << 20);  // length of the log
  Put<uint16_t>(page, kArea + 36, 48);                 // header of a record
  Put<uint16_t>(page, kArea + 38, 64);                 // data in a page
  Put<uint16_t>(page, kClient + 16, kNone);            // no other client
  Put<uint16_t>(page, kClient + 18, kNone);
  // Each sector ends with the update sequence number.
  Put<uint16_t>(page, 30, 1);
  for (size_t sector = 0; sector < 8; ++sector) Put<uint16_t>(page, sector * 512 + 510, 1);
  return page;
}

TEST_F(NtfsFreeSpace, LogThatWasNotClosedIsLeftAlone) {
  MakeFileSystem();
  const uint64_t log = LogOffset();
  Patch(log, RestartPage(false));
  Patch(log + 4096, RestartPage(false));
  EXPECT_EQ(ReasonOf(ReadNtfsFreeSpace), "its $LogFile has not been replayed");
  Patch(log, RestartPage(true));
  Patch(log + 4096, RestartPage(true));
  EXPECT_EQ(ReasonOf(ReadNtfsFreeSpace), "");
}

TEST_F(NtfsFreeSpace, LogThatIsDamagedIsLeftAlone) {
  MakeFileSystem();
  const uint64_t log = LogOffset();
  auto page = RestartPage(true);
  Put<uint16_t>(page, 26, 9);
  Patch(log, page);
  EXPECT_EQ(ReasonOf(ReadNtfsFreeSpace), "its $LogFile is damaged");
}

TEST_F(NtfsFreeSpace, VolumeThatIsCutOffIsLeftAlone) {
  MakeFileSystem();
  std::filesystem::resize_file(PathOf("disk"), kDiskBytes - 512);
  EXPECT_EQ(ReasonOf(ReadNtfsFreeSpace),
            "it is larger (67108864 bytes) than the volume that it is on (67108352)");
}

TEST_F(NtfsFreeSpace, WhatIsNoFileSystemIsLeftAlone) {
  MakeDisk(1 * kMiB);
  EXPECT_EQ(ReasonOf(ReadNtfsFreeSpace), "it has no valid boot sector");
}

TEST_F(NtfsFreeSpace, DamageIsFoundOrHarmless) {
  MakeFileSystem(16 * kMiB, kClusterBytes);
  ExpectHarmlessWhenDamaged(ReadNtfsFreeSpace, testing::Scaled(400));
}

}  // namespace
}  // namespace vhdx::tests

#include "tools/free_space/swap.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdint>
#include <span>
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
using testing::SwapVolume;

constexpr uint64_t kSwapPage = 4 * kKiB;

void WriteSwapNumber(testing::GuestDisk& disk, uint64_t offset, uint32_t value) {
  const le32 stored(value);
  disk.Write(offset, std::as_bytes(std::span(&stored, 1)));
}

TEST(SwapFreeSpace, AllButTheFirstPageAndBadPages_IsFree) {
  for (const bool is_big_endian : {false, true}) {
    for (uint64_t page_bytes = kSwapPage; page_bytes <= 64 * kKiB; page_bytes *= 2) {
      const FreeSpaceVolume volume = SwapVolume(page_bytes, is_big_endian);
      const FreeSpace space = FreeSpaceOf(ReadSwapFreeSpace, *volume.disk.Open());
      EXPECT_EQ(space.free, volume.free);
      EXPECT_EQ(space.unit_bytes, page_bytes);
      EXPECT_EQ(space.metadata, (std::vector<DiskRange>{{0, page_bytes}}));
      ExpectSoundAndCounted(space, volume.disk.size_bytes());
    }
  }
}

TEST(SwapFreeSpace, HibernatedSystem_IsLeftAlone) {
  for (const auto& [signature, name] : std::vector<std::pair<std::string, std::string>>{
           {std::string("S1SUSPEND\0", 10), "S1SUSPEND"},
           {std::string("S2SUSPEND\0", 10), "S2SUSPEND"},
           {std::string("ULSUSPEND\0", 10), "ULSUSPEND"},
           {"LINHIB0001", "LINHIB0001"},
           {"\xED\xC3\x02\xE9\x98\x56\xE5\x0C", "TuxOnIce"}}) {
    FreeSpaceVolume volume = SwapVolume(kSwapPage, false);
    volume.disk.Write(kSwapPage - 10, std::as_bytes(std::span(signature)));
    EXPECT_EQ(ReasonOf(ReadSwapFreeSpace, volume.disk),
              "it contains a hibernated system (" + name + ")");
  }
}

TEST(SwapFreeSpace, ImpossibleHeader_IsLeftAlone) {
  const auto reason = [](uint64_t offset, uint32_t value) {
    FreeSpaceVolume volume = SwapVolume(kSwapPage, false);
    WriteSwapNumber(volume.disk, offset, value);
    return ReasonOf(ReadSwapFreeSpace, volume.disk);
  };
  EXPECT_EQ(reason(1024, 2), "its first page is not that of swap space");
  EXPECT_EQ(reason(1028, 0), "its first page is not that of swap space");
  EXPECT_EQ(reason(1028, 64), "it is larger than its partition");
  EXPECT_EQ(reason(1032, 638), "its list of bad pages is too long");
  EXPECT_EQ(reason(1536, 0), "its list of bad pages contains one that it does not have");
  EXPECT_EQ(reason(1536, 64), "its list of bad pages contains one that it does not have");
  EXPECT_EQ(reason(1536, 63), "");
}

TEST(SwapFreeSpace, SpaceThatEndsBeforeThePartition_IsFreeUpToItsEnd) {
  FreeSpaceVolume volume = SwapVolume(kSwapPage, false);
  volume.disk.Resize(kMiB);
  EXPECT_EQ(FreeSpaceOf(ReadSwapFreeSpace, *volume.disk.Open()).free, volume.free);
}

TEST(SwapFreeSpace, ChangedBytes_YieldRangesInsideTheVolumeOrAReason) {
  ReadWithChangedBytes(ReadSwapFreeSpace, SwapVolume(kSwapPage, false).disk,
                       {{1024, 12}, {1536, 12}, {kSwapPage - 10, 10}});
}

class MadeSwap : public MadeVolume {};

TEST_F(MadeSwap, FreeSpaceOfMkswapIsAllButOnePage) {
  if (!tests::HasProgram("mkswap")) GTEST_SKIP() << "no mkswap";
  MakeDisk(10 * kMiB);
  Run({"mkswap", "DISK"});
  const auto host_page = static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  EXPECT_EQ(FreeSpaceOf(ReadSwapFreeSpace, *OpenDisk()).free,
            (std::vector<DiskRange>{{host_page, 10 * kMiB - host_page}}));
  Run({"mkswap", "-p", "65536", "DISK"});
  EXPECT_EQ(FreeSpaceOf(ReadSwapFreeSpace, *OpenDisk()).free,
            (std::vector<DiskRange>{{64 * kKiB, 10 * kMiB - 64 * kKiB}}));
}

}  // namespace
}  // namespace vhdx::free_space

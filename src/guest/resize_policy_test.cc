#include "guest/resize_policy.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "bytes/arithmetic.h"
#include "bytes/try.h"
#include "testing/guest_disk.h"
#include "testing/guest_volumes.h"

namespace vhdx::guest {
namespace {

using testing::GuestDisk;
using testing::GuestVolumeNamed;

constexpr uint64_t kCutDiskBytes = 64 * kMiB;
constexpr uint64_t kVolumeEnd = testing::kGuestVolumeBytes;

Result<CutDecision> DecideOn(const GuestDisk& guest, uint64_t new_size) {
  const auto disk = guest.Open();
  const DiskContents contents = VHDX_TRY(ReadDiskContents(*disk));
  return MayCut(contents, new_size,
                [&](const DiskRange& range) { return ReadsAsZeros(*disk, range); });
}

CutVerdict VerdictOn(const GuestDisk& guest, uint64_t new_size) {
  const auto decision = DecideOn(guest, new_size);
  EXPECT_TRUE(decision) << ToString(decision.error());
  EXPECT_EQ(decision->reason.empty(), decision->verdict == CutVerdict::kAllowed);
  return decision->verdict;
}

std::string WhyNotSafe(const GuestDisk& guest, uint64_t new_size) {
  EXPECT_EQ(VerdictOn(guest, new_size), CutVerdict::kUnsafe) << new_size;
  return DecideOn(guest, new_size)->reason;
}

// The smallest size that is allowed is that, and it is what --to-minimum takes.
void ExpectAllowedFrom(const GuestDisk& guest, uint64_t minimum) {
  const auto disk = guest.Open();
  EXPECT_EQ(ReadDiskContents(*disk)->MinimumSize().size_bytes, minimum);
  EXPECT_EQ(VerdictOn(guest, minimum), CutVerdict::kAllowed);
  EXPECT_EQ(VerdictOn(guest, minimum - 512), CutVerdict::kUnsafe);
}

TEST(ResizePolicy, DiskOfZeros_CanBeCutAnywhere) {
  const GuestDisk guest(kCutDiskBytes);
  for (const uint64_t size : {uint64_t{512}, kMiB, kCutDiskBytes - 512, kCutDiskBytes}) {
    EXPECT_EQ(VerdictOn(guest, size), CutVerdict::kAllowed) << size;
  }
}

TEST(ResizePolicy, SizeThatNoDiskHas_IsNeverAllowed) {
  for (const uint32_t sector_size : {512U, 4096U}) {
    const GuestDisk guest(kCutDiskBytes, sector_size);
    EXPECT_EQ(VerdictOn(guest, 0), CutVerdict::kNever);
    EXPECT_EQ(VerdictOn(guest, kMiB + sector_size / 2), CutVerdict::kNever);
  }
  EXPECT_EQ(DecideOn(GuestDisk(kCutDiskBytes), 1000)->reason,
            "1000 is not a multiple of the logical sector size, 512 bytes");
}

TEST(ResizePolicy, DataWithNothingRecognized_IsUnsafeToCut) {
  GuestDisk guest(kCutDiskBytes);
  guest.Break(40 * kMiB);
  EXPECT_EQ(VerdictOn(guest, 40 * kMiB + 512), CutVerdict::kAllowed);
  EXPECT_EQ(
      WhyNotSafe(guest, 40 * kMiB),
      "there is data after the new end of the disk at 40 MiB (41943040 bytes), and nothing on "
      "the disk is recognized");
  // What is stored and reads as zeros is no data.
  guest.Break(40 * kMiB);
  EXPECT_EQ(VerdictOn(guest, 40 * kMiB), CutVerdict::kAllowed);
}

TEST(ResizePolicy, LastByteOfTheDisk_IsRead) {
  GuestDisk guest(kCutDiskBytes);
  guest.Break(kCutDiskBytes - 1);
  EXPECT_EQ(VerdictOn(guest, 512), CutVerdict::kUnsafe);
  EXPECT_EQ(VerdictOn(guest, kCutDiskBytes - 512), CutVerdict::kUnsafe);
}

TEST(ResizePolicy, DataAfterEverythingRecognized_MayBeCut) {
  GuestDisk guest(kCutDiskBytes);
  WriteVolume(GuestVolumeNamed("ext4"), guest);
  guest.Break(40 * kMiB);
  ExpectAllowedFrom(guest, kVolumeEnd);
}

TEST(ResizePolicy, FileSystemOnTheWholeDisk_IsNamed) {
  GuestDisk guest(kCutDiskBytes);
  WriteVolume(GuestVolumeNamed("ext4"), guest);
  EXPECT_EQ(
      WhyNotSafe(guest, 8 * kMiB),
      "ext4 on the whole disk ends at 16 MiB (16777216 bytes), and the smallest possible size "
      "is 16 MiB (16777216 bytes)");
}

TEST(ResizePolicy, FileSystemUnderAStaleMbr_Counts) {
  GuestDisk guest(kCutDiskBytes);
  const auto ext4 = GuestVolumeNamed("ext4");
  guest.WriteMbr({{.first = 2048, .count = 2048}});
  guest.Write(1024, std::span(ext4.bytes).subspan(1024));
  ExpectAllowedFrom(guest, kVolumeEnd);
  EXPECT_TRUE(WhyNotSafe(guest, 8 * kMiB).starts_with("ext4 on the whole disk ends at"));
}

TEST(ResizePolicy, VolumeWithoutASize_IsUnsafeToCut) {
  GuestDisk guest(kCutDiskBytes);
  WriteVolume(GuestVolumeNamed("luks2"), guest);
  EXPECT_EQ(
      WhyNotSafe(guest, 48 * kMiB),
      "the smallest possible size is unknown, since LUKS2 on the whole disk extends to the end "
      "of the disk");
}

TEST(ResizePolicy, PartitionThatWouldBeCut_IsNamed) {
  GuestDisk guest(kCutDiskBytes);
  guest.WriteGpt({.partitions = {{2048, 4095, "boot"}, {8192, 49151, "data"}}});
  WriteVolume(GuestVolumeNamed("ntfs"), guest, 8192 * uint64_t{512});
  ExpectAllowedFrom(guest, 24 * kMiB + 33 * uint64_t{512});
  EXPECT_EQ(
      WhyNotSafe(guest, 8 * kMiB),
      "partition 2 \"data\" (NTFS) ends at 24 MiB (25165824 bytes), and the smallest possible "
      "size is 24 MiB (25182720 bytes)");
  EXPECT_EQ(
      WhyNotSafe(guest, 24 * kMiB),
      "partition 2 \"data\" (NTFS) ends at 24 MiB (25165824 bytes), and the backup of the GPT "
      "must fit after it; the smallest possible size is 24 MiB (25182720 bytes)");
}

TEST(ResizePolicy, LogicalPartition_IsNamedBeforeItsExtendedOne) {
  GuestDisk guest(kCutDiskBytes);
  guest.WriteMbr({{}, {.type = 5, .first = 2048, .count = 10000}});
  guest.WriteMbr({{.first = 48, .count = 9952}}, kMiB);
  ExpectAllowedFrom(guest, uint64_t{12048} * 512);
  EXPECT_TRUE(WhyNotSafe(guest, 2 * kMiB).starts_with("partition 5 ends at"));
  // The rest of an extended partition is taken, too.
  guest.WriteMbr({{.first = 48, .count = 100}}, kMiB);
  EXPECT_TRUE(WhyNotSafe(guest, 2 * kMiB).starts_with("partition 2 ends at"));
}

TEST(ResizePolicy, Contradictions_AreUnsafeWhereverTheDiskIsCut) {
  GuestDisk guest(kCutDiskBytes);
  guest.WriteMbr({{.first = 2048, .count = 4096}, {.first = 4096, .count = 4096}});
  EXPECT_EQ(WhyNotSafe(guest, 32 * kMiB),
            "the smallest possible size is unknown, since partition 1 and partition 2 overlap");
  EXPECT_EQ(WhyNotSafe(guest, kMiB),
            "partition 2 ends at 4 MiB (4194304 bytes), and the smallest possible size is unknown, "
            "since partition 1 and partition 2 overlap");
}

TEST(ResizePolicy, LostGpt_IsUnsafeToCut) {
  GuestDisk guest(kCutDiskBytes);
  guest.WriteMbr({{.type = 0xEE, .first = 1, .count = 0xFFFFFFFF}});
  EXPECT_TRUE(WhyNotSafe(guest, 32 * kMiB).ends_with("neither copy of it is valid"));
}

TEST(ResizePolicy, ReadThatFails_IsTheError) {
  const DiskContents nothing{.disk_size_bytes = kMiB,
                             .logical_sector_size = 512,
                             .table = {},
                             .volumes = {},
                             .contradictions = {}};
  const auto decision = MayCut(nothing, 512, [](const DiskRange& range) -> Result<bool> {
    EXPECT_EQ(range, (DiskRange{512, kMiB - 512}));
    return Fail(ErrorCode::kIo, "unreadable");
  });
  ASSERT_FALSE(decision);
  EXPECT_EQ(decision.error().code, ErrorCode::kIo);
}

}  // namespace
}  // namespace vhdx::guest

// What a range of a disk contains: the superblock or header of a file system, of swap space, or of
// a volume that contains one (LVM, LUKS, BitLocker, a member of a Linux RAID or of a ZFS pool).
// Most are at the start of the range; those of ZFS, and some of RAID, are at its end.
//
// The contents are hostile. A signature alone is not enough: the other fields must make sense, and
// checksums are verified where they are cheap (ext4 with metadata_csum, XFS 5, Btrfs with CRC-32C,
// exFAT, ReFS, LVM, RAID), so that neither random bytes nor a half-overwritten leftover is
// recognized. What is not recognized is not an error. At most 104 KiB of a range are read.

#ifndef VHDXKIT_GUEST_SUPERBLOCK_H_
#define VHDXKIT_GUEST_SUPERBLOCK_H_

#include <vhdxkit/block_device.h>
#include <vhdxkit/error.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace vhdx::guest {

enum class VolumeKind : uint8_t {
  kExt2,
  kExt3,
  kExt4,
  kXfs,
  kBtrfs,
  kNtfs,
  kExfat,
  kFat12,
  kFat16,
  kFat32,
  kRefs,
  kBitLocker,
  kLuks1,
  kLuks2,
  kLvm,
  kMdRaid,
  kZfs,
  kSwap,
};

/// The name for users, such as "ext4", "LVM" or "Linux swap".
std::string_view VolumeKindName(VolumeKind kind);

struct Superblock {
  VolumeKind kind = VolumeKind::kExt4;
  /// What it takes of the range from its start on, in bytes; may be more than the range has. Empty
  /// if that is unknown: then it may need all of the range.
  std::optional<uint64_t> size_bytes = {};
  /// Without a size, the reason: "does not say where it ends".
  std::string_view no_size_because = {};
  /// Where it is in the range, if that depends on where the range ends.
  std::optional<uint64_t> trailer_offset = {};
  std::string label = {};  ///< UTF-8; empty if there is none
  std::string uuid = {};   ///< as the tools of that kind print it; a FAT has four bytes of it
};

/// What the range contains: at most one superblock, unless something older was not wiped. A
/// RAID whose superblock is at the end of the range has its contents before that; they are reported
/// like anything else. A range that reaches past the end of the disk ends there. Errors: those of
/// BlockDevice::Read.
Result<std::vector<Superblock>> ReadSuperblocks(BlockDevice& disk, DiskRange range);

}  // namespace vhdx::guest

#endif  // VHDXKIT_GUEST_SUPERBLOCK_H_

#include "guest/superblock.h"

#include <array>
#include <utility>

#include "bytes/try.h"
#include "guest/range_reader.h"
#include "guest/volume_parsers.h"

namespace vhdx::guest {
namespace {

constexpr std::array<VolumeParser, 13> kParsers = {
    ParseExt,   ParseXfs, ParseBtrfs,     ParseSwap, ParseLvm,    ParseLuks, ParseNtfs,
    ParseExfat, ParseFat, ParseBitLocker, ParseRefs, ParseMdRaid, ParseZfs};

}  // namespace

std::string_view VolumeKindName(VolumeKind kind) {
  constexpr std::array<std::string_view, 18> kNames = {
      "ext2",  "ext3", "ext4",      "XFS",   "Btrfs", "NTFS", "exFAT",      "FAT12", "FAT16",
      "FAT32", "ReFS", "BitLocker", "LUKS1", "LUKS2", "LVM",  "Linux RAID", "ZFS",   "Linux swap"};
  return kNames.at(static_cast<size_t>(kind));
}

Result<std::vector<Superblock>> ReadSuperblocks(BlockDevice& disk, DiskRange range) {
  RangeReader reader(disk, range);
  const auto head = reader.ReadHead(kHeadBytes);
  const RangeStart start{.head = head, .range = reader};
  std::vector<Superblock> found;
  for (const VolumeParser parse : kParsers) {
    if (auto superblock = parse(start)) found.push_back(*std::move(superblock));
  }
  VHDX_TRY(reader.Finish());
  return found;
}

}  // namespace vhdx::guest

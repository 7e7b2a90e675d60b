#include "guest/growth_commands.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bytes/formatting.h"
#include "bytes/size_format.h"

namespace vhdx::guest {
namespace {

constexpr const char* kDisk = "/dev/sdX";
constexpr const char* kExtendInWindows =
    "Windows: Resize-Partition -DriveLetter LETTER -Size "
    "(Get-PartitionSupportedSize -DriveLetter LETTER).SizeMax";
constexpr uint8_t kMbrRecovery = 0x27;
constexpr Guid kGptRecovery =
    Guid::FromFields(0xDE94BBA4, 0x06D1, 0x4D40, {0xA1, 0x6A, 0xBF, 0xD5, 0x01, 0x79, 0xD6, 0xAC});

using Lines = std::vector<std::string>;

const Superblock* SuperblockIn(const DiskContents& contents,
                               std::optional<uint32_t> partition_number) {
  const auto volume =
      std::ranges::find(contents.volumes, partition_number, &Volume::partition_number);
  return volume == contents.volumes.end() ? nullptr : &volume->superblock;
}

// Swap space has no command that grows it; it is made anew under its old names.
Lines MakeSwapAnew(const Superblock& superblock, const std::string& device) {
  std::string command = "mkswap";
  if (!superblock.uuid.empty()) command += " -U " + QuoteForShell(superblock.uuid);
  if (!superblock.label.empty()) command += " -L " + QuoteForShell(superblock.label);
  return {"swapoff " + device, command + " " + device, "swapon " + device};
}

// For Linux. Nothing for what only Windows can grow, or nobody.
Lines GrowVolume(const Superblock& superblock, const std::string& device) {
  switch (superblock.kind) {
    case VolumeKind::kExt2:
    case VolumeKind::kExt3:
    case VolumeKind::kExt4:
      return {"resize2fs " + device};
    case VolumeKind::kXfs:
      return {"xfs_growfs MOUNTPOINT"};
    case VolumeKind::kBtrfs:
      return {"btrfs filesystem resize max MOUNTPOINT"};
    case VolumeKind::kLvm:
      return {"pvresize " + device, "lvextend -r -l +100%FREE GROUP/VOLUME"};
    case VolumeKind::kLuks1:
    case VolumeKind::kLuks2:
      return {"cryptsetup resize NAME"};
    case VolumeKind::kMdRaid:
      return {"mdadm --grow /dev/mdX --size=max"};
    case VolumeKind::kZfs:
      return {"zpool online -e POOL " + device};
    case VolumeKind::kSwap:
      return MakeSwapAnew(superblock, device);
    case VolumeKind::kNtfs:
    case VolumeKind::kRefs:
    case VolumeKind::kBitLocker:
    case VolumeKind::kExfat:
    case VolumeKind::kFat12:
    case VolumeKind::kFat16:
    case VolumeKind::kFat32:
      return {};
  }
  return {};
}

Lines GrowWholeDisk(const Superblock& superblock) {
  if (superblock.kind == VolumeKind::kNtfs) return {Format("ntfsresize {}", kDisk)};
  Lines lines = GrowVolume(superblock, kDisk);
  if (superblock.kind == VolumeKind::kExt4) {
    lines.push_back(Format("WSL: wsl -d DISTRIBUTION -u root resize2fs {}", kDisk));
  }
  return lines;
}

const Partition* LastOf(const PartitionTable& table, auto matches) {
  const Partition* last = nullptr;
  for (const Partition& partition : table.partitions) {
    if (!matches(partition)) continue;
    if (!last || partition.range.end() > last->range.end()) last = &partition;
  }
  return last;
}

bool IsRecovery(const Partition& partition) {
  return partition.type_guid == kGptRecovery || partition.mbr_type == kMbrRecovery;
}

bool IsForWindows(const Superblock* superblock) {
  return superblock &&
         (superblock->kind == VolumeKind::kNtfs || superblock->kind == VolumeKind::kRefs ||
          superblock->kind == VolumeKind::kBitLocker);
}

// Windows puts its recovery partition last, where nothing can grow over it.
Lines MoveRecovery(const PartitionTable& table, const Partition& recovery) {
  const Partition* before = LastOf(table, [&](const Partition& partition) {
    return partition.range.end() <= recovery.range.disk_offset;
  });
  if (!before) return {};
  return {
      Format("Windows: move or delete recovery partition {} (reagentc /disable), then extend "
             "partition {}",
             recovery.number, before->number)};
}

// The last partition; one that is in an extended partition needs that one to grow first.
Lines GrowPartition(const PartitionTable& table, const Partition& last) {
  if (last.role == Partition::Role::kPrimary) {
    return {Format("growpart {} {}", kDisk, last.number)};
  }
  Lines lines;
  const Partition* extended = LastOf(table, [](const Partition& partition) {
    return partition.role == Partition::Role::kExtended;
  });
  if (extended) lines.push_back(Format("parted {} resizepart {} 100%", kDisk, extended->number));
  if (last.role == Partition::Role::kLogical) {
    lines.push_back(Format("parted {} resizepart {} 100%", kDisk, last.number));
  }
  return lines;
}

// An extended partition counts only if it contains none.
const Partition* PartitionToGrow(const PartitionTable& table) {
  const Partition* last = LastOf(table, [](const Partition&) { return true; });
  if (!last || last->role != Partition::Role::kExtended) return last;
  const Partition* logical = LastOf(table, [](const Partition& partition) {
    return partition.role == Partition::Role::kLogical;
  });
  return logical ? logical : last;
}

void AddLimitOfMbr(const DiskContents& contents, Lines& lines) {
  const uint64_t limit = (uint64_t{1} << 32) * contents.logical_sector_size;
  if (contents.table.kind != PartitionTableKind::kMbr || contents.disk_size_bytes <= limit) return;
  lines.push_back(
      Format("an MBR can use only the first {} of the disk; more needs a GPT", FormatSize(limit)));
}

Lines GrowLastPartition(const DiskContents& contents, const Partition& last) {
  if (IsRecovery(last)) return MoveRecovery(contents.table, last);
  const Superblock* superblock = SuperblockIn(contents, last.number);
  Lines lines;
  AddLimitOfMbr(contents, lines);
  if (IsForWindows(superblock)) {
    lines.emplace_back(kExtendInWindows);
    return lines;
  }
  for (std::string& line : GrowPartition(contents.table, last)) lines.push_back(std::move(line));
  if (!superblock) return lines;
  for (std::string& line : GrowVolume(*superblock, Format("{}{}", kDisk, last.number))) {
    lines.push_back(std::move(line));
  }
  return lines;
}

}  // namespace

std::vector<std::string> GrowthCommands(const DiskContents& contents) {
  if (!contents.contradictions.empty()) return {};
  if (const Superblock* superblock = SuperblockIn(contents, std::nullopt)) {
    return GrowWholeDisk(*superblock);
  }
  const Partition* last = PartitionToGrow(contents.table);
  return last ? GrowLastPartition(contents, *last) : Lines{};
}

}  // namespace vhdx::guest

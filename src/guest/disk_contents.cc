#include "guest/disk_contents.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "bytes/arithmetic.h"
#include "bytes/formatting.h"
#include "bytes/try.h"

namespace vhdx::guest {
namespace {

// At least as much room for the backup of a GPT as Windows leaves, whatever the size of a sector.
constexpr uint64_t kGptBackupSectors = 33;

std::string PlaceOf(const std::optional<uint32_t>& partition_number) {
  return partition_number ? Format("partition {}", *partition_number) : "the whole disk";
}

// Whether it is a member of a RAID whose contents start where the member does.
bool IsRaidWithContentsInFront(const Superblock& superblock) {
  return superblock.kind == VolumeKind::kMdRaid && superblock.trailer_offset;
}

class ContentsReader {
 public:
  explicit ContentsReader(BlockDevice& disk) : disk_(disk) {
    contents_.disk_size_bytes = disk.size_bytes();
    contents_.logical_sector_size = disk.logical_sector_size();
  }

  Result<DiskContents> Read() {
    auto table = VHDX_TRY(ReadPartitionTable(disk_));
    contents_.table = std::move(table);
    VHDX_TRY(AddVolumes({0, disk_.size_bytes()}, std::nullopt));
    for (const Partition& partition : contents_.table.partitions) {
      // What starts where the disk does begins as the disk does.
      if (partition.role == Partition::Role::kExtended || partition.range.disk_offset == 0) {
        continue;
      }
      VHDX_TRY(AddVolumes(partition.range, partition.number));
    }
    CompareTableWithVolumes();
    return std::move(contents_);
  }

 private:
  Result<void> AddVolumes(DiskRange range, std::optional<uint32_t> partition_number) {
    auto read = VHDX_TRY(ReadSuperblocks(disk_, range));
    std::vector<Superblock> superblocks = std::move(read);
    if (!partition_number) {
      std::erase_if(superblocks, [&](const Superblock& superblock) {
        return IsInAPartition(superblock.trailer_offset);
      });
    }
    KeepOnlyARaid(superblocks);
    FindContradictions(superblocks, range, partition_number);
    for (Superblock& superblock : superblocks) {
      contents_.volumes.push_back({.range = range,
                                   .partition_number = partition_number,
                                   .superblock = std::move(superblock)});
    }
    return {};
  }

  // What is at the end of the last partition may be where it would be at the end of the disk, too.
  bool IsInAPartition(std::optional<uint64_t> disk_offset) const {
    return disk_offset &&
           std::ranges::any_of(contents_.table.partitions, [&](const Partition& partition) {
             return *disk_offset >= partition.range.disk_offset &&
                    *disk_offset < partition.range.end();
           });
  }

  // What is before the superblock of a RAID is what the RAID contains, which may be larger than one
  // of its members.
  static void KeepOnlyARaid(std::vector<Superblock>& superblocks) {
    const auto raid = std::ranges::find_if(superblocks, IsRaidWithContentsInFront);
    if (raid != superblocks.end()) superblocks = {Superblock(*raid)};
  }

  void FindContradictions(const std::vector<Superblock>& superblocks, DiskRange range,
                          std::optional<uint32_t> partition_number) {
    if (superblocks.size() > 1) {
      contents_.contradictions.Add(Format("{} looks like both {} and {}", PlaceOf(partition_number),
                                          VolumeKindName(superblocks[0].kind),
                                          VolumeKindName(superblocks[1].kind)));
    }
    for (const Superblock& superblock : superblocks) {
      if (superblock.size_bytes.value_or(0) > range.length_bytes) {
        contents_.contradictions.Add(
            Format("{} has {} bytes, and the {} in it {}", PlaceOf(partition_number),
                   range.length_bytes, VolumeKindName(superblock.kind), *superblock.size_bytes));
      }
    }
  }

  // A table and a volume on the whole disk cannot both be in use, unless the disk is a member of a
  // RAID that has the table.
  void CompareTableWithVolumes() {
    const PartitionTable& table = contents_.table;
    const bool on_whole_disk =
        !contents_.volumes.empty() && !contents_.volumes.front().partition_number;
    if (on_whole_disk && TableIsLeftover()) {
      contents_.table_is_leftover = true;
      return;
    }
    if (on_whole_disk && table.kind != PartitionTableKind::kNone &&
        !IsRaidWithContentsInFront(contents_.volumes.front().superblock)) {
      contents_.contradictions.Add(
          Format("there are a partition table and {} on the whole disk",
                 VolumeKindName(contents_.volumes.front().superblock.kind)));
    }
    contents_.contradictions.Add(table.contradictions);
  }

  // With one volume, which is on the whole disk. A valid GPT is not left over: what is written to
  // the whole disk overwrites it.
  bool TableIsLeftover() const {
    const PartitionTable& table = contents_.table;
    if (table.kind != PartitionTableKind::kMbr && table.kind != PartitionTableKind::kGptLost) {
      return false;
    }
    if (contents_.volumes.size() != 1) return false;
    const uint64_t end = contents_.volumes.front().superblock.size_bytes.value_or(0);
    return std::ranges::all_of(table.partitions, [&](const Partition& partition) {
      return partition.range.disk_offset < end;
    });
  }

  BlockDevice& disk_;
  DiskContents contents_;
};

}  // namespace

std::vector<DiskRange> DiskContents::OccupiedRanges() const {
  std::vector<DiskRange> ranges;
  const auto add = [&](DiskRange range) {
    if (range.length_bytes != 0) ranges.push_back(range);
  };
  if (!table_is_leftover) {
    add({0, table.structures_end});
    for (const Partition& partition : table.partitions) add(partition.range);
    if (table.gpt) {
      add(table.gpt->backup_entries);
      add(table.gpt->backup_header);
    }
  }
  for (const Volume& volume : volumes) {
    if (volume.partition_number) continue;
    add({0, volume.superblock.size_bytes.value_or(disk_size_bytes)});
  }
  return ranges;
}

DiskMinimum DiskContents::MinimumSize() const {
  uint64_t end = 0;
  for (const Volume& volume : volumes) {
    if (volume.partition_number) continue;
    if (!volume.superblock.size_bytes) {
      return {.unknown_because =
                  Format("{} on the whole disk {}", VolumeKindName(volume.superblock.kind),
                         volume.superblock.no_size_because)};
    }
    end = std::max(end, *volume.superblock.size_bytes);
  }
  if (!contradictions.empty()) return {.unknown_because = contradictions.sentences().front()};
  if (!table_is_leftover) {
    end = std::max(end, table.structures_end);
    for (const Partition& partition : table.partitions) end = std::max(end, partition.range.end());
    if (table.gpt) {
      end += std::max(table.gpt->backup_bytes, kGptBackupSectors * uint64_t{logical_sector_size});
    }
  }
  if (end == 0) return {.unknown_because = "nothing is recognized on the disk"};
  // Without contradictions, all of that is inside the disk, but for a backup that was cut off.
  return {.size_bytes = std::min(AlignUp(end, logical_sector_size), disk_size_bytes)};
}

Result<DiskContents> ReadDiskContents(BlockDevice& disk) { return ContentsReader(disk).Read(); }

}  // namespace vhdx::guest

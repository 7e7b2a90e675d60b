#include "guest/gpt_move.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "bytes/arithmetic.h"
#include "bytes/endian.h"
#include "bytes/formatting.h"
#include "bytes/try.h"
#include "guest/boot_record.h"
#include "guest/gpt_copy.h"
#include "guest/protective_mbr.h"

namespace vhdx::guest {
namespace {

/// What must be reserved for the entries of each copy at least ([UEFI] 5.3.1).
constexpr uint64_t kLeastReserved = 16 * kKiB;

struct NumberedRange {
  DiskRange range;
  uint32_t number = 0;
};

// Where a backup goes: numbers in sectors.
struct BackupPlace {
  uint64_t entries_sector = 0;
  uint64_t header_sector = 0;
  uint64_t last_usable = 0;
};

bool Overlap(const DiskRange& a, const DiskRange& b) {
  return a.length_bytes != 0 && b.length_bytes != 0 && a.disk_offset < b.end() &&
         b.disk_offset < a.end();
}

std::unexpected<Error> Refuse(std::string sentence) {
  return Fail(ErrorCode::kUnsupported, std::move(sentence));
}

class GptPlanner {
 public:
  // One copy at least is valid.
  GptPlanner(const GptOnDisk& gpt, uint64_t new_size)
      : gpt_(gpt),
        backup_(gpt.copies.backup),
        sector_size_(gpt.sector_size),
        new_size_(new_size),
        hybrid_(HybridPartitions(gpt.boot_sector, gpt.sector_size)) {
    primary_ = gpt.copies.primary ? *gpt.copies.primary : CopyToRebuild();
  }

  Result<GptPlan> Plan() {
    VHDX_TRY(TakePartitions());
    VHDX_TRY(CheckCopies());
    VHDX_TRY(CheckPartitions());
    if (!gpt_.copies.primary) VHDX_TRY(RebuildPrimary());
    const BackupPlace place = VHDX_TRY(PlaceBackup());
    if (!backup_ || primary_.header.other_sector != place.header_sector) {
      VHDX_TRY(MoveBackup(place));
    }
    Finish();
    return std::move(plan_);
  }

 private:
  uint64_t array_sectors() const { return primary_.entries_range.length_bytes / sector_size_; }

  // The primary copy that names the backup, with its entries after its header.
  GptCopy CopyToRebuild() const {
    GptCopy copy = *backup_;
    constexpr uint64_t kEntriesSector = kPrimaryGptSector + 1;
    copy.header_sector = EncodeGptHeader(copy, {.own_sector = kPrimaryGptSector,
                                                .other_sector = backup_->header.own_sector,
                                                .last_usable = copy.header.last_usable,
                                                .entries_sector = kEntriesSector});
    copy.header = LoadFrom<GptHeader>(copy.header_sector);
    copy.header_range.disk_offset = kPrimaryGptSector * sector_size_;
    copy.entries_range.disk_offset = kEntriesSector * sector_size_;
    return copy;
  }

  Result<void> TakePartitions() {
    for (uint32_t i = 0; i < primary_.header.entry_count; ++i) {
      const GptEntry entry = primary_.EntryAt(i);
      if (entry.type.IsZero()) continue;
      const auto range = RangeOfEntry(entry, sector_size_);
      if (!range) {
        return Refuse(Format("partition {} has the sectors {} to {}", i + 1,
                             uint64_t{entry.first_sector}, uint64_t{entry.last_sector}));
      }
      partitions_.push_back({*range, i + 1});
    }
    std::ranges::sort(partitions_, {}, &NumberedRange::range);
    return {};
  }

  Result<void> CheckCopies() const {
    const DiskRange entries = primary_.entries_range;
    if (entries.length_bytes != 0 && entries.disk_offset < primary_.header_range.end()) {
      return Refuse("the entries of the GPT overlap its header");
    }
    if (gpt_.copies.primary && backup_ &&
        (primary_.entries != backup_->entries ||
         primary_.header.disk_guid != backup_->header.disk_guid)) {
      return Refuse("the GPT and its backup differ");
    }
    return {};
  }

  // They are disjoint, and overlap nothing of the primary copy.
  Result<void> CheckPartitions() const {
    const NumberedRange* previous = nullptr;
    for (const NumberedRange& partition : partitions_) {
      if (previous && Overlap(previous->range, partition.range)) {
        return Refuse(
            Format("partition {} and partition {} overlap", previous->number, partition.number));
      }
      if (OverlapsPrimary(partition.range)) {
        return Refuse(Format("the partition table and partition {} overlap", partition.number));
      }
      previous = &partition;
    }
    return {};
  }

  bool OverlapsPrimary(const DiskRange& range) const {
    return range.disk_offset < primary_.header_range.end() ||
           Overlap(range, primary_.entries_range);
  }

  // Its entries first, so that the header never names others.
  Result<void> RebuildPrimary() {
    const bool room = primary_.header.first_usable >= kPrimaryGptSector + 1 + array_sectors();
    if (!room || OverlapsPrimary(backup_->entries_range) ||
        OverlapsPrimary(backup_->header_range)) {
      return Refuse("the primary GPT is damaged, and there is no room to rebuild it");
    }
    plan_.rebuilt = "the primary GPT is damaged and is rebuilt from its backup";
    GptStep entries{"write the entries of the primary GPT", {}};
    AddWrite(primary_.entries_range.disk_offset, PaddedEntries(), entries);
    if (!entries.writes.empty()) plan_.repair.push_back(std::move(entries));
    GptStep header{"write the header of the primary GPT", {}};
    AddWrite(primary_.header_range.disk_offset, primary_.header_sector, header);
    plan_.repair.push_back(std::move(header));
    return {};
  }

  // The last sectors of the disk, with as much for the entries as [UEFI] wants reserved, or, if a
  // partition is there, with as much as they take.
  Result<BackupPlace> PlaceBackup() const {
    const uint64_t sectors = new_size_ / sector_size_;
    const uint64_t used_end = UsedEnd() / sector_size_;
    for (const uint64_t reserved :
         {std::max(array_sectors(), kLeastReserved / sector_size_), array_sectors()}) {
      if (sectors < reserved + 1) continue;
      const uint64_t start = sectors - 1 - reserved;
      if (start < used_end || start <= primary_.header.first_usable) continue;
      return BackupPlace{
          .entries_sector = start, .header_sector = sectors - 1, .last_usable = start - 1};
    }
    return NoRoom();
  }

  uint64_t UsedEnd() const {
    uint64_t end = std::max(primary_.header_range.end(), primary_.entries_range.end());
    if (!partitions_.empty()) end = std::max(end, partitions_.back().range.end());
    for (const DiskRange& range : hybrid_) end = std::max(end, range.end());
    return end;
  }

  std::unexpected<Error> NoRoom() const {
    const uint64_t needed = (array_sectors() + 1) * sector_size_;
    std::string sentence =
        Format("a disk of {} bytes has no room for the backup of its GPT", new_size_);
    if (!partitions_.empty()) {
      const auto& [range, number] = partitions_.back();
      if (range.end() > new_size_) {
        sentence = Format("partition {} ends at byte {}, past the new end of the disk at {}",
                          number, range.end(), new_size_);
      } else if (range.end() + needed > new_size_) {
        sentence = Format(
            "partition {} ends at byte {}, and the backup of the GPT, of {} bytes, does not fit "
            "between it and the new end of the disk at {}",
            number, range.end(), needed, new_size_);
      }
    }
    return Fail(ErrorCode::kInvalidArgument, std::move(sentence));
  }

  Result<void> MoveBackup(const BackupPlace& place) {
    if (!backup_) plan_.rebuilt = "the backup GPT is missing or damaged and is written anew";
    const DiskRange target = {place.entries_sector * sector_size_,
                              new_size_ - place.entries_sector * sector_size_};
    if (backup_) {
      AddOld(backup_->entries_range, target);
      AddOld(backup_->header_range, target);
      if (Overlap(target, backup_->entries_range) || Overlap(target, backup_->header_range)) {
        VHDX_TRY(MoveThroughSpare(target));
      }
    }
    AddMove(place, "write the backup GPT to the end of the disk");
    return {};
  }

  // The new place would overwrite the backup before the primary header names another.
  Result<void> MoveThroughSpare(const DiskRange& target) {
    if (!gpt_.spare || gpt_.spare->end() > new_size_ || Overlap(*gpt_.spare, target)) {
      return Refuse(
          "the new place of the backup GPT overlaps its old one, and there is no gap to move it "
          "through; choose a size that differs more");
    }
    AddOld(*gpt_.spare, target);
    const uint64_t first = gpt_.spare->disk_offset / sector_size_;
    AddMove({.entries_sector = first,
             .header_sector = first + array_sectors(),
             .last_usable = primary_.header.last_usable},
            "write a backup GPT to a gap between partitions");
    return {};
  }

  // A backup there, and then a primary header that names it.
  void AddMove(const BackupPlace& place, std::string purpose) {
    GptStep step{std::move(purpose), {}};
    AddWrite(place.entries_sector * sector_size_, PaddedEntries(), step);
    AddWrite(place.header_sector * sector_size_,
             EncodeGptHeader(primary_, {.own_sector = place.header_sector,
                                        .other_sector = kPrimaryGptSector,
                                        .last_usable = place.last_usable,
                                        .entries_sector = place.entries_sector}),
             step);
    plan_.move.push_back(std::move(step));
    auto header = EncodeGptHeader(primary_, {.own_sector = kPrimaryGptSector,
                                             .other_sector = place.header_sector,
                                             .last_usable = place.last_usable,
                                             .entries_sector = primary_.header.entries_sector});
    if (header == primary_.header_sector) return;
    GptStep named{"update the header of the primary GPT", {}};
    AddWrite(primary_.header_range.disk_offset, std::move(header), named);
    plan_.move.push_back(std::move(named));
  }

  // What of the range is left of an old backup: inside the disk, outside the new backup. Nothing of
  // it, if something else is there, too.
  void AddOld(DiskRange range, const DiskRange& target) {
    const uint64_t end = std::min(range.end(), target.disk_offset);
    if (range.disk_offset >= end) return;
    range.length_bytes = end - range.disk_offset;
    const auto overlaps = [&](const DiskRange& other) { return Overlap(range, other); };
    const bool taken = OverlapsPrimary(range) || std::ranges::any_of(hybrid_, overlaps) ||
                       std::ranges::any_of(partitions_, overlaps, &NumberedRange::range);
    if (!taken) old_.push_back(range);
  }

  // What matters to nobody who reads the GPT.
  void Finish() {
    GptStep step;
    if (auto sector = ResizeProtectiveMbr(gpt_.boot_sector, new_size_ / sector_size_)) {
      step.purpose = "update the protective MBR";
      AddWrite(0, *std::move(sector), step);
    }
    if (!old_.empty()) {
      step.purpose += step.purpose.empty() ? "wipe the old backup" : " and wipe the old backup";
    }
    for (const DiskRange& range : old_) {
      AddWrite(range.disk_offset, std::vector<std::byte>(range.length_bytes), step);
    }
    if (!step.writes.empty()) plan_.move.push_back(std::move(step));
  }

  std::vector<std::byte> PaddedEntries() const {
    std::vector<std::byte> bytes = primary_.entries;
    bytes.resize(primary_.entries_range.length_bytes);
    return bytes;
  }

  static void AddWrite(uint64_t disk_offset, std::vector<std::byte> bytes, GptStep& step) {
    if (!bytes.empty()) step.writes.push_back({disk_offset, std::move(bytes)});
  }

  const GptOnDisk& gpt_;
  const std::optional<GptCopy>& backup_;
  const uint64_t sector_size_;
  const uint64_t new_size_;
  const std::vector<DiskRange> hybrid_;
  GptCopy primary_;  // as it was read, or as it is rebuilt
  std::vector<NumberedRange> partitions_;
  std::vector<DiskRange> old_;
  GptPlan plan_;
};

// The table of the disk must be a GPT, and nothing else may be there.
Result<void> CheckContents(const DiskContents& contents, const GptOnDisk& gpt) {
  const PartitionTable& table = contents.table;
  if (table.kind == PartitionTableKind::kGptLost) {
    return Refuse("the MBR says that there is a GPT, but neither copy of it is valid");
  }
  if (table.kind == PartitionTableKind::kGptOfOtherSectorSize) {
    return Refuse(
        Format("the GPT was written for sectors of {} bytes, and the disk has sectors of {}",
               table.sector_size, contents.logical_sector_size));
  }
  for (const Volume& volume : contents.volumes) {
    if (volume.partition_number) continue;
    return Refuse(
        Format("there are a GPT and {} on the whole disk", VolumeKindName(volume.superblock.kind)));
  }
  if (!HasProtectiveEntry(gpt.boot_sector)) {
    return Refuse("there is a GPT, but no MBR that protects it");
  }
  return {};
}

bool HasGpt(const DiskContents& contents) {
  const PartitionTableKind kind = contents.table.kind;
  return !contents.table_is_leftover && kind != PartitionTableKind::kNone &&
         kind != PartitionTableKind::kMbr;
}

}  // namespace

Result<GptPlan> PlanGptMove(const DiskContents& contents, const GptOnDisk& gpt,
                            uint64_t new_size_bytes) {
  if (!HasGpt(contents)) return GptPlan{};
  VHDX_TRY(CheckContents(contents, gpt));
  if (!gpt.copies.primary && !gpt.copies.backup) return Refuse("neither copy of the GPT is valid");
  if (!IsAligned(new_size_bytes, gpt.sector_size)) {
    return Fail(ErrorCode::kInvalidArgument,
                Format("{} is not a multiple of the logical sector size, {} bytes", new_size_bytes,
                       gpt.sector_size));
  }
  return GptPlanner(gpt, new_size_bytes).Plan();
}

Result<void> CarryOut(std::span<const GptStep> steps, BlockDevice& disk) {
  for (const GptStep& step : steps) {
    for (const GptWrite& write : step.writes) {
      VHDX_TRY(disk.Write(write.disk_offset, ByteSpan(write.bytes)));
    }
    VHDX_TRY(disk.Flush());
  }
  return {};
}

}  // namespace vhdx::guest

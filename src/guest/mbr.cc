#include "guest/mbr.h"

#include <algorithm>
#include <set>

#include "bytes/formatting.h"
#include "guest/boot_record.h"

namespace vhdx::guest {
namespace {

constexpr uint8_t kDynamicDisk = 0x42;
constexpr uint32_t kFirstLogical = 5;

class MbrParser {
 public:
  MbrParser(RangeReader& disk, uint64_t sector_size) : disk_(disk), sector_size_(sector_size) {}

  Mbr Parse(const BootRecord& record) {
    for (uint32_t i = 0; i < record.entries.size(); ++i) {
      const MbrEntry& entry = record.entries[i];
      if (entry.protective()) {
        mbr_.protective = true;
      } else if (entry.used()) {
        AddPrimary(i + 1, entry);
      }
    }
    return mbr_;
  }

 private:
  DiskRange RangeOf(const MbrEntry& entry, uint64_t base) const {
    return {base + entry.first_sector * sector_size_, entry.sector_count * sector_size_};
  }

  void AddPrimary(uint32_t number, const MbrEntry& entry) {
    const auto role = entry.extended() ? Partition::Role::kExtended : Partition::Role::kPrimary;
    const DiskRange range = RangeOf(entry, 0);
    mbr_.partitions.push_back(
        {.number = number, .range = range, .role = role, .mbr_type = entry.type});
    if (entry.extended()) FollowChain(range);
    if (entry.type == kDynamicDisk) {
      mbr_.contradictions.Add(
          Format("partition {} belongs to a dynamic disk of Windows, whose own table is at the end "
                 "of the disk",
                 number));
    }
  }

  // Each record of the chain has one logical partition and the place of the next record.
  void FollowChain(const DiskRange& extended) {
    std::optional<uint64_t> record_offset = extended.disk_offset;
    while (record_offset) {
      if (!records_.insert(*record_offset).second) {
        return mbr_.contradictions.Add(
            Format("the chain of logical partitions comes back to byte {}", *record_offset));
      }
      if (records_.size() > kMaxLogicalPartitions) {
        return mbr_.contradictions.Add(
            Format("there are more than {} logical partitions", kMaxLogicalPartitions));
      }
      const auto record = disk_.Load<BootRecord>(*record_offset);
      if (!record || !record->valid()) {
        return mbr_.contradictions.Add(
            Format("there is no extended boot record at byte {}", *record_offset));
      }
      record_offset = ReadRecord(*record, *record_offset, extended);
    }
  }

  // Returns where the next record is. A partition counts from its record, a record from the start
  // of the extended partition.
  std::optional<uint64_t> ReadRecord(const BootRecord& record, uint64_t record_offset,
                                     const DiskRange& extended) {
    std::optional<uint64_t> next;
    for (const MbrEntry& entry : record.entries) {
      if (entry.extended()) {
        if (!next) next = RangeOf(entry, extended.disk_offset).disk_offset;
      } else if (entry.used()) {
        AddLogical(entry.type, RangeOf(entry, record_offset), extended);
      }
    }
    if (next && *next >= extended.end()) {
      mbr_.contradictions.Add(
          Format("the extended boot record at byte {} is outside its extended partition", *next));
      return std::nullopt;
    }
    return next;
  }

  void AddLogical(uint8_t type, const DiskRange& range, const DiskRange& extended) {
    const uint32_t number = kFirstLogical + logical_count_++;
    mbr_.partitions.push_back(
        {.number = number, .range = range, .role = Partition::Role::kLogical, .mbr_type = type});
    if (range.end() > extended.end()) {
      mbr_.contradictions.Add(
          Format("logical partition {} ends at byte {}, past the end of its extended partition at "
                 "byte {}",
                 number, range.end(), extended.end()));
    }
  }

  RangeReader& disk_;
  const uint64_t sector_size_;
  Mbr mbr_;
  std::set<uint64_t> records_;  // extended ones, by their offset
  uint32_t logical_count_ = 0;
};

}  // namespace

std::optional<Mbr> ReadMbr(RangeReader& disk, uint32_t sector_size) {
  const auto record = disk.Load<BootRecord>(0);
  if (!record || !record->valid()) return std::nullopt;
  // The boot code of a file system may be in the place of the table.
  const bool table = std::ranges::all_of(record->entries, [](const MbrEntry& entry) {
    return entry.status == 0 || entry.status == 0x80;
  });
  if (!table) return std::nullopt;
  return MbrParser(disk, sector_size).Parse(*record);
}

}  // namespace vhdx::guest

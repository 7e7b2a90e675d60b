#include "guest/partition_table.h"

#include <algorithm>
#include <span>
#include <utility>

#include "bytes/formatting.h"
#include "bytes/try.h"
#include "guest/gpt.h"
#include "guest/mbr.h"
#include "guest/range_reader.h"

namespace vhdx::guest {
namespace {

constexpr uint32_t kSmallSector = 512;
constexpr uint32_t kLargeSector = 4096;

void TakeGpt(Gpt gpt, uint32_t sector_size, PartitionTable& table) {
  table.kind = PartitionTableKind::kGpt;
  table.sector_size = sector_size;
  table.partitions = std::move(gpt.partitions);
  table.structures_end = gpt.structures_end;
  table.gpt = gpt.copies;
  table.contradictions.Add(gpt.contradictions);
}

void TakeMbr(Mbr mbr, uint32_t sector_size, PartitionTable& table) {
  table.kind = PartitionTableKind::kMbr;
  table.sector_size = sector_size;
  table.partitions = std::move(mbr.partitions);
  table.structures_end = sector_size;
  table.contradictions.Add(mbr.contradictions);
}

// A disk whose MBR says that there is a GPT.
void ReadProtected(RangeReader& disk, uint32_t sector_size, bool hybrid, PartitionTable& table) {
  if (hybrid) table.contradictions.Add("the MBR has partitions beside its protective one (hybrid)");
  if (auto gpt = ReadGpt(disk, sector_size)) return TakeGpt(*std::move(gpt), sector_size, table);
  const uint32_t other_size = sector_size == kSmallSector ? kLargeSector : kSmallSector;
  if (auto gpt = ReadGpt(disk, other_size)) {
    TakeGpt(*std::move(gpt), other_size, table);
    table.kind = PartitionTableKind::kGptOfOtherSectorSize;
    return table.contradictions.Add(
        Format("the GPT was written for sectors of {} bytes, and the disk has sectors of {}",
               other_size, sector_size));
  }
  table.kind = PartitionTableKind::kGptLost;
  table.sector_size = sector_size;
  table.structures_end = sector_size;
  table.contradictions.Add("the MBR says that there is a GPT, but neither copy of it is valid");
}

// A disk without a protective MBR. A valid primary GPT contradicts that; a backup alone is what an
// earlier use has left.
void ReadUnprotected(RangeReader& disk, uint32_t sector_size, std::optional<Mbr> mbr,
                     PartitionTable& table) {
  const bool has_mbr = mbr && !mbr->partitions.empty();
  if (has_mbr) TakeMbr(*std::move(mbr), sector_size, table);
  auto gpt = ReadGpt(disk, sector_size);
  if (!gpt || !gpt->copies.primary_valid) return;
  table.contradictions.Add("there is a GPT, but no MBR that protects it");
  if (!has_mbr) TakeGpt(*std::move(gpt), sector_size, table);
}

// A range of the disk, and what users call it.
struct NamedRange {
  DiskRange range;
  std::string name;
};

void FindOverlaps(std::vector<NamedRange> ranges, Contradictions& contradictions) {
  std::ranges::sort(ranges, {}, [](const NamedRange& named) { return named.range; });
  const NamedRange* longest = nullptr;  // of those before it, the one that reaches furthest
  for (const NamedRange& named : ranges) {
    if (named.range.length_bytes == 0) continue;
    if (longest && named.range.disk_offset < longest->range.end()) {
      contradictions.Add(Format("{} and {} overlap", longest->name, named.name));
    }
    if (!longest || named.range.end() > longest->range.end()) longest = &named;
  }
}

std::vector<NamedRange> Partitions(const PartitionTable& table, bool logical) {
  std::vector<NamedRange> ranges;
  for (const Partition& partition : table.partitions) {
    if ((partition.role == Partition::Role::kLogical) == logical) {
      ranges.push_back({partition.range, Format("partition {}", partition.number)});
    }
  }
  return ranges;
}

// Logical partitions are inside an extended one, so they are compared only with each other.
void FindContradictions(uint64_t disk_size, PartitionTable& table) {
  for (const Partition& partition : table.partitions) {
    if (partition.range.end() > disk_size) {
      table.contradictions.Add(
          Format("partition {} ends at byte {}, past the end of the disk at {}", partition.number,
                 partition.range.end(), disk_size));
    }
  }
  FindOverlaps(Partitions(table, true), table.contradictions);
  auto ranges = Partitions(table, false);
  const uint64_t header_end = (table.gpt ? 2 : 1) * uint64_t{table.sector_size};
  ranges.push_back({{0, header_end}, "the partition table"});
  if (table.gpt) {
    ranges.push_back({table.gpt->primary_entries, "the entries of the GPT"});
    ranges.push_back({table.gpt->backup_entries, "the entries of the backup GPT"});
    ranges.push_back({table.gpt->backup_header, "the header of the backup GPT"});
  }
  FindOverlaps(std::move(ranges), table.contradictions);
}

}  // namespace

Result<PartitionTable> ReadPartitionTable(BlockDevice& disk) {
  RangeReader reader(disk);
  const uint32_t sector_size = disk.logical_sector_size();
  PartitionTable table;
  auto mbr = ReadMbr(reader, sector_size);
  if (mbr && mbr->protective) {
    ReadProtected(reader, sector_size, !mbr->partitions.empty(), table);
  } else {
    ReadUnprotected(reader, sector_size, std::move(mbr), table);
  }
  VHDX_TRY(reader.Finish());
  FindContradictions(disk.size_bytes(), table);
  return table;
}

}  // namespace vhdx::guest

// What is on a disk: partition tables and superblocks. Input: one sparse file, the disk, which is
// tried with sectors of both sizes, as it is and with the checksums of its GPT made right. For
// each, the plans for some other sizes are made, and carried out on a copy.

#include <vhdxkit/raw_device.h>

#include <algorithm>
#include <memory>
#include <span>
#include <string>

#include "bytes/arithmetic.h"
#include "bytes/endian.h"
#include "fuzz/expect.h"
#include "fuzz/sparse_input.h"
#include "guest/crc32.h"
#include "guest/disk_contents.h"
#include "guest/gpt_move.h"
#include "guest/growth_commands.h"
#include "guest/resize_policy.h"
#include "testing/memory_file.h"

namespace vhdx::fuzz {
namespace {

using guest::DiskContents;
using guest::Partition;
using guest::PartitionTable;
using testing::MemoryContents;

// What a VHDX can have.
constexpr uint64_t kLargestDisk = 64 * kTiB;
constexpr size_t kMaxPrimary = guest::kMaxGptArrayBytes / 128;

void ExpectBounded(const PartitionTable& table) {
  Expect(table.partitions.size() <= std::max(kMaxPrimary, 4 + 4 * guest::kMaxLogicalPartitions),
         "partitions are as many as the limits allow");
  Expect((table.kind == guest::PartitionTableKind::kGpt ||
          table.kind == guest::PartitionTableKind::kGptOfOtherSectorSize) == table.gpt.has_value(),
         "a GPT, and nothing else, has copies");
  Expect(!table.gpt || table.gpt->primary_valid || table.gpt->backup_valid,
         "a GPT has a valid copy");
  for (const Partition& partition : table.partitions) {
    Expect(partition.range.end() >= partition.range.disk_offset, "a partition has an end");
  }
}

void ExpectSafeMinimum(const DiskContents& contents, uint64_t minimum) {
  Expect(minimum != 0 && minimum <= contents.disk_size_bytes,
         "a disk is no smaller than its smallest size");
  Expect(minimum % contents.logical_sector_size == 0 || minimum == contents.disk_size_bytes,
         "a minimum is of whole sectors");
  for (const DiskRange& range : contents.OccupiedRanges()) {
    const bool is_backup = contents.table.gpt && (range == contents.table.gpt->backup_entries ||
                                                  range == contents.table.gpt->backup_header);
    // A backup moves with the end of the disk.
    Expect(is_backup || range.end() <= minimum, "nothing recognized is cut");
  }
}

std::unique_ptr<RawDevice> OpenDisk(const std::shared_ptr<MemoryContents>& bytes,
                                    uint32_t sector_size) {
  const FileCapabilities capabilities{.writable = true, .sector_size = sector_size};
  return *RawDevice::Open(std::make_unique<testing::MemoryFile>(
      bytes, testing::MemoryFileOptions{.name = "disk.raw", .capabilities = capabilities}));
}

bool SamePlace(const Partition& a, const Partition& b) {
  return a.number == b.number && a.range == b.range;
}

// What is written is inside the disk and outside each partition.
void ExpectHarmless(std::span<const guest::GptStep> steps, const PartitionTable& table,
                    uint64_t disk_size) {
  for (const guest::GptStep& step : steps) {
    Expect(!step.purpose.empty() && !step.writes.empty(), "a step does something");
    for (const guest::GptWrite& write : step.writes) {
      Expect(FitsInside(write.disk_offset, write.bytes.size(), disk_size),
             "nothing is written outside the disk");
      for (const Partition& partition : table.partitions) {
        Expect(partition.range.end() <= write.disk_offset ||
                   partition.range.disk_offset >= write.disk_offset + write.bytes.size(),
               "nothing is written over a partition");
      }
    }
  }
}

// The steps on a copy of the disk leave both copies of the same table, with the backup at the end.
void TryPlan(const guest::GptPlan& plan, const std::shared_ptr<MemoryContents>& bytes,
             const DiskContents& contents, uint64_t new_size) {
  ExpectHarmless(plan.repair, contents.table, contents.disk_size_bytes);
  ExpectHarmless(plan.move, contents.table, new_size);
  if (plan.empty() || std::max(new_size, contents.disk_size_bytes) > kLargestDisk) return;
  const auto copy = bytes->Copy();
  Expect(CarryOut(plan.repair, *OpenDisk(copy, contents.logical_sector_size)).has_value(),
         "a repair is carried out");
  copy->Resize(std::max(new_size, copy->size()));
  Expect(CarryOut(plan.move, *OpenDisk(copy, contents.logical_sector_size)).has_value(),
         "a move is carried out");
  copy->Resize(new_size);
  const auto disk = OpenDisk(copy, contents.logical_sector_size);
  const auto table = guest::ReadPartitionTable(*disk);
  Expect(table && table->gpt && table->gpt->primary_valid && table->gpt->backup_valid,
         "both copies are valid after a move");
  Expect(table->gpt->backup_header.end() == new_size, "the backup is at the end after a move");
  Expect(std::ranges::equal(table->partitions, contents.table.partitions, SamePlace),
         "partitions are where they were");
}

// That a cut is allowed means that nothing recognized reaches past it.
void TryCut(BlockDevice& disk, const DiskContents& contents, uint64_t new_size) {
  const auto decision = MayCut(
      contents, new_size, [&](const DiskRange& range) { return guest::ReadsAsZeros(disk, range); });
  Expect(decision.has_value(), "whether a disk may be cut is known");
  Expect(decision->reason.empty() == (decision->verdict == guest::CutVerdict::kAllowed),
         "what is not allowed has a reason");
  if (decision->verdict != guest::CutVerdict::kAllowed) return;
  Expect(contents.contradictions.empty() || new_size == contents.disk_size_bytes,
         "no disk with contradictions is cut");
  for (const guest::Volume& volume : contents.volumes) {
    Expect(new_size == contents.disk_size_bytes || volume.partition_number ||
               volume.superblock.size_bytes.value_or(UINT64_MAX) <= new_size,
           "no volume is cut");
  }
}

void TryResize(const std::shared_ptr<MemoryContents>& bytes, BlockDevice& disk,
               const DiskContents& contents) {
  const auto gpt = guest::ReadGptOnDisk(disk);
  Expect(gpt.has_value(), "a disk that can be read has a GPT or none");
  const uint64_t sector_size = contents.logical_sector_size;
  const uint64_t size = AlignDown(contents.disk_size_bytes, sector_size);
  for (const uint64_t new_size : {size, AlignDown(size / 2, sector_size), size + sector_size,
                                  2 * size, size - std::min(size, 40 * sector_size)}) {
    if (const auto plan = PlanGptMove(contents, *gpt, new_size)) {
      TryPlan(*plan, bytes, contents, new_size);
    } else {
      ExpectHonest(plan.error());
    }
    if (new_size <= contents.disk_size_bytes) TryCut(disk, contents, new_size);
  }
  for (const std::string& line : GrowthCommands(contents)) {
    Expect(!line.empty(), "a command has words");
  }
}

void TryDisk(const std::shared_ptr<MemoryContents>& bytes, uint32_t sector_size) {
  const auto disk = OpenDisk(bytes, sector_size);
  const auto contents = guest::ReadDiskContents(*disk);
  Expect(contents.has_value(), "a disk that can be read has contents");
  ExpectBounded(contents->table);
  for (const guest::Volume& volume : contents->volumes) {
    Expect(!VolumeKindName(volume.superblock.kind).empty(), "each kind has a name");
    Expect(volume.superblock.size_bytes.has_value() == volume.superblock.no_size_because.empty(),
           "a volume has a size or a reason for not having one");
  }
  const DiskMinimum minimum = contents->MinimumSize();
  Expect(minimum.size_bytes.has_value() == minimum.unknown_because.empty(),
         "a minimum that is unknown has a reason");
  if (minimum.size_bytes) ExpectSafeMinimum(*contents, *minimum.size_bytes);
  TryResize(bytes, *disk, *contents);
}

// Makes the checksums of a GPT right, lest nothing behind them is reached.
void FixGptHeader(MemoryContents& bytes, uint64_t offset, uint32_t sector_size) {
  constexpr size_t kHeaderBytes = 92;
  auto header = bytes.Bytes({offset, kHeaderBytes});
  if (header.size() != kHeaderBytes || LoadFrom<le64>(header) != 0x5452415020494645) return;
  const auto field = [&](size_t at) { return std::span(header).subspan(at); };
  const uint64_t entries = LoadFrom<le64>(field(72)) * uint64_t{sector_size};
  const uint64_t array = uint64_t{LoadFrom<le32>(field(80))} * LoadFrom<le32>(field(84));
  if (array <= guest::kMaxGptArrayBytes && FitsInside(entries, array, bytes.size())) {
    StoreTo(field(88), le32(guest::Crc32(bytes.Bytes({entries, array}))));
  }
  StoreTo(field(12), le32(kHeaderBytes));
  StoreTo(field(16), le32(0));
  StoreTo(field(16), le32(guest::Crc32(header)));
  bytes.Write(offset, header);
}

void TryGuest(std::span<const std::byte> input) {
  const auto bytes = Expand(DecodeFiles(input).front());
  for (const uint32_t sector_size : {512U, 4096U}) TryDisk(bytes, sector_size);
  for (const uint32_t sector_size : {512U, 4096U}) {
    if (bytes->size() < 2 * uint64_t{sector_size}) continue;
    FixGptHeader(*bytes, sector_size, sector_size);
    FixGptHeader(*bytes, AlignDown(bytes->size(), sector_size) - sector_size, sector_size);
  }
  for (const uint32_t sector_size : {512U, 4096U}) TryDisk(bytes, sector_size);
}

}  // namespace
}  // namespace vhdx::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  vhdx::fuzz::TryGuest(std::as_bytes(std::span(data, size)));
  return 0;
}

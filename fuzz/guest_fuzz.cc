// What is on a disk: partition tables and superblocks. Input: one sparse file, the disk, which is
// tried with sectors of both sizes, as it is and with the checksums of its GPT made right.

#include <vhdxkit/raw_device.h>

#include <algorithm>
#include <memory>
#include <span>

#include "bytes/arithmetic.h"
#include "bytes/endian.h"
#include "fuzz/expect.h"
#include "fuzz/sparse_input.h"
#include "guest/crc32.h"
#include "guest/disk_contents.h"
#include "testing/memory_file.h"

namespace vhdx::fuzz {
namespace {

using guest::DiskContents;
using guest::Partition;
using guest::PartitionTable;
using testing::MemoryContents;

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

void TryDisk(const std::shared_ptr<MemoryContents>& bytes, uint32_t sector_size) {
  const FileCapabilities capabilities{.sector_size = sector_size};
  auto disk = *RawDevice::Open(std::make_unique<testing::MemoryFile>(
      bytes, testing::MemoryFileOptions{.name = "disk.raw", .capabilities = capabilities}));
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

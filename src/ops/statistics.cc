#include <vhdxkit/statistics.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>
#include <vector>

#include "bytes/arithmetic.h"
#include "bytes/border.h"
#include "bytes/endian.h"
#include "disk/open_image.h"
#include "image/bat_scan.h"

namespace vhdx {
namespace {

using format::PayloadState;

class StateCounter {
 public:
  explicit StateCounter(const BatRules& bat_rules) : bat_rules_(bat_rules) {
    counts_.total = bat_rules.geometry().payload_block_count();
  }

  void Count(const ScannedEntry& scanned) {
    if (scanned.slot.kind != BatSlot::Kind::kPayload) return;
    switch (scanned.entry.state()) {
      case PayloadState::kFullyPresent:
        ++counts_.present;
        CountPlace(scanned.entry.file_offset());
        break;
      case PayloadState::kPartiallyPresent:
        ++counts_.partial;
        CountPlace(scanned.entry.file_offset());
        break;
      case PayloadState::kZero:
        ++counts_.zero;
        break;
      case PayloadState::kUnmapped:
      case PayloadState::kOldUnmapped:
        ++counts_.unmapped;
        break;
      case PayloadState::kUndefined:
      case PayloadState::kReserved:
        ++counts_.undefined;
        break;
      case PayloadState::kNotPresent:
        break;
    }
  }

  BlockStatistics Finish() {
    counts_.not_present = counts_.total - counts_.present - counts_.partial - counts_.zero -
                          counts_.unmapped - counts_.undefined;
    return counts_;
  }

 private:
  void CountPlace(uint64_t file_offset) {
    const uint64_t block_size = bat_rules_.geometry().block_size();
    const bool first = counts_.present + counts_.partial == 1;
    if (!first && file_offset != previous_end_) ++counts_.fragmented;
    previous_end_ = file_offset + block_size;
    if (!FitsInside(file_offset, block_size, bat_rules_.file_size())) ++counts_.beyond_end;
  }

  const BatRules& bat_rules_;
  BlockStatistics counts_;
  uint64_t previous_end_ = 0;
};

// The master boot record of a disk and the header of a GUID partition table, as they stand on the
// disk.
struct MbrPartition {
  std::byte status;
  std::array<std::byte, 3> first_chs;
  uint8_t type;
  std::array<std::byte, 3> last_chs;
  le32 first_sector;
  le32 sector_count;
};
static_assert(sizeof(MbrPartition) == 16);

struct GptHeader {
  std::array<char, 8> signature;  // "EFI PART"
  std::array<std::byte, 64> revision_to_disk_guid;
  le64 entries_sector;
  le32 entry_count;
  le32 entry_size;
};
static_assert(sizeof(GptHeader) == 88);

struct GptEntry {
  std::array<std::byte, 16> type;  // zero: unused
  std::array<std::byte, 16> id;
  le64 first_sector;
  le64 last_sector;
};
static_assert(sizeof(GptEntry) == 48);

constexpr uint8_t kProtectiveMbr = 0xEE;
constexpr uint64_t kGptBackupSectors = 33;
constexpr uint32_t kMaxGptEntries = 4096;
constexpr uint32_t kMaxGptEntrySize = 4096;
constexpr std::byte kActivePartition{0x80};
constexpr size_t kMbrPartitionsOffset = 446;
constexpr size_t kMbrSignatureOffset = 510;
constexpr uint16_t kMbrSignature = 0xAA55;

Result<std::optional<uint64_t>> EndOfGpt(BlockDevice& disk, const GptHeader& header) {
  const uint64_t sector_size = disk.logical_sector_size();
  const uint32_t entry_size = header.entry_size;
  if (header.entry_count > kMaxGptEntries || entry_size < sizeof(GptEntry) ||
      entry_size > kMaxGptEntrySize) {
    return std::nullopt;
  }
  std::vector<std::byte> entries(size_t{header.entry_count} * entry_size);
  const auto offset = CheckedMultiply(header.entries_sector, sector_size);
  if (!offset || !FitsInside(*offset, entries.size(), disk.size_bytes())) return std::nullopt;
  if (auto read = disk.Read(*offset, entries); !read) {
    return std::unexpected(std::move(read.error()));
  }
  uint64_t end_sector = 0;
  for (size_t i = 0; i < header.entry_count; ++i) {
    const auto entry = LoadFrom<GptEntry>(std::span(entries).subspan(i * entry_size));
    const bool used = entry.type != std::array<std::byte, 16>{};
    if (used) end_sector = std::max<uint64_t>(end_sector, entry.last_sector + 1);
  }
  const auto end = CheckedMultiply(end_sector + kGptBackupSectors, sector_size);
  if (end_sector == 0 || !end) return std::nullopt;
  return std::min(*end, disk.size_bytes());
}

std::optional<uint64_t> EndOfMbr(const std::array<MbrPartition, 4>& partitions,
                                 const BlockDevice& disk) {
  uint64_t end_sector = 0;
  for (const MbrPartition& partition : partitions) {
    // The boot code of a file system may stand in the place of a table.
    const bool is_entry = partition.status == std::byte{0} || partition.status == kActivePartition;
    if (!is_entry) return std::nullopt;
    if (partition.type == 0) continue;
    end_sector = std::max(end_sector, uint64_t{partition.first_sector} + partition.sector_count);
  }
  const uint64_t end = end_sector * disk.logical_sector_size();
  if (end == 0 || end > disk.size_bytes()) return std::nullopt;
  return end;
}

// Signatures of file systems and the like that take a whole disk, without partitions.
struct WholeDiskSignature {
  uint64_t disk_offset;
  std::string_view bytes;
};
constexpr WholeDiskSignature kWholeDiskSignatures[] = {
    {1024 + 56, "\x53\xEF"},    // ext2, ext3, ext4
    {0, "XFSB"},                // XFS
    {65536 + 64, "_BHRfS_M"},   // Btrfs
    {3, "NTFS    "},            // NTFS
    {3, "EXFAT   "},            // exFAT
    {54, "FAT"},                // FAT12, FAT16
    {82, "FAT32"},              // FAT32
    {3, "-FVE-FS-"},            // BitLocker
    {0, "LUKS\xBA\xBE"},        // LUKS
    {512, "LABELONE"},          // LVM
    {4096 - 10, "SWAPSPACE2"},  // Linux swap
};

Result<bool> HasSignatureAt(BlockDevice& disk, uint64_t disk_offset, std::string_view signature) {
  if (!FitsInside(disk_offset, signature.size(), disk.size_bytes())) return false;
  std::array<std::byte, 8 + 2> bytes{};
  const auto found = std::span(bytes).first(signature.size());
  if (auto read = disk.Read(disk_offset, found); !read) {
    return std::unexpected(std::move(read.error()));
  }
  return std::ranges::equal(found, std::as_bytes(std::span(signature)));
}

Result<bool> IsOneFileSystem(BlockDevice& disk) {
  for (const WholeDiskSignature& signature : kWholeDiskSignatures) {
    auto found = HasSignatureAt(disk, signature.disk_offset, signature.bytes);
    if (!found || *found) return found;
  }
  return false;
}

}  // namespace

Result<BlockStatistics> CountBlocks(FileSystem& files, const std::string& path,
                                    const OpenOptions& options,
                                    const OperationControl& control) try {
  Findings findings;
  auto image = OpenImage(files, path, options, findings);
  if (!image) return std::unexpected(std::move(image.error()));
  StateCounter counter((*image)->block_map().rules());
  auto scanned = ScanBat((*image)->file(), (*image)->block_map().rules(),
                         [&](std::span<const ScannedEntry> entries) -> Result<void> {
                           if (control.cancelled()) {
                             return Fail(ErrorCode::kCancelled, "the count was cancelled");
                           }
                           for (const ScannedEntry& entry : entries) counter.Count(entry);
                           return {};
                         });
  if (!scanned) return std::unexpected(std::move(scanned.error()));
  return counter.Finish();
} catch (...) {
  return CaughtException();
}

Result<std::optional<uint64_t>> MinimumSize(BlockDevice& disk) try {
  const uint64_t sector_size = disk.logical_sector_size();
  std::vector<std::byte> start(2 * sector_size);
  if (disk.size_bytes() < start.size()) return std::nullopt;
  if (auto read = disk.Read(0, start); !read) return std::unexpected(std::move(read.error()));
  const std::span<const std::byte> bytes(start);
  if (LoadFrom<le16>(bytes.subspan(kMbrSignatureOffset)) != kMbrSignature) return std::nullopt;
  const auto partitions =
      LoadFrom<std::array<MbrPartition, 4>>(bytes.subspan(kMbrPartitionsOffset));
  const bool protective = std::ranges::any_of(
      partitions, [](const MbrPartition& partition) { return partition.type == kProtectiveMbr; });
  // A table of partitions beside a file system on the whole disk, as WSL's disks may have it, is
  // left over from an earlier use, or the other way round.
  auto whole = IsOneFileSystem(disk);
  if (!whole) return std::unexpected(std::move(whole.error()));
  if (*whole) return std::nullopt;
  const auto gpt = LoadFrom<GptHeader>(bytes.subspan(sector_size));
  constexpr std::array<char, 8> kGptSignature = {'E', 'F', 'I', ' ', 'P', 'A', 'R', 'T'};
  if (gpt.signature == kGptSignature) {
    return protective ? EndOfGpt(disk, gpt) : std::optional<uint64_t>();
  }
  // The GPT is missing, or was written for sectors of another size.
  if (protective) return std::nullopt;
  return EndOfMbr(partitions, disk);
} catch (...) {
  return CaughtException();
}

}  // namespace vhdx

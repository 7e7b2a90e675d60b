#include "image/bat_scan.h"

#include <algorithm>
#include <vector>

#include "bytes/arithmetic.h"
#include "bytes/endian.h"
#include "bytes/try.h"

namespace vhdx {
namespace {

constexpr uint64_t kBytesAtATime = 256 * kKiB;

void CollectEntries(const BatRules& bat_rules, uint64_t first_index,
                    std::span<const std::byte> bytes, std::vector<ScannedEntry>& entries) {
  BatSlots slots(bat_rules, first_index);
  const uint64_t count = bytes.size() / format::kBatEntrySize;
  for (uint64_t i = 0; i < count; ++i) {
    const uint64_t raw = LoadFrom<le64>(bytes.subspan(i * format::kBatEntrySize));
    const BatSlot slot = slots.Next();
    if (raw != 0 && slot.kind != BatSlot::Kind::kPadding) {
      entries.push_back({first_index + i, slot, format::BatEntry(raw)});
    }
  }
}

// Calls `visit` with pieces of the range that may hold data, and with how many entries come before
// each.
Result<void> ScanBytes(
    File& file, FileRange range,
    const std::function<Result<void>(uint64_t first_index, std::span<const std::byte>)>& visit) {
  const uint64_t end = range.file_offset + range.length_bytes;
  std::vector<std::byte> bytes;
  for (uint64_t position = range.file_offset; position < end;) {
    auto data = VHDX_TRY(file.NextData(position));
    position = std::max(position, AlignDown(data, format::kLogSectorSize));
    if (position >= end) break;
    bytes.resize(std::min(kBytesAtATime, end - position));
    VHDX_TRY(file.ReadExactAt(position, bytes));
    const uint64_t first_index = (position - range.file_offset) / format::kBatEntrySize;
    VHDX_TRY(visit(first_index, bytes));
    position += bytes.size();
  }
  return {};
}

// The whole entries of a range that the end of the file may cut off.
FileRange InsideFile(FileRange range, uint64_t file_size) {
  const uint64_t rest = file_size - std::min(file_size, range.file_offset);
  return {range.file_offset, AlignDown(std::min(range.length_bytes, rest), format::kBatEntrySize)};
}

}  // namespace

Result<void> ScanBat(File& file, const BatRules& bat_rules,
                     const std::function<Result<void>(std::span<const ScannedEntry>)>& visit) {
  std::vector<ScannedEntry> entries;
  const FileRange bat{bat_rules.bat_offset(), bat_rules.entry_count() * format::kBatEntrySize};
  return ScanBytes(file, InsideFile(bat, bat_rules.file_size()),
                   [&](uint64_t first_index, std::span<const std::byte> bytes) -> Result<void> {
                     entries.clear();
                     CollectEntries(bat_rules, first_index, bytes, entries);
                     return entries.empty() ? Result<void>() : visit(entries);
                   });
}

Result<void> ScanRawBat(File& file, FileRange region,
                        const std::function<Result<void>(uint64_t index, uint64_t raw)>& visit) {
  auto size = VHDX_TRY(file.Size());
  return ScanBytes(file, InsideFile(region, size),
                   [&](uint64_t first_index, std::span<const std::byte> bytes) -> Result<void> {
                     for (uint64_t i = 0; i < bytes.size() / format::kBatEntrySize; ++i) {
                       const uint64_t raw =
                           LoadFrom<le64>(bytes.subspan(i * format::kBatEntrySize));
                       if (raw == 0) continue;
                       VHDX_TRY(visit(first_index + i, raw));
                     }
                     return {};
                   });
}

}  // namespace vhdx

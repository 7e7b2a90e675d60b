#include "image/bat_scan.h"

#include <algorithm>
#include <vector>

#include "bytes/arithmetic.h"
#include "bytes/endian.h"

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

}  // namespace

Result<void> ScanBat(File& file, const BatRules& bat_rules,
                     const std::function<Result<void>(std::span<const ScannedEntry>)>& visit) {
  const uint64_t start = bat_rules.bat_offset();
  const uint64_t end = start + bat_rules.entry_count() * format::kBatEntrySize;
  std::vector<std::byte> bytes;
  std::vector<ScannedEntry> entries;
  for (uint64_t position = start; position < end;) {
    auto data = file.NextData(position);
    if (!data) return std::unexpected(std::move(data.error()));
    position = std::max(position, AlignDown(*data, format::kLogSectorSize));
    if (position >= end) break;
    bytes.resize(std::min(kBytesAtATime, end - position));
    if (auto read = file.ReadExactAt(position, bytes); !read) return read;
    entries.clear();
    CollectEntries(bat_rules, (position - start) / format::kBatEntrySize, bytes, entries);
    if (!entries.empty()) {
      if (auto visited = visit(entries); !visited) return visited;
    }
    position += bytes.size();
  }
  return {};
}

}  // namespace vhdx

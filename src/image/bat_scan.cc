#include "image/bat_scan.h"

#include <algorithm>
#include <vector>

#include "bytes/arithmetic.h"
#include "bytes/endian.h"
#include "bytes/try.h"
#include "image/data_reader.h"

namespace vhdx {
namespace {

constexpr uint64_t kEntrySize = format::kBatEntrySize;

// Entries that are compared at once, each with the one before it: the compiler makes vector
// instructions of it.
constexpr uint64_t kGroup = 32;

uint64_t EntryAt(std::span<const std::byte> bytes, uint64_t i) {
  return LoadFrom<le64>(bytes.subspan(i * kEntrySize));
}

// How many entries, at most `limit`, make one run of blocks that follow each other in the file.
uint64_t RunLength(std::span<const std::byte> bytes, uint64_t limit, uint64_t block_size) {
  const uint64_t first = EntryAt(bytes, 0);
  uint64_t count = 1;
  if (count == limit || EntryAt(bytes, count) != first + block_size) return count;
  for (; count + kGroup <= limit; count += kGroup) {
    const std::span group = bytes.subspan((count - 1) * kEntrySize);
    uint64_t differences = 0;
    for (uint64_t i = 0; i < kGroup; ++i) {
      differences |= (EntryAt(group, i + 1) - EntryAt(group, i)) ^ block_size;
    }
    if (differences != 0) break;
  }
  while (count < limit && EntryAt(bytes, count) == first + count * block_size) ++count;
  return count;
}

// Makes runs of the entries of the BAT.
class RunCollector {
 public:
  using Visit = std::function<Result<void>(std::span<const EntryRun>)>;

  RunCollector(const BatRules& bat_rules, const Visit& visit)
      : bat_rules_(bat_rules), visit_(visit) {
    runs_.reserve(kRunsAtATime);
  }

  Result<void> Collect(uint64_t first_index, std::span<const std::byte> bytes) {
    BatSlots slots(bat_rules_, first_index);
    const uint64_t count = bytes.size() / kEntrySize;
    for (uint64_t i = 0; i < count;) {
      const BatSlots::Span span = slots.NextSpan(count - i);
      const std::span entries = bytes.subspan(i * kEntrySize, span.count * kEntrySize);
      if (span.first.kind != BatSlot::Kind::kPadding) {
        VHDX_TRY(CollectSpan(first_index + i, span.first, entries));
      }
      i += span.count;
    }
    return HandOver();
  }

 private:
  static constexpr size_t kRunsAtATime = 512;

  Result<void> CollectSpan(uint64_t index, BatSlot slot, std::span<const std::byte> bytes) {
    const uint64_t count = bytes.size() / kEntrySize;
    for (uint64_t i = 0; i < count;) {
      const format::BatEntry entry(EntryAt(bytes, i));
      if (entry.raw() == 0) {
        ++i;
        continue;
      }
      // In place and field by field: copying a run costs more than all else of a single block.
      EntryRun& run = runs_.emplace_back();
      run.first.index = index + i;
      run.first.slot.kind = slot.kind;
      run.first.slot.number = slot.number + i;
      run.first.entry = entry;
      if (slot.kind == BatSlot::Kind::kPayload) Extend(run, bytes.subspan(i * kEntrySize));
      i += run.count;
      if (runs_.size() == kRunsAtATime) {
        VHDX_TRY(HandOver());
      }
    }
    return {};
  }

  void Extend(EntryRun& run, std::span<const std::byte> bytes) const {
    const uint64_t sound = bat_rules_.SoundBlocksFrom(run.first.entry);
    if (sound == 0) return;
    run.is_sound = true;
    run.count = RunLength(bytes, std::min(sound, bytes.size() / kEntrySize),
                          bat_rules_.geometry().block_size());
  }

  Result<void> HandOver() {
    auto visited = runs_.empty() ? Result<void>() : visit_(runs_);
    runs_.clear();
    return visited;
  }

  const BatRules& bat_rules_;
  const Visit& visit_;
  std::vector<EntryRun> runs_;
};

// Calls `visit` with pieces of the range that may hold data, and with how many entries come before
// each.
Result<void> ScanBytes(
    File& file, FileRange range,
    const std::function<Result<void>(uint64_t first_index, std::span<const std::byte>)>& visit) {
  DataReader reader(file, range);
  for (;;) {
    const auto piece = VHDX_TRY(reader.Next());
    if (!piece) return {};
    VHDX_TRY(visit((piece->file_offset - range.file_offset) / kEntrySize, piece->bytes));
  }
}

// The whole entries of a range that the end of the file may cut off.
FileRange InsideFile(FileRange range, uint64_t file_size) {
  const uint64_t rest = file_size - std::min(file_size, range.file_offset);
  return {range.file_offset, AlignDown(std::min(range.length_bytes, rest), kEntrySize)};
}

}  // namespace

Result<void> ScanBat(File& file, const BatRules& bat_rules,
                     const std::function<Result<void>(std::span<const EntryRun>)>& visit) {
  RunCollector collector(bat_rules, visit);
  const FileRange bat{bat_rules.bat_offset(), bat_rules.entry_count() * kEntrySize};
  return ScanBytes(file, InsideFile(bat, bat_rules.file_size()),
                   [&](uint64_t first_index, std::span<const std::byte> bytes) {
                     return collector.Collect(first_index, bytes);
                   });
}

Result<void> ScanEntries(File& file, const BatRules& bat_rules,
                         const std::function<Result<void>(const ScannedEntry&)>& visit) {
  return ScanBat(file, bat_rules, [&](std::span<const EntryRun> runs) -> Result<void> {
    for (const EntryRun& run : runs) {
      for (uint64_t i = 0; i < run.count; ++i) {
        VHDX_TRY(visit(run.At(i, bat_rules.geometry().block_size())));
      }
    }
    return {};
  });
}

Result<void> ScanRawBat(File& file, FileRange region,
                        const std::function<Result<void>(uint64_t index, uint64_t raw)>& visit) {
  auto size = VHDX_TRY(file.Size());
  return ScanBytes(file, InsideFile(region, size),
                   [&](uint64_t first_index, std::span<const std::byte> bytes) -> Result<void> {
                     for (uint64_t i = 0; i < bytes.size() / kEntrySize; ++i) {
                       const uint64_t raw = LoadFrom<le64>(bytes.subspan(i * kEntrySize));
                       if (raw == 0) continue;
                       VHDX_TRY(visit(first_index + i, raw));
                     }
                     return {};
                   });
}

}  // namespace vhdx

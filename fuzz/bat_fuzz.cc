// The BAT and the sector bitmaps: rules of entries, block map, cursor, scan. Input: a BatInput and
// one sparse file.

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "format/bat.h"
#include "format/rules.h"
#include "fuzz/bat_input.h"
#include "fuzz/expect.h"
#include "fuzz/input.h"
#include "fuzz/mutation.h"
#include "fuzz/sparse_input.h"
#include "fuzz/sparse_mutation.h"
#include "image/bat_rules.h"
#include "image/bat_scan.h"
#include "image/block_map.h"
#include "image/sector_bitmaps.h"
#include "testing/memory_file.h"

namespace vhdx::fuzz {
namespace {

using format::BatEntry;
using format::BatGeometry;
using format::PayloadState;
using testing::MemoryFile;

// Blocks, runs and bits that are looked at one by one.
constexpr uint64_t kMaxTried = 64;

BatRules MakeRules(const DiskParameters& parameters, uint64_t file_size) {
  const BatGeometry geometry(parameters);
  const uint64_t entries =
      parameters.has_parent ? geometry.EntryCountWithParent() : geometry.EntryCountWithoutParent();
  const uint64_t bat_length = AlignUp(entries * format::kBatEntrySize, kMiB);
  // Header section, log and BAT.
  ReservedRanges reserved({{0, kMiB}, {kMiB, kMiB}, {BatInput::kBatOffset, bat_length}});
  return {geometry, parameters.has_parent, BatInput::kBatOffset, file_size, std::move(reserved)};
}

class BatTrial {
 public:
  BatTrial(MemoryFile& file, const BatRules& bat_rules)
      : file_(file), rules_(bat_rules), map_(file, bat_rules), bitmaps_(file, map_) {}

  void Run() {
    const auto scanned = ScanBat(file_, rules_, [&](std::span<const EntryRun> runs) {
      for (const EntryRun& run : runs) TryEntries(run);
      return Result<void>{};
    });
    Expect(scanned.has_value(), "a file that holds its BAT can be scanned");
    TryFrom(0);
    TryFrom(geometry().payload_block_count() / 2);
    TryFrom(geometry().payload_block_count() - 1);
    for (const auto& [block, entry] : payload_) TryFrom(block);
  }

 private:
  const BatGeometry& geometry() const { return rules_.geometry(); }

  void TryEntries(const EntryRun& run) {
    for (uint64_t i = 0; i < run.count; ++i) {
      const ScannedEntry scanned = run.At(i, geometry().block_size());
      TryEntry(scanned);
      const EntryClass found = rules_.Classify(scanned.slot, scanned.entry);
      Expect(run.is_sound ? found.broken.empty() && found.claim.kind == Claim::Kind::kData
                          : run.count == 1,
             "a run has blocks that break no rule, or one entry");
    }
  }

  void TryEntry(const ScannedEntry& scanned) {
    Expect(scanned.entry.raw() != 0 && scanned.index < rules_.entry_count(),
           "a scan gives entries that are not zero, and no padding");
    const bool is_payload = scanned.slot.kind == BatSlot::Kind::kPayload;
    Expect(scanned.index == (is_payload ? geometry().PayloadIndex(scanned.slot.number)
                                        : geometry().BitmapIndex(scanned.slot.number)),
           "a slot stands where the geometry says");
    const std::vector<std::byte> bytes =
        file_.contents()->Bytes({rules_.EntryOffset(scanned.index), format::kBatEntrySize});
    Expect(LoadFrom<le64>(bytes) == scanned.entry.raw(), "a scan gives what the file has");

    const RuleList broken = rules_.Classify(scanned.slot, scanned.entry).broken;
    const bool refused = std::ranges::any_of(broken, [](const Rule* rule) {
      return rule->severity == Severity::kRefuse || rule == &rules::kBatState;
    });
    Expect(rules_.IsUsable(scanned.slot, scanned.entry) == !refused,
           "an entry is used unless it breaks a rule that refuses it");
    Expect(refused == (!broken.empty() && (broken.front().severity == Severity::kRefuse ||
                                           &broken.front() == &rules::kBatState)),
           "the rule that refuses an entry comes first");
    (void)rules_.Describe(scanned.slot, scanned.entry);
    if (is_payload && payload_.size() < kMaxTried) {
      payload_.emplace(scanned.slot.number, scanned.entry);
    }
  }

  // The cursor and the map say the same of the blocks from there on.
  void TryFrom(uint64_t first) {
    BatCursor cursor(map_);
    uint64_t block = first;
    for (uint64_t tried = 0; tried < kMaxTried && block < geometry().payload_block_count();) {
      const auto run = cursor.RunAt(block, geometry().payload_block_count() - block);
      const auto found = map_.PayloadBlock(block);
      Expect(run.has_value() == found.has_value(), "cursor and map agree on what is broken");
      if (!run) {
        Expect(run.error().rule == found.error().rule, "and why");
        ExpectHonest(found.error());
        ++block;
        ++tried;
        continue;
      }
      Expect(run->count >= 1 && block + run->count <= geometry().payload_block_count(),
             "a run is inside of the disk");
      Expect(run->block == *found, "cursor and map agree on a block");
      TryRun(block, *run);
      if (found->kind == Block::Kind::kPartial) TryBits(block, *found);
      if (found->kind == Block::Kind::kPresent) ExpectPlaced(block, found->file_offset);
      block += run->count;
      ++tried;
    }
  }

  void TryRun(uint64_t first, const BatCursor::Run& run) {
    Expect(run.block.kind != Block::Kind::kPartial || run.count == 1, "partial blocks come alone");
    // The last of a run, and some on the way.
    const uint64_t step = std::max<uint64_t>(1, run.count / 8);
    for (uint64_t i = 0; i < run.count;
         i = i + 1 == run.count ? run.count : std::min(i + step, run.count - 1)) {
      const auto found = map_.PayloadBlock(first + i);
      Expect(found && found->kind == run.block.kind, "a run is of one kind");
      if (run.block.kind == Block::Kind::kPresent) {
        Expect(found->file_offset == run.block.file_offset + i * geometry().block_size(),
               "present blocks of a run follow each other in the file");
      }
    }
  }

  void ExpectPlaced(uint64_t block, uint64_t file_offset) {
    const FileRange range{file_offset, geometry().BytesOnDisk(block)};
    Expect(FitsInside(range.file_offset, range.length_bytes, rules_.file_size()) &&
               !rules_.reserved().Overlap(range),
           "a present block lies in the file and in nothing else");
  }

  // The runs of sectors of a partial block against its bits, taken one by one.
  void TryBits(uint64_t block, const Block& found) {
    ExpectPlaced(block, found.file_offset);
    const uint64_t start = geometry().BlockStart(block);
    const uint64_t end = start + geometry().BytesOnDisk(block);
    const uint64_t sector_size = geometry().logical_sector_size();
    const auto bitmap = map_.BitmapBlockOffset(geometry().ChunkOf(block));
    uint64_t position = start;
    for (uint64_t tried = 0; tried < kMaxTried && position < end; ++tried) {
      const auto run = bitmaps_.RunAt(position, end - position);
      Expect(run.has_value() == (bitmap && *bitmap != 0), "bits are there if their block is");
      if (!run) return ExpectHonest(run.error());
      Expect(run->length_bytes > 0 && run->length_bytes <= end - position, "a run is in its block");
      for (const uint64_t at : {position, position + (run->length_bytes - 1)}) {
        Expect(BitAt(*bitmap, at) == run->in_this_file, "a run says what its bits say");
      }
      const uint64_t next = position + run->length_bytes;
      Expect(next == end || next % sector_size == 0, "runs end with a sector");
      position = next;
    }
  }

  bool BitAt(uint64_t bitmap_offset, uint64_t disk_offset) const {
    const uint64_t sector = disk_offset / geometry().logical_sector_size();
    const uint64_t bit = sector % BatGeometry::kSectorsPerChunk;
    const auto bytes = file_.contents()->Bytes({bitmap_offset + bit / 8, 1});
    return ((std::to_integer<unsigned>(bytes[0]) >> (bit % 8)) & 1) != 0;
  }

  MemoryFile& file_;
  const BatRules& rules_;
  BlockMap map_;
  SectorBitmaps bitmaps_;
  std::map<uint64_t, BatEntry> payload_;  // some of them
};

void TryBat(Input input) {
  const DiskParameters parameters = input.Take<BatInput>().Parameters();
  MemoryFile file(Expand(DecodeFiles(input.rest()).front()));
  const uint64_t file_size = file.contents()->size();
  const BatRules bat_rules = MakeRules(parameters, file_size);
  if (file_size < bat_rules.EntryOffset(0) + AlignUp(bat_rules.entry_count() * 8, kMiB)) return;
  BatTrial(file, bat_rules).Run();
}

}  // namespace
}  // namespace vhdx::fuzz

using vhdx::fuzz::BatInput;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  vhdx::fuzz::TryBat(vhdx::fuzz::Input(data, size));
  return 0;
}

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size,
                                          unsigned seed) {
  constexpr size_t kFront = sizeof(BatInput);
  if (size < kFront || max_size <= kFront || seed % 8 == 0) {
    return LLVMFuzzerMutate(data, size, max_size);
  }
  return kFront + vhdx::fuzz::MutateFiles(data + kFront, size - kFront, max_size - kFront, seed);
}

#include "image/claims.h"

#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "bytes/arithmetic.h"
#include "bytes/endian.h"
#include "format/rules.h"
#include "image/bat_scan.h"
#include "testing/memory_file.h"
#include "testing/outcome.h"

namespace vhdx {
namespace {

using format::BatEntry;
using format::PayloadState;
using testing::OutcomeOf;

constexpr uint64_t kBlockSize = 256 * kMiB;  // chunks of 16 blocks
constexpr uint64_t kBatStart = 3 * kMiB;
constexpr uint64_t kDataStart = 4 * kMiB;

// A BAT in a file that has nothing else.
class Table {
 public:
  explicit Table(uint64_t block_count, bool has_parent = false, uint64_t file_size = kTiB)
      : rules_(format::BatGeometry({.block_size_bytes = kBlockSize,
                                    .virtual_disk_size_bytes = block_count * kBlockSize - 512,
                                    .logical_sector_size = 512,
                                    .physical_sector_size = 512}),
               has_parent, kBatStart, file_size,
               ReservedRanges({{0, kMiB}, {kMiB, kMiB}, {kBatStart, kMiB}})) {
    EXPECT_TRUE(file_.Resize(kBatStart + kMiB));
  }

  const BatRules& rules() const { return rules_; }
  const format::BatGeometry& geometry() const { return rules_.geometry(); }
  testing::MemoryFile& file() { return file_; }
  const std::map<uint64_t, uint64_t>& entries() const { return entries_; }

  void SetRaw(uint64_t index, uint64_t raw) {
    entries_[index] = raw;
    const le64 bytes = raw;
    EXPECT_TRUE(file_.WriteAt(rules_.EntryOffset(index), std::as_bytes(std::span(&bytes, 1))));
  }
  void SetBlock(uint64_t block, PayloadState state, uint64_t file_offset) {
    SetRaw(geometry().PayloadIndex(block), BatEntry(state, file_offset).raw());
  }
  // Blocks from the first on that follow each other in the file.
  void SetPresent(uint64_t block_count) {
    for (uint64_t block = 0; block < block_count; ++block) {
      SetBlock(block, PayloadState::kFullyPresent, PlaceOf(block));
    }
  }
  static uint64_t PlaceOf(uint64_t block) { return kDataStart + block * kBlockSize; }

  Claims Scan() {
    findings = {};
    auto claims = ScanClaims(file_, rules_, findings);
    EXPECT_EQ(OutcomeOf(claims), "ok");
    return *std::move(claims);
  }

  Findings findings;

 private:
  BatRules rules_;
  testing::MemoryFile file_;
  std::map<uint64_t, uint64_t> entries_;  // by index
};

TEST(Claims, FullDisk_IsOneOwnerForEachMiB) {
  Table table(100);
  table.SetPresent(100);
  Claims claims = table.Scan();
  EXPECT_EQ(claims.blocks.present, 100U);
  EXPECT_EQ(claims.blocks.fragmented, 0U);
  EXPECT_EQ(claims.unallocated_blocks, 0U);
  EXPECT_FALSE(claims.refusal);
  EXPECT_TRUE(claims.space.IsClaimed({kDataStart, 100 * kBlockSize}));
  EXPECT_EQ(claims.data_end, Table::PlaceOf(100));
  EXPECT_EQ(claims.space.End(), Table::PlaceOf(100));
  EXPECT_TRUE(table.findings.counts().empty());
}

TEST(Claims, BlockInTheSpaceOfAnother_NamesBoth) {
  for (const uint64_t shift : {uint64_t{0}, kMiB, kBlockSize - kMiB}) {
    Table table(100);
    table.SetPresent(60);
    table.SetBlock(70, PayloadState::kFullyPresent, Table::PlaceOf(37) + shift);
    const Claims claims = table.Scan();
    ASSERT_TRUE(claims.shared_space);
    EXPECT_EQ(claims.shared_space->rule, rules::kBatOverlap.id);
    EXPECT_EQ(claims.shared_space->file_offset,
              table.rules().EntryOffset(table.geometry().PayloadIndex(70)));
    const std::string& found = claims.shared_space->found;
    EXPECT_TRUE(found.starts_with("block 70 ")) << found;
    EXPECT_NE(found.find(" and block 37 "), std::string::npos) << found;
    EXPECT_EQ(claims.refusal->rule, rules::kBatOverlap.id);
  }
}

TEST(Claims, RunInTheSpaceOfABlock_NamesTheBlockOfTheRun) {
  Table table(100);
  table.SetBlock(3, PayloadState::kFullyPresent, Table::PlaceOf(25));
  for (uint64_t block = 20; block < 30; ++block) {
    table.SetBlock(block, PayloadState::kFullyPresent, Table::PlaceOf(block));
  }
  const Claims claims = table.Scan();
  ASSERT_TRUE(claims.shared_space);
  const std::string& found = claims.shared_space->found;
  EXPECT_TRUE(found.starts_with("block 25 ")) << found;
  EXPECT_NE(found.find(" and block 3 "), std::string::npos) << found;
}

// Three blocks: the one in the middle overlaps both others, which do not overlap each other.
TEST(Claims, NamedEntries_OverlapEachOther) {
  Table table(100);
  table.SetBlock(0, PayloadState::kFullyPresent, Table::PlaceOf(1));
  table.SetBlock(5, PayloadState::kFullyPresent, Table::PlaceOf(1) + kBlockSize / 2);
  table.SetBlock(9, PayloadState::kFullyPresent, Table::PlaceOf(2));
  (void)table.Scan();
  ASSERT_EQ(table.findings.kept().size(), 2U);
  for (const Finding& finding : table.findings.kept()) {
    EXPECT_NE(finding.found.find("block 5 "), std::string::npos) << finding.found;
  }
}

TEST(Claims, SharedSpace_ComesBeforeWhatElseForbidsWriting) {
  Table table(100);
  table.SetRaw(0, 8);  // a reserved bit
  EXPECT_EQ(table.Scan().refusal->rule, rules::kBatReserved.id);
  EXPECT_FALSE(table.Scan().shared_space);
  table.SetBlock(2, PayloadState::kFullyPresent, kDataStart);
  table.SetBlock(3, PayloadState::kFullyPresent, kDataStart);
  EXPECT_EQ(table.Scan().refusal->rule, rules::kBatOverlap.id);
}

TEST(Claims, ManyBlocksInOnePlace_AreCountedAndNotListed) {
  Table table(3000, true);
  for (uint64_t block = 0; block < 3000; ++block) {
    table.SetBlock(block, PayloadState::kFullyPresent, Table::PlaceOf(block % 300));
  }
  (void)table.Scan();
  EXPECT_EQ(table.findings.kept().size(), 256U);
  EXPECT_EQ(table.findings.counts().at(&rules::kBatOverlap), 2700U);
}

TEST(Claims, PartialBlocksWithoutBitmap_AreCountedAndNotListed) {
  Table table(1600, true);
  for (uint64_t block = 0; block < 1600; ++block) {
    table.SetBlock(block, PayloadState::kPartiallyPresent, Table::PlaceOf(block));
  }
  EXPECT_EQ(table.Scan().refusal->rule, rules::kBatPartialWithoutBitmap.id);
  EXPECT_EQ(table.findings.kept().size(), 256U);
  EXPECT_EQ(table.findings.counts().at(&rules::kBatPartialWithoutBitmap), 1600U);
}

TEST(Claims, FileOfMoreThan256TiB_IsNotWritten) {
  Table table(100, false, 300 * kTiB);
  table.SetPresent(40);
  EXPECT_EQ(table.Scan().refusal->code, ErrorCode::kUnsupported);
  table.SetBlock(70, PayloadState::kFullyPresent, Table::PlaceOf(20));
  const Claims claims = table.Scan();
  ASSERT_TRUE(claims.shared_space);
  EXPECT_NE(claims.shared_space->found.find("block 20 "), std::string::npos)
      << claims.shared_space->found;
}

// Counts the bytes that are read.
class CountingFile final : public File {
 public:
  explicit CountingFile(File& file) : file_(file) {}
  using File::ReadAt;
  const std::string& name() const override { return file_.name(); }
  Result<uint64_t> Size() override { return file_.Size(); }
  Result<uint64_t> NextData(uint64_t offset) override { return file_.NextData(offset); }
  Result<size_t> ReadAt(uint64_t offset, std::span<const MutableByteSpan> buffers) override {
    auto read = file_.ReadAt(offset, buffers);
    bytes += read.value_or(0);
    return read;
  }
  uint64_t bytes = 0;

 private:
  File& file_;
};

TEST(Claims, OneScan_TellsAllOfAnImageThatMayBeWritten) {
  Table table(3000, true);
  for (uint64_t block = 0; block < 3000; block += 2) {
    table.SetBlock(block, PayloadState::kFullyPresent, Table::PlaceOf(block));
    table.SetBlock(block + 1, PayloadState::kUnmapped, Table::PlaceOf(block + 1));
  }
  CountingFile counting(table.file());
  ASSERT_EQ(OutcomeOf(ClaimForWriting(counting, table.rules())), "ok");
  EXPECT_LE(counting.bytes, table.rules().entry_count() * format::kBatEntrySize);
}

TEST(Claims, Cancelled_EndsTheScan) {
  Table table(100);
  table.SetPresent(100);
  const std::atomic<bool> cancel = true;
  Findings findings;
  const auto claims =
      ScanClaims(table.file(), table.rules(), findings, OperationControl{.cancel = &cancel});
  ASSERT_FALSE(claims);
  EXPECT_EQ(claims.error().code, ErrorCode::kCancelled);
}

// The same, entry by entry and MiB by MiB.
class SlowClaims {
 public:
  explicit SlowClaims(const Table& table) : table_(table) {
    for (const FileRange& range : rules().reserved().ranges()) Own(owners_, range);
    for (const auto& [index, raw] : table.entries()) Look(index, BatEntry(raw));
    for (const FileRange& range : anchors_) anchors_overlap_ |= Own(owners_, range);
  }

  bool shares_space() const { return shares_space_; }
  bool forbids_writing() const { return shares_space_ || anchors_overlap_ || breaks_a_rule_; }
  const std::map<PayloadState, uint64_t>& counts() const { return counts_; }
  uint64_t fragmented() const { return fragmented_; }
  uint64_t allocated() const { return allocated_; }
  const std::set<uint64_t>& owners() const { return owners_; }

 private:
  const BatRules& rules() const { return table_.rules(); }

  // Whether a part of it was owned already.
  static bool Own(std::set<uint64_t>& owners, FileRange range) {
    bool owned = false;
    for (uint64_t offset = 0; offset < range.length_bytes; offset += kMiB) {
      owned |= !owners.insert((range.file_offset + offset) / kMiB).second;
    }
    return owned;
  }

  void Look(uint64_t index, BatEntry entry) {
    const BatSlot slot = BatSlots(rules(), index).Next();
    if (slot.kind == BatSlot::Kind::kPadding || entry.raw() == 0) return;
    const EntryClass found = rules().Classify(slot, entry);
    for (const Rule* rule : found.broken) breaks_a_rule_ |= rule->severity <= Severity::kReadOnly;
    if (slot.kind == BatSlot::Kind::kPayload) {
      ++counts_[entry.state()];
      allocated_ += found.claim.kind != Claim::Kind::kNone;
      if (found.claim.kind == Claim::Kind::kData) {
        fragmented_ += previous_ && *previous_ + kBlockSize != entry.file_offset();
        previous_ = entry.file_offset();
      }
      const bool needs_bitmap =
          entry.state() == PayloadState::kPartiallyPresent && rules().has_parent();
      if (needs_bitmap && !HasBitmap(slot.number)) breaks_a_rule_ = true;
    }
    if (!found.is_well_placed) return;
    if (found.claim.kind == Claim::Kind::kData) shares_space_ |= Own(owners_, found.claim.range);
    if (found.claim.kind == Claim::Kind::kAnchor) anchors_.push_back(found.claim.range);
  }

  bool HasBitmap(uint64_t block) const {
    const format::BatGeometry& geometry = rules().geometry();
    const auto bitmap = table_.entries().find(geometry.BitmapIndex(geometry.ChunkOf(block)));
    return bitmap != table_.entries().end() && BatEntry(bitmap->second).bitmap_state() != 0;
  }

  const Table& table_;
  std::set<uint64_t> owners_;  // MiB
  std::vector<FileRange> anchors_;
  std::map<PayloadState, uint64_t> counts_;
  std::optional<uint64_t> previous_;
  uint64_t fragmented_ = 0;
  uint64_t allocated_ = 0;
  bool shares_space_ = false;
  bool anchors_overlap_ = false;
  bool breaks_a_rule_ = false;
};

// Runs of blocks in any state, mostly apart from each other.
void FillAtRandom(Table& table, std::mt19937_64& random) {
  const uint64_t block_count = table.geometry().payload_block_count();
  uint64_t place = kDataStart;
  for (uint64_t block = 0; block < block_count;) {
    const uint64_t length = std::min(1 + random() % 40, block_count - block);
    const auto state = static_cast<PayloadState>(random() % 4 == 0 ? random() % 8 : 6);
    if (random() % 4 == 0) place += random() % 3 * kMiB;
    if (random() % 40 == 0) place = kDataStart + random() % 200 * kMiB;
    for (uint64_t i = 0; i < length; ++i, place += kBlockSize) {
      const bool is_odd = random() % 400 == 0;
      table.SetBlock(block + i, state, place + (is_odd ? random() % 4 * kMiB : 0));
      if (random() % 2000 == 0) table.SetRaw(table.geometry().PayloadIndex(block + i), random());
    }
    block += length;
  }
  for (uint64_t chunk = 0; table.rules().has_parent() && chunk < table.geometry().chunk_count();
       ++chunk, place += kMiB) {
    if (random() % 8 == 0) continue;
    table.SetRaw(table.geometry().BitmapIndex(chunk),
                 BatEntry(PayloadState::kFullyPresent, place).raw());
  }
}

void ExpectSame(Table& table, const SlowClaims& slow) {
  Claims claims = table.Scan();
  EXPECT_EQ(claims.shared_space.has_value(), slow.shares_space());
  EXPECT_EQ(claims.refusal.has_value(), slow.forbids_writing());
  EXPECT_EQ(table.findings.HasAtLeast(Severity::kReadOnly), slow.forbids_writing());
  const auto count = [&](PayloadState state) {
    const auto found = slow.counts().find(state);
    return found == slow.counts().end() ? 0 : found->second;
  };
  EXPECT_EQ(claims.blocks.present, count(PayloadState::kFullyPresent));
  EXPECT_EQ(claims.blocks.partial, count(PayloadState::kPartiallyPresent));
  EXPECT_EQ(claims.blocks.zero, count(PayloadState::kZero));
  EXPECT_EQ(claims.blocks.unmapped,
            count(PayloadState::kUnmapped) + count(PayloadState::kOldUnmapped));
  EXPECT_EQ(claims.blocks.fragmented, slow.fragmented());
  EXPECT_EQ(claims.unallocated_blocks, claims.blocks.total - slow.allocated());
  for (const uint64_t unit : slow.owners()) {
    ASSERT_TRUE(claims.space.IsClaimed({unit * kMiB, kMiB})) << unit;
  }
  const uint64_t owned = claims.space.End() - claims.space.Summarize().unclaimed_bytes;
  EXPECT_EQ(owned, slow.owners().size() * kMiB);
}

TEST(Claims, RandomTables_AreAsFoundMiBByMiB) {
  std::mt19937_64 random(12);
  uint64_t sound = 0;
  for (int round = 0; round < 60; ++round) {
    Table table(1 + random() % 300, round % 2 == 1);
    FillAtRandom(table, random);
    const SlowClaims slow(table);
    ExpectSame(table, slow);
    ASSERT_FALSE(::testing::Test::HasFailure()) << "round " << round;
    sound += slow.forbids_writing() ? 0 : 1;
  }
  EXPECT_GT(sound, 5U) << "hardly any table may be written: the test shows little";
  EXPECT_LT(sound, 55U);
}

TEST(BatScan, RandomTables_EveryEntryOnceAndInOrder) {
  std::mt19937_64 random(13);
  for (int round = 0; round < 50; ++round) {
    Table table(1 + random() % 300, round % 2 == 1);
    FillAtRandom(table, random);
    table.SetRaw(table.rules().entry_count(), 6);  // past the end
    std::vector<std::pair<uint64_t, uint64_t>> scanned;
    const auto done = ScanEntries(table.file(), table.rules(), [&](const ScannedEntry& entry) {
      const BatSlot slot = BatSlots(table.rules(), entry.index).Next();
      EXPECT_EQ(entry.slot.kind, slot.kind);
      EXPECT_EQ(entry.slot.number, slot.number);
      scanned.emplace_back(entry.index, entry.entry.raw());
      return Result<void>{};
    });
    ASSERT_EQ(OutcomeOf(done), "ok");
    std::vector<std::pair<uint64_t, uint64_t>> expected;
    for (const auto& [index, raw] : table.entries()) {
      const bool is_padding = BatSlots(table.rules(), index).Next().kind == BatSlot::Kind::kPadding;
      if (raw != 0 && !is_padding) expected.emplace_back(index, raw);
    }
    ASSERT_EQ(scanned, expected) << "round " << round;
  }
}

}  // namespace
}  // namespace vhdx

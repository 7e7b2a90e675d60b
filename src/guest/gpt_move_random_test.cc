// Random tables on disks that grow and shrink, with power cuts: whatever happens, the partitions
// are those of before, and nothing of them is written.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "bytes/arithmetic.h"
#include "guest/gpt_move.h"
#include "guest/partition_table.h"
#include "testing/guest_disk.h"
#include "testing/scale.h"

namespace vhdx::guest {
namespace {

using testing::GptSpec;
using testing::GuestDisk;

constexpr uint64_t kLargestDisk = 16 * kMiB;

struct Known {
  std::vector<Partition> partitions;
  std::vector<std::byte> entries;  // of the primary copy
};

bool Equal(const Partition& a, const Partition& b) {
  return a.number == b.number && a.range == b.range && a.type_guid == b.type_guid &&
         a.name == b.name;
}

class RandomGpt {
 public:
  explicit RandomGpt(uint64_t seed)
      : random_(seed),
        sector_size_(Below(2) == 0 ? 512 : 4096),
        guest_((1 + Below(15)) * kMiB, sector_size_) {
    GptSpec spec{.partitions = {},
                 .entry_count = std::vector<uint32_t>{1, 4, 100, 128, 128, 128, 333, 777}[Below(8)],
                 .entry_size = 128U << Below(2),
                 .header_size = 92 + static_cast<uint32_t>(Below(100)),
                 .entries_sector = 2 + Below(2) * Below(50),
                 .protected_sectors = Below(3) == 0 ? 0xFFFFFFFF : Sectors()};
    AddPartitions(spec);
    guest_.WriteGpt(spec);
    known_ = Read(guest_);
  }

  // A size between what cannot be and the largest, often one close to that of now.
  uint64_t NextSize() {
    const uint64_t sectors =
        Below(2) == 0 ? Sectors() + 40 - Below(80) : Below(kLargestDisk / sector_size_);
    return std::max<uint64_t>(sectors, 1) * sector_size_;
  }

  Result<GptPlan> PlanFor(const GuestDisk& guest, uint64_t new_size) const {
    const auto disk = guest.Open();
    return PlanGptMove(*ReadDiskContents(*disk), *ReadGptOnDisk(*disk), new_size);
  }

  // Changes the size, with a power cut in a step if `cut` and as many times as it takes.
  void Resize(uint64_t new_size) {
    const auto plan = PlanFor(guest_, new_size);
    if (!plan) return ExpectRightRefusal(plan.error(), new_size);
    ExpectInBounds(*plan, new_size);
    guest_.Resize(std::max(new_size, guest_.size_bytes()));
    while (!CarryOutUntilCut(new_size)) ExpectWhole();
    ExpectWhole();
    const uint64_t backup_end = ReadTable(guest_).gpt->backup_header.end();
    EXPECT_EQ(backup_end, new_size);
    guest_.Resize(new_size);
    ExpectWhole();
  }

 private:
  uint64_t Below(uint64_t limit) { return random_() % limit; }
  uint32_t Sectors() const { return static_cast<uint32_t>(guest_.size_bytes() / sector_size_); }

  void AddPartitions(GptSpec& spec) {
    const uint64_t array = AlignUp(uint64_t{spec.entry_count} * spec.entry_size, sector_size_);
    uint64_t next = spec.entries_sector + array / sector_size_ + Below(100);
    const uint64_t end = Sectors() - array / sector_size_ - 1;
    for (size_t i = 0; i < spec.entry_count && next < end && Below(8) != 0; ++i) {
      const uint64_t last = next + Below(end - next);
      const bool used = Below(4) != 0;
      spec.partitions.push_back({used ? next : 0, used ? last : 0, "p" + std::to_string(i)});
      next = last + 1 + Below(2) * Below(60);
    }
    std::ranges::shuffle(spec.partitions, random_);
  }

  PartitionTable ReadTable(const GuestDisk& guest) const {
    const auto disk = guest.Open();
    return *ReadPartitionTable(*disk);
  }

  Known Read(const GuestDisk& guest) const {
    const PartitionTable table = ReadTable(guest);
    EXPECT_TRUE(table.gpt && table.gpt->primary_valid && table.gpt->backup_valid);
    if (!table.gpt) return {};
    const DiskRange entries = table.gpt->primary_entries;
    return {table.partitions, guest.contents()->Bytes({entries.disk_offset, entries.length_bytes})};
  }

  void ExpectWhole() const {
    const Known now = Read(guest_);
    EXPECT_TRUE(std::ranges::equal(now.partitions, known_.partitions, Equal));
    EXPECT_EQ(now.entries, known_.entries);
  }

  void ExpectInBounds(const GptPlan& plan, uint64_t new_size) const {
    EXPECT_TRUE(plan.repair.empty());
    for (const GptStep& step : plan.move) {
      for (const GptWrite& write : step.writes) {
        const uint64_t end = write.disk_offset + write.bytes.size();
        EXPECT_LE(end, new_size);
        EXPECT_TRUE(IsAligned(write.disk_offset | end, sector_size_));
        for (const Partition& partition : known_.partitions) {
          EXPECT_TRUE(end <= partition.range.disk_offset ||
                      write.disk_offset >= partition.range.end());
        }
      }
    }
  }

  // Only where there is no room, or no gap for a small difference.
  void ExpectRightRefusal(const Error& error, uint64_t new_size) const {
    const PartitionTable table = ReadTable(guest_);
    uint64_t end = table.structures_end;
    for (const Partition& partition : known_.partitions) {
      end = std::max(end, partition.range.end());
    }
    const uint64_t backup = table.gpt->backup_bytes;
    if (error.code == ErrorCode::kInvalidArgument) {
      // One sector more than the structures must be left for partitions.
      EXPECT_LT(new_size, end + backup + sector_size_) << error.sentence;
      return;
    }
    EXPECT_NE(error.sentence.find("no gap"), std::string::npos) << error.sentence;
    const uint64_t size = guest_.size_bytes();
    const uint64_t reserved = std::max(backup, 16 * kKiB + sector_size_);
    EXPECT_LT(std::max(size, new_size) - std::min(size, new_size), reserved);
  }

  // True if the power did not fail. Of the step in which it does, any sectors are written.
  bool CarryOutUntilCut(uint64_t new_size) {
    const auto plan = PlanFor(guest_, new_size);
    EXPECT_TRUE(plan) << ToString(plan.error());
    if (!plan) return true;
    for (const GptStep& step : plan->move) {
      const bool cut = Below(4) == 0;
      for (const GptWrite& write : step.writes) {
        for (size_t at = 0; at < write.bytes.size(); at += sector_size_) {
          if (cut && Below(2) == 0) continue;
          guest_.Write(write.disk_offset + at, std::span(write.bytes).subspan(at, sector_size_));
        }
      }
      if (cut) return false;
    }
    return true;
  }

  std::mt19937_64 random_;
  const uint32_t sector_size_;
  GuestDisk guest_;
  Known known_;
};

TEST(GptMoveRandom, PartitionsOfADiskThatChangesItsSize_AreThoseOfBefore) {
  constexpr uint64_t kDisks = 60;
  constexpr int kSizes = 8;
  for (uint64_t seed = 0; seed < testing::Scaled(kDisks); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    RandomGpt gpt(seed);
    for (int i = 0; i < kSizes; ++i) gpt.Resize(gpt.NextSize());
    if (::testing::Test::HasFailure()) return;
  }
}

}  // namespace
}  // namespace vhdx::guest

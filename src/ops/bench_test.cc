#include <gtest/gtest.h>
#include <vhdxkit/bench.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "bytes/arithmetic.h"
#include "bytes/zeros.h"
#include "testing/outcome.h"

namespace vhdx {
namespace {

// Remembers where it was read.
class RecordingDevice final : public BlockDevice {
 public:
  explicit RecordingDevice(uint64_t size) : size_(size) {}

  std::vector<uint64_t> offsets() {
    const std::scoped_lock lock(mutex_);
    return offsets_;
  }
  void FailFrom(size_t count) { fail_from_ = count; }
  std::vector<uint64_t> writes() {
    const std::scoped_lock lock(mutex_);
    return writes_;
  }
  // How many writes there had been at each flush.
  std::vector<size_t> writes_at_flushes() {
    const std::scoped_lock lock(mutex_);
    return writes_at_flushes_;
  }

  const std::string& name() const override { return name_; }
  uint64_t size_bytes() const override { return size_; }
  uint32_t logical_sector_size() const override { return 512; }
  uint32_t physical_sector_size() const override { return 512; }
  bool writable() const override { return false; }
  bool Uses(const FileIdentity&) const override { return false; }
  using BlockDevice::Read;
  using BlockDevice::Write;
  Result<void> Read(uint64_t disk_offset, std::span<const MutableByteSpan> buffers) override {
    const MutableByteSpan buffer = buffers.front();
    const std::scoped_lock lock(mutex_);
    if (offsets_.size() >= fail_from_) return Fail(ErrorCode::kIo, "broken", name_);
    EXPECT_LE(disk_offset + buffer.size(), size_);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(buffer.data()) % 4096, 0u);
    offsets_.push_back(disk_offset);
    return {};
  }
  Result<void> Write(uint64_t disk_offset, std::span<const ByteSpan> buffers, WriteFlag) override {
    const ByteSpan buffer = buffers.front();
    const std::scoped_lock lock(mutex_);
    if (writes_.size() >= fail_from_) return Fail(ErrorCode::kNoSpace, "full", name_);
    EXPECT_LE(disk_offset + buffer.size(), size_);
    EXPECT_FALSE(IsAllZero(buffer));
    writes_.push_back(disk_offset);
    return {};
  }
  Result<void> WriteZeroes(DiskRange) override { return Fail(ErrorCode::kReadOnly, ""); }
  Result<void> Trim(DiskRange) override { return Fail(ErrorCode::kReadOnly, ""); }
  Result<void> Flush() override {
    const std::scoped_lock lock(mutex_);
    writes_at_flushes_.push_back(writes_.size());
    return {};
  }
  Result<std::vector<Extent>> Extents(DiskRange range, size_t) override {
    return std::vector<Extent>{{.range = range}};
  }

 private:
  const std::string name_ = "recording";
  const uint64_t size_;
  std::mutex mutex_;
  std::vector<uint64_t> offsets_;
  std::vector<uint64_t> writes_;
  std::vector<size_t> writes_at_flushes_;
  size_t fail_from_ = SIZE_MAX;
};

TEST(BenchRequests, GoesThroughTheDiskAndBeginsAgain) {
  RecordingDevice disk(10000);
  const auto report = *BenchRequests(disk, {.count = 4, .block_bytes = 4096});
  EXPECT_EQ(disk.offsets(), (std::vector<uint64_t>{0, 4096, 0, 4096}));
  EXPECT_EQ(report.requests, 4u);
  EXPECT_EQ(report.bytes, 4u * 4096);
  EXPECT_GE(report.latency_max, report.latency_99);
  EXPECT_GE(report.latency_99, report.latency_median);
}

TEST(BenchRequests, StepSkipsOrOverlaps) {
  RecordingDevice disk(kMiB);
  ASSERT_TRUE(BenchRequests(disk, {.count = 3, .block_bytes = 512, .step_bytes = 100000}));
  EXPECT_EQ(disk.offsets(), (std::vector<uint64_t>{0, 100000, 200000}));
}

TEST(BenchRequests, RandomIsSpreadAlignedAndRepeatable) {
  RecordingDevice first(kGiB);
  RecordingDevice second(kGiB);
  const BenchOptions options{.count = 1000, .random = true, .depth = 1, .seed = 7};
  ASSERT_TRUE(BenchRequests(first, options));
  ASSERT_TRUE(BenchRequests(second, options));
  EXPECT_EQ(first.offsets(), second.offsets());
  const auto offsets = first.offsets();
  EXPECT_TRUE(std::ranges::all_of(offsets, [](uint64_t offset) { return offset % 4096 == 0; }));
  EXPECT_GT(std::set<uint64_t>(offsets.begin(), offsets.end()).size(), 990u);
}

TEST(BenchRequests, ThreadsShareTheRequests) {
  RecordingDevice disk(kGiB);
  const auto report = *BenchRequests(disk, {.count = 1000, .depth = 8});
  auto offsets = disk.offsets();
  std::ranges::sort(offsets);
  ASSERT_EQ(offsets.size(), 1000u);
  for (size_t i = 0; i < offsets.size(); ++i) EXPECT_EQ(offsets[i], i * 4096);
  EXPECT_EQ(report.requests, 1000u);
}

TEST(BenchRequests, FailureEndsIt) {
  RecordingDevice disk(kGiB);
  disk.FailFrom(10);
  EXPECT_EQ(testing::OutcomeOf(BenchRequests(disk, {.count = 1000, .depth = 4})), "io");
  EXPECT_EQ(disk.offsets().size(), 10u);
}

TEST(BenchRequests, WritesAreFlushedAtTheEnd) {
  RecordingDevice disk(10000);
  const auto report = *BenchRequests(disk, {.kind = RequestKind::kWrite, .count = 3});
  EXPECT_EQ(disk.writes(), (std::vector<uint64_t>{0, 4096, 0}));
  EXPECT_EQ(disk.writes_at_flushes(), std::vector<size_t>{3});
  EXPECT_EQ(report.flushes, 1u);
  EXPECT_EQ(report.requests, 3u);
  EXPECT_TRUE(disk.offsets().empty());
}

TEST(BenchRequests, FlushIntervalCountsWrites) {
  RecordingDevice disk(kMiB);
  ASSERT_TRUE(BenchRequests(disk, {.kind = RequestKind::kWrite, .count = 7, .flush_interval = 3}));
  EXPECT_EQ(disk.writes_at_flushes(), (std::vector<size_t>{3, 6, 7}));
  RecordingDevice parallel(kMiB);
  const auto report = *BenchRequests(
      parallel, {.kind = RequestKind::kWrite, .count = 1000, .depth = 8, .flush_interval = 10});
  EXPECT_EQ(report.flushes, 101u);
}

TEST(BenchRequests, WriteThatFailsEndsIt) {
  RecordingDevice disk(kMiB);
  disk.FailFrom(5);
  const BenchOptions options{.kind = RequestKind::kWrite, .count = 1000, .depth = 4};
  EXPECT_EQ(testing::OutcomeOf(BenchRequests(disk, options)), "no-space");
  EXPECT_TRUE(disk.writes_at_flushes().empty());
}

TEST(BenchRequests, ImpossibleRequestsAreRefused) {
  RecordingDevice disk(kMiB);
  for (const BenchOptions& options :
       {BenchOptions{.block_bytes = 2 * kMiB}, BenchOptions{.block_bytes = 0},
        BenchOptions{.depth = 0}, BenchOptions{.depth = 100000},
        BenchOptions{.count = UINT64_MAX, .block_bytes = 4096}}) {
    EXPECT_EQ(testing::OutcomeOf(BenchRequests(disk, options)), "invalid-argument");
  }
  EXPECT_TRUE(disk.offsets().empty());
}

TEST(BenchRequests, ProgressEndsAtAllBytes) {
  RecordingDevice disk(kMiB);
  uint64_t last = 0;
  const OperationControl control{
      .on_progress = [&](uint64_t done_bytes, uint64_t) { last = done_bytes; }};
  ASSERT_TRUE(BenchRequests(disk, {.count = 100, .depth = 3}, control));
  EXPECT_EQ(last, 100u * 4096);
}

TEST(BenchRequests, CancelledEndsWithoutAnAnswer) {
  RecordingDevice disk(kMiB);
  const std::atomic<bool> cancel = true;
  EXPECT_EQ(testing::OutcomeOf(BenchRequests(disk, {}, {.cancel = &cancel})), "cancelled");
}

}  // namespace
}  // namespace vhdx

#include <gtest/gtest.h>
#include <vhdxkit/compare.h>
#include <vhdxkit/disk.h>
#include <vhdxkit/raw_device.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "bytes/arithmetic.h"
#include "testing/image_builder.h"
#include "testing/memory_file.h"
#include "testing/memory_file_system.h"
#include "testing/outcome.h"

namespace vhdx {
namespace {

using testing::MemoryContents;
using testing::MemoryFile;
using testing::MemoryFileSystem;

// A raw disk of that size, all hole.
struct RawDisk {
  explicit RawDisk(uint64_t size) : contents(std::make_shared<MemoryContents>()) {
    contents->Resize(size);
  }
  void Put(uint64_t offset, const std::string& bytes) {
    contents->Write(offset, std::as_bytes(std::span(bytes)));
  }
  std::unique_ptr<RawDevice> Open() const {
    return *RawDevice::Open(std::make_unique<MemoryFile>(contents));
  }

  std::shared_ptr<MemoryContents> contents;
};

CompareReport CompareRaw(const RawDisk& a, const RawDisk& b, const CompareOptions& options = {}) {
  return *Compare(*a.Open(), *b.Open(), options);
}

std::unique_ptr<Disk> OpenImage(MemoryFileSystem& files, const testing::ImageSpec& spec,
                                const std::string& path) {
  EXPECT_TRUE(testing::BuildAt(spec, files, path));
  return *Disk::Open(files, path);
}

TEST(Compare, EqualDisksAreIdentical) {
  RawDisk a(kMiB);
  RawDisk b(kMiB);
  a.Put(5000, "same");
  b.Put(5000, "same");
  const CompareReport report = CompareRaw(a, b);
  EXPECT_TRUE(report.identical);
  EXPECT_FALSE(report.first_difference);
  EXPECT_TRUE(report.differences.empty());
}

TEST(Compare, FirstDifferenceIsTheByteAndItsSector) {
  RawDisk a(8 * kMiB);
  RawDisk b(8 * kMiB);
  a.Put(3 * kMiB + 700, "x");
  a.Put(7 * kMiB, "later");
  const CompareReport report = CompareRaw(a, b);
  EXPECT_FALSE(report.identical);
  EXPECT_EQ(report.first_difference, 3 * kMiB + 700);
  ASSERT_EQ(report.differences.size(), 1u);
  EXPECT_EQ(report.differences[0], (DiskRange{3 * kMiB + 512, 512}));
}

TEST(Compare, AllDifferencesAreMergedAcrossPieces) {
  RawDisk a(8 * kMiB);
  RawDisk b(8 * kMiB);
  a.Put(kMiB - 1, std::string(2 * kMiB, 'x'));  // from the last byte of one MiB on
  b.Put(6 * kMiB, "y");
  const CompareReport report = CompareRaw(a, b, {.all_differences = true});
  const std::vector<DiskRange> expected = {{kMiB - 512, 2 * kMiB + 512}, {6 * kMiB, 512}};
  EXPECT_EQ(report.first_difference, kMiB - 1);
  EXPECT_EQ(report.differences, expected);
}

TEST(Compare, WrittenZerosEqualHoles) {
  RawDisk a(kMiB);
  RawDisk b(kMiB);
  a.Put(0, std::string(kMiB, '\0'));
  EXPECT_TRUE(CompareRaw(a, b).identical);
  EXPECT_TRUE(CompareRaw(b, a).identical);
}

TEST(Compare, LongerDiskIsIdenticalOnlyIfItsRestIsZeros) {
  RawDisk a(kMiB);
  RawDisk b(2 * kMiB);
  EXPECT_TRUE(CompareRaw(a, b).identical);
  EXPECT_TRUE(CompareRaw(b, a).identical);
  b.Put(2 * kMiB - 1, "x");
  EXPECT_EQ(CompareRaw(a, b).first_difference, 2 * kMiB - 1);
  EXPECT_EQ(CompareRaw(b, a).first_difference, 2 * kMiB - 1);
}

TEST(Compare, StrictWantsEqualSizes) {
  const RawDisk a(kMiB);
  const RawDisk b(2 * kMiB);
  const CompareReport report = CompareRaw(a, b, {.strict = true});
  EXPECT_FALSE(report.identical);
  EXPECT_FALSE(report.first_difference);
  EXPECT_EQ(report.size_a_bytes, kMiB);
  EXPECT_EQ(report.size_b_bytes, 2 * kMiB);
}

TEST(Compare, ImageEqualsTheRawDiskOfItsContents) {
  MemoryFileSystem files;
  testing::ImageSpec spec = testing::DynamicImage({.disk_size = 8 * kMiB, .block_size = kMiB});
  spec.blocks = {testing::FullBlock(1), testing::ZeroBlock(3), testing::FullBlock(7)};
  const auto image = OpenImage(files, spec, "/a.vhdx");
  std::vector<std::byte> bytes(image->size_bytes());
  ASSERT_TRUE(image->Read(0, bytes));
  const auto contents = std::make_shared<MemoryContents>(ByteSpan(bytes));
  const auto raw = *RawDevice::Open(std::make_unique<MemoryFile>(contents));
  EXPECT_TRUE(Compare(*image, *raw)->identical);
  contents->Write(5 * kMiB, std::as_bytes(std::span("x", 1)));
  EXPECT_EQ(Compare(*image, *raw)->first_difference, 5 * kMiB);
}

// An image whose blocks are read is noticed: its file ends before them.
TEST(Compare, BytesOfASharedParentAreNotRead) {
  MemoryFileSystem files;
  testing::ImageSpec parent = testing::DynamicImage({.disk_size = 8 * kMiB, .block_size = kMiB});
  parent.blocks = testing::FullBlocks(4);
  ASSERT_TRUE(testing::BuildAt(parent, files, "/base.vhdx"));
  testing::ImageSpec child = testing::ChildOf(parent, ".\\base.vhdx");
  const auto a = OpenImage(files, child, "/a.avhdx");
  child.blocks = {testing::FullBlock(2)};
  const auto b = OpenImage(files, child, "/b.avhdx");
  const auto base = files.Contents("/base.vhdx");
  const uint64_t first_block = testing::PlanLayout(parent).block_offsets.at(0);
  base->Resize(first_block);  // behind their backs
  const auto report = Compare(*a, *a);
  ASSERT_TRUE(report) << ToString(report.error());
  EXPECT_TRUE(report->identical);
  EXPECT_NE(testing::OutcomeOf(Compare(*a, *b)), "ok");
}

TEST(Compare, EmptyDisksOf64TiBTakeNoTime) {
  MemoryFileSystem files;
  const testing::ImageSpec spec =
      testing::DynamicImage({.disk_size = 64 * kTiB, .block_size = 32 * kMiB});
  const auto a = OpenImage(files, spec, "/a.vhdx");
  const auto b = OpenImage(files, spec, "/b.vhdx");
  const auto start = std::chrono::steady_clock::now();
  EXPECT_TRUE(Compare(*a, *b)->identical);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(2));
}

TEST(Compare, CancelledEndsWithoutAnAnswer) {
  RawDisk a(kMiB);
  a.Put(0, "x");
  const std::atomic<bool> cancel = true;
  const auto report = Compare(*a.Open(), *a.Open(), {}, {.cancel = &cancel});
  EXPECT_EQ(testing::OutcomeOf(report), "cancelled");
}

TEST(Compare, ProgressEndsAtTheLongerSize) {
  RawDisk a(3 * kMiB);
  const RawDisk b(kMiB);
  a.Put(0, std::string(100, '\0'));
  uint64_t last = 0;
  uint64_t total = 0;
  const OperationControl control{.on_progress = [&](uint64_t done_bytes, uint64_t total_bytes) {
    last = done_bytes;
    total = total_bytes;
  }};
  ASSERT_TRUE(Compare(*a.Open(), *b.Open(), {}, control));
  EXPECT_EQ(last, 3 * kMiB);
  EXPECT_EQ(total, 3 * kMiB);
}

}  // namespace
}  // namespace vhdx

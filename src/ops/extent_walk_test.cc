#include "ops/extent_walk.h"

#include <gtest/gtest.h>
#include <vhdxkit/raw_device.h>

#include <memory>
#include <vector>

#include "testing/memory_file.h"

namespace vhdx {
namespace {

using testing::MemoryContents;
using testing::MemoryFile;

constexpr uint64_t kPage = MemoryContents::kPageBytes;

// Pages with an even number hold data.
std::unique_ptr<RawDevice> Striped(uint64_t pages) {
  auto contents = std::make_shared<MemoryContents>();
  contents->Resize(pages * kPage);
  const std::vector<std::byte> data(kPage, std::byte{1});
  for (uint64_t page = 0; page < pages; page += 2) contents->Write(page * kPage, data);
  return *RawDevice::Open(std::make_unique<MemoryFile>(contents));
}

TEST(ExtentWalk, GivesEveryExtentOnceOverManyBatches) {
  constexpr uint64_t kPages = 5000;
  const auto disk = Striped(kPages);
  ExtentWalk walk(*disk, {0, disk->size_bytes()});
  for (uint64_t page = 0; page < kPages; ++page) {
    const auto extent = *walk.Next();
    ASSERT_TRUE(extent);
    EXPECT_EQ(extent->range, (DiskRange{page * kPage, kPage}));
    EXPECT_EQ(extent->kind, page % 2 == 0 ? ExtentKind::kData : ExtentKind::kHole);
  }
  EXPECT_FALSE(*walk.Next());
}

TEST(ExtentWalk, SkippedPartIsGone) {
  const auto disk = Striped(2);
  ExtentWalk walk(*disk, {0, disk->size_bytes()});
  ASSERT_TRUE(*walk.Peek());
  walk.Skip(100);
  const auto rest = *walk.Peek();
  EXPECT_EQ(rest->range, (DiskRange{100, kPage - 100}));
  EXPECT_EQ(rest->place->file_offset, 100u);
}

TEST(ExtentWalk, EmptyRangeHasNoExtent) {
  const auto disk = Striped(2);
  EXPECT_FALSE(*ExtentWalk(*disk, {kPage, 0}).Next());
}

}  // namespace
}  // namespace vhdx

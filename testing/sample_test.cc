#include "testing/sample.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <utility>

#include "testing/disk_model.h"
#include "testing/memory_file.h"

namespace vhdx::testing {
namespace {

using format::PayloadState;

uint64_t CountOf(const ImageSpec& spec, PayloadState state) {
  return static_cast<uint64_t>(std::ranges::count(spec.blocks, state, &BlockSpec::state));
}

TEST(SampleDisk, DataIsTheShareAskedFor) {
  for (const uint32_t percent : {0U, 1U, 25U, 50U, 100U}) {
    const ImageSpec spec = SampleDisk({.disk_size = kGiB, .data_percent = percent});
    EXPECT_EQ(CountOf(spec, PayloadState::kFullyPresent), 512 * percent / 100) << percent;
  }
  EXPECT_GT(CountOf(SampleDisk({}), PayloadState::kZero), 0U);
  EXPECT_EQ(CountOf(SampleDisk({.fixed = true}), PayloadState::kFullyPresent), 128U);
}

TEST(SampleChain, EveryLayerIsSeenThroughTheLeaf) {
  const std::vector<SampleFile> files = SampleChain({.disk_size = 256 * kMiB});
  ASSERT_EQ(files.size(), 3U);
  EXPECT_EQ(files[2].name, "leaf.avhdx");
  const DiskModel model({files[2].spec, files[1].spec, files[0].spec});
  std::set<std::pair<SectorSource::Kind, uint32_t>> seen;
  for (uint64_t offset = 0; offset < model.size_bytes(); offset += 4096) {
    const SectorSource source = model.SourceOf(offset);
    seen.emplace(source.kind, source.depth);
  }
  using SourceKind = SectorSource::Kind;
  for (const uint32_t depth : {0U, 1U, 2U}) {
    EXPECT_TRUE(seen.contains({SourceKind::kData, depth})) << depth;
    EXPECT_TRUE(seen.contains({SourceKind::kZero, depth})) << depth;
  }
  EXPECT_TRUE(seen.contains({SourceKind::kHole, 2}));
}

}  // namespace
}  // namespace vhdx::testing

// Three-level chains against the reference model, from many threads at once.

#include <gtest/gtest.h>
#include <vhdxkit/disk.h>

#include <algorithm>
#include <atomic>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "bytes/arithmetic.h"
#include "bytes/same_bytes.h"
#include "testing/disk_model.h"
#include "testing/image_builder.h"
#include "testing/memory_file_system.h"
#include "testing/scale.h"

namespace vhdx {
namespace {

using format::PayloadState;
using testing::BlockSpec;
using testing::ChildOf;
using testing::DiskModel;
using testing::DynamicImage;
using testing::FullBlock;
using testing::ImageSpec;
using testing::PartialBlock;
using testing::SectorRun;
using testing::StateBlock;
using testing::ZeroBlock;

constexpr unsigned kThreads = 8;
constexpr uint64_t kReads = 40000;
constexpr uint64_t kMaxRead = 256 * kKiB;

// Runs of sectors of one block, some short, some long, with gaps.
std::vector<SectorRun> RandomRuns(std::mt19937_64& random, uint64_t sectors) {
  std::vector<SectorRun> runs;
  for (uint64_t position = random() % 64; position < sectors;) {
    const uint64_t longest = random() % 4 == 0 ? sectors / 2 : 16;
    const uint64_t count = std::min(1 + random() % longest, sectors - position);
    runs.push_back({position, count});
    position += count + 1 + random() % 512;
  }
  return runs;
}

// Every state that a child's block can have, in no order.
std::vector<BlockSpec> RandomChildBlocks(std::mt19937_64& random, uint64_t blocks,
                                         uint64_t sectors_per_block) {
  std::vector<BlockSpec> specs;
  for (uint64_t block = 0; block < blocks; ++block) {
    switch (random() % 8) {
      case 0:
        specs.push_back(FullBlock(block));
        break;
      case 1:
      case 2:
      case 3:
        specs.push_back(PartialBlock(block, RandomRuns(random, sectors_per_block)));
        break;
      case 4:
        specs.push_back(ZeroBlock(block));
        break;
      case 5:
        specs.push_back(StateBlock(
            block, random() % 2 == 0 ? PayloadState::kUnmapped : PayloadState::kUndefined));
        break;
      default:
        break;
    }
  }
  return specs;
}

// A base of 32 MiB blocks; a larger child, and a leaf that is smaller than both, of 2 MiB blocks.
std::vector<ImageSpec> MakeChain(uint32_t sector_size) {
  std::mt19937_64 random(sector_size);
  ImageSpec base = DynamicImage(
      {.disk_size = 100 * kMiB, .block_size = 32 * kMiB, .logical_sector_size = sector_size});
  base.data_write_guid = testing::TestGuid(201);
  base.blocks = {FullBlock(0), ZeroBlock(1), FullBlock(3)};
  ImageSpec child =
      ChildOf(base, R"(.\base.vhdx)", {.disk_size = 121 * kMiB, .block_size = 2 * kMiB});
  child.data_write_guid = testing::TestGuid(202);
  child.blocks = RandomChildBlocks(random, 61, 2 * kMiB / sector_size);
  ImageSpec leaf = ChildOf(child, R"(.\child.avhdx)", {.disk_size = 111 * kMiB, .block_size = {}});
  leaf.data_write_guid = testing::TestGuid(203);
  leaf.blocks = RandomChildBlocks(random, 55, 2 * kMiB / sector_size);
  return {leaf, child, base};
}

class ChainOfThree : public ::testing::TestWithParam<uint32_t> {
 protected:
  void SetUp() override {
    const std::vector<std::string> names = {"/vm/leaf.avhdx", "/vm/child.avhdx", "/vm/base.vhdx"};
    for (size_t i = 0; i < chain_.size(); ++i) {
      auto built = testing::BuildAt(chain_[i], files_, names[i]);
      ASSERT_TRUE(built) << built.error().sentence;
    }
    auto disk = Disk::Open(files_, names[0]);
    ASSERT_TRUE(disk) << disk.error().sentence;
    disk_ = *std::move(disk);
  }

  std::vector<ImageSpec> chain_ = MakeChain(GetParam());
  testing::MemoryFileSystem files_;
  std::unique_ptr<Disk> disk_;
};

TEST_P(ChainOfThree, WholeDisk_IsAsTheModelHasIt) {
  ASSERT_EQ(disk_->chain_length(), 3U);
  EXPECT_EQ(testing::CompareWithModel(*disk_, DiskModel(chain_)), "");
}

TEST_P(ChainOfThree, RandomReadsFromEightThreads_AreAsTheModelHasThem) {
  const DiskModel model(chain_);
  std::atomic<uint64_t> wrong = 0;
  const auto read_at_random = [&](unsigned thread) {
    std::mt19937_64 random(1000 * GetParam() + thread);
    std::vector<std::byte> buffer(kMaxRead);
    for (uint64_t i = 0; i < testing::Scaled(kReads / kThreads); ++i) {
      const uint64_t length = random() % 2 == 0 ? 1 + random() % 8192 : 1 + random() % kMaxRead;
      const uint64_t offset = random() % (disk_->size_bytes() - length + 1);
      const auto bytes = std::span(buffer).first(length);
      if (!disk_->Read(offset, bytes) || !SameBytes(bytes, model.ExpectedBytes({offset, length}))) {
        ++wrong;
      }
    }
  };
  {
    std::vector<std::jthread> threads;
    for (unsigned i = 0; i < kThreads; ++i) threads.emplace_back(read_at_random, i);
  }
  EXPECT_EQ(wrong, 0U);
}

TEST_P(ChainOfThree, Extents_AreAsTheModelHasThem) {
  const DiskModel model(chain_);
  auto extents = disk_->Extents({0, disk_->size_bytes()}, 1000000);
  ASSERT_TRUE(extents);
  uint64_t position = 0;
  for (const Extent& extent : *extents) {
    ASSERT_EQ(extent.range.disk_offset, position);
    for (uint64_t offset = position; offset < extent.range.end(); offset += GetParam()) {
      using Kind = testing::SectorSource::Kind;
      const testing::SectorSource source = model.SourceOf(offset);
      const Kind expected = extent.kind == ExtentKind::kData   ? Kind::kData
                            : extent.kind == ExtentKind::kZero ? Kind::kZero
                                                               : Kind::kHole;
      ASSERT_EQ(source.kind, expected) << offset;
      if (expected == Kind::kHole) continue;
      ASSERT_EQ(source.depth, extent.depth) << offset;
      if (expected == Kind::kZero) continue;
      ASSERT_EQ(source.file_offset, extent.place->file_offset + (offset - position)) << offset;
    }
    position = extent.range.end();
  }
  EXPECT_EQ(position, disk_->size_bytes());
}

INSTANTIATE_TEST_SUITE_P(SectorSizes, ChainOfThree, ::testing::Values(512U, 4096U));

}  // namespace
}  // namespace vhdx

#include "image/sector_bitmaps.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

#include "bytes/arithmetic.h"
#include "format/findings.h"
#include "image/image.h"
#include "testing/image_builder.h"
#include "testing/memory_file.h"
#include "testing/outcome.h"

namespace vhdx {
namespace {

using testing::MemoryContents;
using testing::MemoryFile;
using testing::OutcomeOf;

// Two blocks of a child, partially present, with no bit set; bitmaps of several pages a block for
// blocks of 64 MiB, of a part of a page for blocks of 2 MiB.
class ChangedBitmaps : public ::testing::TestWithParam<uint64_t> {
 protected:
  ChangedBitmaps() {
    const auto base =
        testing::DynamicImage({.disk_size = 4 * GetParam(), .block_size = GetParam()});
    testing::ImageSpec child = testing::ChildOf(base, ".\\base.vhdx");
    child.blocks = {testing::PartialBlock(1, {}), testing::PartialBlock(2, {})};
    for (auto& block : child.blocks) block.content = testing::BlockContent::kZeros;
    auto file = std::make_unique<MemoryFile>(contents_);
    EXPECT_EQ(OutcomeOf(testing::Build(child, *file)), "ok");
    Findings findings;
    auto image = Image::Open(std::move(file), findings);
    EXPECT_EQ(OutcomeOf(image), "ok");
    image_ = *std::move(image);
    expected_.resize(2 * GetParam() / kSector);
  }

  SectorBitmaps& bitmaps() { return image_->sector_bitmaps(); }
  // A range of sectors, counted from the start of block 1.
  DiskRange Range(uint64_t first, uint64_t count) const {
    return {GetParam() + first * kSector, count * kSector};
  }
  std::vector<bool> BitsNow() {
    std::vector<bool> bits;
    const DiskRange all = Range(0, expected_.size());
    for (uint64_t at = all.disk_offset; at < all.end();) {
      auto run = bitmaps().RunAt(at, all.end() - at);
      EXPECT_EQ(OutcomeOf(run), "ok");
      bits.insert(bits.end(), run->length_bytes / kSector, run->in_this_file);
      at += run->length_bytes;
    }
    return bits;
  }
  void Set(uint64_t first, uint64_t count, SectorBitmaps::OtherBits others) {
    std::vector<uint64_t> changed;
    const auto loaded = bitmaps().LoadPages(Range(first, count));
    ASSERT_EQ(OutcomeOf(loaded), "ok");
    bitmaps().SetBits(*loaded, others, changed);
    changed_.insert(changed_.end(), changed.begin(), changed.end());
    const uint64_t per_block = GetParam() / kSector;
    if (others == SectorBitmaps::OtherBits::kClear) {
      const auto block = expected_.begin() + static_cast<ptrdiff_t>(first / per_block * per_block);
      std::fill_n(block, per_block, false);
    }
    std::fill_n(expected_.begin() + static_cast<ptrdiff_t>(first), count, true);
  }

  static constexpr uint64_t kSector = 512;
  const std::shared_ptr<MemoryContents> contents_ = std::make_shared<MemoryContents>();
  std::unique_ptr<Image> image_;
  std::vector<bool> expected_;
  std::vector<uint64_t> changed_;
};

INSTANTIATE_TEST_SUITE_P(BlockSizes, ChangedBitmaps, ::testing::Values(2 * kMiB, 64 * kMiB));

TEST_P(ChangedBitmaps, BitsAreThoseThatWereSet) {
  std::mt19937_64 random(3);
  const uint64_t per_block = GetParam() / kSector;
  for (int i = 0; i < 40; ++i) {
    const uint64_t block = random() % 2;
    const uint64_t first = random() % per_block;
    const uint64_t count =
        1 + random() % std::min<uint64_t>(per_block - first, 1 + random() % 5000);
    Set(block * per_block + first, count,
        i % 7 == 6 ? SectorBitmaps::OtherBits::kClear : SectorBitmaps::OtherBits::kKeep);
    ASSERT_EQ(BitsNow(), expected_) << i;
  }
}

TEST_P(ChangedBitmaps, NothingNew_ChangesNoPage) {
  Set(3, 10, SectorBitmaps::OtherBits::kKeep);
  EXPECT_EQ(changed_.size(), 1U);
  Set(4, 5, SectorBitmaps::OtherBits::kKeep);
  EXPECT_EQ(changed_.size(), 1U);
}

TEST_P(ChangedBitmaps, CheckpointedPages_AreReadFromTheFile) {
  Set(0, 9, SectorBitmaps::OtherBits::kKeep);
  ASSERT_EQ(changed_.size(), 1U);
  MemoryFile file(contents_);
  std::array<std::byte, 4096> page;
  bitmaps().EncodePage(changed_[0], page);
  const uint64_t slice = image_->geometry().BitmapSliceOffset(1) % page.size();
  EXPECT_EQ(page[slice], std::byte{0xFF});
  EXPECT_EQ(page[slice + 1], std::byte{0x01});
  ASSERT_EQ(OutcomeOf(file.WriteAt(*bitmaps().PageOffset(changed_[0]), ByteSpan(page))), "ok");
  bitmaps().NoteCheckpointed(changed_[0], page);
  EXPECT_EQ(BitsNow(), expected_);
  // An older copy does not take a newer page away.
  Set(20, 1, SectorBitmaps::OtherBits::kKeep);
  bitmaps().NoteCheckpointed(changed_[0], page);
  EXPECT_EQ(BitsNow(), expected_);
}

// Loaded before somebody else changes the page, which then goes to the file and, by readers of
// other pages, out of memory.
TEST(SectorBitmapsTest, PagesThatWereLoadedBefore_AreBroughtUpToDate) {
  const auto contents = std::make_shared<MemoryContents>();
  const auto base = testing::DynamicImage({.disk_size = 24 * kGiB, .block_size = 64 * kMiB});
  testing::ImageSpec child = testing::ChildOf(base, ".\\base.vhdx");
  for (uint64_t chunk = 0; chunk < 6; ++chunk) {
    child.blocks.push_back(testing::PartialBlock(64 * chunk, {}));
    child.blocks.back().content = testing::BlockContent::kZeros;
  }
  MemoryFile file(contents);
  ASSERT_EQ(OutcomeOf(testing::Build(child, file)), "ok");
  Findings findings;
  const auto image = *Image::Open(std::make_unique<MemoryFile>(contents), findings);
  SectorBitmaps& bitmaps = image->sector_bitmaps();
  constexpr uint64_t kPageOfDisk = 16 * kMiB;
  const auto is_here = [&](uint64_t sector) {
    return bitmaps.RunAt(sector * 512, 512)->in_this_file;
  };

  auto mine = *bitmaps.LoadPages({0, 512});
  std::vector<uint64_t> changed;
  bitmaps.SetBits(*bitmaps.LoadPages({10 * 512, 512}), SectorBitmaps::OtherBits::kKeep, changed);
  std::array<std::byte, 4096> page;
  bitmaps.EncodePage(0, page);
  ASSERT_EQ(OutcomeOf(file.WriteAt(*bitmaps.PageOffset(0), ByteSpan(page))), "ok");
  bitmaps.NoteCheckpointed(0, page);
  ASSERT_TRUE(bitmaps.Refresh(mine));
  for (uint64_t other = 1; other <= 64; ++other) {
    EXPECT_FALSE(is_here(other * 16 * kPageOfDisk / 512));
  }
  bitmaps.SetBits(mine, SectorBitmaps::OtherBits::kKeep, changed);
  EXPECT_TRUE(is_here(0));
  EXPECT_TRUE(is_here(10));
}

TEST_P(ChangedBitmaps, AllSet_IsTrueOfACompleteBlockOnly) {
  const uint64_t per_block = GetParam() / kSector;
  Set(0, per_block - 1, SectorBitmaps::OtherBits::kKeep);
  EXPECT_FALSE(*bitmaps().AllSet(1));
  Set(per_block - 1, 1, SectorBitmaps::OtherBits::kKeep);
  EXPECT_TRUE(*bitmaps().AllSet(1));
  EXPECT_FALSE(*bitmaps().AllSet(2));
}

}  // namespace
}  // namespace vhdx

// One byte of a good image is wrong. Whatever byte it is: opening, reading and checking end in a
// result or a clear error; and where there are two copies of something, the disk still reads right.
// At the end stands a table of what the flips came to, by rule.

#include <gtest/gtest.h>
#include <vhdxkit/check.h>
#include <vhdxkit/disk.h>

#include <cstdio>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "format/layout.h"
#include "format/metadata.h"
#include "format/region_table.h"
#include "testing/disk_model.h"
#include "testing/image_builder.h"
#include "testing/memory_file_system.h"
#include "testing/outcome.h"
#include "testing/scale.h"

namespace vhdx::tests {
namespace {

using testing::DiskModel;
using testing::ImageLayout;
using testing::ImageSpec;
using testing::MemoryFileSystem;
using testing::Scale;

constexpr const char* kPath = "/vm/disk.avhdx";

// A child in all states, with an unknown region, a user item and a dirty log of two entries.
ImageSpec RichChild(const ImageSpec& base) {
  using format::PayloadState;
  ImageSpec spec = testing::ChildOf(base, ".\\base.vhdx");
  spec.blocks = {testing::PartialBlock(0, {{0, 3}, {64, 70}, {2047, 1}}), testing::FullBlock(1),
                 testing::ZeroBlock(2), testing::StateBlock(3, PayloadState::kUnmapped),
                 testing::PartialBlock(5, {{8, 8}})};
  spec.regions.push_back({.guid = testing::TestGuid(70), .required = 0});
  spec.more_metadata_items = {
      {.item_id = testing::TestGuid(71), .flags = format::kIsUser, .data = {std::byte{1}}}};
  spec.log.log_guid = testing::TestGuid(9);
  const ImageLayout layout = PlanLayout(spec);
  spec.log.entries = {
      {.writes = {testing::MovedPage(layout.bitmap_offsets.at(0), std::byte{0xFF})}},
      {.writes = {testing::MovedPage(layout.bat.file_offset, std::byte{0}),
                  testing::ZeroWrite({layout.bat.file_offset + 0x20000, 0x3000})},
       .tail = 0}};
  return spec;
}

ImageSpec Base() {
  ImageSpec spec = testing::DynamicImage({.disk_size = 6 * kMiB, .block_size = kMiB});
  spec.blocks = {testing::FullBlock(0), testing::FullBlock(3), testing::FullBlock(4)};
  return spec;
}

// A few sectors of every block: what a wrong entry, bit or state would show in.
std::vector<DiskRange> SampledRanges() {
  std::vector<DiskRange> ranges;
  for (uint64_t block = 0; block < 6; ++block) {
    for (const uint64_t sector : {0U, 8U, 64U, 2044U}) {
      ranges.push_back({block * kMiB + sector * 512, 4 * 512});
    }
  }
  return ranges;
}

// What every flip of a range comes to; kAnything: a result or an error.
constexpr const char* kAnything = "";
constexpr const char* kRightContents = "right";

class FlippedBytes : public ::testing::Test {
 protected:
  explicit FlippedBytes(bool dirty = true)
      : base_(Base()), child_(RichChild(base_)), ranges_(SampledRanges()) {
    if (!dirty) child_.log = {};
    layout_ = BuildAt(child_, files_, kPath).value();
    EXPECT_TRUE(BuildAt(base_, files_, "/vm/base.vhdx").has_value());
    model_ = std::make_unique<DiskModel>(std::vector{child_, base_});
    contents_ = files_.Contents(kPath);
    for (const DiskRange& range : ranges_) expected_.push_back(model_->ExpectedBytes(range));
    EXPECT_EQ(OutcomeNow(), "right");
  }

  ~FlippedBytes() override {
    std::printf("%-36s %s\n", "outcome of opening and reading", "flips");
    for (const auto& [outcome, count] : outcomes_) {
      std::printf("%-36s %llu\n", outcome.c_str(), static_cast<unsigned long long>(count));
    }
  }

  // "right", "wrong contents", or the rule by which opening or reading fails.
  std::string OutcomeNow() {
    const auto rule_of = [](const Error& error) {
      return error.rule.empty() ? std::string(ErrorCodeName(error.code)) : error.rule;
    };
    auto disk = Disk::Open(files_, kPath);
    if (!disk) return rule_of(disk.error());
    std::vector<std::byte> bytes;
    std::string outcome = (*disk)->size_bytes() == model_->size_bytes() ? "right" : "wrong size";
    for (size_t i = 0; i < ranges_.size(); ++i) {
      if (ranges_[i].end() > (*disk)->size_bytes()) break;
      bytes.resize(ranges_[i].length_bytes);
      if (auto read = (*disk)->Read(ranges_[i].disk_offset, bytes); !read) {
        outcome = rule_of(read.error());
      } else if (outcome == "right" && bytes != expected_[i]) {
        outcome = "wrong contents";
      }
    }
    return outcome;
  }

  void Flip(uint64_t file_offset, uint8_t mask, const std::string& expected) {
    std::array<std::byte, 1> byte{};
    contents_->Read(file_offset, byte);
    const std::array<std::byte, 1> flipped = {byte[0] ^ std::byte{mask}};
    contents_->Write(file_offset, flipped);
    const std::string outcome = OutcomeNow();
    ++outcomes_[outcome];
    if (expected != kAnything) {
      EXPECT_EQ(outcome, expected) << "byte " << file_offset;
    }
    // A check always comes to a report.
    const auto report = Check(files_, kPath);
    EXPECT_TRUE(report.has_value()) << "byte " << file_offset << ": " << testing::OutcomeOf(report);
    contents_->Write(file_offset, byte);
  }

  // Every byte of a range, or every so many under a sanitizer; each with one of its bits.
  void FlipAll(FileRange range, const std::string& expected) {
    for (uint64_t at = random_() % Scale(); at < range.length_bytes; at += Scale()) {
      Flip(range.file_offset + at, static_cast<uint8_t>(1U << (random_() % 8)), expected);
    }
  }
  void FlipSome(FileRange range, uint64_t count, const std::string& expected) {
    for (uint64_t i = 0; i < testing::Scaled(count); ++i) {
      Flip(range.file_offset + random_() % range.length_bytes,
           static_cast<uint8_t>(1 + random_() % 255), expected);
    }
  }

  const ImageLayout& layout() const { return layout_; }

 private:
  MemoryFileSystem files_;
  ImageSpec base_;
  ImageSpec child_;
  ImageLayout layout_;
  std::vector<DiskRange> ranges_;
  std::vector<std::vector<std::byte>> expected_;
  std::unique_ptr<DiskModel> model_;
  std::shared_ptr<testing::MemoryContents> contents_;
  std::map<std::string, uint64_t> outcomes_;
  std::mt19937_64 random_{7};
};

class FlippedBytesOfACleanImage : public FlippedBytes {
 protected:
  FlippedBytesOfACleanImage() : FlippedBytes(/*dirty=*/false) {}
};

TEST_F(FlippedBytes, OlderHeaderIsNotNeeded) { FlipAll({0x10000, 4096}, kRightContents); }

TEST_F(FlippedBytes, NewerHeaderHasASecondWithTheSameLog) {
  FlipAll({0x20000, 4096}, kRightContents);
}

TEST_F(FlippedBytesOfACleanImage, EitherHeaderIsEnough) {
  FlipAll({0x10000, 4096}, kRightContents);
  FlipAll({0x20000, 4096}, kRightContents);
}

TEST_F(FlippedBytes, EitherRegionTableIsEnough) {
  constexpr uint64_t kUsed =
      sizeof(format::RegionTableHeader) + 3 * sizeof(format::RegionTableEntry);
  for (const uint64_t table : format::kRegionTableOffsets) {
    FlipAll({table, kUsed}, kRightContents);
    FlipSome({table + kUsed, format::kRegionTableSize - kUsed}, 256, kRightContents);
  }
}

TEST_F(FlippedBytes, MetadataTableAndItems) {
  const uint64_t region = layout().metadata.file_offset;
  const uint64_t used = 32 + 32 * layout().items.size();
  FlipAll({region, used}, kAnything);
  FlipSome({region + used, format::kMetadataTableSize - used}, 256, kRightContents);
  const auto& last = layout().items.back();
  const uint64_t items_end = last.offset + last.length;
  FlipAll({region + format::kMetadataTableSize, items_end - format::kMetadataTableSize}, kAnything);
  FlipSome({region + items_end, layout().metadata.length_bytes - items_end}, 256, kRightContents);
}

TEST_F(FlippedBytesOfACleanImage, BatEntries) {
  for (uint64_t block = 0; block < 6; ++block) {
    FlipAll({layout().PayloadEntryOffset(block), 8}, kAnything);
  }
  FlipAll({layout().BitmapEntryOffset(0), 8}, kAnything);
  // Entries behind the last block and before the bitmap's are padding.
  FlipSome({layout().PayloadEntryOffset(6), 8 * 1000}, 256, kRightContents);
}

TEST_F(FlippedBytesOfACleanImage, SectorBitmap) {
  FlipAll({layout().bitmap_offsets.at(0), 256}, kAnything);
}

// The older entry is where the newer one says that the sequence begins. Alone it leaves the BAT as
// it was before: an empty child, which reads as its parent.
TEST_F(FlippedBytes, LogEntries) {
  const auto range_of = [&](const auto& entry) {
    return FileRange{layout().log.file_offset + entry.log_offset, entry.length_bytes};
  };
  FlipAll(range_of(layout().log_entries.front()), "log.sequence-none");
  FlipAll(range_of(layout().log_entries.back()), "wrong contents");
}

TEST_F(FlippedBytes, UnusedBytesOfTheFileMeanNothing) {
  FlipSome({8, 64 * kKiB - 8}, 64, kRightContents);
  FlipSome({0x11000, 0xF000}, 64, kRightContents);
  FlipSome({0x50000, kMiB - 0x50000}, 64, kRightContents);
  const uint64_t log_used =
      layout().log_entries.back().log_offset + layout().log_entries.back().length_bytes;
  FlipSome({layout().log.file_offset + log_used, layout().log.length_bytes - log_used}, 64,
           kRightContents);
}

}  // namespace
}  // namespace vhdx::tests

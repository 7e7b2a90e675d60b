#include "io/overlay_file.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <utility>
#include <vector>

#include "bytes/arithmetic.h"
#include "testing/memory_file.h"
#include "testing/recording_file.h"

namespace vhdx {
namespace {

using testing::MemoryContents;
using testing::MemoryFile;

constexpr size_t kPage = 4096;

/// Bytes of which no two pages are alike.
std::vector<std::byte> Pattern(size_t length) {
  std::vector<std::byte> bytes(length);
  for (size_t i = 0; i < length; ++i)
    bytes[i] = static_cast<std::byte>(1 + (i * 7 + i / kPage) % 251);
  return bytes;
}

RelocatedSector SectorAt(uint64_t stored_offset, int mark) {
  RelocatedSector sector = {.stored_offset = stored_offset};
  sector.leading.fill(static_cast<std::byte>(mark));
  sector.trailing.fill(static_cast<std::byte>(mark + 1));
  return sector;
}

std::unique_ptr<OverlayFile> OverlayOn(const std::vector<std::byte>& bytes) {
  return std::make_unique<OverlayFile>(
      std::make_unique<MemoryFile>(std::make_shared<MemoryContents>(bytes)));
}

std::vector<std::byte> AllBytesOf(File& file) {
  std::vector<std::byte> bytes(file.Size().value() + 10);
  bytes.resize(file.ReadAt(0, bytes).value());
  return bytes;
}

/// The same additions made to plain bytes.
class Model {
 public:
  explicit Model(std::vector<std::byte> base) : base_(std::move(base)), bytes_(base_) {}

  void AddZeros(uint64_t offset, uint64_t length) {
    if (bytes_.size() < offset + length) bytes_.resize(offset + length);
    std::fill_n(bytes_.begin() + static_cast<ptrdiff_t>(offset), length, std::byte{0});
  }
  void AddSector(uint64_t offset, const RelocatedSector& sector) {
    AddZeros(offset, kPage);
    std::copy_n(base_.data() + sector.stored_offset, kPage, bytes_.data() + offset);
    std::ranges::copy(sector.leading, bytes_.data() + offset);
    std::ranges::copy(sector.trailing, bytes_.data() + offset + kPage - 4);
  }
  std::vector<std::byte> Bytes(uint64_t size) const {
    std::vector<std::byte> bytes = bytes_;
    bytes.resize(size);
    return bytes;
  }

 private:
  std::vector<std::byte> base_;
  std::vector<std::byte> bytes_;
};

TEST(OverlayFile, NothingAddedReadsAsTheBase) {
  const std::vector<std::byte> bytes = Pattern(3 * kPage + 5);
  const auto overlay = OverlayOn(bytes);
  EXPECT_EQ(AllBytesOf(*overlay), bytes);
  EXPECT_EQ(*overlay->Size(), bytes.size());
}

TEST(OverlayFile, SectorKeepsItsMiddleAndGetsItsEnds) {
  const std::vector<std::byte> bytes = Pattern(4 * kPage);
  const auto overlay = OverlayOn(bytes);
  overlay->AddSector(kPage, SectorAt(3 * kPage, 0xe0));
  Model model(bytes);
  model.AddSector(kPage, SectorAt(3 * kPage, 0xe0));
  const std::vector<std::byte> read = AllBytesOf(*overlay);
  EXPECT_EQ(read, model.Bytes(bytes.size()));
  EXPECT_EQ(read[kPage], std::byte{0xe0});
  EXPECT_EQ(read[kPage + 8], bytes[3 * kPage + 8]);
  EXPECT_EQ(read[2 * kPage - 5], bytes[4 * kPage - 5]);
  EXPECT_EQ(read[2 * kPage - 4], std::byte{0xe1});
}

TEST(OverlayFile, LaterAdditionWins) {
  const std::vector<std::byte> bytes = Pattern(4 * kPage);
  const auto overlay = OverlayOn(bytes);
  overlay->AddSector(0, SectorAt(kPage, 0xe0));
  overlay->AddZeros({0, 2 * kPage});
  overlay->AddSector(kPage, SectorAt(2 * kPage, 0xd0));
  const std::vector<std::byte> read = AllBytesOf(*overlay);
  EXPECT_TRUE(std::all_of(read.begin(), read.begin() + kPage,
                          [](std::byte b) { return b == std::byte{0}; }));
  EXPECT_EQ(read[kPage], std::byte{0xd0});
  EXPECT_EQ(read[2 * kPage], bytes[2 * kPage]);
}

TEST(OverlayFile, RandomAdditionsReadAsInTheModel) {
  const uint32_t seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  const auto below = [&](size_t limit) {
    return std::uniform_int_distribution<size_t>(0, limit - 1)(random);
  };
  for (int round = 0; round < 200; ++round) {
    const std::vector<std::byte> bytes = Pattern(kPage * (2 + below(8)) + below(kPage));
    const auto overlay = OverlayOn(bytes);
    Model model(bytes);
    for (size_t additions = below(12); additions != 0; --additions) {
      // Half of them off the page grid, so that sectors are cut anywhere.
      const size_t offset = below(2) == 0 ? below(12) * kPage : below(12 * kPage);
      if (below(2) == 0) {
        const size_t length = below(5 * kPage);
        overlay->AddZeros({offset, length});
        model.AddZeros(offset, length);
      } else {
        const RelocatedSector sector =
            SectorAt(below(bytes.size() - kPage), static_cast<int>(below(200)));
        overlay->AddSector(offset, sector);
        model.AddSector(offset, sector);
      }
    }
    const size_t size = below(20 * kPage);
    overlay->SetSize(size);
    const std::vector<std::byte> expected = model.Bytes(size);
    ASSERT_EQ(AllBytesOf(*overlay), expected) << "round " << round;
    const size_t from = below(size + 1);
    std::vector<std::byte> first(below(3 * kPage) + 1);
    std::vector<std::byte> second(below(kPage) + 1);
    const std::array<MutableByteSpan, 2> buffers = {first, second};
    const size_t length = std::min(first.size() + second.size(), size - from);
    ASSERT_EQ(*overlay->ReadAt(from, buffers), length);
    first.insert(first.end(), second.begin(), second.end());
    ASSERT_TRUE(std::equal(first.begin(), first.begin() + static_cast<ptrdiff_t>(length),
                           expected.begin() + static_cast<ptrdiff_t>(from)))
        << "round " << round << " from " << from;
  }
}

TEST(OverlayFile, EnormousZerosCostNothing) {
  const auto overlay = OverlayOn(Pattern(4 * kPage));
  overlay->AddZeros({2 * kPage, uint64_t{1} << 60});
  overlay->AddZeros({kPage, UINT64_MAX});
  overlay->AddSector(uint64_t{1} << 50, SectorAt(0, 0xe0));
  overlay->SetSize(uint64_t{1} << 61);
  EXPECT_EQ(overlay->segment_count(), 3U);
  std::vector<std::byte> bytes(2 * kPage, std::byte{9});
  ASSERT_TRUE(overlay->ReadExactAt((uint64_t{1} << 50) - kPage, bytes));
  EXPECT_EQ(bytes[kPage - 1], std::byte{0});
  EXPECT_EQ(bytes[kPage], std::byte{0xe0});
  EXPECT_EQ(*overlay->NextData(kPage), uint64_t{1} << 50);
  EXPECT_EQ(*overlay->NextHole(uint64_t{1} << 50), (uint64_t{1} << 50) + kPage);
  EXPECT_EQ(*overlay->NextData((uint64_t{1} << 50) + kPage), uint64_t{1} << 61);
}

TEST(OverlayFile, HolesAreTheBasesAndTheZeros) {
  auto base = std::make_unique<MemoryFile>();
  ASSERT_TRUE(base->WriteAt(2 * kPage, ByteSpan(Pattern(2 * kPage))));  // hole, hole, data, data
  OverlayFile overlay(std::move(base));
  overlay.AddSector(kPage, SectorAt(2 * kPage, 0xe0));
  overlay.AddZeros({3 * kPage, kPage});
  overlay.SetSize(8 * kPage);
  overlay.AddSector(6 * kPage, SectorAt(2 * kPage, 0xe0));
  EXPECT_EQ(*overlay.NextData(0), kPage);
  EXPECT_EQ(*overlay.NextHole(0), 0U);
  EXPECT_EQ(*overlay.NextHole(kPage), 3 * kPage);
  EXPECT_EQ(*overlay.NextData(3 * kPage), 6 * kPage);
  EXPECT_EQ(*overlay.NextHole(6 * kPage), 7 * kPage);
  EXPECT_EQ(*overlay.NextData(7 * kPage), 8 * kPage);
  EXPECT_EQ(*overlay.NextHole(9 * kPage), 8 * kPage);
}

TEST(OverlayFile, BaseCutBehindItsBackIsCorrupt) {
  auto contents = std::make_shared<MemoryContents>(Pattern(4 * kPage));
  OverlayFile overlay(std::make_unique<MemoryFile>(contents));
  overlay.AddSector(0, SectorAt(3 * kPage, 0xe0));
  contents->Resize(2 * kPage);
  std::vector<std::byte> bytes(kPage);
  EXPECT_EQ(overlay.ReadAt(0, bytes).error().rule, "file.truncated");
  bytes.resize(4 * kPage);
  EXPECT_EQ(overlay.ReadAt(0, bytes).error().code, ErrorCode::kCorrupt);
}

TEST(OverlayFile, EveryChangeIsRefused) {
  const std::vector<std::byte> bytes = Pattern(kPage);
  auto contents = std::make_shared<MemoryContents>(bytes);
  OverlayFile overlay(std::make_unique<MemoryFile>(contents));
  EXPECT_FALSE(overlay.capabilities().writable);
  EXPECT_EQ(overlay.WriteAt(0, ByteSpan(bytes)).error().code, ErrorCode::kReadOnly);
  EXPECT_EQ(overlay.Resize(0).error().code, ErrorCode::kReadOnly);
  EXPECT_EQ(overlay.ZeroRange({0, 1}).error().code, ErrorCode::kReadOnly);
  EXPECT_EQ(overlay.PunchHole({0, 1}).error().code, ErrorCode::kReadOnly);
  EXPECT_EQ(overlay.CloneRange(0, overlay, {0, 1}).error().code, ErrorCode::kReadOnly);
  EXPECT_EQ(contents->Bytes(), bytes);
}

TEST(OverlayFile, PutInPlace_MakesTheBaseReadTheSame) {
  const std::vector<std::byte> bytes = Pattern(16 * kPage);
  const auto contents = std::make_shared<MemoryContents>(bytes);
  OverlayFile overlay(std::make_unique<MemoryFile>(contents));
  overlay.AddSector(2 * kPage, SectorAt(12 * kPage, 1));
  overlay.AddZeros({2 * kPage + 100, 50});  // leaves two parts of it
  overlay.AddZeros({5 * kPage, 3 * kPage});
  overlay.AddSector(6 * kPage, SectorAt(13 * kPage, 3));
  overlay.AddSector(20 * kPage, SectorAt(14 * kPage, 5));
  overlay.SetSize(30 * kPage);
  const std::vector<std::byte> expected = AllBytesOf(overlay);
  EXPECT_EQ(contents->Bytes(), bytes);
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(overlay.PutInPlace());
    EXPECT_EQ(contents->Bytes(), expected);
    EXPECT_EQ(AllBytesOf(overlay), expected);
  }
}

// A descriptor may claim any number of zeros: only what the host has as data there costs something.
TEST(OverlayFile, PutInPlace_DoesNotFillHoles) {
  const auto record = std::make_shared<testing::CallRecord>();
  auto contents = std::make_shared<MemoryContents>(Pattern(kPage));
  contents->Resize(kTiB);
  contents->Write(kGiB, Pattern(kPage));
  OverlayFile overlay(
      std::make_unique<testing::RecordingFile>(std::make_unique<MemoryFile>(contents), record));
  overlay.AddZeros({kPage, 2 * kTiB});
  overlay.SetSize(3 * kTiB);
  ASSERT_TRUE(overlay.PutInPlace());
  const auto zeroed = record->Calls(testing::FileCall::kZeroRange);
  ASSERT_EQ(zeroed.size(), 1U);
  EXPECT_EQ(zeroed[0].range, (FileRange{kGiB, kPage}));
  EXPECT_EQ(contents->size(), 3 * kTiB);
  EXPECT_EQ(contents->Bytes({0, kPage}), Pattern(kPage));
}

TEST(OverlayFile, DissolvedReadsTheBaseAndItsLength) {
  const std::vector<std::byte> bytes = Pattern(4 * kPage);
  const auto contents = std::make_shared<MemoryContents>(bytes);
  OverlayFile overlay(std::make_unique<MemoryFile>(contents));
  overlay.AddSector(0, SectorAt(kPage, 3));
  overlay.AddZeros({2 * kPage, kPage});
  overlay.SetSize(9 * kPage);
  EXPECT_NE(AllBytesOf(overlay), bytes);
  contents->Resize(6 * kPage);
  overlay.Dissolve();
  EXPECT_EQ(AllBytesOf(overlay), contents->Bytes());
  EXPECT_EQ(*overlay.Size(), 6 * kPage);
  EXPECT_EQ(*overlay.NextHole(0), 4 * kPage);
}

}  // namespace
}  // namespace vhdx

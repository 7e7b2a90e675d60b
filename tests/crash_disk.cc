#include "tests/crash_disk.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "bytes/arithmetic.h"
#include "disk/open_disk.h"
#include "testing/image_builder.h"
#include "testing/memory_file.h"
#include "tests/random_blocks.h"

namespace vhdx::tests {
namespace {

using format::PayloadState;
using testing::BlockContent;
using testing::BlockSpec;
using testing::ImageSpec;
using testing::PageImage;

constexpr uint64_t kBlock = CrashDisk::kBlockBytes;
constexpr uint64_t kFixedBlocks = 5;

template <typename T, size_t n>
T OneOf(std::mt19937_64& random, const std::array<T, n>& values) {
  return values[random() % n];
}

PageImage FileOf(const ImageSpec& spec) {
  testing::MemoryFile file;
  EXPECT_TRUE(testing::Build(spec, file));
  return *PageImage::Load(file);
}

uint64_t FirstBlock(const testing::ImageLayout& layout) {
  uint64_t first = layout.end;
  for (const auto& [block, offset] : layout.block_offsets) first = std::min(first, offset);
  for (const auto& [chunk, offset] : layout.bitmap_offsets) first = std::min(first, offset);
  return first;
}

// The first page of the BAT stands in the log only, as a writer leaves it that was killed.
void LeaveLogDirty(ImageSpec& spec) {
  const FileRange first_page = {testing::PlanLayout(spec).bat.file_offset, 4 * kKiB};
  spec.log.log_guid = testing::TestGuid(9);
  spec.log.entries = {{.writes = testing::MovedPages(first_page)}};
}

bool IsZero(ByteSpan bytes) {
  return std::ranges::all_of(bytes, [](std::byte byte) { return byte == std::byte{0}; });
}

BlockSpec WithZeros(BlockSpec block) {
  block.content = BlockContent::kZeros;
  return block;
}

// Every sector that is present gets those bytes, in blocks of zeros.
void StoreContents(ImageSpec& spec, const PageImage& contents) {
  const testing::ImageLayout layout = testing::PlanLayout(spec);
  const uint64_t sector = spec.parameters.logical_sector_size;
  for (const BlockSpec& block : spec.blocks) {
    const auto place = layout.block_offsets.find(block.block);
    if (place == layout.block_offsets.end()) continue;
    std::vector<testing::SectorRun> runs = block.present_sectors;
    if (block.state == PayloadState::kFullyPresent) runs = {{0, kBlock / sector}};
    for (const testing::SectorRun& run : runs) {
      for (uint64_t at = run.first * sector; at < (run.first + run.count) * sector; at += sector) {
        std::vector<std::byte> bytes(sector);
        contents.Read(block.block * kBlock + at, bytes);
        if (!IsZero(bytes)) spec.patches.push_back({place->second + at, std::move(bytes)});
      }
    }
  }
}

// Small sizes for what grows, so that limits are met all the time.
WriteLimits RandomLimits(std::mt19937_64& random) {
  WriteLimits limits;
  limits.log_sectors = OneOf<uint64_t>(random, std::array<uint64_t, 5>{8, 8, 8, 12, 256});
  limits.pages_per_entry = OneOf<uint64_t>(random, std::array<uint64_t, 4>{1, 1, 2, 2048});
  limits.pages_in_log_only = OneOf<size_t>(random, std::array<size_t, 4>{0, 1, 3, 2048});
  limits.least_growth_bytes = OneOf<uint64_t>(random, std::array<uint64_t, 4>{1, 3, 64, 64}) * kMiB;
  return limits;
}

}  // namespace

CrashDisk::CrashDisk(const CrashDiskShape& shape, uint64_t seed)
    : shape_(shape), state_(shape.file) {
  std::mt19937_64 random(seed);
  const uint64_t chunk = (uint64_t{1} << 23) * shape.sector_size / kBlock;
  if (shape.subformat == Subformat::kFixed) {
    blocks_ = {0, 1, 2, 3, 4};
    disk_size_ = kFixedBlocks * kBlock - 64 * kKiB;
  } else if (shape.subformat == Subformat::kDifferencing && random() % 2 == 0) {
    // Blocks that show their parent are allocated once in a disk's life: there are enough of them
    // for that to happen in group commits of all kinds.
    blocks_ = {0, 1, 2, 3, 5, 6, 7, 9, 10, 11, 12, 13};
    disk_size_ = 14 * kBlock - 64 * kKiB;
  } else if (random() % 3 == 0 || shape.size == CrashDiskSize::kSmall) {
    blocks_ = {0, 1, 2, 5, 6};
    disk_size_ = 7 * kBlock - 64 * kKiB;
  } else {
    blocks_ = {0, kEntriesPerPage - 1, kEntriesPerPage, chunk - 1, chunk, chunk + 1};
    disk_size_ = (chunk + 2) * kBlock - 64 * kKiB;
  }
  limits_ = RandomLimits(random);
  store_options_ = {.punch_hole = random() % 3 != 0};
  Build(Specs(random), random);
}

// -- What stands on it --

void CrashDisk::FillDynamic(std::mt19937_64& random, ImageSpec& spec) const {
  for (const uint64_t block : blocks_) {
    const uint64_t drawn = random() % 20;
    if (drawn < 7) spec.blocks.push_back(WithEnds(testing::FullBlock(block)));
    if (drawn >= 7 && drawn < 10) spec.blocks.push_back(testing::ZeroBlock(block));
    if (drawn == 10) spec.blocks.push_back(testing::StateBlock(block, PayloadState::kUnmapped));
    if (drawn == 11) spec.blocks.push_back(testing::StateBlock(block, PayloadState::kUndefined));
  }
}

void CrashDisk::FillChild(std::mt19937_64& random, ImageSpec& spec) const {
  for (const uint64_t block : blocks_) {
    const uint64_t drawn = random() % 10;
    if (drawn < 2) spec.blocks.push_back(WithEnds(testing::FullBlock(block)));
    if (drawn >= 2 && drawn < 5) {
      spec.blocks.push_back(
          WithEnds(testing::PartialBlock(block, RandomRuns(random, shape_.sector_size))));
    }
    if (drawn == 5) spec.blocks.push_back(testing::ZeroBlock(block));
  }
}

ImageSpec CrashDisk::Base(std::mt19937_64& random) const {
  const testing::DiskShape shape = {
      .disk_size = disk_size_, .block_size = kBlock, .logical_sector_size = shape_.sector_size};
  if (shape_.subformat != Subformat::kFixed) {
    ImageSpec spec = testing::DynamicImage(shape);
    FillDynamic(random, spec);
    return spec;
  }
  ImageSpec spec = testing::FixedImage(shape);
  for (BlockSpec& block : spec.blocks) block.content = BlockContent::kEnds;
  // QEMU allocates a block when it is first written.
  if (random() % 2 == 0) {
    std::erase_if(spec.blocks, [&](const BlockSpec&) { return random() % 2 == 0; });
  }
  return spec;
}

std::vector<ImageSpec> CrashDisk::Specs(std::mt19937_64& random) {
  ImageSpec base = Base(random);
  if (shape_.subformat != Subformat::kDifferencing) return {base};
  ImageSpec child = testing::ChildOf(base, R"(.\base.vhdx)");
  FillChild(random, child);
  ImageSpec leaf = testing::ChildOf(child, R"(.\child.vhdx)");
  FillChild(random, leaf);
  return {leaf, child, base};
}

PageImage CrashDisk::BuildLeaf(ImageSpec spec, std::mt19937_64& random,
                               const PageImage* contents) const {
  // Free space that may hold anything lies before the blocks and behind the last structure.
  const testing::ImageLayout packed = testing::PlanLayout(spec);
  const FileRange gap = {FirstBlock(packed), random() % 3 * kMiB};
  spec.first_block_offset = gap.file_offset + gap.length_bytes;
  if (random() % 4 == 0) LeaveLogDirty(spec);
  if (contents != nullptr) StoreContents(spec, *contents);
  PageImage file = FileOf(spec);
  if (gap.file_offset < file.size()) file.FillWithJunk(gap);
  uint64_t tail = random() % 3 == 0 ? 3 * kMiB : 0;
  if (shape_.subformat == Subformat::kFixed) tail += (kFixedBlocks - spec.blocks.size()) * kBlock;
  if (shape_.file == testing::CrashFileKind::kBlockDevice) tail = 24 * kMiB;
  file.FillWithJunk({file.size(), tail});
  file.SetSize(file.size() + tail);
  return file;
}

void CrashDisk::Build(std::vector<ImageSpec> specs, std::mt19937_64& random) {
  const std::array<std::string, 3> names = {path_, "/vm/child.vhdx", "/vm/base.vhdx"};
  number_ = state_.AddFile(path_, BuildLeaf(specs[0], random, nullptr));
  for (size_t depth = 1; depth < specs.size(); ++depth) {
    state_.AddFile(names[depth], FileOf(specs[depth]));
  }
  leaf_ = specs[0];
  if (specs.size() > 1) parents_.emplace(std::vector(specs.begin() + 1, specs.end()));
  const testing::DiskModel model(std::move(specs));
  initial_bytes_ = testing::InitialBytes(model);
  initial_contents_ = testing::InitialContents(initial_bytes_);
}

// -- Another writer --

PageImage CrashDisk::BytesOf(const testing::DiskContents& contents) const {
  PageImage image = initial_bytes_;
  for (const testing::ContentRun& run : contents) {
    const auto [offset, length] = run.range;
    if (run.value == testing::kInitialValue) continue;
    if (run.value == testing::kZeroValue) {
      image.Zero({offset, length});
      continue;
    }
    std::vector<std::byte> bytes(length);
    testing::FillGuestPattern(run.value, offset, bytes);
    image.Write(offset, bytes);
  }
  return image;
}

std::optional<BlockSpec> CrashDisk::BlockWith(uint64_t block, ByteSpan bytes,
                                              std::mt19937_64& random) const {
  const std::vector<std::byte> parents = parents_->ExpectedBytes({block * kBlock, bytes.size()});
  const uint64_t sector = shape_.sector_size;
  std::vector<testing::SectorRun> runs;
  bool is_zero = true;
  for (uint64_t at = 0; at < bytes.size(); at += sector) {
    const ByteSpan mine = bytes.subspan(at, std::min(sector, bytes.size() - at));
    const bool is_parents = std::ranges::equal(mine, ByteSpan(parents).subspan(at, mine.size()));
    is_zero = is_zero && IsZero(mine);
    if (is_parents && random() % 64 != 0) continue;
    const uint64_t number = at / sector;
    if (!runs.empty() && runs.back().first + runs.back().count == number) {
      ++runs.back().count;
    } else {
      runs.push_back({number, 1});
    }
  }
  if (is_zero && random() % 2 == 0) return testing::ZeroBlock(block);
  if (random() % 4 == 0) return WithZeros(testing::FullBlock(block));
  if (runs.empty()) return std::nullopt;
  return WithZeros(testing::PartialBlock(block, std::move(runs)));
}

PageImage CrashDisk::Rewritten(const testing::DiskContents& contents,
                               std::mt19937_64& random) const {
  const PageImage image = BytesOf(contents);
  ImageSpec spec = leaf_;
  spec.file_write_guid = testing::TestGuid(random());
  spec.data_write_guid = testing::TestGuid(random());
  spec.blocks.clear();
  // Requests also reach into the blocks that follow those.
  std::set<uint64_t> blocks(blocks_.begin(), blocks_.end());
  for (const testing::ContentRun& run : contents) {
    if (run.value == testing::kInitialValue || run.value == testing::kZeroValue) continue;
    for (uint64_t at = run.range.disk_offset; at < run.range.end();
         at = (at / kBlock + 1) * kBlock) {
      blocks.insert(at / kBlock);
    }
  }
  for (const uint64_t block : blocks) {
    std::vector<std::byte> bytes(std::min(kBlock, disk_size_ - block * kBlock));
    image.Read(block * kBlock, bytes);
    if (auto stored = BlockWith(block, bytes, random)) spec.blocks.push_back(*std::move(stored));
  }
  return BuildLeaf(std::move(spec), random, &image);
}

Result<std::unique_ptr<Disk>> CrashDisk::Open(FileSystem& files, DiskAccess access) const {
  return OpenDisk(files, path_, {.access = access}, limits_);
}

std::string Describe(const CrashDiskShape& shape) {
  const char* file = shape.file == testing::CrashFileKind::kFile ? "a file"
                     : shape.file == testing::CrashFileKind::kStaleGrowth
                         ? "a file that grows stale"
                         : "a block device";
  return std::string(SubformatName(shape.subformat)) + " disk of " +
         std::to_string(shape.sector_size) + "-byte sectors in " + file;
}

}  // namespace vhdx::tests

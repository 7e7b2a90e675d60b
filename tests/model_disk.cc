#include "tests/model_disk.h"

#include <gtest/gtest.h>
#include <vhdxkit/check.h>

#include <algorithm>

#include "bytes/arithmetic.h"
#include "bytes/endian.h"
#include "bytes/formatting.h"
#include "bytes/same_bytes.h"
#include "disk/open_disk.h"
#include "testing/disk_contents.h"
#include "testing/disk_model.h"
#include "testing/image_builder.h"
#include "tests/random_blocks.h"

namespace vhdx::tests {
namespace {

using format::PayloadState;
using testing::BlockContent;
using testing::BlockSpec;
using testing::ImageSpec;

constexpr uint64_t kCompared = 64 * kKiB;  // bytes at a time

std::vector<BlockSpec> RandomBlocks(std::mt19937_64& random, const std::vector<uint64_t>& numbers,
                                    bool has_parent, uint32_t sector_size) {
  std::vector<BlockSpec> blocks;
  for (const uint64_t number : numbers) {
    switch (random() % 9) {
      case 0:
        blocks.push_back(WithEnds(testing::FullBlock(number)));
        break;
      case 1:
        blocks.push_back(testing::ZeroBlock(number));
        break;
      case 2:
        blocks.push_back(testing::StateBlock(number, PayloadState::kUndefined));
        break;
      case 3:
        if (!has_parent) break;
        blocks.push_back(WithEnds(testing::PartialBlock(number, RandomRuns(random, sector_size))));
        break;
      case 4:
        blocks.push_back(testing::StateBlock(number, PayloadState::kUnmapped));
        break;
      default:
        break;
    }
  }
  return blocks;
}

}  // namespace

std::string Describe(const ModelShape& shape) {
  return Format("{} chain of {}, {}-byte sectors, {} MiB blocks, {} threads",
                SubformatName(shape.subformat), shape.chain_length, shape.sector_size,
                shape.block_size / kMiB, shape.threads);
}

ModelDisk::ModelDisk(const ModelShape& shape, uint64_t seed) : shape_(shape), files_(seed) {
  std::mt19937_64 random(seed);
  const uint64_t chunk = (uint64_t{1} << 23) * shape.sector_size / shape.block_size;
  numbers_ = {0, 1, 2, chunk - 2, chunk - 1, chunk, chunk + 1, chunk + 2};
  if (chunk > kEntriesPerPage) {
    numbers_.insert(numbers_.begin() + 3, {kEntriesPerPage - 1, kEntriesPerPage});
  }
  disk_size_ = (chunk + 3) * shape.block_size - 67 * uint64_t{shape.sector_size};
  if (random() % 2 == 0) {
    limits_ = {.log_sectors = 16, .pages_per_entry = 1, .pages_in_log_only = random() % 4};
  }
  limits_.least_growth_bytes = random() % 2 == 0 ? kMiB : 64 * kMiB;
  Build(random);
}

// -- Making it --

std::vector<ImageSpec> ModelDisk::Specs(std::mt19937_64& random) const {
  const testing::DiskShape shape = {.disk_size = disk_size_,
                                    .block_size = shape_.block_size,
                                    .logical_sector_size = shape_.sector_size};
  const bool is_fixed = shape_.subformat == Subformat::kFixed;
  std::vector<ImageSpec> specs = {is_fixed ? testing::FixedImage(shape)
                                           : testing::DynamicImage(shape)};
  if (is_fixed) {
    for (BlockSpec& block : specs[0].blocks) block.content = BlockContent::kZeros;
    for (const uint64_t number : numbers_) specs[0].blocks[number].content = BlockContent::kEnds;
  } else {
    specs[0].blocks = RandomBlocks(random, numbers_, false, shape_.sector_size);
  }
  for (unsigned depth = shape_.chain_length - 1; depth > 0; --depth) {
    ImageSpec child = testing::ChildOf(specs[0], R"(.\disk)" + std::to_string(depth) + ".vhdx");
    child.blocks = RandomBlocks(random, numbers_, true, shape_.sector_size);
    specs.insert(specs.begin(), std::move(child));
  }
  return specs;
}

void ModelDisk::Build(std::mt19937_64& random) {
  std::vector<ImageSpec> specs = Specs(random);
  for (size_t depth = 0; depth < specs.size(); ++depth) {
    auto built =
        testing::BuildAt(specs[depth], files_, "/vm/disk" + std::to_string(depth) + ".vhdx");
    EXPECT_TRUE(built);
    if (depth == 0) layout_ = *std::move(built);
  }
  const testing::DiskModel model(std::move(specs));
  const testing::PageImage initial = [&] {
    testing::PageImage image;
    image.SetSize(disk_size_);
    for (const uint64_t number : numbers_) {
      for (const uint64_t from : {uint64_t{0}, shape_.block_size - 128 * kKiB}) {
        const uint64_t at = number * shape_.block_size + from;
        if (at >= disk_size_) continue;
        image.Write(at, model.ExpectedBytes({at, std::min(128 * kKiB, disk_size_ - at)}));
      }
    }
    return image;
  }();
  for (const uint64_t number : numbers_) AddBlock(number, initial, random);
}

void ModelDisk::AddBlock(uint64_t number, const testing::PageImage& initial,
                         std::mt19937_64& random) {
  auto block = std::make_unique<ModelBlock>();
  block->number = number;
  const uint64_t start = number * shape_.block_size;
  block->range = {start, std::min(shape_.block_size, disk_size_ - start)};
  uint64_t from = 0;
  for (unsigned slice = 1; slice <= shape_.threads; ++slice) {
    uint64_t end = block->range.length_bytes * slice / shape_.threads;
    if (slice < shape_.threads) end -= random() % 5000;
    testing::PageImage& held = block->slices.emplace_back();
    held.SetSize(end - from);
    for (uint64_t at = initial.NextData(start + from); at < start + end;) {
      const uint64_t until = std::min(initial.NextHole(at), start + end);
      held.Write(at - start - from, initial.Bytes({at, until - at}));
      at = initial.NextData(until);
    }
    block->slice_ends.push_back(end);
    from = end;
  }
  blocks_.push_back(std::move(block));
}

// -- Opening and closing --

Result<void> ModelDisk::Open() {
  auto device = OpenDisk(files_, path_, {.access = DiskAccess::kReadWrite}, limits_);
  if (!device) return std::unexpected(std::move(device.error()));
  device_ = *std::move(device);
  return {};
}

Result<void> ModelDisk::Close() {
  auto closed = device_->Close();
  device_.reset();
  return closed;
}

uint64_t ModelDisk::EntryInFile(const ModelBlock& block) const {
  le64 entry = 0;
  const_cast<ModelDisk*>(this)->files_.Contents(path_)->Read(
      layout_.PayloadEntryOffset(block.number), std::as_writable_bytes(std::span(&entry, 1)));
  return entry;
}

Result<void> ModelDisk::CloseAndChangeStates(std::mt19937_64& random) {
  if (auto closed = Close(); !closed) return closed;
  if (shape_.subformat == Subformat::kFixed) return {};
  constexpr uint64_t kStateMask = 7;
  for (const auto& block : blocks_) {
    const uint64_t state = EntryInFile(*block) & kStateMask;
    if (state != 2 && state != 3) continue;
    // A parent shows through where nothing is present.
    const uint64_t wanted = random() % 4;
    if (wanted == 0 && shape_.chain_length > 1) continue;
    const le64 entry = wanted;
    files_.Contents(path_)->Write(layout_.PayloadEntryOffset(block->number),
                                  std::as_bytes(std::span(&entry, 1)));
  }
  return {};
}

std::string ModelDisk::Check() {
  const auto report = vhdx::Check(files_, path_);
  if (!report) return ToString(report.error());
  std::string found;
  for (const auto& [rule, count] : report->counts) {
    if (rule->severity <= Severity::kTolerate) found += std::string(rule->id) + " ";
  }
  return found;
}

// -- Comparing --

std::vector<std::byte> ModelDisk::Expected(const ModelBlock& block, size_t slice, DiskRange range) {
  const uint64_t start = slice == 0 ? 0 : block.slice_ends[slice - 1];
  return block.slices[slice].Bytes(
      {range.disk_offset - block.range.disk_offset - start, range.length_bytes});
}

// All that the model holds, and of the zeros some.
std::string ModelDisk::CompareSlice(const ModelBlock& block, size_t slice,
                                    std::mt19937_64& random) {
  const uint64_t start = slice == 0 ? 0 : block.slice_ends[slice - 1];
  const testing::PageImage& held = block.slices[slice];
  std::vector<std::byte> found;
  for (uint64_t at = 0; at < held.size(); at += kCompared) {
    const bool is_zero = held.NextData(at) >= std::min(at + kCompared, held.size());
    if (is_zero && held.size() > kMiB && random() % 16 != 0) continue;
    found.resize(std::min(kCompared, held.size() - at));
    const uint64_t disk_offset = block.range.disk_offset + start + at;
    if (auto read = device_->Read(disk_offset, found); !read) return ToString(read.error());
    const auto expected = held.Bytes({at, found.size()});
    if (SameBytes(found, expected)) continue;
    const auto differ = std::ranges::mismatch(found, expected).in1 - found.begin();
    return Format("block {}: disk offset {} is wrong", block.number,
                  disk_offset + static_cast<uint64_t>(differ));
  }
  return "";
}

std::string ModelDisk::CompareAll(std::mt19937_64& random) {
  for (const auto& block : blocks_) {
    for (size_t slice = 0; slice < block->slices.size(); ++slice) {
      std::string wrong = CompareSlice(*block, slice, random);
      if (!wrong.empty()) return wrong;
    }
  }
  return "";
}

}  // namespace vhdx::tests

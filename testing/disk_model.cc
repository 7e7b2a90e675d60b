#include "testing/disk_model.h"

#include <algorithm>

#include "bytes/formatting.h"
#include "testing/sha256.h"

namespace vhdx::testing {
namespace {

using format::PayloadState;
using SourceKind = SectorSource::Kind;

constexpr uint64_t kComparedPiece = kMiB;  // bytes compared and hashed at a time
constexpr uint64_t kSmallDisk = 256 * kMiB;
constexpr uint64_t kEnd = 64 * kKiB;

bool IsPresent(const BlockSpec& block, uint64_t sector) {
  const auto behind =
      std::ranges::upper_bound(block.present_sectors, sector, {}, &SectorRun::first);
  if (behind == block.present_sectors.begin()) return false;
  const SectorRun& run = *std::prev(behind);
  return sector - run.first < run.count;
}

// Sorted, without overlaps, inside the disk.
std::vector<DiskRange> Merged(std::vector<DiskRange> ranges, uint64_t disk_size) {
  std::ranges::sort(ranges);
  std::vector<DiskRange> merged;
  for (DiskRange range : ranges) {
    if (range.disk_offset >= disk_size) continue;
    range.length_bytes = std::min(range.length_bytes, disk_size - range.disk_offset);
    if (!merged.empty() && range.disk_offset <= merged.back().end()) {
      const uint64_t end = std::max(merged.back().end(), range.end());
      merged.back().length_bytes = end - merged.back().disk_offset;
    } else {
      merged.push_back(range);
    }
  }
  return merged;
}

std::string DescribeDifference(uint64_t disk_offset, ByteSpan found, ByteSpan expected) {
  const auto at = static_cast<size_t>(std::ranges::mismatch(found, expected).in1 - found.begin());
  const size_t sector = at - (disk_offset + at) % 512;
  const auto describe = [&](ByteSpan bytes) {
    if (sector >= bytes.size()) return std::string("part of a sector");  // wrapped below the range
    return DescribePattern(bytes.subspan(sector, std::min<size_t>(512, bytes.size() - sector)));
  };
  return Format("disk offset {}: found byte {:#04x} ({}), expected {:#04x} ({})", disk_offset + at,
                static_cast<unsigned>(found[at]), describe(found),
                static_cast<unsigned>(expected[at]), describe(expected));
}

}  // namespace

DiskModel::DiskModel(std::vector<ImageSpec> chain) {
  layers_.reserve(chain.size());
  for (ImageSpec& spec : chain) {
    Layer& layer = layers_.emplace_back();
    layer.spec = std::move(spec);
    layer.layout = PlanLayout(layer.spec);
    for (const BlockSpec& block : layer.spec.blocks) layer.blocks[block.block] = &block;
  }
}

uint64_t DiskModel::size_bytes() const {
  return layers_[0].spec.parameters.virtual_disk_size_bytes;
}

SectorSource DiskModel::SourceOf(uint64_t disk_offset) const {
  for (uint32_t depth = 0; depth < layers_.size(); ++depth) {
    const Layer& layer = layers_[depth];
    const DiskParameters& parameters = layer.spec.parameters;
    // A layer that ends before this sector has zeros there, whatever lies below it.
    if (disk_offset >= parameters.virtual_disk_size_bytes) return {.depth = depth};
    const auto found = layer.blocks.find(disk_offset / parameters.block_size_bytes);
    if (found == layer.blocks.end()) continue;
    const BlockSpec& block = *found->second;
    const uint64_t in_block = disk_offset % parameters.block_size_bytes;
    const auto data = [&] {
      return SectorSource{.kind = SourceKind::kData,
                          .depth = depth,
                          .file_offset = layer.layout.block_offsets.at(block.block) + in_block};
    };
    switch (block.state) {
      case PayloadState::kNotPresent:
        continue;
      case PayloadState::kUndefined:
      case PayloadState::kZero:
      case PayloadState::kUnmapped:
      case PayloadState::kOldUnmapped:
        return {.kind = SourceKind::kZero, .depth = depth};
      case PayloadState::kReserved:
        return {.kind = SourceKind::kUnreadable, .depth = depth};
      case PayloadState::kFullyPresent:
        return data();
      case PayloadState::kPartiallyPresent:
        if (!parameters.has_parent) return {.kind = SourceKind::kUnreadable, .depth = depth};
        if (IsPresent(block, in_block / parameters.logical_sector_size)) return data();
        continue;
    }
  }
  return {.depth = static_cast<uint32_t>(layers_.size() - 1)};
}

void DiskModel::FillSector(uint64_t disk_offset, MutableByteSpan bytes) const {
  const SectorSource source = SourceOf(disk_offset);
  std::ranges::fill(bytes, std::byte{0});
  if (source.kind != SourceKind::kData) return;
  const Layer& layer = layers_[source.depth];
  const uint64_t block_size = layer.spec.parameters.block_size_bytes;
  const BlockSpec& block = *layer.blocks.at(disk_offset / block_size);
  const uint64_t in_block = disk_offset % block_size;
  const bool at_an_end = in_block < kEnd || in_block >= block_size - kEnd;
  const bool has_pattern_between =
      block.content == BlockContent::kPattern || block.state == PayloadState::kPartiallyPresent;
  if (block.content == BlockContent::kZeros) return;
  if (at_an_end || has_pattern_between) {
    FillPattern(layer.spec.pattern, disk_offset, bytes);
  }
}

void DiskModel::Fill(uint64_t disk_offset, MutableByteSpan bytes) const {
  while (!bytes.empty()) {
    const size_t length =
        std::min<size_t>(bytes.size(), sector_size() - disk_offset % sector_size());
    FillSector(disk_offset, bytes.first(length));
    bytes = bytes.subspan(length);
    disk_offset += length;
  }
}

std::vector<std::byte> DiskModel::ExpectedBytes(DiskRange range) const {
  std::vector<std::byte> bytes(range.length_bytes);
  Fill(range.disk_offset, bytes);
  return bytes;
}

bool DiskModel::IsReadable(DiskRange range) const {
  const uint64_t first = range.disk_offset - range.disk_offset % sector_size();
  for (uint64_t offset = first; offset < range.end(); offset += sector_size()) {
    if (SourceOf(offset).kind == SourceKind::kUnreadable) return false;
  }
  return true;
}

std::string DiskModel::ContentSha256() const {
  Sha256 hash;
  for (uint64_t offset = 0; offset < size_bytes(); offset += kComparedPiece) {
    hash.Update(ExpectedBytes({offset, std::min(kComparedPiece, size_bytes() - offset)}));
  }
  return hash.Finish();
}

std::vector<DiskRange> DiskModel::InterestingRanges() const {
  if (size_bytes() <= kSmallDisk) return {{0, size_bytes()}};
  std::vector<DiskRange> ranges = {{0, kEnd}};
  for (const Layer& layer : layers_) {
    const uint64_t block_size = layer.spec.parameters.block_size_bytes;
    for (const auto& [number, block] : layer.blocks) {
      const uint64_t start = number * block_size;
      if (block->content == BlockContent::kPattern) {
        ranges.push_back({start, block_size});
      } else {  // both ends, and what stands next to them
        ranges.push_back({start, 2 * kEnd});
        ranges.push_back({start + block_size - 2 * kEnd, 2 * kEnd});
      }
    }
    const uint64_t end = layer.spec.parameters.virtual_disk_size_bytes;
    const uint64_t before = std::min(end, kEnd);
    ranges.push_back({end - before, before + kEnd});
  }
  return Merged(std::move(ranges), size_bytes());
}

std::string CompareWithModel(BlockDevice& device, const DiskModel& model,
                             const std::vector<DiskRange>& ranges) {
  std::vector<std::byte> found;
  for (const DiskRange& range : ranges) {
    for (uint64_t offset = range.disk_offset; offset < range.end(); offset += kComparedPiece) {
      found.resize(std::min(kComparedPiece, range.end() - offset));
      if (auto read = device.Read(offset, found); !read) {
        return Format("disk offset {}: {}", offset, ToString(read.error()));
      }
      const std::vector<std::byte> expected = model.ExpectedBytes({offset, found.size()});
      if (found != expected) return DescribeDifference(offset, found, expected);
    }
  }
  return "";
}

std::string CompareWithModel(BlockDevice& device, const DiskModel& model) {
  if (device.size_bytes() != model.size_bytes()) {
    return Format("the disk has {} bytes, expected {}", device.size_bytes(), model.size_bytes());
  }
  return CompareWithModel(device, model, model.InterestingRanges());
}

}  // namespace vhdx::testing

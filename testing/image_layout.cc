#include "testing/image_layout.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "format/layout.h"
#include "format/metadata.h"
#include "format/region_table.h"

namespace vhdx::testing {
namespace {

using format::PayloadState;

// Hands out places behind each other, around those that are taken.
class Allocator {
 public:
  void Claim(FileRange range) {
    if (range.length_bytes != 0) claims_.push_back(range);
  }

  FileRange Take(uint64_t length_bytes) {
    for (bool moved = true; moved;) {
      moved = false;
      for (const FileRange& claim : claims_) {
        if (next_ < claim.file_offset + claim.length_bytes &&
            claim.file_offset < next_ + length_bytes) {
          next_ = AlignUp(claim.file_offset + claim.length_bytes, format::kAlignment);
          moved = true;
        }
      }
    }
    const FileRange range{next_, length_bytes};
    next_ += AlignUp(length_bytes, format::kAlignment);
    end_ = std::max(end_, next_);
    return range;
  }

  // The end of all places, those beyond any sensible file left out.
  uint64_t end() const {
    constexpr uint64_t kSensible = uint64_t{1} << 50;
    uint64_t end = end_;
    for (const FileRange& claim : claims_) {
      if (claim.file_offset > kSensible) continue;
      end = std::max(end, AlignUp(claim.file_offset + claim.length_bytes, format::kAlignment));
    }
    return end;
  }

  void set_next(uint64_t next) { next_ = next; }

 private:
  std::vector<FileRange> claims_;
  uint64_t next_ = format::kHeaderSectionSize;
  uint64_t end_ = format::kHeaderSectionSize;
};

bool IsPresent(PayloadState state) {
  return state == PayloadState::kFullyPresent || state == PayloadState::kPartiallyPresent;
}

uint64_t BatLength(const ImageSpec& spec, uint64_t chunk_ratio) {
  const uint64_t blocks = DivideRoundingUp(spec.parameters.virtual_disk_size_bytes,
                                           uint64_t{spec.parameters.block_size_bytes});
  const uint64_t entries = DivideRoundingUp(blocks, chunk_ratio) * (chunk_ratio + 1);
  return AlignUp(entries * format::kBatEntrySize, kMiB);
}

std::vector<PlacedItem> PlaceItems(const ImageSpec& spec) {
  std::vector<MetadataItemSpec> items = spec.metadata_items.value_or(BasicMetadataItems(spec));
  items.insert(items.end(), spec.more_metadata_items.begin(), spec.more_metadata_items.end());
  std::vector<PlacedItem> placed;
  uint64_t next = format::kMetadataTableSize;
  for (MetadataItemSpec& item : items) {
    const auto size = static_cast<uint32_t>(item.data.size());
    const uint32_t length = item.length.value_or(size);
    const uint32_t offset = item.offset.value_or(length == 0 ? 0 : static_cast<uint32_t>(next));
    next = std::max(next, uint64_t{offset} + size);
    placed.push_back({.item = std::move(item), .offset = offset, .length = length});
  }
  return placed;
}

uint64_t MetadataLength(const std::vector<PlacedItem>& items) {
  uint64_t end = format::kMetadataTableSize;
  for (const PlacedItem& placed : items) {
    if (placed.item.data.empty()) continue;
    end = std::max(end, uint64_t{placed.offset} + placed.item.data.size());
  }
  return AlignUp(end, kMiB);
}

// Regions of the table that have no place of their own, in the order metadata, BAT, others.
std::vector<size_t> RegionOrder(const std::vector<RegionSpec>& regions) {
  std::vector<size_t> order(regions.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::ranges::sort(order, {}, [&](size_t i) {
    if (regions[i].guid == format::kMetadataRegionGuid) return std::pair(0, i);
    return std::pair(regions[i].guid == format::kBatRegionGuid ? 1 : 2, i);
  });
  return order;
}

void PlaceRegions(const ImageSpec& spec, Allocator& allocator, ImageLayout& layout) {
  const auto needed = [&](const RegionSpec& region) {
    if (region.guid == format::kBatRegionGuid) return BatLength(spec, layout.chunk_ratio);
    if (region.guid == format::kMetadataRegionGuid) return MetadataLength(layout.items);
    return kMiB;
  };
  layout.regions.resize(spec.regions.size());
  const auto place = [&](bool explicitly) {
    for (const size_t i : RegionOrder(spec.regions)) {
      const RegionSpec& region = spec.regions[i];
      if (region.file_offset.has_value() != explicitly) continue;
      const uint64_t length = region.length_bytes.value_or(needed(region));
      if (explicitly) {
        layout.regions[i] = {*region.file_offset, length};
        allocator.Claim(layout.regions[i]);
      } else {
        layout.regions[i] = allocator.Take(length);
      }
    }
  };
  place(true);
  place(false);
  const auto find = [&](const Guid& guid) {
    const auto found = std::ranges::find(spec.regions, guid, &RegionSpec::guid);
    if (found == spec.regions.end()) return allocator.Take(needed({.guid = guid}));
    return layout.regions[static_cast<size_t>(found - spec.regions.begin())];
  };
  layout.metadata = find(format::kMetadataRegionGuid);
  layout.bat = find(format::kBatRegionGuid);
}

// The bitmaps asked for, and one for every other chunk that has a partially present block.
void AddNeededBitmaps(const ImageSpec& spec, ImageLayout& layout) {
  layout.bitmaps = spec.bitmaps;
  if (!spec.parameters.has_parent) return;
  for (const BlockSpec& block : spec.blocks) {
    if (block.state != PayloadState::kPartiallyPresent) continue;
    const uint64_t chunk = block.block / layout.chunk_ratio;
    if (std::ranges::find(layout.bitmaps, chunk, &BitmapSpec::chunk) == layout.bitmaps.end()) {
      layout.bitmaps.push_back({.chunk = chunk});
    }
  }
}

void PlaceBlocks(const ImageSpec& spec, Allocator& allocator, ImageLayout& layout) {
  const uint64_t block_size = spec.parameters.block_size_bytes;
  allocator.set_next(spec.first_block_offset.value_or(allocator.end()));
  for (const BlockSpec& block : spec.blocks) {
    if (!block.file_offset || *block.file_offset == 0) continue;
    layout.block_offsets[block.block] = *block.file_offset;
    if (IsPresent(block.state)) allocator.Claim({*block.file_offset, block_size});
  }
  for (const BitmapSpec& bitmap : layout.bitmaps) {
    if (!bitmap.file_offset || *bitmap.file_offset == 0) continue;
    layout.bitmap_offsets[bitmap.chunk] = *bitmap.file_offset;
    allocator.Claim({*bitmap.file_offset, format::kSectorBitmapBlockSize});
  }
  const auto place_bitmap = [&](uint64_t chunk) {
    for (const BitmapSpec& bitmap : layout.bitmaps) {
      if (bitmap.chunk != chunk || bitmap.file_offset ||
          bitmap.state == format::kBitmapNotPresent || layout.bitmap_offsets.contains(chunk)) {
        continue;
      }
      layout.bitmap_offsets[chunk] = allocator.Take(format::kSectorBitmapBlockSize).file_offset;
    }
  };
  // As Windows does it: a chunk's bitmap right before the first block that needs it.
  for (const BlockSpec& block : spec.blocks) {
    if (block.state == PayloadState::kPartiallyPresent) {
      place_bitmap(block.block / layout.chunk_ratio);
    }
    if (block.file_offset || !IsPresent(block.state)) continue;
    layout.block_offsets[block.block] = allocator.Take(block_size).file_offset;
  }
  for (const BitmapSpec& bitmap : layout.bitmaps) place_bitmap(bitmap.chunk);
}

}  // namespace

uint64_t ImageLayout::PayloadEntryOffset(uint64_t block) const {
  return bat.file_offset + PayloadEntryIndex(block) * format::kBatEntrySize;
}

uint64_t ImageLayout::BitmapEntryOffset(uint64_t chunk) const {
  return bat.file_offset + BitmapEntryIndex(chunk) * format::kBatEntrySize;
}

uint64_t ImageLayout::RegionEntryOffset(size_t index, size_t table) const {
  return format::kRegionTableOffsets[table] + sizeof(format::RegionTableHeader) +
         index * sizeof(format::RegionTableEntry);
}

uint64_t ImageLayout::MetadataEntryOffset(size_t index) const {
  return metadata.file_offset + sizeof(format::MetadataTableHeader) +
         index * sizeof(format::MetadataTableEntry);
}

uint64_t ImageLayout::MetadataEntryOffset(const Guid& item_id) const {
  const auto found = std::ranges::find(
      items, item_id, [](const PlacedItem& placed) { return placed.item.item_id; });
  assert(found != items.end());
  return MetadataEntryOffset(static_cast<size_t>(found - items.begin()));
}

uint64_t ImageLayout::ItemOffset(const Guid& item_id) const {
  const auto found = std::ranges::find(
      items, item_id, [](const PlacedItem& placed) { return placed.item.item_id; });
  assert(found != items.end());
  return metadata.file_offset + found->offset;
}

ImageLayout PlanLayout(const ImageSpec& spec) {
  ImageLayout layout;
  layout.chunk_ratio =
      (uint64_t{1} << 23) * spec.parameters.logical_sector_size / spec.parameters.block_size_bytes;
  layout.log = {spec.log.file_offset, spec.log.length_bytes};
  layout.items = PlaceItems(spec);
  Allocator allocator;
  allocator.Claim(layout.log);
  PlaceRegions(spec, allocator, layout);
  AddNeededBitmaps(spec, layout);
  PlaceBlocks(spec, allocator, layout);
  layout.end = allocator.end();
  return layout;
}

}  // namespace vhdx::testing

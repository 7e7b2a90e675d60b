// The metadata region: its table, the basic items, the parent locator, and what follows from them
// for the BAT. Input: a MetadataInput, the start of the table, the start of the items.

#include <algorithm>
#include <utility>

#include "format/bat.h"
#include "format/layout.h"
#include "format/metadata.h"
#include "format/parent_locator.h"
#include "fuzz/expect.h"
#include "fuzz/input.h"
#include "fuzz/metadata_input.h"

namespace vhdx::fuzz {
namespace {

const Place kPlace{"fuzz.vhdx", 2 * kMiB};
// Tables that name more than this are not written again: it would be copying, and no new code.
constexpr uint64_t kMaxWritten = 4 * kMiB;

class Region {
 public:
  explicit Region(Input input) {
    const auto around = input.Take<MetadataInput>();
    length_ = around.region_length;
    // A region is some MiB; the parser may rely on the table being there.
    if (length_ < format::kAlignment) length_ = format::kAlignment;
    const auto table =
        input.TakeUpTo(std::min<size_t>(around.table_bytes, format::kMetadataTableSize));
    table_.assign(table.begin(), table.end());
    table_.resize(format::kMetadataTableSize);
    items_ = input.rest();
  }

  uint64_t length() const { return length_; }
  std::span<const std::byte> table() const { return table_; }

  std::vector<std::byte> ItemBytes(const MetadataItemInfo& item) const {
    std::vector<std::byte> bytes(item.length_bytes);
    if (item.length_bytes == 0) return bytes;
    const uint64_t start = item.offset - format::kMetadataTableSize;
    if (start < items_.size()) {
      const auto there =
          items_.subspan(start).first(std::min<uint64_t>(bytes.size(), items_.size() - start));
      std::ranges::copy(there, bytes.begin());
    }
    return bytes;
  }

 private:
  uint64_t length_ = 0;
  std::vector<std::byte> table_;
  std::span<const std::byte> items_;
};

void ExpectDistinct(const std::vector<MetadataItemInfo>& items, uint64_t region_length) {
  std::vector<std::pair<uint64_t, uint64_t>> ranges;
  std::vector<std::pair<Guid, bool>> ids;
  for (const MetadataItemInfo& item : items) {
    ids.emplace_back(item.item_id, item.is_user);
    if (item.length_bytes == 0) continue;
    Expect(item.offset >= format::kMetadataTableSize && item.length_bytes <= kMiB &&
               FitsInside(item.offset, item.length_bytes, region_length),
           "items that were accepted lie behind the table, in the region");
    ranges.emplace_back(item.offset, item.length_bytes);
  }
  std::ranges::sort(ids);
  Expect(std::ranges::adjacent_find(ids) == ids.end(), "no item is there twice");
  std::ranges::sort(ranges);
  for (size_t i = 1; i < ranges.size(); ++i) {
    Expect(ranges[i - 1].first + ranges[i - 1].second <= ranges[i].first, "items lie apart");
  }
}

// Writes all items again, packed, and reads what was written.
void TryEncodeItems(const std::vector<MetadataItemInfo>& items, const Region& region) {
  uint64_t total = 0;
  for (const MetadataItemInfo& item : items) total += item.length_bytes;
  if (total > kMaxWritten) return;
  std::vector<format::MetadataItem> to_write;
  for (const MetadataItemInfo& item : items) {
    to_write.push_back({.item_id = item.item_id,
                        .is_user = item.is_user,
                        .is_virtual_disk = item.is_virtual_disk,
                        .is_required = item.is_required,
                        .data = region.ItemBytes(item)});
  }
  const auto encoded = format::EncodeMetadata(to_write, region.length());
  Expect(encoded.has_value(), "items that were accepted can be written");
  StructureVerdict verdict;
  Problems problems;
  const auto again =
      format::ParseMetadataTable(std::span(*encoded).first(format::kMetadataTableSize),
                                 region.length(), kPlace, verdict, problems);
  Expect(!problems.refusal() && again.size() == items.size(), "they come back");
  for (size_t i = 0; i < items.size(); ++i) {
    MetadataItemInfo expected = items[i];
    expected.offset = again[i].info.offset;
    Expect(again[i].info == expected, "each of them as it was");
  }
}

void TryGeometry(const DiskParameters& parameters) {
  const format::BatGeometry geometry(parameters);
  Expect(geometry.block_size() == parameters.block_size_bytes &&
             geometry.logical_sector_size() == parameters.logical_sector_size,
         "the geometry is that of the parameters");
  const uint64_t last = geometry.payload_block_count() - 1;
  Expect(geometry.BlockStart(last) < geometry.virtual_disk_size() &&
             geometry.BlockStart(last) + geometry.BytesOnDisk(last) == geometry.virtual_disk_size(),
         "the last block ends where the disk ends");
  Expect(geometry.PayloadIndex(last) + 1 == geometry.EntryCountWithoutParent(),
         "the last entry without parent is that of the last block");
  Expect(geometry.BitmapIndex(geometry.ChunkOf(last)) + 1 == geometry.EntryCountWithParent(),
         "the last entry with parent is that of the last sector bitmap");
  Expect(geometry.BitmapSliceOffset(last) + geometry.BitmapBytesPerBlock() <=
             format::kSectorBitmapBlockSize,
         "the bits of a block lie in one sector bitmap block");
  Expect(geometry.BitInChunk(geometry.BlockStart(last)) == geometry.BitmapSliceOffset(last) * 8,
         "the bits of a block start with its slice");
}

void TryParameters(const MetadataStructure& metadata, const Region& region) {
  const DiskParameters& parameters = metadata.parameters;
  TryGeometry(parameters);
  std::optional<std::vector<std::byte>> locator;
  if (parameters.has_parent) {
    const auto* item = format::FindItem(metadata.items, format::kParentLocatorGuid);
    const bool is_there = item != nullptr && format::ItemIsPlaced(item->info, region.length());
    locator = is_there ? region.ItemBytes(item->info) : std::vector<std::byte>();
    Problems problems;
    const auto parsed = format::ParseParentLocator(*locator, kPlace, problems);
    if (!parsed.meaning) ExpectHonest(*problems.refusal());
  }
  const auto basic = format::EncodeDiskParameters(parameters, std::move(locator));
  Expect(basic.has_value(), "parameters that were accepted can be written");
}

void TryRegion(const Region& region) {
  Problems problems;
  MetadataStructure metadata{.region = FileRange{kPlace.file_offset, region.length()}};
  metadata.items = format::ParseMetadataTable(region.table(), region.length(), kPlace,
                                              metadata.verdict, problems);
  const bool table_is_sound = !problems.refusal();
  if (table_is_sound) {
    std::vector<MetadataItemInfo> items;
    for (const MetadataItemStructure& item : metadata.items) items.push_back(item.info);
    ExpectDistinct(items, region.length());
    TryEncodeItems(items, region);
  }
  format::ReadDiskParameters(
      metadata,
      [&](const MetadataItemInfo& item) -> Result<std::vector<std::byte>> {
        Expect(format::ItemIsPlaced(item, region.length()), "only what is in the region is read");
        return region.ItemBytes(item);
      },
      kPlace.file, problems);
  Expect(metadata.sound || problems.refusal(), "parameters are sound, or something is refused");
  if (metadata.sound) TryParameters(metadata, region);
  if (problems.refusal()) ExpectHonest(*problems.refusal());
}

}  // namespace
}  // namespace vhdx::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  vhdx::fuzz::TryRegion(vhdx::fuzz::Region(vhdx::fuzz::Input(data, size)));
  return 0;
}

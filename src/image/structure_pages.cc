#include "image/structure_pages.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>

#include "bytes/arithmetic.h"
#include "bytes/crc32c.h"
#include "bytes/endian.h"
#include "bytes/same_bytes.h"
#include "bytes/try.h"
#include "format/layout.h"
#include "format/region_table.h"

namespace vhdx {
namespace {

constexpr uint64_t kPage = format::kLogSectorSize;
constexpr uint64_t kPagesPerTable = format::kRegionTableSize / kPage;

HeldPage PageOf(PageId id, std::span<const std::byte> bytes) {
  HeldPage page{.id = id, .bytes = {}};
  std::ranges::copy(bytes, page.bytes.begin());
  return page;
}

// The entry of the region, by its offset in the table; the table has one.
size_t FindEntry(std::span<const std::byte> table, const Guid& region) {
  size_t offset = sizeof(format::RegionTableHeader);
  while (LoadFrom<format::RegionTableEntry>(table.subspan(offset)).guid != region) {
    offset += sizeof(format::RegionTableEntry);
  }
  return offset;
}

void ChangeTable(std::span<std::byte> table, const Guid& region, FileRange place) {
  const size_t offset = FindEntry(table, region);
  auto entry = LoadFrom<format::RegionTableEntry>(table.subspan(offset));
  entry.file_offset = place.file_offset;
  entry.length = static_cast<uint32_t>(place.length_bytes);
  StoreTo(table.subspan(offset), entry);
  auto header = LoadFrom<format::RegionTableHeader>(table);
  header.checksum = 0;
  StoreTo(table, header);
  header.checksum = Crc32c(table);
  StoreTo(table, header);
}

}  // namespace

Result<std::vector<HeldPage>> PagesWithDiskSize(Image& image, uint64_t disk_size) {
  const ImageInfo& info = image.info();
  const MetadataItemInfo item =
      *std::ranges::find_if(info.metadata_items, [](const MetadataItemInfo& each) {
        return !each.is_user && each.item_id == format::kVirtualDiskSizeGuid;
      });
  const uint64_t first = item.offset / kPage;
  const uint64_t end = DivideRoundingUp(item.offset + sizeof(le64), kPage);
  std::vector<std::byte> bytes((end - first) * kPage);
  VHDX_TRY(image.file().ReadExactAt(info.metadata_region.file_offset + first * kPage, bytes));
  StoreTo(std::span(bytes).subspan(item.offset - first * kPage), le64(disk_size));
  std::vector<HeldPage> pages;
  for (uint64_t page = first; page < end; ++page) {
    pages.push_back(PageOf({PageId::Kind::kMetadata, page},
                           std::span(bytes).subspan((page - first) * kPage, kPage)));
  }
  return pages;
}

Result<std::vector<HeldPage>> PagesWithRegion(Image& image, const Guid& region, FileRange place) {
  std::array<std::vector<std::byte>, 2> tables;
  for (size_t i = 0; i < tables.size(); ++i) {
    tables[i].resize(format::kRegionTableSize);
    VHDX_TRY(image.file().ReadExactAt(format::kRegionTableOffsets[i], tables[i]));
  }
  if (!SameBytes(tables[0], tables[1])) {
    return Fail(ErrorCode::kInternal, "the copies of the region table differ",
                image.info().filename);
  }
  std::vector<std::byte> changed = tables[0];
  ChangeTable(changed, region, place);
  std::vector<HeldPage> pages;
  for (uint64_t page = 0; page < kPagesPerTable; ++page) {
    const auto bytes = std::span(changed).subspan(page * kPage, kPage);
    if (SameBytes(bytes, std::span(tables[0]).subspan(page * kPage, kPage))) continue;
    for (const uint64_t copy : {uint64_t{0}, uint64_t{1}}) {
      pages.push_back(PageOf({PageId::Kind::kRegionTable, copy * kPagesPerTable + page}, bytes));
    }
  }
  return pages;
}

}  // namespace vhdx

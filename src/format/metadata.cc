#include "format/metadata.h"

#include <algorithm>
#include <bit>
#include <tuple>

#include "bytes/zeros.h"
#include "format/layout.h"
#include "format/rules.h"

namespace vhdx::format {
namespace {

constexpr uint32_t kFlagsMask = kIsUser | kIsVirtualDisk | kIsRequired;
constexpr uint32_t kFileParametersMask = kLeaveBlocksAllocated | kHasParent;

// An item that this program understands.
struct KnownItem {
  Guid item_id;
  std::string_view name;
  uint32_t length_bytes;  // 0: any
  bool is_virtual_disk;
  bool is_required;
  bool in_every_file;
};

constexpr std::array<KnownItem, 9> kKnownItems = {{
    {kFileParametersGuid, "File Parameters", 8, false, true, true},
    {kVirtualDiskSizeGuid, "Virtual Disk Size", 8, true, true, true},
    {kLogicalSectorSizeGuid, "Logical Sector Size", 4, true, true, true},
    {kPhysicalSectorSizeGuid, "Physical Sector Size", 4, true, true, true},
    {kVirtualDiskIdGuid, "Virtual Disk ID", 16, true, true, true},
    {kParentLocatorGuid, "Parent Locator", 0, false, true, false},
    {kChsParametersGuid, "CHS Parameters", 0, false, false, false},
    {kPmemLabelGuid, "PMEM Label Storage", 0, false, false, false},
    {kIncompleteFileGuid, "Incomplete File", 0, false, true, false},
}};

const KnownItem* FindKnown(const MetadataItemInfo& item) {
  if (item.is_user) return nullptr;
  const auto found = std::ranges::find(kKnownItems, item.item_id, &KnownItem::item_id);
  return found == kKnownItems.end() ? nullptr : &*found;
}

std::string Describe(const MetadataItemInfo& item) {
  const KnownItem* known = FindKnown(item);
  return (known == nullptr ? "item " + item.item_id.ToString() : std::string(known->name)) +
         " of " + std::to_string(item.length_bytes) + " bytes at " + std::to_string(item.offset);
}

Place ItemEntryPlace(const Place& region, size_t index) {
  return region.Plus(sizeof(MetadataTableHeader) + index * sizeof(MetadataTableEntry));
}

Result<void> CheckRange(const MetadataItemInfo& item, uint64_t region_length, const Place& place,
                        Findings& findings) {
  if (item.length_bytes == 0) {
    if (item.offset != 0) findings.Add(rules::kMetadataEmptyOffset, place, Describe(item), "0");
    return {};
  }
  if (item.offset < kMetadataTableSize || item.length_bytes > kMaxMetadataItemLength ||
      !FitsInside(item.offset, item.length_bytes, region_length)) {
    return Corrupt(rules::kMetadataItemRange, place,
                   Describe(item) + " of a region of " + std::to_string(region_length));
  }
  return {};
}

Result<void> CheckMeaning(const MetadataItemInfo& item, const Place& place, Findings& findings) {
  const KnownItem* known = FindKnown(item);
  if (known == nullptr) {
    if (item.is_required) return Corrupt(rules::kMetadataUnknownRequired, place, Describe(item));
    return {};
  }
  if (known->item_id == kIncompleteFileGuid) return Corrupt(rules::kMetadataIncompleteFile, place);
  if (known->length_bytes != 0 && item.length_bytes != known->length_bytes) {
    return Corrupt(rules::kMetadataItemLength, place, Describe(item),
                   std::to_string(known->length_bytes) + " bytes");
  }
  // Early files have Physical Sector Size without IsRequired.
  const bool specified = known->in_every_file || known->item_id == kParentLocatorGuid;
  const bool required_matters = specified && known->item_id != kPhysicalSectorSizeGuid;
  if ((specified && item.is_virtual_disk != known->is_virtual_disk) ||
      (required_matters && item.is_required != known->is_required)) {
    findings.Add(rules::kMetadataItemFlags, place.Plus(offsetof(MetadataTableEntry, flags)),
                 Describe(item));
  }
  return {};
}

Result<void> CheckDistinct(const std::vector<MetadataItemInfo>& items, const Place& place) {
  std::vector<std::tuple<Guid, bool>> ids;
  std::vector<std::tuple<uint64_t, uint64_t>> ranges;  // offset, length
  for (const MetadataItemInfo& item : items) {
    ids.emplace_back(item.item_id, item.is_user);
    if (item.length_bytes != 0) ranges.emplace_back(item.offset, item.length_bytes);
  }
  std::ranges::sort(ids);
  if (const auto twice = std::ranges::adjacent_find(ids); twice != ids.end()) {
    return Corrupt(rules::kMetadataDuplicate, place, std::get<0>(*twice).ToString() + " twice");
  }
  std::ranges::sort(ranges);
  for (size_t i = 1; i < ranges.size(); ++i) {
    const auto [offset, length] = ranges[i - 1];
    const auto [next, next_length] = ranges[i];
    if (offset + length > next) {
      return Corrupt(rules::kMetadataItemOverlap, place.Plus(next),
                     std::to_string(length) + " bytes at " + std::to_string(offset) + " and " +
                         std::to_string(next_length) + " bytes at " + std::to_string(next));
    }
  }
  return {};
}

Result<void> CheckItems(const std::vector<MetadataItemInfo>& items, uint64_t region_length,
                        const Place& place, Findings& findings) {
  for (size_t i = 0; i < items.size(); ++i) {
    const Place entry = ItemEntryPlace(place, i);
    if (auto ok = CheckRange(items[i], region_length, entry, findings); !ok) return ok;
    if (auto ok = CheckMeaning(items[i], entry, findings); !ok) return ok;
  }
  const auto user_items = std::ranges::count(items, true, &MetadataItemInfo::is_user);
  if (user_items > kMaxUserMetadataEntryCount) {
    return Corrupt(rules::kMetadataUserCount, place, std::to_string(user_items), "at most 1024");
  }
  for (const KnownItem& known : kKnownItems) {
    if (known.in_every_file && FindItem(items, known.item_id) == nullptr) {
      return Corrupt(rules::kMetadataMissing, place, "no " + std::string(known.name));
    }
  }
  return CheckDistinct(items, place);
}

MetadataItemInfo Decode(const MetadataTableEntry& entry) {
  return {.item_id = entry.item_id,
          .offset = entry.offset,
          .length_bytes = entry.length,
          .is_user = (entry.flags & kIsUser) != 0,
          .is_virtual_disk = (entry.flags & kIsVirtualDisk) != 0,
          .is_required = (entry.flags & kIsRequired) != 0};
}

bool IsBlockSize(uint32_t size) {
  return std::has_single_bit(size) && size >= kMinBlockSize && size <= kMaxBlockSize;
}
bool IsSectorSize(uint32_t size) { return size == 512 || size == 4096; }

// The ranges of the parameters; the same for a file that was read and for one that is to be
// written.
Result<void> CheckParameters(const DiskParameters& parameters,
                             const std::function<Place(const Guid&)>& place_of) {
  if (!IsBlockSize(parameters.block_size_bytes)) {
    return Corrupt(rules::kMetadataBlockSize, place_of(kFileParametersGuid),
                   std::to_string(parameters.block_size_bytes));
  }
  if (!IsSectorSize(parameters.logical_sector_size)) {
    return Corrupt(rules::kMetadataSectorSize, place_of(kLogicalSectorSizeGuid),
                   std::to_string(parameters.logical_sector_size));
  }
  if (!IsSectorSize(parameters.physical_sector_size)) {
    return Corrupt(rules::kMetadataSectorSize, place_of(kPhysicalSectorSizeGuid),
                   std::to_string(parameters.physical_sector_size));
  }
  const uint64_t size = parameters.virtual_disk_size_bytes;
  if (size == 0 || size > kMaxVirtualDiskSize || size % parameters.logical_sector_size != 0) {
    return Corrupt(rules::kMetadataDiskSize, place_of(kVirtualDiskSizeGuid), std::to_string(size));
  }
  return {};
}

template <OnDisk T>
Result<T> ReadItem(const std::vector<MetadataItemInfo>& items, const Guid& item_id,
                   const ItemReader& read_item, const Place& place) {
  const MetadataItemInfo* item = FindItem(items, item_id);
  if (item == nullptr) return Corrupt(rules::kMetadataMissing, place, item_id.ToString());
  auto bytes = read_item(*item);
  if (!bytes) return std::unexpected(std::move(bytes.error()));
  if (bytes->size() != sizeof(T)) {
    return Corrupt(rules::kMetadataItemLength, place.Plus(item->offset), Describe(*item));
  }
  return LoadFrom<T>(*bytes);
}

template <OnDisk T>
MetadataItem MakeItem(const Guid& item_id, const T& value) {
  const auto known = std::ranges::find(kKnownItems, item_id, &KnownItem::item_id);
  MetadataItem item{.item_id = item_id,
                    .is_virtual_disk = known->is_virtual_disk,
                    .is_required = known->is_required,
                    .data = std::vector<std::byte>(sizeof(T))};
  StoreTo(std::span(item.data), value);
  return item;
}

}  // namespace

const MetadataItemInfo* FindItem(const std::vector<MetadataItemInfo>& items, const Guid& item_id) {
  const auto found = std::ranges::find_if(items, [&](const MetadataItemInfo& item) {
    return item.item_id == item_id && !item.is_user;
  });
  return found == items.end() ? nullptr : &*found;
}

std::string_view MetadataItemName(const Guid& item_id) {
  const auto found = std::ranges::find(kKnownItems, item_id, &KnownItem::item_id);
  return found == kKnownItems.end() ? std::string_view() : found->name;
}

Result<std::vector<MetadataItemInfo>> ParseMetadataTable(std::span<const std::byte> bytes,
                                                         uint64_t region_length, const Place& place,
                                                         Findings& findings) {
  const auto header = LoadFrom<MetadataTableHeader>(bytes);
  if (header.signature != kMetadataSignature) {
    return Corrupt(rules::kMetadataSignature, place, Hex(LoadFrom<le64>(bytes)), "\"metadata\"");
  }
  if (header.entry_count > kMaxMetadataEntryCount) {
    return Corrupt(rules::kMetadataEntryCount,
                   place.Plus(offsetof(MetadataTableHeader, entry_count)),
                   std::to_string(header.entry_count), "at most 2047");
  }
  if (header.reserved != 0 || !IsAllZero(header.reserved2)) {
    findings.Add(rules::kMetadataReserved, place.Plus(offsetof(MetadataTableHeader, reserved)));
  }
  std::vector<MetadataItemInfo> items;
  items.reserve(header.entry_count);
  for (size_t i = 0; i < header.entry_count; ++i) {
    const auto entry = LoadFrom<MetadataTableEntry>(
        bytes.subspan(sizeof(MetadataTableHeader) + i * sizeof(MetadataTableEntry)));
    if ((entry.flags & ~kFlagsMask) != 0 || entry.reserved2 != 0) {
      findings.Add(rules::kMetadataItemReserved,
                   ItemEntryPlace(place, i).Plus(offsetof(MetadataTableEntry, flags)),
                   Hex(entry.flags) + " and " + Hex(entry.reserved2));
    }
    items.push_back(Decode(entry));
  }
  if (auto ok = CheckItems(items, region_length, place, findings); !ok) {
    return std::unexpected(std::move(ok.error()));
  }
  return items;
}

Result<DiskParameters> ParseDiskParameters(const std::vector<MetadataItemInfo>& items,
                                           const ItemReader& read_item, const Place& place,
                                           Findings& findings) {
  const auto place_of = [&](const Guid& item_id) {
    const MetadataItemInfo* item = FindItem(items, item_id);
    return place.Plus(item == nullptr ? 0 : item->offset);
  };
  const auto file_parameters =
      ReadItem<FileParameters>(items, kFileParametersGuid, read_item, place);
  if (!file_parameters) return std::unexpected(file_parameters.error());
  const auto size = ReadItem<le64>(items, kVirtualDiskSizeGuid, read_item, place);
  if (!size) return std::unexpected(size.error());
  const auto logical = ReadItem<le32>(items, kLogicalSectorSizeGuid, read_item, place);
  if (!logical) return std::unexpected(logical.error());
  const auto physical = ReadItem<le32>(items, kPhysicalSectorSizeGuid, read_item, place);
  if (!physical) return std::unexpected(physical.error());
  const auto disk_id = ReadItem<Guid>(items, kVirtualDiskIdGuid, read_item, place);
  if (!disk_id) return std::unexpected(disk_id.error());

  const uint32_t flags = file_parameters->flags;
  if ((flags & ~kFileParametersMask) != 0) {
    findings.Add(rules::kMetadataFileParameters,
                 place_of(kFileParametersGuid).Plus(offsetof(FileParameters, flags)), Hex(flags));
  }
  const DiskParameters parameters{.block_size_bytes = file_parameters->block_size,
                                  .leave_blocks_allocated = (flags & kLeaveBlocksAllocated) != 0,
                                  .has_parent = (flags & kHasParent) != 0,
                                  .virtual_disk_size_bytes = *size,
                                  .logical_sector_size = *logical,
                                  .physical_sector_size = *physical,
                                  .virtual_disk_id = *disk_id};
  if (auto ok = CheckParameters(parameters, place_of); !ok) {
    return std::unexpected(std::move(ok.error()));
  }
  return parameters;
}

Result<std::vector<MetadataItem>> EncodeDiskParameters(
    const DiskParameters& parameters, std::optional<std::vector<std::byte>> locator) {
  if (auto ok = CheckParameters(parameters, [](const Guid&) { return Place{}; }); !ok) {
    return Fail(ErrorCode::kInvalidArgument, ok.error().sentence);
  }
  if (parameters.has_parent != locator.has_value()) {
    return Fail(ErrorCode::kInvalidArgument, "a parent locator belongs to a file with a parent");
  }
  const uint32_t flags = (parameters.leave_blocks_allocated ? kLeaveBlocksAllocated : 0) |
                         (parameters.has_parent ? kHasParent : 0);
  std::vector<MetadataItem> items = {
      MakeItem(kFileParametersGuid,
               FileParameters{.block_size = parameters.block_size_bytes, .flags = flags}),
      MakeItem(kVirtualDiskSizeGuid, le64(parameters.virtual_disk_size_bytes)),
      MakeItem(kLogicalSectorSizeGuid, le32(parameters.logical_sector_size)),
      MakeItem(kPhysicalSectorSizeGuid, le32(parameters.physical_sector_size)),
      MakeItem(kVirtualDiskIdGuid, parameters.virtual_disk_id),
  };
  if (locator) {
    items.push_back(
        {.item_id = kParentLocatorGuid, .is_required = true, .data = *std::move(locator)});
  }
  return items;
}

Result<std::vector<std::byte>> EncodeMetadata(const std::vector<MetadataItem>& items,
                                              uint64_t region_length) {
  const auto refuse = [](std::string why) {
    return Fail(ErrorCode::kInvalidArgument,
                "cannot write these metadata items: " + std::move(why));
  };
  if (items.size() > kMaxMetadataEntryCount) return refuse("more than 2047");
  std::vector<std::byte> region(kMetadataTableSize);
  std::vector<MetadataItemInfo> table;
  StoreTo(std::span(region), MetadataTableHeader{.signature = kMetadataSignature,
                                                 .reserved = 0,
                                                 .entry_count = static_cast<uint16_t>(items.size()),
                                                 .reserved2 = {}});
  for (size_t i = 0; i < items.size(); ++i) {
    const MetadataItem& item = items[i];
    if (item.data.size() > kMaxMetadataItemLength) return refuse("an item of more than 1 MiB");
    const auto length = static_cast<uint32_t>(item.data.size());
    const auto offset = length == 0 ? 0 : static_cast<uint32_t>(region.size());
    table.push_back({.item_id = item.item_id,
                     .offset = offset,
                     .length_bytes = length,
                     .is_user = item.is_user,
                     .is_virtual_disk = item.is_virtual_disk,
                     .is_required = item.is_required});
    const uint32_t flags = (item.is_user ? kIsUser : 0) |
                           (item.is_virtual_disk ? kIsVirtualDisk : 0) |
                           (item.is_required ? kIsRequired : 0);
    StoreTo(std::span(region).subspan(sizeof(MetadataTableHeader) + i * sizeof(MetadataTableEntry)),
            MetadataTableEntry{.item_id = item.item_id,
                               .offset = offset,
                               .length = length,
                               .flags = flags,
                               .reserved2 = 0});
    region.insert(region.end(), item.data.begin(), item.data.end());
  }
  Findings findings;
  if (auto ok = CheckItems(table, region_length, {}, findings); !ok) {
    return refuse(ok.error().sentence);
  }
  return region;
}

}  // namespace vhdx::format

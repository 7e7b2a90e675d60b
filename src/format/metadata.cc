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

uint64_t EntryOffset(uint64_t region_offset, size_t index) {
  return region_offset + sizeof(MetadataTableHeader) + index * sizeof(MetadataTableEntry);
}

void CheckRange(MetadataItemStructure& item, uint64_t region_length, const Place& place,
                Problems& problems) {
  const MetadataItemInfo& info = item.info;
  if (info.length_bytes == 0) {
    if (info.offset != 0) {
      problems.Add(item.verdict, rules::kMetadataEmptyOffset, place, Describe(info), "0");
    }
  } else if (!ItemIsPlaced(info, region_length)) {
    problems.Refuse(item.verdict, rules::kMetadataItemRange, place,
                    Describe(info) + " of a region of " + std::to_string(region_length));
  }
}

// Early files have Physical Sector Size without IsRequired.
bool FlagsAreRight(const MetadataItemInfo& item, const KnownItem& known) {
  const bool specified = known.in_every_file || known.item_id == kParentLocatorGuid;
  const bool required_matters = specified && known.item_id != kPhysicalSectorSizeGuid;
  return (!specified || item.is_virtual_disk == known.is_virtual_disk) &&
         (!required_matters || item.is_required == known.is_required);
}

void CheckMeaning(MetadataItemStructure& item, const Place& place, Problems& problems) {
  const MetadataItemInfo& info = item.info;
  const KnownItem* known = FindKnown(info);
  if (known == nullptr) {
    if (info.is_required) {
      problems.Refuse(item.verdict, rules::kMetadataUnknownRequired, place, Describe(info));
    }
    return;
  }
  if (known->item_id == kIncompleteFileGuid) {
    problems.Refuse(item.verdict, rules::kMetadataIncompleteFile, place);
  }
  if (known->length_bytes != 0 && info.length_bytes != known->length_bytes) {
    problems.Refuse(item.verdict, rules::kMetadataItemLength, place, Describe(info),
                    std::to_string(known->length_bytes) + " bytes");
  }
  if (!FlagsAreRight(info, *known)) {
    problems.Add(item.verdict, rules::kMetadataItemFlags,
                 place.Plus(offsetof(MetadataTableEntry, flags)), Describe(info));
  }
}

void CheckIds(std::vector<MetadataItemStructure*> items, const Place& place, Problems& problems) {
  const auto id_of = [](const MetadataItemStructure* item) {
    return std::tuple(item->info.item_id, item->info.is_user);
  };
  std::ranges::sort(items, {}, [&](const MetadataItemStructure* item) {
    return std::tuple(id_of(item), item);  // equal ones in the order of the table
  });
  for (size_t i = 1; i < items.size(); ++i) {
    if (id_of(items[i]) != id_of(items[i - 1])) continue;
    problems.RefuseBoth(items[i]->verdict, items[i - 1]->verdict,
                        CorruptError(rules::kMetadataDuplicate, place,
                                     items[i]->info.item_id.ToString() + " twice"));
  }
}

std::string DescribeRange(const MetadataItemInfo& item) {
  return std::to_string(item.length_bytes) + " bytes at " + std::to_string(item.offset);
}

void CheckOverlaps(std::vector<MetadataItemStructure*> items, const Place& place,
                   Problems& problems) {
  std::erase_if(items, [](const auto* item) { return item->info.length_bytes == 0; });
  std::ranges::sort(items, {}, [](const MetadataItemStructure* item) {
    return std::tuple(item->info.offset, item->info.length_bytes, item);
  });
  const auto end_of = [](const MetadataItemStructure* item) {
    return uint64_t{item->info.offset} + item->info.length_bytes;
  };
  MetadataItemStructure* farthest = nullptr;  // of those so far, the one that ends last
  for (MetadataItemStructure* item : items) {
    if (farthest != nullptr && end_of(farthest) > item->info.offset) {
      problems.RefuseBoth(
          item->verdict, farthest->verdict,
          CorruptError(rules::kMetadataItemOverlap, place.Plus(item->info.offset),
                       DescribeRange(farthest->info) + " and " + DescribeRange(item->info)));
    }
    if (farthest == nullptr || end_of(item) > end_of(farthest)) farthest = item;
  }
}

void CheckItems(std::vector<MetadataItemStructure>& items, uint64_t region_length,
                const Place& place, StructureVerdict& table, Problems& problems) {
  for (MetadataItemStructure& item : items) {
    const Place entry{place.file, item.entry_offset};
    CheckRange(item, region_length, entry, problems);
    CheckMeaning(item, entry, problems);
  }
  const auto is_user = [](const MetadataItemStructure& item) { return item.info.is_user; };
  const auto user_items = std::ranges::count_if(items, is_user);
  if (user_items > kMaxUserMetadataEntryCount) {
    problems.Refuse(table, rules::kMetadataUserCount, place, std::to_string(user_items),
                    "at most 1024");
  }
  for (const KnownItem& known : kKnownItems) {
    if (known.in_every_file && FindItem(items, known.item_id) == nullptr) {
      problems.Refuse(table, rules::kMetadataMissing, place, "no " + std::string(known.name));
    }
  }
  std::vector<MetadataItemStructure*> all;
  all.reserve(items.size());
  for (MetadataItemStructure& item : items) all.push_back(&item);
  CheckIds(all, place, problems);
  CheckOverlaps(all, place, problems);
}

MetadataItemInfo Decode(const MetadataTableEntry& entry) {
  return {.item_id = entry.item_id,
          .offset = entry.offset,
          .length_bytes = entry.length,
          .is_user = (entry.flags & kIsUser) != 0,
          .is_virtual_disk = (entry.flags & kIsVirtualDisk) != 0,
          .is_required = (entry.flags & kIsRequired) != 0};
}

MetadataTableEntry Encode(const MetadataItemInfo& item) {
  const uint32_t flags = (item.is_user ? kIsUser : 0) |
                         (item.is_virtual_disk ? kIsVirtualDisk : 0) |
                         (item.is_required ? kIsRequired : 0);
  return {.item_id = item.item_id,
          .offset = item.offset,
          .length = item.length_bytes,
          .flags = flags,
          .reserved2 = 0};
}

bool IsBlockSize(uint32_t size) {
  return std::has_single_bit(size) && size >= kMinBlockSize && size <= kMaxBlockSize;
}
bool IsSectorSize(uint32_t size) { return size == 512 || size == 4096; }

// Whose range is wrong: the item, the rule that it breaks, and what it says.
using Refusal = std::function<void(const Guid& item_id, const Rule& rule, uint64_t value)>;

// The ranges of the parameters; the same for a file that was read and for one that is to be
// written. A parameter that is not `known` cannot be wrong.
void CheckParameters(const DiskParameters& parameters,
                     const std::function<bool(const Guid&)>& known, const Refusal& refuse) {
  if (known(kFileParametersGuid) && !IsBlockSize(parameters.block_size_bytes)) {
    refuse(kFileParametersGuid, rules::kMetadataBlockSize, parameters.block_size_bytes);
  }
  const uint32_t logical = parameters.logical_sector_size;
  if (known(kLogicalSectorSizeGuid) && !IsSectorSize(logical)) {
    refuse(kLogicalSectorSizeGuid, rules::kMetadataSectorSize, logical);
  }
  if (known(kPhysicalSectorSizeGuid) && !IsSectorSize(parameters.physical_sector_size)) {
    refuse(kPhysicalSectorSizeGuid, rules::kMetadataSectorSize, parameters.physical_sector_size);
  }
  const uint64_t size = parameters.virtual_disk_size_bytes;
  const bool whole_sectors = !IsSectorSize(logical) || size % logical == 0;
  if (known(kVirtualDiskSizeGuid) && (size == 0 || size > kMaxVirtualDiskSize || !whole_sectors)) {
    refuse(kVirtualDiskSizeGuid, rules::kMetadataDiskSize, size);
  }
}

// Reads the basic items of a table.
class ParameterReader {
 public:
  ParameterReader(MetadataStructure& metadata, const ItemReader& read_item, std::string file,
                  Problems& problems)
      : metadata_(metadata),
        read_item_(read_item),
        place_{std::move(file), metadata.region->file_offset},
        problems_(problems) {}

  void Run() {
    DiskParameters& parameters = metadata_.parameters;
    if (const auto value = Read<FileParameters>(kFileParametersGuid)) SetFileParameters(*value);
    if (const auto value = Read<le64>(kVirtualDiskSizeGuid)) {
      parameters.virtual_disk_size_bytes = *value;
    }
    if (const auto value = Read<le32>(kLogicalSectorSizeGuid)) {
      parameters.logical_sector_size = *value;
    }
    if (const auto value = Read<le32>(kPhysicalSectorSizeGuid)) {
      parameters.physical_sector_size = *value;
    }
    if (const auto value = Read<Guid>(kVirtualDiskIdGuid)) parameters.virtual_disk_id = *value;
    metadata_.sound = std::ranges::all_of(kKnownItems, [&](const KnownItem& known) {
      return !known.in_every_file || IsRead(known.item_id);
    });
    CheckParameters(
        parameters, [&](const Guid& item_id) { return IsRead(item_id); },
        [&](const Guid& item_id, const Rule& rule, uint64_t value) {
          MetadataItemStructure* item = FindItem(metadata_.items, item_id);
          problems_.Refuse(item->verdict, rule, place_.Plus(item->info.offset),
                           std::to_string(value));
          metadata_.sound = false;
        });
  }

 private:
  bool IsRead(const Guid& item_id) const {
    const MetadataItemStructure* item = FindItem(metadata_.items, item_id);
    return item != nullptr && item->has_value;
  }

  // An item that is missing, misplaced or of another length was refused with the table.
  template <OnDisk T>
  std::optional<T> Read(const Guid& item_id) {
    MetadataItemStructure* item = FindItem(metadata_.items, item_id);
    if (item == nullptr || item->info.length_bytes != sizeof(T) ||
        !ItemIsPlaced(item->info, metadata_.region->length_bytes)) {
      return std::nullopt;
    }
    auto bytes = read_item_(item->info);
    if (!bytes) {
      problems_.Refuse(item->verdict, std::move(bytes.error()));
      return std::nullopt;
    }
    item->has_value = true;
    return LoadFrom<T>(*bytes);
  }

  void SetFileParameters(const FileParameters& value) {
    const uint32_t flags = value.flags;
    metadata_.parameters.block_size_bytes = value.block_size;
    metadata_.parameters.leave_blocks_allocated = (flags & kLeaveBlocksAllocated) != 0;
    metadata_.parameters.has_parent = (flags & kHasParent) != 0;
    if ((flags & ~kFileParametersMask) == 0) return;
    MetadataItemStructure* item = FindItem(metadata_.items, kFileParametersGuid);
    problems_.Add(item->verdict, rules::kMetadataFileParameters,
                  place_.Plus(item->info.offset + offsetof(FileParameters, flags)), Hex(flags));
  }

  MetadataStructure& metadata_;
  const ItemReader& read_item_;
  const Place place_;  // of the region
  Problems& problems_;
};

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

template <typename Items>
auto* FindSystemItem(Items& items, const Guid& item_id) {
  const auto found = std::ranges::find_if(items, [&](const MetadataItemStructure& item) {
    return item.info.item_id == item_id && !item.info.is_user;
  });
  return found == items.end() ? nullptr : &*found;
}

}  // namespace

const MetadataItemStructure* FindItem(const std::vector<MetadataItemStructure>& items,
                                      const Guid& item_id) {
  return FindSystemItem(items, item_id);
}

MetadataItemStructure* FindItem(std::vector<MetadataItemStructure>& items, const Guid& item_id) {
  return FindSystemItem(items, item_id);
}

bool ItemIsPlaced(const MetadataItemInfo& item, uint64_t region_length) {
  return item.length_bytes != 0 && item.offset >= kMetadataTableSize &&
         item.length_bytes <= kMaxMetadataItemLength &&
         FitsInside(item.offset, item.length_bytes, region_length);
}

std::string_view MetadataItemName(const Guid& item_id) {
  const auto found = std::ranges::find(kKnownItems, item_id, &KnownItem::item_id);
  return found == kKnownItems.end() ? std::string_view() : found->name;
}

std::vector<MetadataItemStructure> ParseMetadataTable(std::span<const std::byte> bytes,
                                                      uint64_t region_length, const Place& place,
                                                      StructureVerdict& table, Problems& problems) {
  const auto header = LoadFrom<MetadataTableHeader>(bytes);
  if (header.signature != kMetadataSignature) {
    problems.Refuse(table, rules::kMetadataSignature, place, Hex(LoadFrom<le64>(bytes)),
                    "\"metadata\"");
    return {};
  }
  if (header.entry_count > kMaxMetadataEntryCount) {
    problems.Refuse(table, rules::kMetadataEntryCount,
                    place.Plus(offsetof(MetadataTableHeader, entry_count)),
                    std::to_string(header.entry_count), "at most 2047");
    return {};
  }
  if (header.reserved != 0 || !IsAllZero(header.reserved2)) {
    problems.Add(table, rules::kMetadataReserved,
                 place.Plus(offsetof(MetadataTableHeader, reserved)));
  }
  std::vector<MetadataItemStructure> items;
  items.reserve(header.entry_count);
  for (size_t i = 0; i < header.entry_count; ++i) {
    const auto entry = LoadFrom<MetadataTableEntry>(
        bytes.subspan(sizeof(MetadataTableHeader) + i * sizeof(MetadataTableEntry)));
    items.push_back({.info = Decode(entry), .entry_offset = EntryOffset(place.file_offset, i)});
    if ((entry.flags & ~kFlagsMask) != 0 || entry.reserved2 != 0) {
      problems.Add(items.back().verdict, rules::kMetadataItemReserved,
                   {place.file, items.back().entry_offset + offsetof(MetadataTableEntry, flags)},
                   Hex(entry.flags) + " and " + Hex(entry.reserved2));
    }
  }
  CheckItems(items, region_length, place, table, problems);
  return items;
}

void ReadDiskParameters(MetadataStructure& metadata, const ItemReader& read_item,
                        const std::string& file, Problems& problems) {
  ParameterReader(metadata, read_item, file, problems).Run();
}

Result<std::vector<MetadataItem>> EncodeDiskParameters(
    const DiskParameters& parameters, std::optional<std::vector<std::byte>> locator) {
  std::optional<Error> refused;
  CheckParameters(
      parameters, [](const Guid&) { return true; },
      [&](const Guid&, const Rule& rule, uint64_t value) {
        if (!refused) refused = CorruptError(rule, {}, std::to_string(value));
      });
  if (refused) return Fail(ErrorCode::kInvalidArgument, refused->sentence);
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
  std::vector<MetadataItemStructure> table;
  StoreTo(std::span(region), MetadataTableHeader{.signature = kMetadataSignature,
                                                 .reserved = 0,
                                                 .entry_count = static_cast<uint16_t>(items.size()),
                                                 .reserved2 = {}});
  for (size_t i = 0; i < items.size(); ++i) {
    const MetadataItem& item = items[i];
    if (item.data.size() > kMaxMetadataItemLength) return refuse("an item of more than 1 MiB");
    const auto length = static_cast<uint32_t>(item.data.size());
    const auto offset = length == 0 ? 0 : static_cast<uint32_t>(region.size());
    table.push_back({.info = {.item_id = item.item_id,
                              .offset = offset,
                              .length_bytes = length,
                              .is_user = item.is_user,
                              .is_virtual_disk = item.is_virtual_disk,
                              .is_required = item.is_required},
                     .entry_offset = EntryOffset(0, i)});
    StoreTo(std::span(region).subspan(EntryOffset(0, i)), Encode(table.back().info));
    region.insert(region.end(), item.data.begin(), item.data.end());
  }
  StructureVerdict verdict;
  Problems problems;
  CheckItems(table, region_length, {}, verdict, problems);
  if (problems.refusal()) return refuse(problems.refusal()->sentence);
  return region;
}

}  // namespace vhdx::format

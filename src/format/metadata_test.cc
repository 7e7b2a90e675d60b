#include "format/metadata.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <string>
#include <vector>

#include "format/layout.h"
#include "format/parent_locator.h"
#include "testing/hex.h"
#include "testing/outcome.h"

namespace vhdx::format::metadata_test {
namespace {

using testing::OutcomeOf;

constexpr uint64_t kOffset = 2 * kMiB;
const Place kPlace{"a.vhdx", kOffset};
constexpr uint64_t kRegionLength = kMiB;

// Section 18.5.
DiskParameters Parameters() {
  return {.block_size_bytes = kMiB,
          .virtual_disk_size_bytes = 4 * kMiB,
          .logical_sector_size = 512,
          .physical_sector_size = 4096,
          .virtual_disk_id = *Guid::Parse("12345678-9abc-def0-1234-56789abcdef0")};
}

std::vector<MetadataItem> Items(const DiskParameters& parameters = Parameters()) {
  return *EncodeDiskParameters(parameters, std::nullopt);
}

// The order of EncodeDiskParameters.
constexpr size_t kFileParametersIndex = 0;
constexpr size_t kDiskSizeIndex = 1;
constexpr size_t kLogicalIndex = 2;
constexpr size_t kPhysicalIndex = 3;
constexpr size_t kDiskIdIndex = 4;

std::vector<std::byte> Region(const std::vector<MetadataItem>& items) {
  auto region = EncodeMetadata(items, kRegionLength);
  EXPECT_TRUE(region.has_value()) << ToString(region.error());
  return region ? *region : std::vector<std::byte>(kMetadataTableSize);
}

Guid UnknownGuid(uint16_t number) {
  return Guid::FromFields(0x5EED0000, number, 0, {1, 2, 3, 4, 5, 6, 7, 8});
}

// A region of which a test changes single fields.
class RawRegion {
 public:
  explicit RawRegion(const std::vector<MetadataItem>& items = Items()) : bytes_(Region(items)) {}

  MetadataTableEntry entry(size_t index) const {
    return LoadFrom<MetadataTableEntry>(std::span<const std::byte>(bytes_).subspan(At(index)));
  }
  void set_entry(size_t index, const MetadataTableEntry& entry) {
    StoreTo(std::span(bytes_).subspan(At(index)), entry);
  }
  void set_count(uint16_t count) { StoreTo(std::span(bytes_).subspan(10), le16(count)); }
  uint16_t count() const { return LoadFrom<le16>(std::span<const std::byte>(bytes_).subspan(10)); }
  void Append(const MetadataTableEntry& entry) {
    set_entry(count(), entry);
    set_count(static_cast<uint16_t>(count() + 1));
  }
  void Remove(size_t index) {
    for (size_t i = index; i + 1 < count(); ++i) set_entry(i, entry(i + 1));
    set_count(static_cast<uint16_t>(count() - 1));
  }
  std::vector<std::byte>& bytes() { return bytes_; }
  std::span<const std::byte> table() const {
    return std::span<const std::byte>(bytes_).first(kMetadataTableSize);
  }

  // "ok FINDINGS", or the error.
  std::string Parsed(uint64_t region_length = kRegionLength) const {
    StructureVerdict verdict;
    Problems problems;
    ParseMetadataTable(table(), region_length, kPlace, verdict, problems);
    return problems.refusal() ? OutcomeOf(*problems.refusal())
                              : "ok " + OutcomeOf(problems.findings());
  }

 private:
  static size_t At(size_t index) { return 32 + 32 * index; }
  std::vector<std::byte> bytes_;
};

// Where entry `index` of the table stands.
std::string AtEntry(size_t index, size_t field = 0) {
  return "@" + std::to_string(kOffset + 32 + 32 * index + field);
}

MetadataTableEntry Entry(const Guid& item_id, uint64_t offset, uint64_t length, uint32_t flags) {
  return {.item_id = item_id,
          .offset = static_cast<uint32_t>(offset),
          .length = static_cast<uint32_t>(length),
          .flags = flags,
          .reserved2 = 0};
}

TEST(MetadataEncode, BytesAreThoseOfTheReference) {
  const std::vector<std::byte> region = Region(Items());
  std::vector<std::byte> expected = testing::BytesFromHex(
      "6d 65 74 61 64 61 74 61 00 00 05 00 00 00 00 00\n"
      "00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00\n"
      "37 67 a1 ca 36 fa 43 4d b3 b6 33 f0 aa 44 e7 6b\n"
      "00 00 01 00 08 00 00 00 04 00 00 00 00 00 00 00\n"
      "24 42 a5 2f 1b cd 76 48 b2 11 5d be d8 3b f4 b8\n"
      "08 00 01 00 08 00 00 00 06 00 00 00 00 00 00 00\n"
      "1d bf 41 81 6f a9 09 47 ba 47 f2 33 a8 fa ab 5f\n"
      "10 00 01 00 04 00 00 00 06 00 00 00 00 00 00 00\n"
      "c7 48 a3 cd 5d 44 71 44 9c c9 e9 88 52 51 c5 56\n"
      "14 00 01 00 04 00 00 00 06 00 00 00 00 00 00 00\n"
      "ab 12 ca be e6 b2 23 45 93 ef c3 09 e0 00 c7 46\n"
      "18 00 01 00 10 00 00 00 06 00 00 00 00 00 00 00");
  expected.resize(0x10000);
  const std::vector<std::byte> items = testing::BytesFromHex(
      "00 00 10 00 00 00 00 00 00 00 40 00 00 00 00 00\n"
      "00 02 00 00 00 10 00 00 78 56 34 12 bc 9a f0 de\n"
      "12 34 56 78 9a bc de f0");
  expected.insert(expected.end(), items.begin(), items.end());
  EXPECT_EQ(testing::HexFromBytes(region), testing::HexFromBytes(expected));
}

TEST(MetadataEncode, FixedAndDifferencingFlagsAreThoseOfTheReference) {
  DiskParameters fixed = Parameters();
  fixed.leave_blocks_allocated = true;
  EXPECT_EQ(testing::HexFromBytes(Items(fixed)[kFileParametersIndex].data), "0000100001000000");

  DiskParameters child = Parameters();
  child.has_parent = true;
  const auto items = EncodeDiskParameters(child, std::vector<std::byte>(190));
  ASSERT_TRUE(items.has_value());
  EXPECT_EQ(testing::HexFromBytes((*items)[kFileParametersIndex].data), "0000100002000000");
  const std::vector<std::byte> region = Region(*items);
  EXPECT_EQ(testing::HexFromBytes(std::span(region).subspan(0xC0, 32)),
            "2d5fd3a80bb34d45abf7d3d84834ab0c"
            "28000100"
            "be000000"
            "04000000"
            "00000000");
  EXPECT_EQ(region[10], std::byte{6});
}

TEST(MetadataParse, EncodedItemsComeBack) {
  std::vector<MetadataItem> items = Items();
  items.push_back({.item_id = UnknownGuid(1), .is_user = true, .is_virtual_disk = true});
  items.push_back({.item_id = UnknownGuid(2), .data = std::vector<std::byte>(1000)});
  StructureVerdict verdict;
  Problems problems;
  const auto parsed =
      ParseMetadataTable(RawRegion(items).table(), kRegionLength, kPlace, verdict, problems);
  ASSERT_FALSE(problems.refusal().has_value()) << ToString(*problems.refusal());
  ASSERT_EQ(parsed.size(), items.size());
  uint32_t offset = 0x10000;
  for (size_t i = 0; i < items.size(); ++i) {
    const auto length = static_cast<uint32_t>(items[i].data.size());
    EXPECT_EQ(parsed[i].info, (MetadataItemInfo{.item_id = items[i].item_id,
                                                .offset = length == 0 ? 0 : offset,
                                                .length_bytes = length,
                                                .is_user = items[i].is_user,
                                                .is_virtual_disk = items[i].is_virtual_disk,
                                                .is_required = items[i].is_required}))
        << i;
    offset += length;
  }
  EXPECT_EQ(OutcomeOf(problems.findings()), "");
}

TEST(MetadataParse, WrongSignatureIsRefused) {
  RawRegion region;
  region.bytes()[7] ^= std::byte{1};
  EXPECT_EQ(region.Parsed(), "metadata.signature@2097152");
}

TEST(MetadataParse, MoreThan2047EntriesAreRefused) {
  for (const uint16_t count : {uint16_t{2048}, uint16_t{0xFFFF}}) {
    RawRegion region;
    region.set_count(count);
    EXPECT_EQ(region.Parsed(), "metadata.entry-count@2097162") << count;
  }
}

TEST(MetadataParse, FullTableIsRead) {
  RawRegion region;
  for (uint16_t i = 0; region.count() < 2047; ++i) {
    region.Append(Entry(UnknownGuid(i), 0, 0, i < 1024 ? kIsUser : 0));
  }
  EXPECT_EQ(region.Parsed(), "ok ");
}

TEST(MetadataParse, MoreThan1024UserEntriesAreRefused) {
  RawRegion region;
  for (uint16_t i = 0; i < 1025; ++i) region.Append(Entry(UnknownGuid(i), 0, 0, kIsUser));
  EXPECT_EQ(region.Parsed(), "metadata.user-count@2097152");
}

TEST(MetadataParse, ReservedBytesOfTheHeaderAreNoted) {
  for (const size_t byte : {8U, 9U, 12U, 31U}) {
    RawRegion region;
    region.bytes()[byte] = std::byte{1};
    EXPECT_EQ(region.Parsed(), "ok metadata.reserved@2097160") << byte;
  }
}

// Windows leaves a copy of the last entry behind the table's end.
TEST(MetadataParse, SlotsPastTheCountAreIgnored) {
  RawRegion region;
  region.set_entry(5, region.entry(4));
  region.set_entry(6, Entry(UnknownGuid(1), 7, 0xFFFFFFFF, 0xFFFFFFFF));
  EXPECT_EQ(region.Parsed(), "ok ");
}

TEST(MetadataParse, ReservedBitsOfAnEntryForbidWriting) {
  for (const uint32_t bit : {8U, 0x80000000U}) {
    RawRegion region;
    MetadataTableEntry entry = region.entry(kDiskSizeIndex);
    entry.flags = entry.flags | bit;
    region.set_entry(kDiskSizeIndex, entry);
    EXPECT_EQ(region.Parsed(), "ok metadata.item-reserved" + AtEntry(1, 24)) << bit;
  }
  RawRegion region;
  MetadataTableEntry entry = region.entry(kDiskSizeIndex);
  entry.reserved2 = 1;
  region.set_entry(kDiskSizeIndex, entry);
  EXPECT_EQ(region.Parsed(), "ok metadata.item-reserved" + AtEntry(1, 24));
}

std::string WithItem(uint64_t offset, uint64_t length, uint64_t region_length = 4 * kMiB) {
  RawRegion region;
  region.Append(Entry(UnknownGuid(1), offset, length, 0));
  return region.Parsed(region_length);
}

TEST(MetadataParse, ItemHasToLieBehindTheTableAndInTheRegion) {
  const std::string refused = "metadata.item-range" + AtEntry(5);
  EXPECT_EQ(WithItem(0x10028, 4), "ok ");
  EXPECT_EQ(WithItem(0xFFFF, 1), refused);
  EXPECT_EQ(WithItem(0, 8), refused);
  EXPECT_EQ(WithItem(kMiB, kMiB), "ok ");
  EXPECT_EQ(WithItem(kMiB, kMiB + 1), refused);
  EXPECT_EQ(WithItem(kMiB, 0xFFFFFFFF), refused);
  EXPECT_EQ(WithItem(4 * kMiB - 8, 8), "ok ");
  EXPECT_EQ(WithItem(4 * kMiB - 8, 9), refused);
  EXPECT_EQ(WithItem(0xFFFFFFFF, 8), refused);
  EXPECT_EQ(WithItem(0xFFFFFFFF, 0xFFFFFFFF), refused);
  EXPECT_EQ(WithItem(kMiB, 8, kMiB), refused);
}

TEST(MetadataParse, EmptyItemHasNoPlace) {
  EXPECT_EQ(WithItem(0, 0), "ok ");
  EXPECT_EQ(WithItem(0x10000, 0), "ok metadata.empty-offset" + AtEntry(5));
  EXPECT_EQ(WithItem(1, 0), "ok metadata.empty-offset" + AtEntry(5));
}

TEST(MetadataParse, OverlappingItemsAreRefused) {
  EXPECT_EQ(WithItem(0x10000, 4), "metadata.item-overlap@" + std::to_string(kOffset + 0x10000));
  EXPECT_EQ(WithItem(0x10027, 4), "metadata.item-overlap@" + std::to_string(kOffset + 0x10027));
  RawRegion region;
  region.Append(Entry(UnknownGuid(1), 0x20000, 100, 0));
  region.Append(Entry(UnknownGuid(2), 0x20063, 1, 0));
  EXPECT_EQ(region.Parsed(), "metadata.item-overlap@" + std::to_string(kOffset + 0x20063));
}

TEST(MetadataParse, DuplicateItemIsRefused) {
  RawRegion region;
  region.Append(Entry(kVirtualDiskIdGuid, 0x10100, 16, 6));
  EXPECT_EQ(region.Parsed(), "metadata.duplicate@2097152");
  RawRegion unknown;
  unknown.Append(Entry(UnknownGuid(1), 0, 0, kIsUser));
  unknown.Append(Entry(UnknownGuid(1), 0x10100, 4, kIsUser));
  EXPECT_EQ(unknown.Parsed(), "metadata.duplicate@2097152");
}

// IsUser is part of the identity.
TEST(MetadataParse, UserItemMayShareTheIdOfASystemItem) {
  RawRegion region;
  region.Append(Entry(kVirtualDiskIdGuid, 0x10100, 16, kIsUser));
  EXPECT_EQ(region.Parsed(), "ok ");
}

TEST(MetadataParse, UnknownRequiredItemIsRefused) {
  RawRegion region;
  region.Append(Entry(UnknownGuid(1), 0, 0, kIsRequired));
  EXPECT_EQ(region.Parsed(), "metadata.unknown-required" + AtEntry(5));
  RawRegion user;
  user.Append(Entry(kVirtualDiskIdGuid, 0, 0, kIsRequired | kIsUser));
  EXPECT_EQ(user.Parsed(), "metadata.unknown-required" + AtEntry(5));
}

TEST(MetadataParse, ItemsOfOpenVmmAreKnown) {
  RawRegion region;
  region.Append(Entry(kChsParametersGuid, 0x10100, 8, kIsRequired));
  region.Append(Entry(kPmemLabelGuid, 0x10200, 100, kIsRequired));
  EXPECT_EQ(region.Parsed(), "ok ");
  region.Append(Entry(kIncompleteFileGuid, 0, 0, kIsRequired));
  EXPECT_EQ(region.Parsed(), "metadata.incomplete-file" + AtEntry(7));
}

TEST(MetadataParse, EachBasicItemIsNeeded) {
  for (size_t i = 0; i < 5; ++i) {
    RawRegion region;
    region.Remove(i);
    EXPECT_EQ(region.Parsed(), "metadata.missing@2097152") << i;
    // A user item with its id does not stand in for it.
    RawRegion user;
    MetadataTableEntry entry = user.entry(i);
    entry.flags = kIsUser;
    user.set_entry(i, entry);
    EXPECT_EQ(user.Parsed(), "metadata.missing@2097152") << i;
  }
}

TEST(MetadataParse, EachBasicItemHasItsLength) {
  for (size_t i = 0; i < 5; ++i) {
    for (const int change : {-1, 1}) {
      RawRegion region;
      MetadataTableEntry entry = region.entry(i);
      entry.length = static_cast<uint32_t>(static_cast<int>(entry.length) + change);
      region.set_entry(i, entry);
      EXPECT_EQ(region.Parsed(), "metadata.item-length" + AtEntry(i)) << i;
    }
    RawRegion region;
    MetadataTableEntry entry = region.entry(i);
    entry.length = 0;
    entry.offset = 0;
    region.set_entry(i, entry);
    EXPECT_EQ(region.Parsed(), "metadata.item-length" + AtEntry(i)) << i;
  }
}

TEST(MetadataParse, WrongFlagsOfAKnownItemAreNoted) {
  for (size_t i = 0; i < 5; ++i) {
    for (const uint32_t bit : {kIsVirtualDisk, kIsRequired}) {
      RawRegion region;
      MetadataTableEntry entry = region.entry(i);
      entry.flags = entry.flags ^ bit;
      region.set_entry(i, entry);
      // Early files have Physical Sector Size without IsRequired.
      const bool tolerated = i == kPhysicalIndex && bit == kIsRequired;
      EXPECT_EQ(region.Parsed(), tolerated ? "ok " : "ok metadata.item-flags" + AtEntry(i, 24))
          << i;
    }
  }
}

TEST(MetadataParse, WrongFlagsOfAParentLocatorAreNoted) {
  for (const uint32_t flags : {0U, kIsVirtualDisk, kIsVirtualDisk | kIsRequired}) {
    RawRegion region;
    region.Append(Entry(kParentLocatorGuid, 0x10100, 190, flags));
    EXPECT_EQ(region.Parsed(), "ok metadata.item-flags" + AtEntry(5, 24)) << flags;
  }
}

TEST(FindItem, SystemItemsOnly) {
  const std::vector<MetadataItemStructure> items = {
      {.info = {.item_id = UnknownGuid(1), .offset = 1, .is_user = true}},
      {.info = {.item_id = UnknownGuid(1), .offset = 2}}};
  ASSERT_NE(FindItem(items, UnknownGuid(1)), nullptr);
  EXPECT_EQ(FindItem(items, UnknownGuid(1))->info.offset, 2U);
  EXPECT_EQ(FindItem(items, UnknownGuid(2)), nullptr);
}

TEST(MetadataItemName, KnownItemsHaveTheirNamesInTheSpecification) {
  EXPECT_EQ(MetadataItemName(kFileParametersGuid), "File Parameters");
  EXPECT_EQ(MetadataItemName(kParentLocatorGuid), "Parent Locator");
  EXPECT_EQ(MetadataItemName(UnknownGuid(1)), "");
}

// Parses the parameters of a region with these items; "ok FINDINGS" or the error.
std::string ParsedParameters(const std::vector<MetadataItem>& items,
                             DiskParameters* parameters = nullptr) {
  const RawRegion raw(items);
  std::vector<std::byte> region = Region(items);
  Problems problems;
  MetadataStructure metadata{.region = FileRange{kOffset, kRegionLength}};
  metadata.items =
      ParseMetadataTable(raw.table(), kRegionLength, kPlace, metadata.verdict, problems);
  if (problems.refusal()) return "table: " + OutcomeOf(*problems.refusal());
  const ItemReader reader = [&](const MetadataItemInfo& item) -> Result<std::vector<std::byte>> {
    const auto bytes = std::span(region).subspan(item.offset, item.length_bytes);
    return std::vector<std::byte>(bytes.begin(), bytes.end());
  };
  ReadDiskParameters(metadata, reader, kPlace.file, problems);
  EXPECT_EQ(metadata.sound, !problems.refusal().has_value());
  if (parameters != nullptr) *parameters = metadata.parameters;
  return problems.refusal() ? OutcomeOf(*problems.refusal())
                            : "ok " + OutcomeOf(problems.findings());
}

// Windows's packing: where each item stands in the file.
std::string AtItem(size_t index, uint64_t field = 0) {
  constexpr uint64_t kOffsets[] = {0x10000, 0x10008, 0x10010, 0x10014, 0x10018};
  return "@" + std::to_string(kOffset + kOffsets[index] + field);
}

template <typename T>
std::string WithValue(size_t index, T value, size_t field = 0) {
  std::vector<MetadataItem> items = Items();
  StoreTo(std::span(items[index].data).subspan(field), LittleEndian<T>(value));
  return ParsedParameters(items);
}

TEST(DiskParametersParse, EncodedParametersComeBack) {
  for (const bool leave_blocks_allocated : {false, true}) {
    DiskParameters written = Parameters();
    written.leave_blocks_allocated = leave_blocks_allocated;
    DiskParameters read;
    EXPECT_EQ(ParsedParameters(Items(written), &read), "ok ");
    EXPECT_EQ(read.block_size_bytes, kMiB);
    EXPECT_EQ(read.leave_blocks_allocated, leave_blocks_allocated);
    EXPECT_FALSE(read.has_parent);
    EXPECT_EQ(read.virtual_disk_size_bytes, 4 * kMiB);
    EXPECT_EQ(read.logical_sector_size, 512U);
    EXPECT_EQ(read.physical_sector_size, 4096U);
    EXPECT_EQ(read.virtual_disk_id, written.virtual_disk_id);
  }
}

TEST(DiskParametersParse, BlockSizeIsAPowerOfTwoFrom1To256MiB) {
  for (uint64_t size = kMiB; size <= 256 * kMiB; size *= 2) {
    EXPECT_EQ(WithValue(kFileParametersIndex, static_cast<uint32_t>(size)), "ok ") << size;
  }
  for (const uint64_t size : {uint64_t{0}, uint64_t{1}, 512 * kKiB, kMiB - 1, kMiB + 1, 3 * kMiB,
                              512 * kMiB, uint64_t{0x80000000}, uint64_t{0xFFFFFFFF}}) {
    EXPECT_EQ(WithValue(kFileParametersIndex, static_cast<uint32_t>(size)),
              "metadata.block-size" + AtItem(kFileParametersIndex))
        << size;
  }
}

TEST(DiskParametersParse, UnknownFileParametersForbidWriting) {
  for (const uint32_t flags : {4U, 0x80000000U, 0xFFFFFFFCU}) {
    EXPECT_EQ(WithValue(kFileParametersIndex, flags, 4),
              "ok metadata.file-parameters" + AtItem(kFileParametersIndex, 4))
        << flags;
  }
}

TEST(DiskParametersParse, DiskSizeIsAMultipleOfTheSectorSizeUpTo64TiB) {
  for (const uint64_t size : {uint64_t{512}, 4 * kMiB + 512, 64 * kTiB}) {
    EXPECT_EQ(WithValue(kDiskSizeIndex, size), "ok ") << size;
  }
  for (const uint64_t size : {uint64_t{0}, uint64_t{1}, uint64_t{511}, 4 * kMiB + 1,
                              64 * kTiB + 512, std::numeric_limits<uint64_t>::max()}) {
    EXPECT_EQ(WithValue(kDiskSizeIndex, size), "metadata.disk-size" + AtItem(kDiskSizeIndex))
        << size;
  }
}

TEST(DiskParametersParse, DiskSizeCountsInLogicalSectors) {
  DiskParameters parameters = Parameters();
  parameters.logical_sector_size = 4096;
  std::vector<MetadataItem> items = Items(parameters);
  StoreTo(std::span(items[kDiskSizeIndex].data), le64(4 * kMiB + 512));
  EXPECT_EQ(ParsedParameters(items), "metadata.disk-size" + AtItem(kDiskSizeIndex));
  StoreTo(std::span(items[kDiskSizeIndex].data), le64(4 * kMiB + 4096));
  EXPECT_EQ(ParsedParameters(items), "ok ");
}

TEST(DiskParametersParse, SectorSizesAre512Or4096) {
  for (const size_t index : {kLogicalIndex, kPhysicalIndex}) {
    for (const uint32_t size : {512U, 4096U}) EXPECT_EQ(WithValue(index, size), "ok ") << size;
    for (const uint32_t size : {0U, 1U, 511U, 1024U, 2048U, 8192U, 0xFFFFFFFFU}) {
      EXPECT_EQ(WithValue(index, size), "metadata.sector-size" + AtItem(index)) << size;
    }
  }
}

// Seen in the wild: logical 4096 with physical 512.
TEST(DiskParametersParse, PhysicalSectorsMayBeSmallerThanLogicalOnes) {
  DiskParameters parameters = Parameters();
  parameters.logical_sector_size = 4096;
  parameters.physical_sector_size = 512;
  EXPECT_EQ(ParsedParameters(Items(parameters)), "ok ");
}

// Whatever cannot be read, the other four are.
TEST(DiskParametersParse, ErrorOfTheReaderIsThatOfItsItem) {
  const std::vector<std::byte> region = Region(Items());
  for (size_t failing = 0; failing < 5; ++failing) {
    Problems problems;
    MetadataStructure metadata{.region = FileRange{kOffset, kRegionLength}};
    metadata.items =
        ParseMetadataTable(RawRegion().table(), kRegionLength, kPlace, metadata.verdict, problems);
    ASSERT_EQ(metadata.items.size(), 5U);
    const Guid& failing_id = metadata.items[failing].info.item_id;
    const auto reader = [&](const MetadataItemInfo& item) -> Result<std::vector<std::byte>> {
      if (item.item_id == failing_id) return Fail(ErrorCode::kIo, "it broke");
      const auto bytes = std::span(region).subspan(item.offset, item.length_bytes);
      return std::vector<std::byte>(bytes.begin(), bytes.end());
    };
    ReadDiskParameters(metadata, reader, kPlace.file, problems);
    EXPECT_FALSE(metadata.sound);
    ASSERT_TRUE(problems.refusal().has_value());
    EXPECT_EQ(OutcomeOf(*problems.refusal()), "io");
    for (size_t i = 0; i < 5; ++i) {
      EXPECT_EQ(metadata.items[i].has_value, i != failing);
      EXPECT_EQ(metadata.items[i].verdict.error.has_value(), i == failing);
    }
  }
}

// A disk size cannot be held against a sector size that is wrong itself.
TEST(DiskParametersParse, EachItemHasItsOwnVerdict) {
  std::vector<MetadataItem> items = Items();
  StoreTo(std::span(items[kFileParametersIndex].data), le32(3));
  StoreTo(std::span(items[kDiskSizeIndex].data), le64(4 * kMiB + 1));
  StoreTo(std::span(items[kLogicalIndex].data), le32(7));
  const RawRegion raw(items);
  const std::vector<std::byte> region = Region(items);
  Problems problems;
  MetadataStructure metadata{.region = FileRange{kOffset, kRegionLength}};
  metadata.items =
      ParseMetadataTable(raw.table(), kRegionLength, kPlace, metadata.verdict, problems);
  ReadDiskParameters(
      metadata,
      [&](const MetadataItemInfo& item) -> Result<std::vector<std::byte>> {
        const auto bytes = std::span(region).subspan(item.offset, item.length_bytes);
        return std::vector<std::byte>(bytes.begin(), bytes.end());
      },
      kPlace.file, problems);
  EXPECT_EQ(OutcomeOf(*metadata.items[kFileParametersIndex].verdict.error),
            "metadata.block-size" + AtItem(kFileParametersIndex));
  EXPECT_EQ(OutcomeOf(*metadata.items[kLogicalIndex].verdict.error),
            "metadata.sector-size" + AtItem(kLogicalIndex));
  EXPECT_FALSE(metadata.items[kDiskSizeIndex].verdict.error.has_value());
  EXPECT_EQ(metadata.parameters.virtual_disk_size_bytes, 4 * kMiB + 1);
}

TEST(MetadataParse, EachEntryHasItsOwnVerdict) {
  RawRegion raw;
  raw.Append(Entry(UnknownGuid(1), 0x20000, 8, 4));            // required
  raw.Append(Entry(UnknownGuid(2), 0x10000, 4, 0));            // inside another
  raw.Append(Entry(UnknownGuid(3), kRegionLength - 4, 8, 0));  // leaves the region
  raw.Append(Entry(UnknownGuid(1), 0x30000, 8, 8));            // twice
  StructureVerdict table;
  Problems problems;
  const auto items = ParseMetadataTable(raw.table(), kRegionLength, kPlace, table, problems);
  ASSERT_EQ(items.size(), 9U);
  const auto error_of = [&](size_t index) {
    const auto& error = items[index].verdict.error;
    return error ? OutcomeOf(*error) : "";
  };
  EXPECT_EQ(error_of(kDiskSizeIndex), "");
  EXPECT_EQ(error_of(kFileParametersIndex),
            "metadata.item-overlap@" + std::to_string(kOffset + 0x10000));
  EXPECT_EQ(error_of(5), "metadata.unknown-required" + AtEntry(5));
  EXPECT_EQ(error_of(6), error_of(kFileParametersIndex));
  EXPECT_EQ(error_of(7), "metadata.item-range" + AtEntry(7));
  EXPECT_EQ(error_of(8), "metadata.duplicate@" + std::to_string(kOffset));
  EXPECT_EQ(OutcomeOf(std::span(items[8].verdict.findings)),
            "metadata.item-reserved" + AtEntry(8, 24));
  EXPECT_EQ(OutcomeOf(*problems.refusal()), error_of(5));
  EXPECT_FALSE(table.error.has_value());
}

TEST(DiskParametersEncode, WhatParsingRefusesIsNotWritten) {
  const auto code = [](const DiskParameters& parameters) {
    return OutcomeOf(EncodeDiskParameters(parameters, std::nullopt));
  };
  DiskParameters parameters = Parameters();
  parameters.block_size_bytes = 3 * kMiB;
  EXPECT_EQ(code(parameters), "invalid-argument");
  parameters = Parameters();
  parameters.virtual_disk_size_bytes = 0;
  EXPECT_EQ(code(parameters), "invalid-argument");
  parameters = Parameters();
  parameters.virtual_disk_size_bytes = 64 * kTiB + 512;
  EXPECT_EQ(code(parameters), "invalid-argument");
  parameters = Parameters();
  parameters.logical_sector_size = 1024;
  EXPECT_EQ(code(parameters), "invalid-argument");
  parameters = Parameters();
  parameters.has_parent = true;
  EXPECT_EQ(code(parameters), "invalid-argument");
  EXPECT_EQ(OutcomeOf(EncodeDiskParameters(Parameters(), std::vector<std::byte>(20))),
            "invalid-argument");
}

TEST(MetadataEncode, WhatParsingRefusesIsNotWritten) {
  const auto code = [](std::vector<MetadataItem> items, uint64_t region_length = kRegionLength) {
    return OutcomeOf(EncodeMetadata(items, region_length));
  };
  EXPECT_EQ(code({}), "invalid-argument");
  const auto with = [](MetadataItem item) {
    std::vector<MetadataItem> items = Items();
    items.push_back(std::move(item));
    return items;
  };
  const auto large = [&](uint64_t size) {
    return with({.item_id = UnknownGuid(1), .data = std::vector<std::byte>(size)});
  };
  EXPECT_EQ(code(large(kMiB), 2 * kMiB), "ok");
  EXPECT_EQ(code(large(kMiB + 1), 4 * kMiB), "invalid-argument");
  EXPECT_EQ(code(large(kMiB - 0x10028)), "ok");
  EXPECT_EQ(code(large(kMiB - 0x10027)), "invalid-argument");
  EXPECT_EQ(code(with({.item_id = UnknownGuid(1), .is_required = true})), "invalid-argument");
  EXPECT_EQ(code(with(Items()[kDiskIdIndex])), "invalid-argument");
  std::vector<MetadataItem> many = Items();
  for (uint16_t i = 0; many.size() < 2047; ++i) many.push_back({.item_id = UnknownGuid(i)});
  EXPECT_EQ(code(many), "ok");
  many.push_back({.item_id = UnknownGuid(5000)});
  EXPECT_EQ(code(many), "invalid-argument");
}

}  // namespace
}  // namespace vhdx::format::metadata_test

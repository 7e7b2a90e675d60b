// The two region tables and the regions that they name.

#include "bytes/crc32c.h"
#include "format/layout.h"
#include "format/region_table.h"
#include "format/rules.h"
#include "testing/broken_cases.h"
#include "testing/memory_file.h"

namespace vhdx::testing::broken_region {
namespace {

constexpr uint64_t kFirst = 0x30000;
constexpr uint64_t kSecond = 0x40000;

// Offsets of fields.
constexpr uint64_t kChecksum = 4;
constexpr uint64_t kEntryCount = 8;
constexpr uint64_t kReserved = 12;

// Entries of the twin's table.
constexpr size_t kBat = 0;
constexpr size_t kMetadata = 1;
constexpr size_t kUnknown = 2;

std::string AtEntry(const Rule& rule, size_t index) {
  return At(rule, ImageLayout{}.RegionEntryOffset(index));
}

// The twin with the same bytes in both tables.
ImageSpec PatchedTables(uint64_t offset, const std::vector<std::byte>& bytes) {
  return Patched({{.file_offset = kFirst + offset, .bytes = bytes},
                  {.file_offset = kSecond + offset, .bytes = bytes}});
}
template <OnDisk T>
ImageSpec PatchedTables(uint64_t offset, const T& value) {
  return PatchedTables(offset, PatchValue(0, value).bytes);
}

ImageSpec Damaged(std::vector<Patch> patches) {
  ImageSpec spec = TwinImage();
  spec.late_patches = std::move(patches);
  return spec;
}

RegionSpec Unknown(uint64_t number, std::optional<uint64_t> file_offset = {},
                   std::optional<uint64_t> length = {}, uint32_t required = 0) {
  return {.guid = TestGuid(number),
          .file_offset = file_offset,
          .length_bytes = length,
          .required = required};
}

ImageSpec WithRegions(std::vector<RegionSpec> more) {
  ImageSpec spec = TwinImage();
  spec.regions.insert(spec.regions.end(), more.begin(), more.end());
  return spec;
}

void AddValidity(std::vector<BrokenCase>& cases) {
  for (const uint64_t table : {kFirst, kSecond}) {
    const std::string which = table == kFirst ? "table 1" : "table 2";
    cases.push_back(Opens("region/signature of " + which,
                          Damaged({PatchFill(table, 1, std::byte{'R'})}),
                          {At(rules::kRegionSignature, table)}));
    cases.push_back(Opens("region/checksum of " + which,
                          Damaged({PatchFill(table + kChecksum, 4, std::byte{0})}),
                          {At(rules::kRegionChecksum, table + kChecksum)}));
    cases.push_back(Opens("region/last byte of " + which,
                          Damaged({PatchFill(table + 0xFFFF, 1, std::byte{1})}),
                          {At(rules::kRegionChecksum, table + kChecksum)}));
    cases.push_back(Opens("region/zeros in " + which,
                          Damaged({PatchFill(table, 64 * kKiB, std::byte{0})}),
                          {At(rules::kRegionSignature, table)}));
  }
  cases.push_back(Refused(
      "region/both signatures",
      Damaged({PatchFill(kFirst, 1, std::byte{'R'}), PatchFill(kSecond, 1, std::byte{'R'})}),
      At(rules::kRegionNone, kFirst),
      {At(rules::kRegionSignature, kFirst), At(rules::kRegionSignature, kSecond)}));
  cases.push_back(Refused("region/both checksums",
                          Damaged({PatchFill(kFirst + 0x100, 1, std::byte{1}),
                                   PatchFill(kSecond + 0x100, 1, std::byte{1})}),
                          At(rules::kRegionNone, kFirst),
                          {At(rules::kRegionChecksum, kFirst + kChecksum),
                           At(rules::kRegionChecksum, kSecond + kChecksum)}));
}

void AddDifferences(std::vector<BrokenCase>& cases) {
  const auto table_with_bat_at = [](uint64_t table, uint64_t offset) {
    return PatchValue(ImageLayout{}.RegionEntryOffset(kBat, table == kFirst ? 0 : 1) + 16,
                      le64(offset));
  };
  // The second table lies; the first counts.
  cases.push_back(Opens("region/second table names another BAT",
                        Patched({table_with_bat_at(kSecond, 5 * kMiB)}),
                        {At(rules::kRegionDiffer, kFirst)}));
  // The second table alone is right, where the first is damaged.
  ImageSpec second = Patched({table_with_bat_at(kFirst, 5 * kMiB)});
  second.late_patches = {PatchFill(kFirst + kChecksum, 4, std::byte{0})};
  cases.push_back(Opens("region/second table is the only right one", second,
                        {At(rules::kRegionChecksum, kFirst + kChecksum)}));
  cases.push_back(Opens("region/tables differ in unused bytes",
                        Patched({PatchFill(kSecond + 0x1000, 8, std::byte{1})}),
                        {At(rules::kRegionDiffer, kFirst)}));
  cases.push_back(Opens("region/unused bytes of both",
                        PatchedTables(0x1000, std::vector<std::byte>(0xF000, std::byte{0xEE}))));
  cases.push_back(
      Opens("region/reserved field of table 1", Patched({PatchValue(kFirst + kReserved, le32(1))}),
            {At(rules::kRegionReserved, kFirst + kReserved), At(rules::kRegionDiffer, kFirst)}));
  cases.push_back(Opens("region/reserved field of both", PatchedTables(kReserved, le32(1)),
                        {At(rules::kRegionReserved, kFirst + kReserved),
                         At(rules::kRegionReserved, kSecond + kReserved)}));
}

void AddCounts(std::vector<BrokenCase>& cases) {
  const std::string missing = At(rules::kRegionMissing, kFirst);
  cases.push_back(
      Refused("region/entries: 0", PatchedTables(kEntryCount, le32(0)), missing, {missing}));
  cases.push_back(Refused("region/entries: 1", PatchedTables(kEntryCount, le32(1)), missing));
  for (const uint32_t count : {2048U, 0x10002U, 0x80000000U, 0xFFFFFFFFU}) {
    cases.push_back(Refused("region/entries: " + std::to_string(count),
                            PatchedTables(kEntryCount, le32(count)),
                            At(rules::kRegionEntryCount, kFirst + kEntryCount)));
  }
  for (const uint64_t table : {kFirst, kSecond}) {
    cases.push_back(Opens("region/entries of one table: 2048, at " + std::to_string(table),
                          Patched({PatchValue(table + kEntryCount, le32(2048))}),
                          {At(rules::kRegionDiffer, kFirst)}));
  }
  std::vector<RegionSpec> many;
  for (uint64_t i = 0; i < 2045; ++i) many.push_back(Unknown(1000 + i));
  cases.push_back(Opens("region/entries: 2047", WithRegions(many)));
  // Bytes behind the last entry are no entries.
  cases.push_back(Opens("region/stale entry behind the last",
                        PatchedTables(16 + 2 * 32, std::vector<std::byte>(32, std::byte{0xFF}))));
}

void AddPlaces(std::vector<BrokenCase>& cases) {
  struct Row {
    std::string name;
    std::optional<uint64_t> offset, length;
  };
  const Row rows[] = {
      {"at 0", 0, {}},
      {"in the header section", kMiB / 2, {}},
      {"at an offset that is no multiple", 9 * kMiB + 4096, {}},
      {"at the end of 64 bits", ~uint64_t{0} << 20, 2 * kMiB},
      {"of no length", 9 * kMiB, 0},
      {"of 4096 bytes", 9 * kMiB, 4096},
      {"of a length that is no multiple", 9 * kMiB, kMiB + 4096},
  };
  for (const Row& row : rows) {
    for (const size_t entry : {kBat, kMetadata, kUnknown}) {
      const char* kind = entry == kBat ? "BAT " : entry == kMetadata ? "metadata " : "unknown ";
      ImageSpec spec = WithRegions({Unknown(70, 20 * kMiB)});
      spec.file_size = 24 * kMiB;
      // Patched, for the builder would move what belongs there.
      const uint64_t place = ImageLayout{}.RegionEntryOffset(entry);
      for (const uint64_t table : {uint64_t{0}, kSecond - kFirst}) {
        spec.patches.push_back(PatchValue(place + table + 16, le64(*row.offset)));
        if (!row.length) continue;
        spec.patches.push_back(
            PatchValue(place + table + 24, le32(static_cast<uint32_t>(*row.length))));
      }
      cases.push_back(Refused("region/" + std::string(kind) + row.name, spec,
                              AtEntry(rules::kRegionRange, entry)));
    }
  }
}

void AddOverlaps(std::vector<BrokenCase>& cases) {
  const auto overlap = [&](const std::string& name, std::vector<RegionSpec> more, size_t entry,
                           std::vector<std::string> findings = {}) {
    ImageSpec spec = WithRegions(std::move(more));
    // Metadata at 2 MiB, BAT at 3 MiB, whatever else is there.
    spec.regions[kBat].file_offset = 3 * kMiB;
    spec.regions[kMetadata].file_offset = 2 * kMiB;
    spec.first_block_offset = 16 * kMiB;
    cases.push_back(Refused("region/overlap of " + name, spec,
                            AtEntry(rules::kRegionOverlap, entry), std::move(findings)));
  };
  overlap("the BAT and an unknown one", {Unknown(70, 3 * kMiB)}, kUnknown);
  overlap("an unknown one and what lies inside it", {Unknown(70, 2 * kMiB, 4 * kMiB)}, kUnknown,
          {AtEntry(rules::kRegionOverlap, kBat)});
  overlap("two unknown ones", {Unknown(70, 5 * kMiB, 2 * kMiB), Unknown(71, 6 * kMiB)}, 3);
  overlap("two unknown ones at one place", {Unknown(70, 5 * kMiB), Unknown(71, 5 * kMiB)}, 3);
  ImageSpec same = TwinImage();
  for (const uint64_t table : {0U, 1U}) {
    same.patches.push_back(
        PatchValue(ImageLayout{}.RegionEntryOffset(kBat, table) + 16, le64(2 * kMiB)));
  }
  cases.push_back(Refused("region/overlap of BAT and metadata", same,
                          AtEntry(rules::kRegionOverlap, kMetadata)));
}

void AddEnds(std::vector<BrokenCase>& cases) {
  ImageSpec bat = TwinImage();
  bat.blocks = {};
  bat.file_size = 4 * kMiB - 1;
  cases.push_back(
      Refused("region/BAT behind the end", bat, AtEntry(rules::kRegionBeyondEof, kBat)));
  ImageSpec metadata = TwinImage();
  metadata.regions[kMetadata].file_offset = 9 * kMiB;
  metadata.first_block_offset = 3 * kMiB;
  metadata.file_size = 9 * kMiB + kMiB / 2;
  cases.push_back(Refused("region/metadata behind the end", metadata,
                          AtEntry(rules::kRegionBeyondEof, kMetadata)));
  ImageSpec unknown = WithRegions({Unknown(70, 9 * kMiB)});
  unknown.first_block_offset = 4 * kMiB;
  unknown.file_size = 9 * kMiB + kMiB / 2;
  cases.push_back(
      Opens("region/unknown one behind the end", unknown,
            {AtEntry(rules::kRegionUnknownBeyondEof, kUnknown), At(rules::kSpaceFree, 7 * kMiB)}));
  ImageSpec far = WithRegions({Unknown(70, uint64_t{1} << 62)});
  cases.push_back(Opens("region/unknown one far behind the end", far,
                        {AtEntry(rules::kRegionUnknownBeyondEof, kUnknown)}));
}

void AddIdentities(std::vector<BrokenCase>& cases) {
  ImageSpec no_bat = TwinImage();
  no_bat.regions = {no_bat.regions[kMetadata]};
  cases.push_back(Refused("region/no BAT", no_bat, At(rules::kRegionMissing, kFirst)));
  ImageSpec no_metadata = TwinImage();
  no_metadata.regions = {no_metadata.regions[kBat]};
  cases.push_back(Refused("region/no metadata", no_metadata, At(rules::kRegionMissing, kFirst)));
  ImageSpec twice = WithRegions({{.guid = format::kBatRegionGuid, .file_offset = 9 * kMiB}});
  cases.push_back(Refused("region/BAT twice", twice, At(rules::kRegionDuplicate, kFirst)));
  cases.push_back(Refused("region/unknown one twice", WithRegions({Unknown(70), Unknown(70)}),
                          At(rules::kRegionDuplicate, kFirst)));
  cases.push_back(Opens("region/unknown one", WithRegions({Unknown(70)})));
  cases.push_back(Refused("region/unknown one that is required",
                          WithRegions({Unknown(70, {}, {}, 1)}),
                          AtEntry(rules::kRegionUnknownRequired, kUnknown)));
  for (const uint32_t required : {2U, 0x80000000U}) {
    cases.push_back(Opens("region/unknown one with Required " + std::to_string(required),
                          WithRegions({Unknown(70, {}, {}, required)}),
                          {AtEntry(rules::kRegionRequiredBits, kUnknown)}));
  }
  for (const uint32_t required : {3U, 0x80000000U, 0xFFFFFFFFU}) {
    ImageSpec spec = TwinImage();
    spec.regions[kBat].required = required;
    cases.push_back(Opens("region/BAT with Required " + std::to_string(required), spec,
                          {AtEntry(rules::kRegionRequiredBits, kBat)}));
  }
  // QEMU 1.6.
  ImageSpec none = TwinImage();
  for (RegionSpec& region : none.regions) region.required = 0;
  cases.push_back(Opens("region/neither is required", none));
}

void AddOrders(std::vector<BrokenCase>& cases) {
  ImageSpec metadata_first = TwinImage();
  std::swap(metadata_first.regions[0], metadata_first.regions[1]);
  cases.push_back(Opens("region/metadata first", metadata_first));
  ImageSpec behind = TwinImage();
  behind.regions[kBat].file_offset = 9 * kMiB;
  behind.regions[kMetadata].file_offset = 8 * kMiB;
  behind.log.file_offset = 7 * kMiB;
  behind.first_block_offset = kMiB;
  cases.push_back(Opens("region/behind the blocks", behind, {At(rules::kSpaceFree, 4 * kMiB)}));
  ImageSpec large = TwinImage();
  large.regions[kBat].length_bytes = 3 * kMiB;
  large.regions[kMetadata].length_bytes = 2 * kMiB;
  cases.push_back(Opens("region/larger than needed", large));
}

}  // namespace

std::vector<BrokenCase> Cases() {
  std::vector<BrokenCase> cases;
  AddValidity(cases);
  AddDifferences(cases);
  AddCounts(cases);
  AddPlaces(cases);
  AddOverlaps(cases);
  AddEnds(cases);
  AddIdentities(cases);
  AddOrders(cases);
  return cases;
}

}  // namespace vhdx::testing::broken_region

#include "format/region_table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "bytes/crc32c.h"
#include "format/layout.h"
#include "testing/hex.h"
#include "testing/outcome.h"
#include "testing/sha256.h"

namespace vhdx::format::region_table_test {
namespace {

using testing::OutcomeOf;

constexpr uint64_t kOffset = 0x30000;
const Place kPlace{"a.vhdx", kOffset};
constexpr uint64_t kFileSize = 8 * kMiB;
constexpr FileRange kLog{kMiB, kMiB};

RegionInfo Region(const Guid& guid, uint64_t file_offset, uint64_t length, uint32_t required) {
  return {.guid = guid,
          .file_offset = file_offset,
          .length_bytes = static_cast<uint32_t>(length),
          .required = required};
}
RegionInfo Metadata() { return Region(kMetadataRegionGuid, 2 * kMiB, kMiB, 1); }
RegionInfo Bat() { return Region(kBatRegionGuid, 3 * kMiB, kMiB, 1); }
Guid UnknownGuid(uint16_t number) {
  return Guid::FromFields(0x5EED0000, number, 0, {1, 2, 3, 4, 5, 6, 7, 8});
}
RegionInfo Unknown(uint16_t number, uint64_t file_offset, uint64_t length = kMiB) {
  return Region(UnknownGuid(number), file_offset, length, 0);
}

std::vector<std::byte> Table(const std::vector<RegionInfo>& regions) {
  auto table = EncodeRegionTable(regions);
  EXPECT_TRUE(table.has_value());
  return table ? *table : std::vector<std::byte>(kRegionTableSize);
}

void FixChecksum(std::vector<std::byte>& bytes) {
  StoreTo(std::span(bytes).subspan(4), le32(Crc32cWithoutField(bytes, 4)));
}

TEST(RegionTableEncode, BytesAreThoseOfTheReference) {
  const std::vector<std::byte> table = Table({Metadata(), Bat()});
  ASSERT_EQ(table.size(), 65536U);
  EXPECT_EQ(testing::HexFromBytes(std::span(table).first(80)),
            testing::HexFromBytes(
                testing::BytesFromHex("72 65 67 69 59 28 14 1c 02 00 00 00 00 00 00 00\n"
                                      "06 a2 7c 8b 90 47 9a 4b b8 fe 57 5f 05 0f 88 6e\n"
                                      "00 00 20 00 00 00 00 00 00 00 10 00 01 00 00 00\n"
                                      "66 77 c2 2d 23 f6 00 42 9d 64 11 5e 9b fd 4a 08\n"
                                      "00 00 30 00 00 00 00 00 00 00 10 00 01 00 00 00")));
  EXPECT_EQ(testing::Sha256Of(table),
            "aebb93aa443c77301aa987e5a553a68deb169ac5d2def7656124dfd7a102982a");
}

TEST(RegionTableEncode, BatFirstHasTheChecksumOfTheReference) {
  EXPECT_EQ(LoadFrom<le32>(std::span<const std::byte>(Table({Bat(), Metadata()})).subspan(4)),
            0xC66B8CAEU);
}

TEST(RegionTableParse, EncodedTableComesBack) {
  for (const size_t unknown_count : {0U, 1U, 2045U}) {
    std::vector<RegionInfo> regions = {Metadata(), Bat()};
    for (size_t i = 0; i < unknown_count; ++i) {
      regions.push_back(Unknown(static_cast<uint16_t>(i), (4 + i) * kMiB));
    }
    const std::vector<std::byte> table = Table(regions);
    Findings findings;
    const auto parsed = ParseRegionTable(table, kPlace, findings);
    ASSERT_TRUE(parsed.has_value() && parsed->has_value());
    EXPECT_EQ((*parsed)->regions, regions);
    EXPECT_EQ((*parsed)->checksum, LoadFrom<le32>(std::span<const std::byte>(table).subspan(4)));
    EXPECT_EQ(OutcomeOf(findings), "");
  }
}

// The outcome of parsing: "valid", "invalid" or the error, and the findings behind it.
std::string Parsed(const std::vector<std::byte>& table) {
  Findings findings;
  const auto parsed = ParseRegionTable(table, kPlace, findings);
  if (!parsed) return OutcomeOf(parsed);
  return std::string(parsed->has_value() ? "valid " : "invalid ") + OutcomeOf(findings);
}

TEST(RegionTableParse, WrongSignatureIsInvalid) {
  std::vector<std::byte> table = Table({Metadata(), Bat()});
  table[3] ^= std::byte{1};
  FixChecksum(table);
  EXPECT_EQ(Parsed(table), "invalid region.signature@196608");
}

// All 64 KiB are under the checksum, the unused end too.
TEST(RegionTableParse, AnyChangedByteIsInvalid) {
  const std::vector<std::byte> good = Table({Metadata(), Bat()});
  for (size_t i = 0; i < good.size(); i += i < 128 ? 1 : 509) {
    std::vector<std::byte> table = good;
    table[i] ^= std::byte{0x80};
    ASSERT_EQ(Parsed(table),
              i < 4 ? "invalid region.signature@196608" : "invalid region.checksum@196612")
        << i;
  }
  std::vector<std::byte> table = good;
  table.back() = std::byte{1};
  EXPECT_EQ(Parsed(table), "invalid region.checksum@196612");
}

TEST(RegionTableParse, UnusedEndMayHoldAnything) {
  std::vector<std::byte> table = Table({Metadata(), Bat()});
  std::fill(table.begin() + 80, table.end(), std::byte{0xEE});
  FixChecksum(table);
  EXPECT_EQ(Parsed(table), "valid ");
}

TEST(RegionTableParse, MoreThan2047EntriesAreRefused) {
  std::vector<std::byte> table = Table({Metadata(), Bat()});
  for (const uint32_t count : {2048U, 0x10002U, 0xFFFFFFFFU}) {
    StoreTo(std::span(table).subspan(8), le32(count));
    FixChecksum(table);
    EXPECT_EQ(Parsed(table), "region.entry-count@196616") << count;
  }
  StoreTo(std::span(table).subspan(8), le32(2047));
  FixChecksum(table);
  EXPECT_EQ(Parsed(table), "valid ");
}

TEST(RegionTableParse, ReservedFieldIsNoted) {
  std::vector<std::byte> table = Table({Metadata(), Bat()});
  StoreTo(std::span(table).subspan(12), le32(7));
  FixChecksum(table);
  EXPECT_EQ(Parsed(table), "valid region.reserved@196620");
}

std::string Checked(const std::vector<RegionInfo>& regions, uint64_t file_size = kFileSize,
                    FileRange log = kLog) {
  std::vector<RegionStructure> placed = PlaceRegions(regions, kPlace);
  StructureVerdict table;
  Problems problems;
  CheckRegions(placed, log, file_size, kPlace, table, problems);
  return problems.refusal() ? OutcomeOf(*problems.refusal()) : OutcomeOf(problems.findings());
}

// Where entry `index` of the table stands.
std::string AtEntry(size_t index) { return "@" + std::to_string(kOffset + 16 + 32 * index); }

// "" for an entry without an error.
std::string ErrorOf(const RegionStructure& region) {
  return region.verdict.error ? OutcomeOf(*region.verdict.error) : "";
}

TEST(RegionsCheck, EachEntryHasItsOwnVerdict) {
  RegionInfo misplaced = Unknown(1, 4 * kMiB + 1);
  RegionInfo far = Unknown(2, 1000 * kMiB);
  far.required = 3;
  std::vector<RegionStructure> regions =
      PlaceRegions({Metadata(), Bat(), misplaced, far, Unknown(3, Bat().file_offset)}, kPlace);
  StructureVerdict table;
  Problems problems;
  CheckRegions(regions, kLog, kFileSize, kPlace, table, problems);
  EXPECT_EQ(ErrorOf(regions[0]), "");
  EXPECT_EQ(ErrorOf(regions[1]), "region.overlap" + AtEntry(4));
  EXPECT_EQ(ErrorOf(regions[2]), "region.range" + AtEntry(2));
  EXPECT_EQ(ErrorOf(regions[3]), "region.unknown-required" + AtEntry(3));
  EXPECT_EQ(OutcomeOf(std::span(regions[3].verdict.findings)),
            "region.unknown-beyond-eof" + AtEntry(3) + " region.required-bits" + AtEntry(3));
  EXPECT_EQ(ErrorOf(regions[4]), "region.overlap" + AtEntry(4));
  EXPECT_FALSE(table.error.has_value());
  EXPECT_EQ(OutcomeOf(*problems.refusal()), "region.range" + AtEntry(2));
}

TEST(RegionsCheck, EverythingInsideALongRegionOverlapsIt) {
  RegionInfo large = Unknown(1, 4 * kMiB);
  large.length_bytes = 8 * kMiB;
  std::vector<RegionStructure> regions =
      PlaceRegions({Metadata(), Bat(), large, Unknown(2, 5 * kMiB), Unknown(3, 7 * kMiB)}, kPlace);
  StructureVerdict table;
  Problems problems;
  CheckRegions(regions, kLog, 100 * kMiB, kPlace, table, problems);
  EXPECT_EQ(OutcomeOf(*problems.refusal()), "region.overlap" + AtEntry(3));
  EXPECT_EQ(OutcomeOf(problems.findings()), "region.overlap" + AtEntry(4));
}

TEST(RegionTableDecode, EntriesOfATableWithAWrongChecksumAreShown) {
  std::vector<std::byte> table = Table({Metadata(), Bat()});
  table.back() = std::byte{1};
  ASSERT_TRUE(DecodeRegionTable(table).has_value());
  EXPECT_EQ(DecodeRegionTable(table)->regions, (std::vector{Metadata(), Bat()}));
  StoreTo(std::span(table).subspan(8), le32(2048));
  EXPECT_FALSE(DecodeRegionTable(table).has_value());
}

TEST(RegionsCheck, AnyOrderAndPlacePasses) {
  EXPECT_EQ(Checked({Metadata(), Bat()}), "");
  EXPECT_EQ(Checked({Bat(), Metadata()}), "");
  EXPECT_EQ(Checked({Region(kBatRegionGuid, 7 * kMiB, kMiB, 1),
                     Region(kMetadataRegionGuid, 5 * kMiB, 2 * kMiB, 1), Unknown(1, 2 * kMiB)}),
            "");
  EXPECT_EQ(Checked({Metadata(), Bat()}, kFileSize, {}), "");
}

// QEMU 1.6 wrote neither region as required.
TEST(RegionsCheck, KnownRegionsNeedNotBeRequired) {
  EXPECT_EQ(Checked({Region(kBatRegionGuid, 3 * kMiB, kMiB, 0),
                     Region(kMetadataRegionGuid, 2 * kMiB, kMiB, 0)}),
            "");
}

TEST(RegionsCheck, MisplacedRegionIsRefused) {
  const auto bat_at = [](uint64_t offset, uint64_t length) {
    return Checked({Metadata(), Region(kBatRegionGuid, offset, length, 1)});
  };
  const std::string refused = "region.range" + AtEntry(1);
  EXPECT_EQ(bat_at(3 * kMiB, 0), refused);
  EXPECT_EQ(bat_at(3 * kMiB, kMiB + 4096), refused);
  EXPECT_EQ(bat_at(3 * kMiB, 4096), refused);
  EXPECT_EQ(bat_at(3 * kMiB + 4096, kMiB), refused);
  EXPECT_EQ(bat_at(0, kMiB), refused);
  EXPECT_EQ(bat_at(kMiB - 4096, kMiB), refused);
  // The end does not fit 64 bits.
  EXPECT_EQ(bat_at(~uint64_t{0} << 20, 2 * kMiB), refused);
  EXPECT_EQ(bat_at(~uint64_t{0} << 20, kMiB), refused);
}

TEST(RegionsCheck, UnknownRegionHasToBePlacedToo) {
  EXPECT_EQ(Checked({Metadata(), Bat(), Unknown(1, 4 * kMiB, 0)}), "region.range" + AtEntry(2));
}

TEST(RegionsCheck, KnownRegionPastTheEndIsRefused) {
  EXPECT_EQ(Checked({Metadata(), Bat()}, 4 * kMiB), "");
  EXPECT_EQ(Checked({Metadata(), Bat()}, 4 * kMiB - 1), "region.beyond-eof" + AtEntry(1));
  EXPECT_EQ(Checked({Bat(), Metadata()}, 4 * kMiB - 1), "region.beyond-eof" + AtEntry(0));
  EXPECT_EQ(Checked({Metadata(), Bat()}, 2 * kMiB), "region.beyond-eof" + AtEntry(0));
}

TEST(RegionsCheck, UnknownRegionPastTheEndForbidsWriting) {
  EXPECT_EQ(Checked({Metadata(), Bat(), Unknown(1, 7 * kMiB)}), "");
  EXPECT_EQ(Checked({Metadata(), Bat(), Unknown(1, 8 * kMiB)}),
            "region.unknown-beyond-eof" + AtEntry(2));
}

TEST(RegionsCheck, UnknownRequiredRegionIsRefused) {
  EXPECT_EQ(Checked({Metadata(), Bat(), Region(UnknownGuid(1), 4 * kMiB, kMiB, 1)}),
            "region.unknown-required" + AtEntry(2));
}

TEST(RegionsCheck, OtherBitsOfRequiredForbidWriting) {
  EXPECT_EQ(Checked({Metadata(), Region(kBatRegionGuid, 3 * kMiB, kMiB, 3)}),
            "region.required-bits" + AtEntry(1));
  EXPECT_EQ(Checked({Metadata(), Bat(), Region(UnknownGuid(1), 4 * kMiB, kMiB, 0x80000000)}),
            "region.required-bits" + AtEntry(2));
}

TEST(RegionsCheck, DuplicateIsRefused) {
  EXPECT_EQ(Checked({Metadata(), Bat(), Region(kBatRegionGuid, 5 * kMiB, kMiB, 1)}),
            "region.duplicate@196608");
  EXPECT_EQ(Checked({Metadata(), Bat(), Unknown(1, 5 * kMiB), Unknown(1, 6 * kMiB)}),
            "region.duplicate@196608");
}

TEST(RegionsCheck, MissingRegionIsRefused) {
  EXPECT_EQ(Checked({Metadata()}), "region.missing@196608");
  EXPECT_EQ(Checked({Bat()}), "region.missing@196608");
  EXPECT_EQ(Checked({}), "region.missing@196608");
}

TEST(RegionsCheck, OverlapIsRefused) {
  EXPECT_EQ(Checked({Metadata(), Region(kBatRegionGuid, 2 * kMiB, kMiB, 1)}),
            "region.overlap" + AtEntry(1));
  EXPECT_EQ(Checked({Region(kMetadataRegionGuid, 2 * kMiB, 2 * kMiB, 1), Bat()}),
            "region.overlap" + AtEntry(1));
  EXPECT_EQ(Checked({Bat(), Region(kMetadataRegionGuid, 2 * kMiB, 2 * kMiB, 1)}),
            "region.overlap" + AtEntry(0));
  EXPECT_EQ(Checked({Metadata(), Bat(), Unknown(1, 3 * kMiB)}), "region.overlap" + AtEntry(2));
  // Not neighbours in the order of places: a small one inside a large one, another behind.
  EXPECT_EQ(
      Checked({Region(kMetadataRegionGuid, 2 * kMiB, 4 * kMiB, 1), Bat(), Unknown(1, 5 * kMiB)}),
      "region.overlap" + AtEntry(1));
}

TEST(RegionsCheck, OverlapWithTheLogIsRefused) {
  EXPECT_EQ(Checked({Metadata(), Bat()}, kFileSize, {kMiB, 2 * kMiB}), "log.overlap" + AtEntry(0));
  EXPECT_EQ(Checked({Metadata(), Bat()}, kFileSize, {3 * kMiB, kMiB}), "log.overlap" + AtEntry(1));
  EXPECT_EQ(
      Checked({Metadata(), Bat(), Unknown(1, 5 * kMiB, 2 * kMiB)}, kFileSize, {6 * kMiB, kMiB}),
      "log.overlap" + AtEntry(2));
}

TEST(RegionTableEncode, WhatTheCheckRefusesIsNotWritten) {
  const auto code = [](const std::vector<RegionInfo>& regions) {
    return OutcomeOf(EncodeRegionTable(regions));
  };
  EXPECT_EQ(code({Metadata()}), "invalid-argument");
  EXPECT_EQ(code({Metadata(), Metadata(), Bat()}), "invalid-argument");
  EXPECT_EQ(code({Metadata(), Region(kBatRegionGuid, 2 * kMiB, kMiB, 1)}), "invalid-argument");
  EXPECT_EQ(code({Metadata(), Bat(), Region(UnknownGuid(1), 5 * kMiB, kMiB, 1)}),
            "invalid-argument");
  std::vector<RegionInfo> many = {Metadata(), Bat()};
  for (uint16_t i = 0; i < 2046; ++i) many.push_back(Unknown(i, (4 + uint64_t{i}) * kMiB));
  EXPECT_EQ(code(many), "invalid-argument");
  many.pop_back();
  EXPECT_EQ(code(many), "ok");
}

}  // namespace
}  // namespace vhdx::format::region_table_test

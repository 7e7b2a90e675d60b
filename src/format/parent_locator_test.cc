#include "format/parent_locator.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "bytes/utf16.h"
#include "format/layout.h"
#include "testing/hex.h"
#include "testing/outcome.h"
#include "testing/sha256.h"

namespace vhdx::format::parent_locator_test {
namespace {

using testing::OutcomeOf;
using Entries = std::vector<LocatorEntryInfo>;

const Place kPlace{"a.vhdx", 0x210028};
constexpr const char* kLinkage = "{00112233-4455-6677-8899-aabbccddeeff}";
constexpr const char* kZeroLinkage = "{00000000-0000-0000-0000-000000000000}";

Entries TwoKeys() { return {{"parent_linkage", kLinkage}, {"relative_path", ".\\p.vhdx"}}; }

std::vector<std::byte> Item(const Entries& entries) {
  auto item = EncodeParentLocator(entries);
  EXPECT_TRUE(item.has_value());
  return item ? *item : std::vector<std::byte>(20);
}

// Any item, legal or not.
struct RawEntry {
  uint32_t key_offset, value_offset;
  uint16_t key_length, value_length;
};
std::vector<std::byte> RawItem(const std::vector<RawEntry>& entries,
                               const std::vector<std::byte>& strings) {
  std::vector<std::byte> item(20 + 12 * entries.size());
  StoreTo(std::span(item),
          ParentLocatorHeader{.locator_type = kVhdxLocatorTypeGuid,
                              .reserved = 0,
                              .key_value_count = static_cast<uint16_t>(entries.size())});
  for (size_t i = 0; i < entries.size(); ++i) {
    StoreTo(std::span(item).subspan(20 + 12 * i),
            ParentLocatorEntry{.key_offset = entries[i].key_offset,
                               .value_offset = entries[i].value_offset,
                               .key_length = entries[i].key_length,
                               .value_length = entries[i].value_length});
  }
  item.insert(item.end(), strings.begin(), strings.end());
  return item;
}

// What the item means, or nothing, and no findings.
std::optional<ParentLocatorInfo> Meaning(std::span<const std::byte> item) {
  Problems problems;
  LocatorStructure locator = ParseParentLocator(item, kPlace, problems);
  EXPECT_EQ(locator.meaning.has_value(), !problems.refusal().has_value());
  EXPECT_EQ(OutcomeOf(problems.findings()), "");
  return std::move(locator.meaning);
}

std::string Parsed(std::span<const std::byte> item) {
  Problems problems;
  const LocatorStructure locator = ParseParentLocator(item, kPlace, problems);
  EXPECT_EQ(locator.meaning.has_value(), !problems.refusal().has_value());
  return problems.refusal() ? OutcomeOf(*problems.refusal())
                            : "ok " + OutcomeOf(problems.findings());
}
std::string Parsed(const Entries& entries) {
  // Not through EncodeParentLocator, which refuses what these tests want.
  std::vector<RawEntry> raw;
  std::vector<std::byte> strings;
  const auto base = static_cast<uint32_t>(20 + 12 * entries.size());
  for (const LocatorEntryInfo& entry : entries) {
    const auto key16 = Utf16FromUtf8(entry.key).value();
    const auto value16 = Utf16FromUtf8(entry.value).value();
    const auto offset = base + static_cast<uint32_t>(strings.size());
    raw.push_back({offset, offset + static_cast<uint32_t>(key16.size()),
                   static_cast<uint16_t>(key16.size()), static_cast<uint16_t>(value16.size())});
    strings.insert(strings.end(), key16.begin(), key16.end());
    strings.insert(strings.end(), value16.begin(), value16.end());
  }
  return Parsed(RawItem(raw, strings));
}

// Section 18.8.
TEST(ParentLocatorEncode, BytesAreThoseOfTheReference) {
  const std::vector<std::byte> item = Item(TwoKeys());
  EXPECT_EQ(testing::HexFromBytes(item), testing::HexFromBytes(testing::BytesFromHex(
                                             "b7 ef 4a b0 9e d1 81 4a b7 89 25 b8 e9 44 59 13\n"
                                             "00 00 02 00 2c 00 00 00 48 00 00 00 1c 00 4c 00\n"
                                             "94 00 00 00 ae 00 00 00 1a 00 10 00 70 00 61 00\n"
                                             "72 00 65 00 6e 00 74 00 5f 00 6c 00 69 00 6e 00\n"
                                             "6b 00 61 00 67 00 65 00 7b 00 30 00 30 00 31 00\n"
                                             "31 00 32 00 32 00 33 00 33 00 2d 00 34 00 34 00\n"
                                             "35 00 35 00 2d 00 36 00 36 00 37 00 37 00 2d 00\n"
                                             "38 00 38 00 39 00 39 00 2d 00 61 00 61 00 62 00\n"
                                             "62 00 63 00 63 00 64 00 64 00 65 00 65 00 66 00\n"
                                             "66 00 7d 00 72 00 65 00 6c 00 61 00 74 00 69 00\n"
                                             "76 00 65 00 5f 00 70 00 61 00 74 00 68 00 2e 00\n"
                                             "5c 00 70 00 2e 00 76 00 68 00 64 00 78 00")));
  EXPECT_EQ(item.size(), 190U);
  EXPECT_EQ(testing::Sha256Of(item),
            "3168c33a111f3a0bde89c1aa8ec5016baa7442e8dcd38abf54f5a2681e310265");
}

// Five keys in Hyper-V's order, with its all-zero parent_linkage2.
TEST(ParentLocatorParse, HyperVsFiveKeysAreRead) {
  const Entries entries = {
      {"parent_linkage", kLinkage},
      {"absolute_win32_path", "C:\\disks\\p.vhdx"},
      {"relative_path", ".\\p.vhdx"},
      {"volume_path", "\\\\?\\Volume{00112233-4455-6677-8899-aabbccddeeff}\\disks\\p.vhdx"},
      {"parent_linkage2", kZeroLinkage},
  };
  const std::vector<std::byte> item = Item(entries);
  EXPECT_EQ(LoadFrom<le32>(std::span<const std::byte>(item).subspan(20)), 80U);
  const auto parsed = Meaning(item);
  ASSERT_TRUE(parsed.has_value());
  EXPECT_EQ(parsed->entries, entries);
  EXPECT_EQ(parsed->parent_linkage.ToString(), "00112233-4455-6677-8899-aabbccddeeff");
  EXPECT_EQ(parsed->parent_linkage2, std::nullopt);
  EXPECT_EQ(parsed->absolute_win32_path, entries[1].value);
  EXPECT_EQ(parsed->relative_path, entries[2].value);
  EXPECT_EQ(parsed->volume_path, entries[3].value);
}

TEST(ParentLocatorParse, SecondLinkageCountsUnlessItIsZero) {
  Entries entries = TwoKeys();
  entries.push_back({"parent_linkage2", "{0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0}"});
  const auto parsed = Meaning(Item(entries));
  ASSERT_TRUE(parsed.has_value());
  ASSERT_TRUE(parsed->parent_linkage2.has_value());
  EXPECT_EQ(parsed->parent_linkage2->ToString(), "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0");
}

TEST(ParentLocatorParse, LinkageMayBeUpperCaseOrBare) {
  for (const char* linkage :
       {"{00112233-4455-6677-8899-AABBCCDDEEFF}", "00112233-4455-6677-8899-aabbccddeeff"}) {
    const auto parsed = Meaning(Item({{"parent_linkage", linkage}, {"volume_path", "x"}}));
    ASSERT_TRUE(parsed.has_value()) << linkage;
    EXPECT_EQ(parsed->parent_linkage.ToString(), "00112233-4455-6677-8899-aabbccddeeff");
  }
}

TEST(ParentLocatorParse, AnyOnePathIsEnough) {
  for (const char* key : {"relative_path", "volume_path", "absolute_win32_path"}) {
    EXPECT_EQ(Parsed(Entries{{"parent_linkage", kLinkage}, {key, "p.vhdx"}}), "ok ") << key;
  }
}

TEST(ParentLocatorParse, UnknownKeysAreKept) {
  Entries entries = TwoKeys();
  entries.insert(entries.begin(), {"x_vendor", "\xC3\xA9"});
  const auto parsed = Meaning(Item(entries));
  ASSERT_TRUE(parsed.has_value());
  EXPECT_EQ(parsed->entries, entries);
}

TEST(ParentLocatorParse, ItemShorterThanItsHeaderIsRefused) {
  const std::vector<std::byte> item = Item(TwoKeys());
  EXPECT_EQ(Parsed(std::span(item).first(0)), "metadata.item-length@2162728");
  EXPECT_EQ(Parsed(std::span(item).first(19)), "metadata.item-length@2162728");
}

TEST(ParentLocatorParse, UnknownTypeIsRefused) {
  std::vector<std::byte> item = Item(TwoKeys());
  item[0] ^= std::byte{1};
  EXPECT_EQ(Parsed(item), "locator.type@2162728");
}

TEST(ParentLocatorParse, ReservedFieldIsNoted) {
  std::vector<std::byte> item = Item(TwoKeys());
  item[16] = std::byte{1};
  EXPECT_EQ(Parsed(item), "ok locator.reserved@2162744");
}

TEST(ParentLocatorParse, MoreEntriesThanTheItemHoldsAreRefused) {
  std::vector<std::byte> item = Item(TwoKeys());
  StoreTo(std::span(item).subspan(18), le16(0xFFFF));
  EXPECT_EQ(Parsed(item), "locator.string@2162728");
  StoreTo(std::span(item).subspan(18), le16(15));  // 20 + 15 * 12 > 190
  EXPECT_EQ(Parsed(item), "locator.string@2162728");
}

TEST(ParentLocatorParse, ItemWithoutEntriesHasNoLinkage) {
  EXPECT_EQ(Parsed(RawItem({}, {})), "locator.linkage@2162728");
}

// Changes one field of the first entry of the item with two keys.
struct FieldCase {
  const char* name;
  size_t offset;
  uint64_t value;
};
TEST(ParentLocatorParse, StringsThatAreNoneAreRefused) {
  constexpr FieldCase kCases[] = {
      {"key offset 0", 20, 0},
      {"key past the end", 20, 190},
      {"key over the end", 20, 163},
      {"key far away", 20, 0xFFFFFFFF},
      {"value offset 0", 24, 0},
      {"value over the end", 24, 115},
      {"value far away", 24, 0xFFFFFFF0},
  };
  for (const FieldCase& field : kCases) {
    std::vector<std::byte> item = Item(TwoKeys());
    StoreTo(std::span(item).subspan(field.offset), le32(static_cast<uint32_t>(field.value)));
    EXPECT_EQ(Parsed(item), "locator.string@2162748") << field.name;
  }
  constexpr FieldCase kLengths[] = {
      {"key empty", 28, 0},   {"key odd", 28, 27},   {"key too long", 28, 148},
      {"value empty", 30, 0}, {"value odd", 30, 75}, {"value too long", 30, 0xFFFE},
  };
  for (const FieldCase& field : kLengths) {
    std::vector<std::byte> item = Item(TwoKeys());
    StoreTo(std::span(item).subspan(field.offset), le16(static_cast<uint16_t>(field.value)));
    EXPECT_EQ(Parsed(item), "locator.string@2162748") << field.name;
  }
}

TEST(ParentLocatorParse, SecondEntryIsNamedByItsPlace) {
  std::vector<std::byte> item = Item(TwoKeys());
  StoreTo(std::span(item).subspan(32), le32(0));
  EXPECT_EQ(Parsed(item), "locator.string@2162760");
}

TEST(ParentLocatorParse, StringThatEndsWithTheItemIsRead) {
  EXPECT_EQ(Parsed(Item(TwoKeys())), "ok ");  // the last value ends at byte 190 of 190
}

TEST(ParentLocatorParse, StringWithNulOrLoneSurrogateIsRefused) {
  for (const char* bad : {"0000", "00d8"}) {
    std::vector<std::byte> item = Item(TwoKeys());
    const std::vector<std::byte> unit = testing::BytesFromHex(bad);
    item[186] = unit[0];
    item[187] = unit[1];
    EXPECT_EQ(Parsed(item), "locator.string@2162760") << bad;
  }
}

TEST(ParentLocatorParse, DuplicateKeyIsRefused) {
  Entries entries = TwoKeys();
  entries.push_back({"relative_path", "other"});
  EXPECT_EQ(Parsed(entries), "locator.duplicate-key@2162728");
  // Keys are case-sensitive.
  entries.back().key = "Relative_path";
  EXPECT_EQ(Parsed(entries), "ok ");
}

TEST(ParentLocatorParse, MissingOrUnreadableLinkageIsRefused) {
  EXPECT_EQ(Parsed(Entries{{"relative_path", "p.vhdx"}}), "locator.linkage@2162728");
  EXPECT_EQ(Parsed(Entries{{"parent_linkage", "{0011}"}, {"relative_path", "p"}}),
            "locator.linkage@2162728");
  EXPECT_EQ(Parsed(Entries{{"Parent_Linkage", kLinkage}, {"relative_path", "p"}}),
            "locator.linkage@2162728");
}

TEST(ParentLocatorParse, SecondLinkageThatIsNoGuidIsIgnored) {
  Entries entries = TwoKeys();
  entries.push_back({"parent_linkage2", "none"});
  EXPECT_EQ(Parsed(entries), "ok ");
}

TEST(ParentLocatorParse, MissingPathIsRefused) {
  EXPECT_EQ(Parsed(Entries{{"parent_linkage", kLinkage}}), "locator.path@2162728");
  EXPECT_EQ(Parsed(Entries{{"parent_linkage", kLinkage}, {"Relative_Path", "p"}}),
            "locator.path@2162728");
}

// Entries may point at the same bytes; a few that do are read.
TEST(ParentLocatorParse, SharedStringsAreRead) {
  const std::vector<std::byte> linkage_key = *Utf16FromUtf8("parent_linkage");
  std::vector<std::byte> strings = linkage_key;
  const auto append = [&](std::string_view text) {
    const auto offset = static_cast<uint32_t>(56 + strings.size());
    const auto text16 = *Utf16FromUtf8(text);
    strings.insert(strings.end(), text16.begin(), text16.end());
    return offset;
  };
  const uint32_t linkage = append(kLinkage);
  const uint32_t path_key = append("relative_path");
  const uint32_t volume_key = append("volume_path");
  const std::vector<std::byte> item =
      RawItem({{56, linkage, 28, 76}, {path_key, path_key, 26, 26}, {volume_key, path_key, 22, 26}},
              strings);
  const auto parsed = Meaning(item);
  ASSERT_TRUE(parsed.has_value());
  EXPECT_EQ(parsed->relative_path, "relative_path");
  EXPECT_EQ(parsed->volume_path, "relative_path");
}

TEST(ParentLocatorParse, EachEntryHasItsOwnVerdict) {
  const Entries entries = {{"parent_linkage", kLinkage}, {"relative_path", "p"}, {"x", "y"}};
  std::vector<std::byte> item = Item(entries);
  StoreTo(std::span(item).subspan(20 + 12 + 4), le32(0xFFFF));  // where the path is
  Problems problems;
  const LocatorStructure locator = ParseParentLocator(item, kPlace, problems);
  EXPECT_FALSE(locator.meaning.has_value());
  ASSERT_EQ(locator.entries.size(), 3U);
  EXPECT_EQ(locator.entries[0].info.value, kLinkage);
  EXPECT_FALSE(locator.entries[0].verdict.error.has_value());
  EXPECT_EQ(locator.entries[1].info.key, "relative_path");
  EXPECT_EQ(locator.entries[1].info.value, "");
  EXPECT_EQ(OutcomeOf(*locator.entries[1].verdict.error),
            "locator.string@" + std::to_string(kPlace.file_offset + 32));
  EXPECT_EQ(locator.entries[2].info.key, "x");
  EXPECT_FALSE(locator.verdict.error.has_value());
}

// 65535 entries that are all broken would cost as much in errors.
TEST(ParentLocatorParse, ManyBrokenEntriesAreNotReadToTheEnd) {
  const std::vector<RawEntry> entries(65535, RawEntry{0, 0, 2, 2});
  Problems problems;
  const std::vector<std::byte> item = RawItem(entries, {});
  const LocatorStructure locator = ParseParentLocator(item, kPlace, problems);
  EXPECT_EQ(locator.entries.size(), 256U);
  EXPECT_FALSE(locator.meaning.has_value());
}

// 65535 entries that all mean one long string would cost gigabytes.
TEST(ParentLocatorParse, ManyEntriesOverOneStringAreRefused) {
  constexpr size_t kCount = 65535;
  const std::vector<std::byte> strings(65534, std::byte{'a'});
  const auto base = static_cast<uint32_t>(20 + 12 * kCount);
  const std::vector<RawEntry> entries(kCount, RawEntry{base, base, 65534, 65534});
  EXPECT_EQ(Parsed(RawItem(entries, strings)).substr(0, 14), "locator.string");
}

TEST(ParentLocatorEncode, WhatParsingRefusesIsNotWritten) {
  const auto code = [](const Entries& entries) { return OutcomeOf(EncodeParentLocator(entries)); };
  EXPECT_EQ(code({}), "invalid-argument");
  EXPECT_EQ(code({{"parent_linkage", kLinkage}}), "invalid-argument");
  EXPECT_EQ(code({{"parent_linkage", "none"}, {"relative_path", "p"}}), "invalid-argument");
  const auto with = [](const char* key, std::string value) {
    Entries entries = TwoKeys();
    entries.push_back({key, std::move(value)});
    return entries;
  };
  EXPECT_EQ(code(with("relative_path", "p")), "invalid-argument");
  EXPECT_EQ(code(with("x", "")), "invalid-argument");
  EXPECT_EQ(code(with("", "x")), "invalid-argument");
  EXPECT_EQ(code(with("x", "\xFF")), "invalid-argument");
  EXPECT_EQ(code(with("x", std::string("a\0b", 3))), "invalid-argument");
  EXPECT_EQ(code(with("x", std::string(32768, 'a'))), "invalid-argument");
  EXPECT_EQ(code(with("x", std::string(32767, 'a'))), "ok");
}

TEST(ParentLocatorParse, LongestStringsComeBack) {
  Entries entries = TwoKeys();
  std::string euros;
  for (int i = 0; i < 32767; ++i) euros += "\xE2\x82\xAC";  // three bytes of UTF-8 a code unit
  entries.push_back({"x", euros});
  const auto parsed = Meaning(Item(entries));
  ASSERT_TRUE(parsed.has_value());
  EXPECT_EQ(parsed->entries, entries);
}

}  // namespace
}  // namespace vhdx::format::parent_locator_test

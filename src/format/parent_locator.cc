#include "format/parent_locator.h"

#include <algorithm>
#include <limits>

#include "bytes/arithmetic.h"
#include "bytes/utf16.h"
#include "format/layout.h"
#include "format/rules.h"

namespace vhdx::format {
namespace {

// A string of the item: where the entry says that it is.
struct StringSpan {
  uint32_t offset = 0;
  uint16_t length_bytes = 0;
};

Result<std::string> ReadString(std::span<const std::byte> item, StringSpan where,
                               const Place& place, std::string_view what) {
  const auto refuse = [&](std::string_view why) {
    return Corrupt(rules::kLocatorString, place,
                   std::string(what) + " of " + std::to_string(where.length_bytes) + " bytes at " +
                       std::to_string(where.offset) + " of an item of " +
                       std::to_string(item.size()) + ", " + std::string(why));
  };
  if (where.length_bytes == 0) return refuse("which is empty");
  if (where.offset == 0 || !FitsInside(where.offset, where.length_bytes, item.size())) {
    return refuse("which leaves the item");
  }
  auto text = Utf8FromUtf16(item.subspan(where.offset, where.length_bytes));
  if (!text) return refuse("which is no UTF-16 text");
  return *std::move(text);
}

// If more entries are broken, the rest of the locator is not read.
constexpr size_t kMaxBrokenEntries = 256;

// Key and value are read even if one of them is not a string of the item.
LocatorEntryStructure ReadEntry(std::span<const std::byte> item, size_t index, const Place& place,
                                Problems& problems) {
  const size_t offset = sizeof(ParentLocatorHeader) + index * sizeof(ParentLocatorEntry);
  const auto entry = LoadFrom<ParentLocatorEntry>(item.subspan(offset));
  const Place entry_place = place.Plus(offset);
  LocatorEntryStructure structure{
      .info = {.key_offset = entry.key_offset, .value_offset = entry.value_offset},
      .entry_offset = entry_place.file_offset};
  const auto read = [&](StringSpan where, std::string_view what, std::string& to) {
    auto text = ReadString(item, where, entry_place, what);
    if (text) {
      to = *std::move(text);
    } else {
      problems.Refuse(structure.verdict, std::move(text.error()));
    }
  };
  read({entry.key_offset, entry.key_length}, "a key", structure.info.key);
  read({entry.value_offset, entry.value_length}, "a value", structure.info.value);
  return structure;
}

const std::string* ValueOf(const std::vector<LocatorEntryInfo>& entries, std::string_view key) {
  const auto found = std::ranges::find(entries, key, &LocatorEntryInfo::key);
  return found == entries.end() ? nullptr : &found->value;
}

void CheckKeys(const std::vector<LocatorEntryInfo>& entries, const Place& place,
               StructureVerdict& verdict, Problems& problems) {
  std::vector<std::string_view> keys;
  keys.reserve(entries.size());
  for (const LocatorEntryInfo& entry : entries) keys.push_back(entry.key);
  std::ranges::sort(keys);
  if (const auto twice = std::ranges::adjacent_find(keys); twice != keys.end()) {
    problems.Refuse(verdict, rules::kLocatorDuplicateKey, place, std::string(*twice));
  }
}

// What the entries mean; the same for an item that was read and for one that is to be written.
// Nothing if they are refused.
std::optional<ParentLocatorInfo> Interpret(std::vector<LocatorEntryInfo> entries,
                                           const Place& place, StructureVerdict& verdict,
                                           Problems& problems) {
  CheckKeys(entries, place, verdict, problems);
  ParentLocatorInfo info;
  const std::string* linkage = ValueOf(entries, kParentLinkageKey);
  const auto guid = linkage == nullptr ? std::nullopt : Guid::Parse(*linkage);
  if (guid) {
    info.parent_linkage = *guid;
  } else {
    problems.Refuse(verdict, rules::kLocatorLinkage, place,
                    linkage == nullptr ? "no such key" : *linkage);
  }
  if (const std::string* linkage2 = ValueOf(entries, kParentLinkage2Key)) {
    info.parent_linkage2 = Guid::Parse(*linkage2);
    if (info.parent_linkage2 && info.parent_linkage2->IsZero()) info.parent_linkage2.reset();
  }
  const auto copy = [&](std::string_view key, std::string& to) {
    if (const std::string* value = ValueOf(entries, key)) to = *value;
  };
  copy(kRelativePathKey, info.relative_path);
  copy(kVolumePathKey, info.volume_path);
  copy(kAbsoluteWin32PathKey, info.absolute_win32_path);
  if (info.relative_path.empty() && info.volume_path.empty() && info.absolute_win32_path.empty()) {
    problems.Refuse(verdict, rules::kLocatorPath, place, "none of the three path keys");
  }
  if (verdict.error) return std::nullopt;
  info.entries = std::move(entries);
  return info;
}

// Fills in the entries. Says whether all of them could be read.
bool ReadEntries(std::span<const std::byte> bytes, size_t count, const Place& place,
                 LocatorStructure& locator, Problems& problems) {
  uint64_t text_bytes = 0;
  size_t broken = 0;
  for (size_t i = 0; i < count && broken < kMaxBrokenEntries; ++i) {
    LocatorEntryStructure entry = ReadEntry(bytes, i, place, problems);
    if (entry.verdict.error) ++broken;
    // Entries may share their strings, so a small item could stand for a large table: more text
    // than the item could hold at three bytes of UTF-8 a code unit was not written by anybody.
    text_bytes += entry.info.key.size() + entry.info.value.size();
    if (text_bytes > 2 * bytes.size()) {
      problems.Refuse(locator.verdict, rules::kLocatorString, place, "strings that overlap");
      return false;
    }
    locator.entries.push_back(std::move(entry));
  }
  return broken == 0;
}

// The locator up to its entries: how many there are; nothing if it is refused.
std::optional<size_t> ReadHeader(std::span<const std::byte> bytes, const Place& place,
                                 StructureVerdict& verdict, Problems& problems) {
  if (bytes.size() < sizeof(ParentLocatorHeader)) {
    problems.Refuse(verdict, rules::kMetadataItemLength, place,
                    std::to_string(bytes.size()) + " bytes", "at least 20");
    return std::nullopt;
  }
  const auto header = LoadFrom<ParentLocatorHeader>(bytes);
  if (header.locator_type != kVhdxLocatorTypeGuid) {
    problems.Refuse(verdict, rules::kLocatorType, place, header.locator_type.ToString(),
                    kVhdxLocatorTypeGuid.ToString());
    return std::nullopt;
  }
  if (header.reserved != 0) {
    problems.Add(verdict, rules::kLocatorReserved,
                 place.Plus(offsetof(ParentLocatorHeader, reserved)), Hex(header.reserved), "0");
  }
  const size_t count = header.key_value_count;
  if (!FitsInside(sizeof(ParentLocatorHeader), count * sizeof(ParentLocatorEntry), bytes.size())) {
    problems.Refuse(verdict, rules::kLocatorString, place,
                    std::to_string(count) + " entries in an item of " +
                        std::to_string(bytes.size()) + " bytes");
    return std::nullopt;
  }
  return count;
}

}  // namespace

LocatorStructure ParseParentLocator(std::span<const std::byte> bytes, const Place& place,
                                    Problems& problems) {
  LocatorStructure locator{.file_offset = place.file_offset};
  const auto count = ReadHeader(bytes, place, locator.verdict, problems);
  if (!count || !ReadEntries(bytes, *count, place, locator, problems)) return locator;
  std::vector<LocatorEntryInfo> entries;
  entries.reserve(locator.entries.size());
  for (const LocatorEntryStructure& entry : locator.entries) entries.push_back(entry.info);
  locator.meaning = Interpret(std::move(entries), place, locator.verdict, problems);
  return locator;
}

Result<std::vector<std::byte>> EncodeParentLocator(const std::vector<LocatorEntryInfo>& entries) {
  const auto refuse = [](std::string why) {
    return Fail(ErrorCode::kInvalidArgument, "cannot write this parent locator: " + std::move(why));
  };
  if (entries.size() > std::numeric_limits<uint16_t>::max()) return refuse("too many keys");
  StructureVerdict verdict;
  Problems problems;
  if (!Interpret(entries, {}, verdict, problems)) return refuse(verdict.error->sentence);

  std::vector<std::byte> item(sizeof(ParentLocatorHeader) +
                              entries.size() * sizeof(ParentLocatorEntry));
  StoreTo(std::span(item),
          ParentLocatorHeader{.locator_type = kVhdxLocatorTypeGuid,
                              .reserved = 0,
                              .key_value_count = static_cast<uint16_t>(entries.size())});
  for (size_t i = 0; i < entries.size(); ++i) {
    const auto key = Utf16FromUtf8(entries[i].key);
    const auto value = Utf16FromUtf8(entries[i].value);
    constexpr size_t kLimit = std::numeric_limits<uint16_t>::max();
    if (!key || !value || key->empty() || value->empty() || key->size() > kLimit ||
        value->size() > kLimit || !Utf8FromUtf16(*key) || !Utf8FromUtf16(*value)) {
      return refuse("the key or value \"" + entries[i].key +
                    "\" is not a text of 1 to 32767 code units");
    }
    const auto key_offset = static_cast<uint32_t>(item.size());
    const auto value_offset = static_cast<uint32_t>(item.size() + key->size());
    item.insert(item.end(), key->begin(), key->end());
    item.insert(item.end(), value->begin(), value->end());
    StoreTo(std::span(item).subspan(sizeof(ParentLocatorHeader) + i * sizeof(ParentLocatorEntry)),
            ParentLocatorEntry{.key_offset = key_offset,
                               .value_offset = value_offset,
                               .key_length = static_cast<uint16_t>(key->size()),
                               .value_length = static_cast<uint16_t>(value->size())});
  }
  return item;
}

}  // namespace vhdx::format

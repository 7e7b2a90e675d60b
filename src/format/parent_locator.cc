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

Result<LocatorEntryInfo> ReadEntry(std::span<const std::byte> item, size_t index,
                                   const Place& place) {
  const size_t offset = sizeof(ParentLocatorHeader) + index * sizeof(ParentLocatorEntry);
  const auto entry = LoadFrom<ParentLocatorEntry>(item.subspan(offset));
  auto key = ReadString(item, {entry.key_offset, entry.key_length}, place.Plus(offset), "a key");
  if (!key) return std::unexpected(std::move(key.error()));
  auto value =
      ReadString(item, {entry.value_offset, entry.value_length}, place.Plus(offset), "a value");
  if (!value) return std::unexpected(std::move(value.error()));
  return LocatorEntryInfo{.key = *std::move(key),
                          .value = *std::move(value),
                          .key_offset = entry.key_offset,
                          .value_offset = entry.value_offset};
}

const std::string* ValueOf(const std::vector<LocatorEntryInfo>& entries, std::string_view key) {
  const auto found = std::ranges::find(entries, key, &LocatorEntryInfo::key);
  return found == entries.end() ? nullptr : &found->value;
}

// What the entries mean; the same for an item that was read and for one that is to be written.
Result<ParentLocatorInfo> Interpret(std::vector<LocatorEntryInfo> entries, const Place& place) {
  std::vector<std::string_view> keys;
  keys.reserve(entries.size());
  for (const LocatorEntryInfo& entry : entries) keys.push_back(entry.key);
  std::ranges::sort(keys);
  if (const auto twice = std::ranges::adjacent_find(keys); twice != keys.end()) {
    return Corrupt(rules::kLocatorDuplicateKey, place, std::string(*twice));
  }
  ParentLocatorInfo info;
  const std::string* linkage = ValueOf(entries, kParentLinkageKey);
  const auto guid = linkage == nullptr ? std::nullopt : Guid::Parse(*linkage);
  if (!guid) {
    return Corrupt(rules::kLocatorLinkage, place, linkage == nullptr ? "no such key" : *linkage);
  }
  info.parent_linkage = *guid;
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
    return Corrupt(rules::kLocatorPath, place, "none of the three path keys");
  }
  info.entries = std::move(entries);
  return info;
}

}  // namespace

Result<ParentLocatorInfo> ParseParentLocator(std::span<const std::byte> bytes, const Place& place,
                                             Findings& findings) {
  if (bytes.size() < sizeof(ParentLocatorHeader)) {
    return Corrupt(rules::kMetadataItemLength, place, std::to_string(bytes.size()) + " bytes",
                   "at least 20");
  }
  const auto header = LoadFrom<ParentLocatorHeader>(bytes);
  if (header.locator_type != kVhdxLocatorTypeGuid) {
    return Corrupt(rules::kLocatorType, place, header.locator_type.ToString(),
                   kVhdxLocatorTypeGuid.ToString());
  }
  if (header.reserved != 0) {
    findings.Add(rules::kLocatorReserved, place.Plus(offsetof(ParentLocatorHeader, reserved)),
                 Hex(header.reserved), "0");
  }
  const size_t count = header.key_value_count;
  if (!FitsInside(sizeof(ParentLocatorHeader), count * sizeof(ParentLocatorEntry), bytes.size())) {
    return Corrupt(rules::kLocatorString, place,
                   std::to_string(count) + " entries in an item of " +
                       std::to_string(bytes.size()) + " bytes");
  }
  std::vector<LocatorEntryInfo> entries;
  uint64_t text_bytes = 0;
  for (size_t i = 0; i < count; ++i) {
    auto entry = ReadEntry(bytes, i, place);
    if (!entry) return std::unexpected(std::move(entry.error()));
    // Entries may share their strings, so a small item could stand for a large table: more text
    // than the item could hold at three bytes of UTF-8 a code unit was not written by anybody.
    text_bytes += entry->key.size() + entry->value.size();
    if (text_bytes > 2 * bytes.size()) {
      return Corrupt(rules::kLocatorString, place, "strings that overlap");
    }
    entries.push_back(*std::move(entry));
  }
  return Interpret(std::move(entries), place);
}

Result<std::vector<std::byte>> EncodeParentLocator(const std::vector<LocatorEntryInfo>& entries) {
  const auto refuse = [](std::string why) {
    return Fail(ErrorCode::kInvalidArgument, "cannot write this parent locator: " + std::move(why));
  };
  if (entries.size() > std::numeric_limits<uint16_t>::max()) return refuse("too many keys");
  if (auto meaning = Interpret(entries, {}); !meaning) return refuse(meaning.error().sentence);

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

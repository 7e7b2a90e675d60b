#include "testing/locator_spec.h"

#include "bytes/utf16.h"
#include "format/parent_locator.h"

namespace vhdx::testing {

LocatorEntrySpec LocatorEntry(std::string_view key, std::string_view value) {
  return {.key = Utf16FromUtf8(key).value(), .value = Utf16FromUtf8(value).value()};
}

std::string LinkageText(const Guid& guid) { return "{" + guid.ToString() + "}"; }

LocatorSpec TwoKeyLocator(const Guid& linkage, std::string_view relative_path) {
  return {.entries = {LocatorEntry(format::kParentLinkageKey, LinkageText(linkage)),
                      LocatorEntry(format::kRelativePathKey, relative_path)}};
}

LocatorSpec HyperVLocator(const Guid& linkage, const HyperVPaths& paths) {
  return {.entries = {LocatorEntry(format::kParentLinkageKey, LinkageText(linkage)),
                      LocatorEntry(format::kAbsoluteWin32PathKey, paths.absolute_win32_path),
                      LocatorEntry(format::kRelativePathKey, paths.relative_path),
                      LocatorEntry(format::kVolumePathKey, paths.volume_path),
                      LocatorEntry(format::kParentLinkage2Key, LinkageText(Guid{}))}};
}

std::vector<std::byte> EncodeLocator(const LocatorSpec& spec) {
  using format::ParentLocatorEntry;
  using format::ParentLocatorHeader;
  std::vector<std::byte> item(sizeof(ParentLocatorHeader) +
                              spec.entries.size() * sizeof(ParentLocatorEntry));
  StoreTo(std::span(item), ParentLocatorHeader{.locator_type = spec.type,
                                               .reserved = spec.reserved,
                                               .key_value_count = spec.key_value_count.value_or(
                                                   static_cast<uint16_t>(spec.entries.size()))});
  for (size_t i = 0; i < spec.entries.size(); ++i) {
    const LocatorEntrySpec& entry = spec.entries[i];
    const auto key_offset = static_cast<uint32_t>(item.size());
    const auto value_offset = static_cast<uint32_t>(item.size() + entry.key.size());
    item.insert(item.end(), entry.key.begin(), entry.key.end());
    item.insert(item.end(), entry.value.begin(), entry.value.end());
    StoreTo(std::span(item).subspan(sizeof(ParentLocatorHeader) + i * sizeof(ParentLocatorEntry)),
            ParentLocatorEntry{
                .key_offset = entry.key_offset.value_or(key_offset),
                .value_offset = entry.value_offset.value_or(value_offset),
                .key_length = entry.key_length.value_or(static_cast<uint16_t>(entry.key.size())),
                .value_length =
                    entry.value_length.value_or(static_cast<uint16_t>(entry.value.size()))});
  }
  return item;
}

}  // namespace vhdx::testing

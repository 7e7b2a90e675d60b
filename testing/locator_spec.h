// Parent locators of every form, legal or not.

#ifndef VHDXKIT_TESTING_LOCATOR_SPEC_H_
#define VHDXKIT_TESTING_LOCATOR_SPEC_H_

#include <vhdxkit/guid.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "format/layout.h"

namespace vhdx::testing {

/// One key with its value. What is not given follows from the strings and their place.
struct LocatorEntrySpec {
  std::vector<std::byte> key = {};    ///< UTF-16LE, or anything else
  std::vector<std::byte> value = {};  ///< the same
  std::optional<uint32_t> key_offset = {};
  std::optional<uint32_t> value_offset = {};
  std::optional<uint16_t> key_length = {};
  std::optional<uint16_t> value_length = {};
};

struct LocatorSpec {
  Guid type = format::kVhdxLocatorTypeGuid;
  uint16_t reserved = 0;
  std::optional<uint16_t> key_value_count = {};
  std::vector<LocatorEntrySpec> entries;
};

/// An entry out of UTF-8 text.
LocatorEntrySpec LocatorEntry(std::string_view key, std::string_view value);

/// "{00112233-...}".
std::string LinkageText(const Guid& guid);

/// parent_linkage and relative_path, as small a locator as is legal.
LocatorSpec TwoKeyLocator(const Guid& linkage, std::string_view relative_path);

/// What Hyper-V writes: five keys, in its order, parent_linkage2 all zeros.
struct HyperVPaths {
  std::string absolute_win32_path;
  std::string relative_path;
  std::string volume_path;
};
LocatorSpec HyperVLocator(const Guid& linkage, const HyperVPaths& paths);

/// Header and entries, then the strings without gaps, each value behind its key.
std::vector<std::byte> EncodeLocator(const LocatorSpec& spec);

}  // namespace vhdx::testing

#endif  // VHDXKIT_TESTING_LOCATOR_SPEC_H_

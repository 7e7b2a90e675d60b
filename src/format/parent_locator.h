// The parent locator item of a differencing file ([MS-VHDX] 2.6.2.6).

#ifndef VHDXKIT_FORMAT_PARENT_LOCATOR_H_
#define VHDXKIT_FORMAT_PARENT_LOCATOR_H_

#include <vhdxkit/error.h>
#include <vhdxkit/guid.h>
#include <vhdxkit/image_info.h>

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

#include "bytes/endian.h"
#include "format/findings.h"
#include "format/problems.h"

namespace vhdx::format {

/// As it is at the start of the item.
struct ParentLocatorHeader {
  Guid locator_type;     ///< kVhdxLocatorTypeGuid
  le16 reserved;         ///< zero
  le16 key_value_count;  ///< entries that follow
};
static_assert(sizeof(ParentLocatorHeader) == 20 && alignof(ParentLocatorHeader) == 1);

/// As it is in the item. Offsets count from the item's start; lengths are bytes of UTF-16LE.
struct ParentLocatorEntry {
  le32 key_offset;
  le32 value_offset;
  le16 key_length;
  le16 value_length;
};
static_assert(sizeof(ParentLocatorEntry) == 12 && alignof(ParentLocatorEntry) == 1);

// The keys ([MS-VHDX] 2.6.2.6.3).
inline constexpr std::string_view kParentLinkageKey = "parent_linkage";
inline constexpr std::string_view kParentLinkage2Key = "parent_linkage2";
inline constexpr std::string_view kRelativePathKey = "relative_path";
inline constexpr std::string_view kVolumePathKey = "volume_path";
inline constexpr std::string_view kAbsoluteWin32PathKey = "absolute_win32_path";

/// `bytes` is the whole item, and `place` is where it is. What is wrong goes to the verdict of the
/// entry, or to that of the locator, through `problems`. Errors there: metadata.item-length,
/// locator.type, .string, .duplicate-key, .linkage, .path.
LocatorStructure ParseParentLocator(std::span<const std::byte> bytes, const Place& place,
                                    Problems& problems);

/// The bytes of an item with these entries, in their order, strings packed after them without
/// gaps, each value after its key, as Windows has them. Errors: kInvalidArgument for what
/// ParseParentLocator would refuse.
Result<std::vector<std::byte>> EncodeParentLocator(const std::vector<LocatorEntryInfo>& entries);

}  // namespace vhdx::format

#endif  // VHDXKIT_FORMAT_PARENT_LOCATOR_H_

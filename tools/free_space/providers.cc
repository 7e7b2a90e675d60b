#include "tools/free_space/providers.h"

#include <algorithm>
#include <cstdint>

#include "bytes/formatting.h"
#include "tools/free_space/btrfs.h"
#include "tools/free_space/exfat.h"
#include "tools/free_space/ext.h"
#include "tools/free_space/fat.h"
#include "tools/free_space/ntfs.h"
#include "tools/free_space/swap.h"
#include "tools/free_space/xfs.h"

namespace vhdx::free_space {
namespace {

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool SameName(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](char x, char y) { return Lower(x) == Lower(y); });
}

}  // namespace

std::optional<guest::VolumeKind> KindNamed(std::string_view name) {
  constexpr auto kLast = static_cast<uint8_t>(guest::VolumeKind::kSwap);
  for (uint8_t number = 0; number <= kLast; ++number) {
    const auto kind = static_cast<guest::VolumeKind>(number);
    if (SameName(name, guest::VolumeKindName(kind))) return kind;
  }
  return std::nullopt;
}

Result<Answer> ReadFreeSpace(guest::VolumeKind kind, BlockDevice& volume) {
  using enum guest::VolumeKind;
  switch (kind) {
    case kExt2:
    case kExt3:
    case kExt4:
      return ReadExtFreeSpace(volume);
    case kNtfs:
      return ReadNtfsFreeSpace(volume);
    case kXfs:
      return ReadXfsFreeSpace(volume);
    case kBtrfs:
      return ReadBtrfsFreeSpace(volume);
    case kExfat:
      return ReadExfatFreeSpace(volume);
    case kFat12:
    case kFat16:
    case kFat32:
      return ReadFatFreeSpace(volume);
    case kSwap:
      return ReadSwapFreeSpace(volume);
    default:
      return LeftAlone{Format("nothing here reads {}", guest::VolumeKindName(kind))};
  }
}

}  // namespace vhdx::free_space

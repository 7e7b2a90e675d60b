// One parser for each kind of volume. Each gets a range of a disk and returns nothing if it does
// not recognize it.

#ifndef VHDXKIT_GUEST_VOLUME_PARSERS_H_
#define VHDXKIT_GUEST_VOLUME_PARSERS_H_

#include <vhdxkit/file.h>

#include <cstddef>
#include <cstdint>
#include <optional>

#include "bytes/endian.h"
#include "guest/range_reader.h"
#include "guest/superblock.h"

namespace vhdx::guest {

/// Enough for the Btrfs superblock at 64 KiB.
inline constexpr size_t kHeadBytes = size_t{68} << 10;

struct RangeStart {
  ByteSpan head;       ///< kHeadBytes, with zeros past the end of the range
  RangeReader& range;  ///< for what is elsewhere in it

  template <OnDisk T>
  T At(size_t offset) const {
    return LoadFrom<T>(head.subspan(offset));
  }
};

using VolumeParser = std::optional<Superblock> (*)(const RangeStart& start);

std::optional<Superblock> ParseExt(const RangeStart& start);
std::optional<Superblock> ParseXfs(const RangeStart& start);
std::optional<Superblock> ParseBtrfs(const RangeStart& start);
std::optional<Superblock> ParseSwap(const RangeStart& start);
std::optional<Superblock> ParseLvm(const RangeStart& start);
std::optional<Superblock> ParseLuks(const RangeStart& start);
std::optional<Superblock> ParseNtfs(const RangeStart& start);
std::optional<Superblock> ParseExfat(const RangeStart& start);
std::optional<Superblock> ParseFat(const RangeStart& start);
std::optional<Superblock> ParseBitLocker(const RangeStart& start);
std::optional<Superblock> ParseRefs(const RangeStart& start);
std::optional<Superblock> ParseMdRaid(const RangeStart& start);
std::optional<Superblock> ParseZfs(const RangeStart& start);

}  // namespace vhdx::guest

#endif  // VHDXKIT_GUEST_VOLUME_PARSERS_H_

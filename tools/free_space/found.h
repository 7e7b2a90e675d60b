// What the readers of this folder pass among their functions: a value, or why the volume is left
// alone.
//
// A read that does not fit into the volume yields a reason, too. An error of the device is kept by
// the RangeReader; Conclude gives it precedence over whatever reason it led to.

#ifndef VHDXKIT_TOOLS_FREE_SPACE_FOUND_H_
#define VHDXKIT_TOOLS_FREE_SPACE_FOUND_H_

#include <vhdxkit/error.h>

#include <cstddef>
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bytes/endian.h"
#include "guest/range_reader.h"
#include "tools/free_space/free_space.h"

namespace vhdx::free_space {

template <typename T>
using Found = std::expected<T, LeftAlone>;

inline std::unexpected<LeftAlone> LeaveAlone(std::string reason) {
  return std::unexpected(LeftAlone{std::move(reason)});
}

/// The bytes there. `what` is for the reason: "its boot sector".
Found<std::vector<std::byte>> ReadPart(guest::RangeReader& volume, uint64_t offset, size_t length,
                                       std::string_view what);

/// The structure there.
template <OnDisk T>
Found<T> LoadPart(guest::RangeReader& volume, uint64_t offset, std::string_view what) {
  const auto bytes = ReadPart(volume, offset, sizeof(T), what);
  if (!bytes) return std::unexpected(bytes.error());
  return LoadFrom<T>(*bytes);
}

/// Ends a reader: the first error of the device, or what was found. Call it once.
Result<Answer> Conclude(guest::RangeReader& volume, Found<FreeSpace> found);

}  // namespace vhdx::free_space

#endif  // VHDXKIT_TOOLS_FREE_SPACE_FOUND_H_

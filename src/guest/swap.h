// The header of Linux swap space.

#ifndef VHDXKIT_GUEST_SWAP_H_
#define VHDXKIT_GUEST_SWAP_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "bytes/endian.h"
#include "guest/superblock_fields.h"
#include "guest/volume_parsers.h"

namespace vhdx::guest {

/// What follows the first 1024 bytes. The machine that made it chose the byte order and the size of
/// a page; a signature ends the first page.
struct SwapHeader {
  static constexpr size_t kOffset = 1024;
  static constexpr size_t kBadPagesOffset = 1536;  ///< of the list of bad pages in the first page
  static constexpr size_t kSignatureBytes = 10;

  le32 version;
  le32 last_page;
  le32 bad_page_count;
  Uuid uuid;
  std::array<std::byte, 16> label;
};
static_assert(sizeof(SwapHeader) == 44);

struct SwapSpace {
  SwapHeader header = {};
  uint64_t page_bytes = 0;
  bool is_big_endian = false;
  /// The signature of a hibernated system, of which the pages are a part; otherwise empty.
  std::string_view hibernation = {};

  uint32_t Value(le32 field) const;  ///< a number of the first page
  uint64_t size_bytes() const { return (uint64_t{Value(header.last_page)} + 1) * page_bytes; }
};

/// Nothing if the range is not swap space.
std::optional<SwapSpace> ReadSwapSpace(const RangeStart& start);

}  // namespace vhdx::guest

#endif  // VHDXKIT_GUEST_SWAP_H_

// The header of Linux swap space.

#include <array>
#include <cstddef>
#include <string_view>

#include "bytes/arithmetic.h"
#include "guest/superblock_fields.h"
#include "guest/volume_parsers.h"

namespace vhdx::guest {
namespace {

/// Linux swap: what follows the first 1024 bytes. The signature ends the first page.
struct SwapHeader {
  static constexpr size_t kOffset = 1024;

  le32 version;
  le32 last_page;
  le32 bad_page_count;
  Uuid uuid;
  std::array<std::byte, 16> label;
};
static_assert(sizeof(SwapHeader) == 44);

using SwapSignature = std::array<char, 10>;

// "S1SUSPEND" is swap space that holds a hibernated system.
std::optional<uint64_t> SwapPageSize(const RangeStart& start) {
  for (uint64_t page = 4 * kKiB; page <= 64 * kKiB; page *= 2) {
    const auto signature = start.At<SwapSignature>(page - sizeof(SwapSignature));
    if (FieldIs(signature, "SWAPSPACE2") ||
        FieldIs(signature, std::string_view("S1SUSPEND\0", 10))) {
      return page;
    }
  }
  return std::nullopt;
}

}  // namespace

std::optional<Superblock> ParseSwap(const RangeStart& start) {
  const auto page_size = SwapPageSize(start);
  const auto header = start.At<SwapHeader>(SwapHeader::kOffset);
  if (!page_size || header.version != 1 || header.last_page == 0) return std::nullopt;
  return Superblock{.kind = VolumeKind::kSwap,
                    .size_bytes = (uint64_t{header.last_page} + 1) * *page_size,
                    .label = FieldText(header.label),
                    .uuid = UuidText(header.uuid)};
}

}  // namespace vhdx::guest

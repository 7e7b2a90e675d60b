#include "guest/swap.h"

#include <array>
#include <bit>
#include <string_view>

#include "bytes/arithmetic.h"
#include "bytes/endian.h"

namespace vhdx::guest {
namespace {

using SwapSignature = std::array<char, SwapHeader::kSignatureBytes>;

constexpr std::string_view kPlain = "SWAPSPACE2";
// Of the kernel, of its first versions, of uswsusp, of newer kernels and of TuxOnIce.
constexpr std::array<std::string_view, 5> kHibernation = {
    "S1SUSPEND", "S2SUSPEND", "ULSUSPEND", "LINHIB0001", "\xED\xC3\x02\xE9\x98\x56\xE5\x0C"};

// The one that the first page ends with, or an empty text.
std::string_view SignatureIn(const SwapSignature& field) {
  const std::string_view text(field.data(), field.size());
  if (text == kPlain) return kPlain;
  for (const std::string_view signature : kHibernation) {
    if (text.starts_with(signature)) return signature;
  }
  return {};
}

}  // namespace

uint32_t SwapSpace::Value(le32 field) const {
  return is_big_endian ? std::byteswap(uint32_t{field}) : uint32_t{field};
}

std::optional<SwapSpace> ReadSwapSpace(const RangeStart& start) {
  for (uint64_t page = 4 * kKiB; page <= 64 * kKiB; page *= 2) {
    const auto signature = SignatureIn(start.At<SwapSignature>(page - SwapHeader::kSignatureBytes));
    if (signature.empty()) continue;
    SwapSpace space{.header = start.At<SwapHeader>(SwapHeader::kOffset), .page_bytes = page};
    space.is_big_endian = space.header.version != 1;
    if (signature != kPlain) space.hibernation = signature;
    if (space.Value(space.header.version) != 1 || space.header.last_page == 0) return std::nullopt;
    return space;
  }
  return std::nullopt;
}

std::optional<Superblock> ParseSwap(const RangeStart& start) {
  const auto space = ReadSwapSpace(start);
  if (!space) return std::nullopt;
  return Superblock{.kind = VolumeKind::kSwap,
                    .size_bytes = space->size_bytes(),
                    .label = FieldText(space->header.label),
                    .uuid = UuidText(space->header.uuid)};
}

}  // namespace vhdx::guest

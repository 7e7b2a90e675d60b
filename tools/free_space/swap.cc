#include "tools/free_space/swap.h"

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "bytes/arithmetic.h"
#include "bytes/endian.h"
#include "bytes/formatting.h"
#include "bytes/try.h"
#include "guest/range_reader.h"
#include "guest/swap.h"
#include "guest/volume_parsers.h"
#include "tools/free_space/found.h"
#include "tools/free_space/free_ranges.h"

namespace vhdx::free_space {
namespace {

using guest::SwapHeader;
using guest::SwapSpace;

std::string HibernationReason(const SwapSpace& swap) {
  const bool is_text = std::ranges::all_of(
      swap.hibernation, [](unsigned char letter) { return letter < 0x80 && std::isprint(letter); });
  return Format("it contains a hibernated system ({})",
                is_text ? std::string(swap.hibernation) : "TuxOnIce");
}

// The bad pages, in order and each once.
Found<std::vector<uint64_t>> BadPages(ByteSpan first_page, const SwapSpace& swap) {
  const size_t count = swap.Value(swap.header.bad_page_count);
  const auto list = first_page.subspan(
      SwapHeader::kBadPagesOffset,
      swap.page_bytes - SwapHeader::kBadPagesOffset - SwapHeader::kSignatureBytes);
  if (count > list.size() / sizeof(le32)) return LeaveAlone("its list of bad pages is too long");
  std::vector<uint64_t> pages;
  for (size_t i = 0; i < count; ++i) {
    const uint64_t page = swap.Value(LoadFrom<le32>(list.subspan(i * sizeof(le32))));
    if (page == 0 || page > swap.Value(swap.header.last_page)) {
      return LeaveAlone("its list of bad pages contains one that it does not have");
    }
    pages.push_back(page);
  }
  std::ranges::sort(pages);
  const auto repeated = std::ranges::unique(pages);
  pages.erase(repeated.begin(), repeated.end());
  return pages;
}

Found<FreeSpace> FreeSpaceOfSwap(ByteSpan head, uint64_t volume_bytes, const SwapSpace& swap) {
  if (!swap.hibernation.empty()) return LeaveAlone(HibernationReason(swap));
  if (swap.size_bytes() > volume_bytes) return LeaveAlone("it is larger than its partition");
  auto stops = VHDX_TRY(BadPages(head, swap));
  stops.push_back(uint64_t{swap.Value(swap.header.last_page)} + 1);
  FreeRanges free;
  uint64_t first = 1;
  for (const uint64_t stop : stops) {
    if (stop > first) {
      VHDX_TRY(free.Add({first * swap.page_bytes, (stop - first) * swap.page_bytes}));
    }
    first = stop + 1;
  }
  FreeSpace space;
  space.unit_bytes = swap.page_bytes;
  space.counted_free_bytes = free.total_bytes();
  space.metadata = {{0, swap.page_bytes}};
  space.free = free.Take();
  return space;
}

}  // namespace

Result<Answer> ReadSwapFreeSpace(BlockDevice& volume) {
  guest::RangeReader reader(volume);
  const auto head = reader.ReadHead(guest::kHeadBytes);
  const auto swap = guest::ReadSwapSpace({.head = head, .range = reader});
  if (!swap) return Conclude(reader, LeaveAlone("its first page is not that of swap space"));
  return Conclude(reader, FreeSpaceOfSwap(head, reader.size_bytes(), *swap));
}

}  // namespace vhdx::free_space

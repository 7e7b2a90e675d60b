#include "bytes/zeros.h"

#include <algorithm>
#include <cstring>

namespace vhdx {

bool IsAllZero(std::span<const std::byte> bytes) {
  // Sixteen bytes by hand; then, if each byte equals the one sixteen before it, all are zero, and
  // memcmp compares at the speed of memory.
  constexpr size_t kHead = 16;
  const auto head = bytes.first(std::min(kHead, bytes.size()));
  if (std::ranges::any_of(head, [](std::byte byte) { return byte != std::byte{0}; })) return false;
  return bytes.size() <= kHead ||
         std::memcmp(bytes.data(), bytes.data() + kHead, bytes.size() - kHead) == 0;
}

}  // namespace vhdx

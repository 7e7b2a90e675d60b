// Whether two runs of bytes are the same: the comparisons of the standard library go byte by byte
// where std::byte is concerned.

#ifndef VHDXKIT_BYTES_SAME_BYTES_H_
#define VHDXKIT_BYTES_SAME_BYTES_H_

#include <cstddef>
#include <cstring>
#include <span>

namespace vhdx {

/// As long and with the same bytes; as fast as memory is read.
inline bool SameBytes(std::span<const std::byte> a, std::span<const std::byte> b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size()) == 0);
}

}  // namespace vhdx

#endif  // VHDXKIT_BYTES_SAME_BYTES_H_

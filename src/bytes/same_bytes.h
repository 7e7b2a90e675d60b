// Compares two runs of bytes. The comparisons of the standard library go byte by byte for
// std::byte.

#ifndef VHDXKIT_BYTES_SAME_BYTES_H_
#define VHDXKIT_BYTES_SAME_BYTES_H_

#include <cstddef>
#include <cstring>
#include <span>

namespace vhdx {

/// Whether length and bytes are equal; as fast as memory can be read.
inline bool SameBytes(std::span<const std::byte> a, std::span<const std::byte> b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size()) == 0);
}

}  // namespace vhdx

#endif  // VHDXKIT_BYTES_SAME_BYTES_H_

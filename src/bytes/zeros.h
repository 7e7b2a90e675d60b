// Whether bytes are all zero: what decides between data and a hole.

#ifndef VHDXKIT_BYTES_ZEROS_H_
#define VHDXKIT_BYTES_ZEROS_H_

#include <cstddef>
#include <span>

namespace vhdx {

/// Stops at the first byte that is not; otherwise as fast as memory is read. True for no bytes at
/// all.
bool IsAllZero(std::span<const std::byte> bytes);

}  // namespace vhdx

#endif  // VHDXKIT_BYTES_ZEROS_H_

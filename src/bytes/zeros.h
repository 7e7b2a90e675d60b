// Tests whether bytes are all zero, which decides between data and a hole.

#ifndef VHDXKIT_BYTES_ZEROS_H_
#define VHDXKIT_BYTES_ZEROS_H_

#include <cstddef>
#include <span>

namespace vhdx {

/// Stops at the first byte that is not zero; otherwise as fast as memory can be read. True for an
/// empty range.
bool IsAllZero(std::span<const std::byte> bytes);

}  // namespace vhdx

#endif  // VHDXKIT_BYTES_ZEROS_H_

// Sizes in bytes as people read them; all units are powers of 1024.

#ifndef VHDXKIT_BYTES_SIZE_FORMAT_H_
#define VHDXKIT_BYTES_SIZE_FORMAT_H_

#include <cstdint>
#include <string>

namespace vhdx {

/// "127 GiB", "1.46 MiB", "512 bytes": three digits, rounded.
std::string FormatSize(uint64_t bytes);

/// "127 GiB (136365211648 bytes)".
std::string FormatSizeExactly(uint64_t bytes);

}  // namespace vhdx

#endif  // VHDXKIT_BYTES_SIZE_FORMAT_H_

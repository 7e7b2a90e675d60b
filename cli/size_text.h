// Sizes in bytes as people write them; all units are powers of 1024.

#ifndef VHDXKIT_CLI_SIZE_TEXT_H_
#define VHDXKIT_CLI_SIZE_TEXT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "bytes/size_format.h"  // as people read them

namespace vhdx::cli {

/// The bytes that "512", "64k", "1.5G", "2 MB" or "2MiB" mean; nothing if it is no size, no whole
/// number of bytes, or does not fit 64 bits.
std::optional<uint64_t> ParseSize(std::string_view text);

/// The nearest whole number of a smaller unit for a size such as "10.3G", which is no whole number
/// of bytes: "10547M"; empty for any other text.
std::string NearestSize(std::string_view text);

}  // namespace vhdx::cli

#endif  // VHDXKIT_CLI_SIZE_TEXT_H_

// Sizes in bytes as people write and read them; all units are powers of 1024.

#ifndef VHDXKIT_CLI_SIZE_TEXT_H_
#define VHDXKIT_CLI_SIZE_TEXT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace vhdx::cli {

/// The bytes that "512", "64k", "1.5G", "2 MB" or "2MiB" mean; nothing if it is no size, no whole
/// number of bytes, or does not fit 64 bits.
std::optional<uint64_t> ParseSize(std::string_view text);

/// "127 GiB", "1.46 MiB", "512 bytes": three digits, rounded.
std::string FormatSize(uint64_t bytes);

/// "127 GiB (136365211648 bytes)".
std::string FormatSizeExactly(uint64_t bytes);

}  // namespace vhdx::cli

#endif  // VHDXKIT_CLI_SIZE_TEXT_H_

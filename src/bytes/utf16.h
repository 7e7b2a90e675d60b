// UTF-16LE, the text of VHDX files ([MS-VHDX] 2.2.1, 2.6.2.6), to and from UTF-8.

#ifndef VHDXKIT_BYTES_UTF16_H_
#define VHDXKIT_BYTES_UTF16_H_

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace vhdx {

/// The text as UTF-8; nothing if the length is odd or it has a lone surrogate or a NUL.
std::optional<std::string> Utf8FromUtf16(std::span<const std::byte> text);

/// The text up to the first NUL as UTF-8, with U+FFFD for invalid code units; for display only.
std::string DisplayableUtf8FromUtf16(std::span<const std::byte> text);

/// UTF-16LE bytes without a terminator; nothing if `text` is not UTF-8.
std::optional<std::vector<std::byte>> Utf16FromUtf8(std::string_view text);

}  // namespace vhdx

#endif  // VHDXKIT_BYTES_UTF16_H_

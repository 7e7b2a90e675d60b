// Text from values, with fmt's format strings, which are checked when they are compiled.
//
// This is the only header of ours that includes fmt, and of fmt only the part that declares format
// strings and arguments: the rest is compiled once, in formatting.cc, because it costs seconds for
// each source that reads it.

#ifndef VHDXKIT_BYTES_FORMATTING_H_
#define VHDXKIT_BYTES_FORMATTING_H_

#if __has_include(<fmt/base.h>)  // since fmt 11
#include <fmt/base.h>
#else
#include <fmt/core.h>
#endif

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace vhdx {

std::string FormatArguments(fmt::string_view format, fmt::format_args arguments);

/// The text that the format string describes: Format("{} of {:08x}", 3, offset).
template <typename... Arguments>
// NOLINTNEXTLINE(cppcoreguidelines-missing-std-forward): fmt keeps references
std::string Format(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
  return FormatArguments(format, fmt::make_format_args(arguments...));
}

/// The words one after another, with `between` between each two.
std::string Join(std::span<const std::string> words, std::string_view between);

/// "1 entry", "2 entries".
std::string Counted(uint64_t count, std::string_view one, std::string_view many);

/// The text as one word of a shell's command, in quotes where it needs them.
std::string QuoteForShell(std::string_view text);

}  // namespace vhdx

#endif  // VHDXKIT_BYTES_FORMATTING_H_

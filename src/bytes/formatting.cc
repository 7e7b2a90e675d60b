// The library links no other, so that fmt is compiled into it: all of it here, as headers only.
// Its names are in an inline namespace of ours (see vhdxkit_fmt in the build), so that a program
// may link vhdxkit and another fmt.

#define FMT_HEADER_ONLY
#include "bytes/formatting.h"

#include <fmt/format.h>

namespace vhdx {

std::string FormatArguments(fmt::string_view format, fmt::format_args arguments) {
  return fmt::vformat(format, arguments);
}

std::string Join(std::span<const std::string> words, std::string_view between) {
  std::string text;
  for (const std::string& word : words) {
    if (&word != &words.front()) text += between;
    text += word;
  }
  return text;
}

std::string Counted(uint64_t count, std::string_view one, std::string_view many) {
  return Format("{} {}", count, count == 1 ? one : many);
}

std::string QuoteForShell(std::string_view text) {
  constexpr std::string_view kPlain =
      "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz/._-+,:@%=";
  if (!text.empty() && text.find_first_not_of(kPlain) == std::string_view::npos) {
    return std::string(text);
  }
  std::string quoted = "'";
  for (const char c : text) quoted += c == '\'' ? "'\\''" : std::string(1, c);
  return quoted + "'";
}

}  // namespace vhdx

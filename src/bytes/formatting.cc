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

}  // namespace vhdx

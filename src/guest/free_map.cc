// The text form of a map of free space.

#include "guest/free_map.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "bytes/arithmetic.h"
#include "bytes/formatting.h"
#include "bytes/try.h"

namespace vhdx::guest {
namespace {

constexpr size_t kMaxLineBytes = 1000;
constexpr size_t kPieceBytes = 64 * kKiB;

// -- Printing --

class MapPrinter {
 public:
  explicit MapPrinter(const TextSink& sink) : sink_(sink) {}

  Result<void> Line(std::string_view line) {
    piece_ += line;
    piece_ += '\n';
    return piece_.size() < kPieceBytes ? Result<void>{} : Flush();
  }
  Result<void> Range(DiskRange range, char status) {
    if (range.length_bytes == 0) return {};
    return Line(Format("0x{:08X}  0x{:08X}  {}", range.disk_offset, range.length_bytes, status));
  }
  Result<void> Flush() {
    auto taken = sink_(piece_);
    piece_.clear();
    return taken;
  }

 private:
  const TextSink& sink_;
  std::string piece_;
};

Result<void> PrintFacts(const FreeSpaceAnswer& answer, MapPrinter& printer) {
  if (const auto* left = std::get_if<LeftAlone>(&answer)) {
    return printer.Line(Format("# left-alone: {}", left->reason));
  }
  const auto& space = std::get<FreeSpace>(answer);
  VHDX_TRY(printer.Line(Format("# unit: {}", space.unit_bytes)));
  VHDX_TRY(printer.Line(Format("# counted-free: {}", space.counted_free_bytes)));
  for (const DiskRange& range : space.metadata) {
    VHDX_TRY(printer.Line(
        Format("# metadata: 0x{:08X} 0x{:08X}", range.disk_offset, range.length_bytes)));
  }
  return {};
}

Result<void> PrintRanges(std::span<const DiskRange> free, uint64_t volume_bytes,
                         MapPrinter& printer) {
  uint64_t position = 0;
  for (const DiskRange& range : free) {
    VHDX_TRY(printer.Range({position, range.disk_offset - position}, '+'));
    VHDX_TRY(printer.Range(range, '?'));
    position = range.end();
  }
  return printer.Range({position, std::max(volume_bytes, position) - position}, '+');
}

// -- Parsing --

/// The next word of a line, which is dropped from it; empty at its end.
std::string_view TakeWord(std::string_view& line) {
  constexpr std::string_view kBlanks = " \t";
  line.remove_prefix(std::min(line.find_first_not_of(kBlanks), line.size()));
  const std::string_view word = line.substr(0, line.find_first_of(kBlanks));
  line.remove_prefix(word.size());
  return word;
}

/// Decimal, or hexadecimal after "0x". A number that begins with another 0 is octal for ddrescue,
/// and nobody writes one.
std::optional<uint64_t> ParseNumber(std::string_view word) {
  const bool is_hex = word.starts_with("0x") || word.starts_with("0X");
  if (is_hex) word.remove_prefix(2);
  if (!is_hex && word.size() > 1 && word.front() == '0') return std::nullopt;
  uint64_t value = 0;
  const char* const start = word.data();
  const char* const end = start + word.size();
  const auto [stop, failure] = std::from_chars(start, end, value, is_hex ? 16 : 10);
  const bool is_number = !word.empty() && failure == std::errc{} && stop == end;
  return is_number ? std::optional(value) : std::nullopt;
}

/// "POSITION STATUS [PASS]".
bool IsStatusLine(std::string_view line) {
  const bool has_position = ParseNumber(TakeWord(line)).has_value();
  const std::string_view status = TakeWord(line);
  const std::string_view pass = TakeWord(line);
  return has_position && status.size() == 1 && std::string_view("?*/-FG+").contains(status) &&
         (pass.empty() || ParseNumber(pass)) && TakeWord(line).empty();
}

bool IsPlainText(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c >= ' ' && c <= '~'; });
}

}  // namespace

Result<void> PrintFreeMap(const FreeSpaceAnswer& answer, uint64_t volume_bytes,
                          const TextSink& sink) {
  MapPrinter printer(sink);
  VHDX_TRY(printer.Line(Format("# {}", kFreeMapTitle)));
  VHDX_TRY(PrintFacts(answer, printer));
  VHDX_TRY(printer.Line("# current_pos  current_status"));
  VHDX_TRY(printer.Line(Format("0x{:08X}     +", volume_bytes)));
  VHDX_TRY(printer.Line("#      pos        size  status"));
  const auto* space = std::get_if<FreeSpace>(&answer);
  VHDX_TRY(PrintRanges(space == nullptr ? std::span<const DiskRange>() : space->free, volume_bytes,
                       printer));
  VHDX_TRY(printer.Line("# end"));
  return printer.Flush();
}

std::unexpected<Error> FreeMapParser::Wrong(std::string_view what) const {
  return Fail(ErrorCode::kCorrupt, Format("line {} of the map: {}", line_number_, what));
}

Result<void> FreeMapParser::Add(std::string_view piece) {
  while (!piece.empty()) {
    const size_t end = piece.find('\n');
    const std::string_view part = piece.substr(0, end);
    if (rest_.size() + part.size() > kMaxLineBytes) {
      ++line_number_;
      return Wrong("it is too long");
    }
    rest_ += part;
    if (end == std::string_view::npos) return {};
    const std::string line = std::exchange(rest_, {});
    VHDX_TRY(AddLine(line));
    piece.remove_prefix(end + 1);
  }
  return {};
}

Result<void> FreeMapParser::AddLine(std::string_view line) {
  ++line_number_;
  if (has_end_) return Wrong("it is after the end");
  if (line.starts_with('#')) return AddComment(line.substr(1));
  if (line.find_first_not_of(" \t") == std::string_view::npos) return {};
  if (has_status_) return AddRange(line);
  if (!IsStatusLine(line)) return Wrong("it is not \"position status\"");
  has_status_ = true;
  return {};
}

Result<void> FreeMapParser::AddComment(std::string_view comment) {
  if (comment.starts_with(' ')) comment.remove_prefix(1);
  if (line_number_ == 1) is_own_ = comment == kFreeMapTitle;
  if (!is_own_) return {};
  if (comment == "end") {
    has_end_ = true;
    return {};
  }
  const size_t colon = comment.find(": ");
  if (colon == std::string_view::npos) return {};
  return AddOwnComment(comment.substr(0, colon), comment.substr(colon + 2));
}

Result<void> FreeMapParser::AddOwnComment(std::string_view key, std::string_view value) {
  if (key == "left-alone") {
    if (!IsPlainText(value)) return Wrong("the reason is not plain text");
    left_alone_ = value;
  } else if (key == "metadata") {
    const auto position = ParseNumber(TakeWord(value));
    const auto length = ParseNumber(TakeWord(value));
    if (!position || !length || !TakeWord(value).empty()) return Wrong("it is not a range");
    if (space_.metadata.size() == kMaxFreeRanges) return Wrong("there are too many ranges");
    space_.metadata.push_back({*position, *length});
  } else if (key == "unit" || key == "counted-free") {
    const auto number = ParseNumber(value);
    if (!number) return Wrong("it is not a number");
    if (key == "unit") {
      space_.unit_bytes = *number;
    } else {
      counted_free_bytes_ = number;
    }
  }
  return {};
}

Result<void> FreeMapParser::AddRange(std::string_view line) {
  const auto position = ParseNumber(TakeWord(line));
  const auto length = ParseNumber(TakeWord(line));
  const std::string_view status = TakeWord(line);
  if (!position || !length || !TakeWord(line).empty()) {
    return Wrong("it is not \"position size status\"");
  }
  const auto end = CheckedAdd(*position, *length);
  if (*length == 0 || !end) return Wrong("the size is out of range");
  if (*position < position_) return Wrong("it begins before the end of the range before it");
  const bool touches_last = !space_.free.empty() && space_.free.back().end() == *position;
  position_ = *end;
  if (status == "+") return {};
  if (status != "?") return Wrong("the status is neither \"+\" (in use) nor \"?\" (free)");
  if (touches_last) {
    space_.free.back().length_bytes += *length;
    return {};
  }
  if (space_.free.size() == kMaxFreeRanges) return Wrong("there are too many free ranges");
  space_.free.push_back({*position, *length});
  return {};
}

Result<FreeSpaceAnswer> FreeMapParser::Finish() {
  if (!rest_.empty()) VHDX_TRY(AddLine(std::exchange(rest_, {})));
  if (!has_status_) return Wrong("no line with a status before the end");
  if (is_own_ && !has_end_) return Wrong("the map ends too early");
  if (left_alone_) {
    if (!space_.free.empty()) return Wrong("free ranges of a volume that is left alone");
    return LeftAlone{*std::move(left_alone_)};
  }
  if (is_own_ && (!counted_free_bytes_ || space_.unit_bytes == 0)) {
    return Wrong("no unit or no count of what is free");
  }
  if (counted_free_bytes_) {
    space_.counted_free_bytes = *counted_free_bytes_;
  } else {
    for (const DiskRange& range : space_.free) space_.counted_free_bytes += range.length_bytes;
  }
  return std::move(space_);
}

Result<FreeSpaceAnswer> ParseFreeMap(std::string_view text) {
  FreeMapParser parser;
  VHDX_TRY(parser.Add(text));
  return parser.Finish();
}

}  // namespace vhdx::guest

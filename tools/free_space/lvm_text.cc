#include "tools/free_space/lvm_text.h"

#include <algorithm>
#include <charconv>
#include <system_error>
#include <utility>

namespace vhdx::free_space {
namespace {

constexpr int kMaxLvmDepth = 8;  // metadata has four

bool IsLvmSpace(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

bool IsLvmNameCharacter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '-' || c == '+' || c == '.';
}

// Each function takes something off the front of the rest; false: it is not there.
class LvmTextParser {
 public:
  explicit LvmTextParser(std::string_view text) : rest_(text) {}

  std::optional<LvmSection> Parse() {
    LvmSection root;
    if (!Parts(root, 0) || !rest_.empty()) return std::nullopt;
    return root;
  }

 private:
  void SkipSpace() {
    while (!rest_.empty()) {
      if (rest_.front() == '#') {
        rest_.remove_prefix(std::min(rest_.find('\n'), rest_.size()));
      } else if (IsLvmSpace(rest_.front())) {
        rest_.remove_prefix(1);
      } else {
        return;
      }
    }
  }

  bool Take(char wanted) {
    SkipSpace();
    if (rest_.empty() || rest_.front() != wanted) return false;
    rest_.remove_prefix(1);
    return true;
  }

  std::string_view Word() {
    SkipSpace();
    const auto end = std::ranges::find_if_not(rest_, IsLvmNameCharacter);
    const std::string_view word = rest_.substr(0, static_cast<size_t>(end - rest_.begin()));
    rest_.remove_prefix(word.size());
    return word;
  }

  // Settings and sections up to something else.
  bool Parts(LvmSection& section, int depth) {
    for (std::string_view name = Word(); !name.empty(); name = Word()) {
      if (++part_count_ > kMaxLvmTextParts) return false;
      if (Take('{')) {
        if (depth == kMaxLvmDepth) return false;
        section.sections.push_back({.name = std::string(name), .settings = {}, .sections = {}});
        if (!Parts(section.sections.back(), depth + 1) || !Take('}')) return false;
      } else if (Take('=')) {
        section.settings.push_back({.name = std::string(name), .values = {}});
        if (!Setting(section.settings.back())) return false;
      } else {
        return false;
      }
    }
    return NamesDiffer(section);
  }

  bool Setting(LvmSetting& setting) {
    if (!Take('[')) return Value(setting);
    if (Take(']')) return true;
    do {
      if (!Value(setting)) return false;
    } while (Take(','));
    return Take(']');
  }

  bool Value(LvmSetting& setting) {
    if (++part_count_ > kMaxLvmTextParts) return false;
    if (Take('"')) return Quoted(setting);
    const std::string_view word = Word();
    if (word.empty()) return false;
    uint64_t number = 0;
    const char* const start = word.data();
    const char* const end = start + word.size();
    const auto parsed = std::from_chars(start, end, number);
    const bool is_whole = parsed.ec == std::errc() && parsed.ptr == end;
    setting.values.push_back(is_whole ? LvmValue(number) : LvmValue());
    return true;
  }

  // Up to the quote at the end; a backslash takes the meaning from the character after it.
  bool Quoted(LvmSetting& setting) {
    std::string text;
    while (!rest_.empty() && rest_.front() != '"') {
      if (rest_.front() == '\\') rest_.remove_prefix(1);
      if (rest_.empty()) return false;
      text += rest_.front();
      rest_.remove_prefix(1);
    }
    if (rest_.empty()) return false;
    rest_.remove_prefix(1);
    setting.values.emplace_back(std::move(text));
    return true;
  }

  static bool NamesDiffer(const LvmSection& section) {
    std::vector<std::string_view> names;
    names.reserve(section.settings.size() + section.sections.size());
    for (const LvmSetting& setting : section.settings) names.push_back(setting.name);
    for (const LvmSection& inner : section.sections) names.push_back(inner.name);
    std::ranges::sort(names);
    return std::ranges::adjacent_find(names) == names.end();
  }

  std::string_view rest_;
  size_t part_count_ = 0;
};

}  // namespace

const LvmSection* LvmSection::Section(std::string_view wanted) const {
  const auto found = std::ranges::find(sections, wanted, &LvmSection::name);
  return found == sections.end() ? nullptr : &*found;
}

std::span<const LvmValue> LvmSection::Values(std::string_view wanted) const {
  const auto found = std::ranges::find(settings, wanted, &LvmSetting::name);
  return found == settings.end() ? std::span<const LvmValue>() : found->values;
}

std::optional<uint64_t> LvmSection::Number(std::string_view wanted) const {
  const auto values = Values(wanted);
  if (values.size() != 1) return std::nullopt;
  const auto* number = std::get_if<uint64_t>(values.data());
  return number != nullptr ? std::optional(*number) : std::nullopt;
}

std::string_view LvmSection::Text(std::string_view wanted) const {
  const auto values = Values(wanted);
  const auto* text = values.size() == 1 ? std::get_if<std::string>(values.data()) : nullptr;
  return text != nullptr ? std::string_view(*text) : std::string_view();
}

bool LvmSection::Lists(std::string_view wanted, std::string_view text) const {
  return std::ranges::any_of(Values(wanted), [&](const LvmValue& value) {
    const auto* listed = std::get_if<std::string>(&value);
    return listed != nullptr && *listed == text;
  });
}

std::optional<LvmSection> ParseLvmText(std::string_view text) {
  return LvmTextParser(text).Parse();
}

}  // namespace vhdx::free_space

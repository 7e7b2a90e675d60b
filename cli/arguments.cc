#include "cli/arguments.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>

#include "bytes/formatting.h"
#include "cli/printable.h"
#include "cli/size_text.h"

namespace vhdx::cli {
namespace {

// "-j,--threads" is called "--threads" in messages.
std::string LongestName(const std::string& names) { return names.substr(names.rfind(',') + 1); }

// An option with one value, of which the last one given counts.
template <typename Take>
CLI::Option* AddValue(CLI::App& app, const std::string& names, const std::string& type,
                      const std::string& help, const Take& take) {
  const auto take_value = [name = LongestName(names), take](const std::string& text) {
    if (const std::string complaint = take(text); !complaint.empty()) {
      throw CLI::ValidationError(name, Format("\"{}\" {}", Printable(text), complaint));
    }
  };
  return app.add_option_function<std::string>(names, take_value, help)
      ->type_name(type)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
}

std::string ComplainOfSize(const std::string& text) {
  const std::string nearest = NearestSize(text);
  if (!nearest.empty()) return Format("is not a whole number of bytes; use {}", nearest);
  return "is not a size: use bytes, or a number with k, M, G or T, such as 64k";
}

}  // namespace

CLI::App& AddCommand(CLI::App& root, const std::string& name, const std::string& description) {
  return *root.add_subcommand(name, description);
}

void AddFile(CLI::App& app, const std::string& name, std::string& target, const std::string& help) {
  app.add_option(name, target, help)->type_name(kFileType)->required();
}

void AddFlag(CLI::App& app, const std::string& names, bool& target, const std::string& help) {
  app.add_flag(names, target, help)->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
}

void AddSize(CLI::App& app, const std::string& names, uint64_t& target_bytes,
             bool (*is_right)(uint64_t), const std::string& wrong, const std::string& help) {
  const auto take = [&target_bytes, is_right, wrong](const std::string& text) -> std::string {
    const auto size = ParseSize(text);
    if (!size) return ComplainOfSize(text);
    if (!is_right(*size)) return wrong;
    target_bytes = *size;
    return {};
  };
  AddValue(app, names, "SIZE", help, take);
}

void AddOptionalSize(CLI::App& app, const std::string& names, std::optional<uint64_t>& target_bytes,
                     const std::string& help,
                     const std::function<std::string(const std::string& text)>& advise) {
  const auto take = [&target_bytes, advise](const std::string& text) -> std::string {
    target_bytes = ParseSize(text);
    if (target_bytes) return {};
    const std::string advice = advise(text);
    return advice.empty() ? ComplainOfSize(text) : "is not a size; " + advice;
  };
  AddValue(app, names, "SIZE", help, take);
}

void AddText(CLI::App& app, const std::string& names, std::string& target, const std::string& help,
             const std::string& type) {
  AddValue(app, names, type, help, [&target](const std::string& text) -> std::string {
    target = text;
    return {};
  });
}

void AddOptionalText(CLI::App& app, const std::string& names, const std::string& type,
                     std::optional<std::string>& target, const std::string& help) {
  const auto take = [&target](const std::string& text) -> std::string {
    target = text;
    return {};
  };
  AddValue(app, names, type, help, take)->expected(0, 1);
}

void AddPath(CLI::App& app, const std::string& names, std::string& target,
             const std::string& help) {
  AddValue(app, names, kFileType, help, [&target](const std::string& text) -> std::string {
    target = text;
    return {};
  });
}

void AddRepeatedPath(CLI::App& app, const std::string& names, std::vector<std::string>& targets,
                     const std::string& help) {
  app.add_option(names, targets, help)->type_name(kFileType)->allow_extra_args(false);
}

void AddGuid(CLI::App& app, const std::string& names, std::optional<Guid>& target,
             const std::string& help) {
  AddValue(app, names, "GUID", help, [&target](const std::string& text) -> std::string {
    target = Guid::Parse(text);
    if (!target || target->IsZero()) {
      return "is not a GUID; one looks like 01234567-89ab-4cde-8f01-23456789abcd";
    }
    return {};
  });
}

void AddCount(CLI::App& app, const std::string& names, uint64_t& target, CountLimits limits,
              const std::string& help) {
  AddValue(app, names, "N", help, [&target, limits](const std::string& text) -> std::string {
    uint64_t count = 0;
    const char* const end = text.data() + text.size();
    const auto [parsed, failure] = std::from_chars(text.data(), end, count);
    const bool is_number = failure == std::errc() && parsed == end;
    if (!is_number || count < limits.least || count > limits.most) {
      return limits.most == UINT64_MAX
                 ? Format("is not a number of at least {}", limits.least)
                 : Format("is not a number from {} to {}", limits.least, limits.most);
    }
    target = count;
    return {};
  });
}

void AddNeed(CLI::App& app, const std::string& name, const std::string& needed) {
  app.get_option(name)->needs(app.get_option(needed));
}

void AddConflict(CLI::App& app, const std::string& name, const std::string& other) {
  app.get_option(name)->excludes(app.get_option(other));
}

void HideInHelp(CLI::App& app, const std::string& name) {
  app.get_option(name)->group(kHiddenGroup);
}

void AddChoice(CLI::App& app, const std::string& names, std::string& target,
               const std::vector<std::string>& choices, const std::string& help,
               std::string (*advise)(const std::string& word)) {
  AddValue(app, names, Join(choices, "|"), help,
           [&target, choices, advise](const std::string& text) -> std::string {
             if (std::ranges::find(choices, text) == choices.end()) {
               const std::string advice = advise == nullptr ? "" : advise(text);
               return Format("is not one of: {}{}{}", Join(choices, ", "),
                             advice.empty() ? "" : "; ", advice);
             }
             target = text;
             return {};
           });
}

std::vector<std::string> ChoicesOf(const CLI::Option& option) {
  std::string type = option.get_type_name();
  // "raw|vhdx", "512|4096"; a choice of one word has no bar. All other types are in capitals.
  const bool is_choice =
      std::ranges::any_of(type, [](char c) { return c == '|' || (c >= 'a' && c <= 'z'); });
  return is_choice ? CLI::detail::split(type, '|') : std::vector<std::string>{};
}

}  // namespace vhdx::cli

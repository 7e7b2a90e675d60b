#include "testing/outcome.h"

#include <cstdint>
#include <optional>
#include <string_view>

namespace vhdx::testing {
namespace {

std::string At(std::string_view rule, const std::optional<uint64_t>& file_offset) {
  return std::string(rule) + (file_offset ? "@" + std::to_string(*file_offset) : "");
}

}  // namespace

std::string OutcomeOf(const Error& error) {
  return error.rule.empty() ? std::string(ErrorCodeName(error.code))
                            : At(error.rule, error.file_offset);
}

std::string OutcomeOf(std::span<const Finding> findings) {
  std::string text;
  for (const Finding& finding : findings) {
    text += (text.empty() ? "" : " ") + At(finding.rule->id, finding.file_offset);
  }
  return text;
}

std::string OutcomeOf(const Findings& findings) { return OutcomeOf(std::span(findings.kept())); }

}  // namespace vhdx::testing

#include "json/error_json.h"

#include <cstdint>
#include <optional>
#include <string>

namespace vhdx {
namespace {

std::string TextOf(const Json& members, const char* name) {
  const auto member = members.find(name);
  return member != members.end() && member->is_string() ? member->get<std::string>() : "";
}

std::optional<uint64_t> NumberOf(const Json& members, const char* name) {
  const auto member = members.find(name);
  if (member == members.end() || !member->is_number_unsigned()) return std::nullopt;
  return member->get<uint64_t>();
}

ErrorCode CodeOfName(const std::string& name) {
  constexpr auto kLast = static_cast<uint8_t>(ErrorCode::kInternal);
  for (uint8_t number = 0; number < kLast; ++number) {
    const auto code = static_cast<ErrorCode>(number);
    if (ErrorCodeName(code) == name) return code;
  }
  return ErrorCode::kInternal;
}

}  // namespace

Json ErrorToJson(std::string_view code, const Error& error) {
  return {{"error",
           {{"code", code},
            {"rule", TextOrNull(error.rule)},
            {"file", TextOrNull(error.file)},
            {"offset", NumberOrNull(error.file_offset)},
            {"found", TextOrNull(error.found)},
            {"expected", TextOrNull(error.expected)},
            {"sentence", Sentence(error)}}}};
}

Json ErrorToJson(const Error& error) { return ErrorToJson(ErrorCodeName(error.code), error); }

Error ErrorFromJson(const Json& members) {
  if (!members.is_object()) return {};
  return {.code = CodeOfName(TextOf(members, "code")),
          .rule = TextOf(members, "rule"),
          .file = TextOf(members, "file"),
          .file_offset = NumberOf(members, "offset"),
          .found = TextOf(members, "found"),
          .expected = TextOf(members, "expected"),
          .sentence = TextOf(members, "sentence")};
}

}  // namespace vhdx

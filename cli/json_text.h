// JSON as the command prints it: whole documents, and arrays that are printed element by element.

#ifndef VHDXKIT_CLI_JSON_TEXT_H_
#define VHDXKIT_CLI_JSON_TEXT_H_

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "cli/text_output.h"

// Its members are compiled once, in json_text.cc.
extern template class nlohmann::basic_json<nlohmann::ordered_map>;

namespace vhdx::cli {

using Json = nlohmann::ordered_json;

/// On one line. Bytes of a string that are no UTF-8 become U+FFFD.
std::string ToLine(const Json& json);

/// Indented, with a line feed at the end.
std::string ToDocument(const Json& json);

/// The text, or null where there is none.
Json TextOrNull(std::string_view text);

template <typename T>
Json NumberOrNull(const std::optional<T>& number) {
  return number ? Json(*number) : Json(nullptr);
}

/// Prints a document of nested objects and arrays while it is being made, one element a line, so
/// that a document of any length needs no memory.
class JsonStream {
 public:
  explicit JsonStream(TextOutput& out) : out_(out) {}

  void BeginObject() { Begin('{'); }
  void EndObject() { End('}'); }
  void BeginArray() { Begin('['); }
  void EndArray() { End(']'); }
  /// The name of the member of an object that comes next.
  void Name(std::string_view name);
  void Value(const Json& value);
  void Member(std::string_view name, const Json& value);
  /// After the last End.
  void Finish() { out_.Write("\n"); }

 private:
  void Begin(char bracket);
  void End(char bracket);
  // What stands before an element: a comma, a line feed, the indentation.
  void Separate();

  TextOutput& out_;
  size_t depth_ = 0;
  bool first_ = true;  // nothing stands in the innermost object or array yet
  bool after_name_ = false;
};

}  // namespace vhdx::cli

#endif  // VHDXKIT_CLI_JSON_TEXT_H_

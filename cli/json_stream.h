// JSON that is printed while it is being made, element by element.

#ifndef VHDXKIT_CLI_JSON_STREAM_H_
#define VHDXKIT_CLI_JSON_STREAM_H_

#include <string_view>

#include "cli/text_output.h"
#include "json/json.h"

namespace vhdx::cli {

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

#endif  // VHDXKIT_CLI_JSON_STREAM_H_

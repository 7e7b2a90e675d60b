#include "cli/json_stream.h"

#include <string>

namespace vhdx::cli {

void JsonStream::Name(std::string_view name) {
  Separate();
  out_.Write(ToLine(name) + ": ");
  after_name_ = true;
}

void JsonStream::Value(const Json& value) {
  Separate();
  out_.Write(ToLine(value));
}

void JsonStream::Member(std::string_view name, const Json& value) {
  Name(name);
  Value(value);
}

void JsonStream::Begin(char bracket) {
  Separate();
  out_.Write(std::string(1, bracket));
  ++depth_;
  first_ = true;
}

void JsonStream::End(char bracket) {
  --depth_;
  if (!first_) out_.Write("\n" + std::string(depth_ * kJsonIndent, ' '));
  out_.Write(std::string(1, bracket));
  first_ = false;
}

void JsonStream::Separate() {
  if (after_name_) {
    after_name_ = false;
    return;
  }
  if (depth_ > 0) out_.Write((first_ ? "\n" : ",\n") + std::string(depth_ * kJsonIndent, ' '));
  first_ = false;
}

}  // namespace vhdx::cli

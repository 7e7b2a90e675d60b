// Labels with their values, one below the other, in two columns.

#ifndef VHDXKIT_CLI_FIELD_LIST_H_
#define VHDXKIT_CLI_FIELD_LIST_H_

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace vhdx::cli {

class FieldList {
 public:
  /// The value is made printable. Without a label it continues the field above.
  void Add(std::string_view label, std::string_view value);
  /// "  label   value" lines.
  std::string ToText() const;

 private:
  std::vector<std::pair<std::string, std::string>> fields_;
};

}  // namespace vhdx::cli

#endif  // VHDXKIT_CLI_FIELD_LIST_H_

#include "cli/field_list.h"

#include <algorithm>

#include "bytes/formatting.h"
#include "cli/printable.h"

namespace vhdx::cli {

void FieldList::Add(std::string_view label, std::string_view value) {
  fields_.emplace_back(label, Printable(value));
}

std::string FieldList::ToText() const {
  size_t width = 0;
  for (const auto& [label, value] : fields_) width = std::max(width, label.size());
  std::string text;
  for (const auto& [label, value] : fields_) {
    text += Format("  {:<{}}  {}\n", label, width, value);
  }
  return text;
}

}  // namespace vhdx::cli

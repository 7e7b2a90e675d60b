#include "disk/windows_path.h"

#include <algorithm>

namespace vhdx {
namespace {

char LowerCase(char letter) {
  return letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter - 'A' + 'a') : letter;
}

}  // namespace

std::vector<std::string> SplitPath(std::string_view path) {
  std::vector<std::string> names;
  while (!path.empty()) {
    const size_t end = std::min(path.find_first_of("\\/"), path.size());
    const std::string_view name = path.substr(0, end);
    if (!name.empty() && name != ".") names.emplace_back(name);
    path.remove_prefix(std::min(end + 1, path.size()));
  }
  return names;
}

std::vector<std::string> SplitAbsolutePath(std::string_view path) {
  std::vector<std::string> names = SplitPath(path);
  const auto drop_first_if = [&](auto&& is_root) {
    if (!names.empty() && is_root(names.front())) names.erase(names.begin());
  };
  drop_first_if([](const std::string& name) { return name == "?"; });
  drop_first_if([](const std::string& name) {
    return name.ends_with(':') || name == "UNC" || name.starts_with("Volume{");
  });
  return names;
}

bool SameNameIgnoringCase(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, {}, LowerCase, LowerCase);
}

bool IsImageName(std::string_view name) {
  const size_t dot = name.rfind('.');
  if (dot == std::string_view::npos) return false;
  const std::string_view extension = name.substr(dot);
  return SameNameIgnoringCase(extension, ".vhdx") || SameNameIgnoringCase(extension, ".avhdx");
}

}  // namespace vhdx

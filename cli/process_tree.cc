#include "cli/process_tree.h"

#include <charconv>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace vhdx::cli {
namespace {

std::optional<pid_t> ToPid(std::string_view text) {
  pid_t pid = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), pid);
  const bool is_number = failure == std::errc() && end == text.data() + text.size();
  return is_number ? std::optional(pid) : std::nullopt;
}

// "PID (NAME) STATE PARENT ...", where a name may have spaces and parentheses.
std::optional<pid_t> ParentIn(const std::string& status_line) {
  const size_t after_name = status_line.rfind(')');
  constexpr size_t kToParent = 4;  // ") S "
  if (after_name == std::string::npos || after_name + kToParent > status_line.size()) return {};
  const std::string_view rest = std::string_view(status_line).substr(after_name + kToParent);
  return ToPid(rest.substr(0, rest.find(' ')));
}

// Each process with its parent.
std::vector<std::pair<pid_t, pid_t>> AllProcesses() {
  std::vector<std::pair<pid_t, pid_t>> processes;
  std::error_code failure;
  for (std::filesystem::directory_iterator entry("/proc", failure), end; !failure && entry != end;
       entry.increment(failure)) {
    const auto pid = ToPid(entry->path().filename().string());
    if (!pid) continue;
    std::string line;
    std::getline(std::ifstream(entry->path() / "stat"), line);
    if (const auto parent = ParentIn(line)) processes.emplace_back(*pid, *parent);
  }
  return processes;
}

}  // namespace

std::vector<pid_t> ProcessTree(pid_t root) {
  const auto processes = AllProcesses();
  std::vector<pid_t> tree = {root};
  for (size_t i = 0; i < tree.size(); ++i) {
    for (const auto& [pid, parent] : processes) {
      if (parent == tree[i]) tree.push_back(pid);
    }
  }
  return tree;
}

}  // namespace vhdx::cli

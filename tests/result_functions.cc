#include "tests/result_functions.h"

#include <regex>
#include <sstream>

namespace vhdx::tests {
namespace {

// Whether the declaration that begins there ends with "= 0".
bool IsPureVirtual(const std::string& text, size_t start) {
  const size_t end = text.find_first_of(";{", start);
  return end != std::string::npos && text[end] == ';' && text.substr(end - 3, 3) == "= 0";
}

}  // namespace

// scripts/format sees to it that what is declared in the namespace is not indented, and members are
// by two columns.
std::set<std::string> ResultFunctions(const std::string& header_text) {
  static const std::regex kClass(R"(^class (?:VHDXKIT_EXPORT )?(\w+)( .*)?\{$)");
  static const std::regex kFunction(
      R"(^(?:  )?(?:\[\[[^\]]*\]\] )?(?:virtual |static )?Result<.*?> (\w+)\(.*)");
  std::set<std::string> functions;
  std::string of_class;
  bool is_private = false;
  size_t start = 0;
  std::istringstream lines(header_text);
  for (std::string line; std::getline(lines, line); start += line.size() + 1) {
    std::smatch match;
    if (std::regex_match(line, match, kClass)) {
      of_class = match[1].str() + "::";
      is_private = true;
    } else if (line == "};") {
      of_class.clear();
      is_private = false;
    } else if (line.starts_with(" p")) {
      is_private = line == " private:";
    } else if (!is_private && std::regex_match(line, match, kFunction) &&
               !IsPureVirtual(header_text, start)) {
      functions.insert(of_class + match[1].str());
    }
  }
  return functions;
}

}  // namespace vhdx::tests

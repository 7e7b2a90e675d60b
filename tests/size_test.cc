// No function of the library is longer than 40 lines, and no class than 400: its definition and its
// member functions, wherever they are. Read from the text: a body is what is between two braces.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <regex>
#include <string>
#include <vector>

namespace vhdx {
namespace {

namespace fs = std::filesystem;

constexpr size_t kLongestFunction = 40;
constexpr size_t kLongestClass = 400;

/// The source with blanks for what is not code.
std::string WithoutComments(const std::string& source) {
  static const std::regex not_code(
      R"re(//[^\n]*|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)'|#(?:[^\n\\]|\\[^]|\\\n)*)re");
  std::string code = std::regex_replace(source, std::regex("([0-9])'([0-9])"), "$1$2");
  for (std::sregex_iterator at(code.begin(), code.end(), not_code), end; at != end; ++at) {
    const auto first = code.begin() + at->position();
    std::replace_if(first, first + at->length(), [](char c) { return c != '\n'; }, ' ');
  }
  return code;
}

struct Body {
  std::string head;  // what is before the brace, since the last statement
  size_t line = 0;   // of its opening brace
  size_t lines = 0;  // from one brace to the other
  bool is_in_namespace = true;
};

bool OpensNamespace(const Body& body) {
  static const std::regex opening("\\bnamespace\\b[^(]*$");
  return std::regex_search(body.head, opening);
}

/// All bodies, each after those inside of it.
std::vector<Body> BodiesIn(const std::string& source) {
  std::vector<Body> bodies;
  std::vector<Body> open;
  std::string head;
  size_t line = 1;
  for (const char c : WithoutComments(source)) {
    if (c == '\n') ++line;
    if (c == '{') {
      const bool is_in_namespace = std::ranges::all_of(open, OpensNamespace);
      open.push_back({head, line, 0, is_in_namespace});
    } else if (c == '}' && !open.empty()) {
      open.back().lines = line - open.back().line;
      bodies.push_back(open.back());
      open.pop_back();
    }
    const bool ends_statement = c == '{' || c == '}' || c == ';';
    head = ends_statement ? "" : head + c;
  }
  EXPECT_TRUE(open.empty()) << "braces that do not match";
  return bodies;
}

/// The class that a body defines, or "".
std::string ClassDefinedBy(const Body& body) {
  static const std::regex definition(
      "(?:class|struct)(?:\\s+[A-Z_]{4,}(?:\\([^)]*\\))?)?\\s+([A-Za-z_:]+)(?:\\s+final)?"
      "(?:\\s*:[^:][^()]*)?\\s*$");
  std::smatch match;
  return std::regex_search(body.head, match, definition) ? match[1].str() : "";
}

/// The class of which a body is a member function, or "".
std::string ClassOfFunction(const Body& body) {
  static const std::regex member("([A-Za-z_]+(?:::[A-Za-z_]+)*)::~?[A-Za-z_]+\\s*\\(");
  std::smatch match;
  return std::regex_search(body.head, match, member) ? match[1].str() : "";
}

bool IsFunction(const Body& body) {
  static const std::regex initializer("=\\s*$");
  return ClassDefinedBy(body).empty() && !OpensNamespace(body) &&
         body.head.find('(') != std::string::npos && !std::regex_search(body.head, initializer);
}

class Sizes {
 public:
  void Add(const std::string& name, const std::string& source) {
    for (const Body& body : BodiesIn(source)) {
      if (IsFunction(body)) {
        ++functions_;
        if (body.lines > kLongestFunction) {
          long_functions_ += name + ":" + std::to_string(body.line) + ": " +
                             std::to_string(body.lines) + " lines\n";
        }
      }
      if (!body.is_in_namespace) continue;
      const std::string defined = ClassDefinedBy(body);
      const std::string of = defined.empty() ? ClassOfFunction(body) : defined;
      if (!of.empty()) classes_[of] += body.lines + 1;
    }
  }

  size_t functions() const { return functions_; }
  const std::string& long_functions() const { return long_functions_; }
  const std::map<std::string, size_t>& classes() const { return classes_; }
  std::string long_classes() const {
    std::string text;
    for (const auto& [name, lines] : classes_) {
      if (lines > kLongestClass) text += name + ": " + std::to_string(lines) + " lines\n";
    }
    return text;
  }

 private:
  size_t functions_ = 0;
  std::string long_functions_;
  std::map<std::string, size_t> classes_;
};

TEST(Size, LibraryHasNoLongFunctionAndNoLongClass) {
  Sizes sizes;
  for (const char* folder : {"include", "src", "json", "control", "confine", "tools"}) {
    for (const auto& entry :
         fs::recursive_directory_iterator(fs::path(VHDXKIT_SOURCE_DIR) / folder)) {
      const std::string name = entry.path().filename().string();
      const bool is_source = name.ends_with(".h") || name.ends_with(".cc");
      if (!is_source || name.ends_with("_test.cc")) continue;
      std::ifstream file(entry.path());
      sizes.Add(name, {std::istreambuf_iterator<char>(file), {}});
    }
  }
  EXPECT_GT(sizes.functions(), 900U);
  EXPECT_GT(sizes.classes().size(), 100U);
  EXPECT_GT(sizes.classes().at("LayerStack"), 300U);
  EXPECT_EQ(sizes.long_functions(), "");
  EXPECT_EQ(sizes.long_classes(), "");
}

std::string Lines(size_t count) {
  std::string lines;
  for (size_t i = 0; i < count; ++i) lines += "  Step('}', \"{\");  // {\n";
  return lines;
}

TEST(Size, LongFunctionIsFound) {
  Sizes sizes;
  sizes.Add("a.cc",
            "namespace vhdx {\nint Fits(int a,\n         int b) {\n" + Lines(39) + "}\n}\n");
  EXPECT_EQ(sizes.long_functions(), "");
  sizes.Add("b.cc", "namespace vhdx {\nint Long() try {\n" + Lines(40) + "} catch (...) {\n}\n}\n");
  EXPECT_EQ(sizes.long_functions(), "b.cc:2: 41 lines\n");
  sizes.Add("c.h", "class A {\n  void F() const {\n" + Lines(41) + "  }\n};\n");
  EXPECT_EQ(sizes.long_functions(), "b.cc:2: 41 lines\nc.h:2: 42 lines\n");
}

TEST(Size, LongClassIsFoundInAllItsFiles) {
  Sizes sizes;
  const std::string member = "() {\n" + Lines(36) + "}\n";
  sizes.Add("a.h", "namespace {\nclass EXPORTED Gate final : public Base<int> {\n" + Lines(90) +
                       "};\n}\n");
  for (int i = 0; i < 8; ++i) sizes.Add("a.cc", "Result<std::string> Gate::Run" + member);
  EXPECT_EQ(sizes.classes().at("Gate"), 92U + 8 * 38U);
  EXPECT_EQ(sizes.long_classes(), "");
  sizes.Add("b.cc", "Gate::~Gate" + member);
  EXPECT_EQ(sizes.long_classes(), "Gate: 434 lines\n");
}

}  // namespace
}  // namespace vhdx

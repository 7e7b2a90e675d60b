// libvhdxkit.so exports the API, all of it and nothing else: its symbols are compared with what the
// public headers mark with VHDXKIT_EXPORT, and with what they declare.

#include <gtest/gtest.h>
#include <vhdxkit/version.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "tests/command.h"

namespace vhdx {
namespace {

namespace fs = std::filesystem;

const std::string kSharedLibrary = VHDXKIT_SHARED_LIBRARY;
const std::string kStaticLibrary = VHDXKIT_STATIC_LIBRARY;

// The names that a header declares in the namespace vhdx.
struct Declared {
  std::set<std::string> functions;           // all of them
  std::set<std::string> exported_functions;  // those marked VHDXKIT_EXPORT
  std::set<std::string> classes;             // all of them, structs included
  std::set<std::string> exported_classes;
};

std::set<std::string> FirstGroups(const std::string& text, const char* pattern) {
  const std::regex regex(pattern, std::regex::ECMAScript | std::regex::multiline);
  std::set<std::string> found;
  for (std::sregex_iterator at(text.begin(), text.end(), regex), end; at != end; ++at) {
    found.insert((*at)[1]);
  }
  return found;
}

// scripts/format sees to it that only what is declared in the namespace itself is not indented.
Declared ReadHeader(std::string text) {
  text = std::regex_replace(text, std::regex("//[^\n]*"), "");
  return {
      .functions = FirstGroups(text, "^(?!using)[A-Za-z][^(\n]*[ *&](\\w+)\\("),
      .exported_functions = FirstGroups(text, "^VHDXKIT_EXPORT\n[^(\n]*[ *&](\\w+)\\("),
      .classes = FirstGroups(text, "^(?:class|struct) (?:VHDXKIT_EXPORT )?(\\w+) "),
      .exported_classes = FirstGroups(text, "^(?:class|struct) VHDXKIT_EXPORT (\\w+) "),
  };
}

Declared ReadPublicHeaders() {
  Declared all;
  for (const fs::directory_entry& entry :
       fs::directory_iterator(fs::path(VHDXKIT_SOURCE_DIR) / "include/vhdxkit")) {
    std::ifstream stream(entry.path());
    Declared one = ReadHeader({std::istreambuf_iterator<char>(stream), {}});
    all.functions.merge(one.functions);
    all.exported_functions.merge(one.exported_functions);
    all.classes.merge(one.classes);
    all.exported_classes.merge(one.exported_classes);
  }
  return all;
}

// The demangled names of the symbols of these types (letters of nm), in the order of the names.
std::set<std::string> Symbols(const std::string& option, const std::string& library,
                              const std::string& types) {
  const tests::CommandResult listed =
      tests::RunCommand({"nm", "--demangle", "--defined-only", option, library});
  EXPECT_EQ(listed.exit_status, 0) << listed.err;
  std::set<std::string> names;
  const std::regex line("[0-9a-f]+ (\\w) (.*)");
  std::istringstream lines(listed.out);
  for (std::string text; std::getline(lines, text);) {
    std::smatch match;
    if (std::regex_match(text, match, line) && types.find(match[1]) != std::string::npos) {
      names.insert(match[2]);
    }
  }
  return names;
}

std::set<std::string> Exports() { return Symbols("--dynamic", kSharedLibrary, "ABDGiRTuVvWw"); }

// "vhdx::Disk::Open(vhdx::FileSystem&, ...)" -> {"vhdx", "Disk", "Open"}.
std::vector<std::string> Parts(const std::string& symbol) {
  std::string name = symbol.substr(0, symbol.find('('));
  name = name.substr(0, name.find('['));  // [abi:cxx11]
  std::vector<std::string> parts;
  for (size_t colons = name.find("::"); colons != std::string::npos; colons = name.find("::")) {
    parts.push_back(name.substr(0, colons));
    name.erase(0, colons + 2);
  }
  parts.push_back(name);
  return parts;
}

// Whether the symbol is what the headers mark as exported, or comes with it.
bool IsMarked(const std::string& symbol, const Declared& headers) {
  for (const char* prefix : {"typeinfo for ", "typeinfo name for ", "vtable for "}) {
    if (!symbol.starts_with(prefix)) continue;
    const std::vector<std::string> parts = Parts(symbol.substr(std::string(prefix).size()));
    return parts.size() == 2 && parts[0] == "vhdx" && headers.exported_classes.contains(parts[1]);
  }
  const std::vector<std::string> parts = Parts(symbol);
  if (parts[0] != "vhdx") return false;
  if (parts.size() == 2) return headers.exported_functions.contains(parts[1]);
  return parts.size() == 3 && headers.exported_classes.contains(parts[1]);
}

// Whether the headers declare a function of that name.
bool IsDeclared(const std::string& symbol, const Declared& headers) {
  const std::vector<std::string> parts = Parts(symbol);
  if (parts[0] != "vhdx") return false;
  if (parts.size() == 2) return headers.functions.contains(parts[1]);
  return parts.size() == 3 && headers.classes.contains(parts[1]);
}

TEST(SharedLibrary, ExportsNothingThatTheHeadersDoNotMark) {
  const Declared headers = ReadPublicHeaders();
  EXPECT_GT(headers.exported_functions.size(), 20U);
  EXPECT_GT(headers.exported_classes.size(), 5U);
  const std::set<std::string> exports = Exports();
  EXPECT_GT(exports.size(), 80U);
  for (const std::string& symbol : exports) EXPECT_TRUE(IsMarked(symbol, headers)) << symbol;
}

TEST(SharedLibrary, ExportsEveryFunctionThatTheHeadersDeclare) {
  const Declared headers = ReadPublicHeaders();
  EXPECT_EQ(headers.functions, headers.exported_functions);
  const std::set<std::string> exports = Exports();
  size_t declared = 0;
  for (const std::string& symbol : Symbols("--extern-only", kStaticLibrary, "T")) {
    if (!IsDeclared(symbol, headers)) continue;
    ++declared;
    EXPECT_TRUE(exports.contains(symbol)) << symbol;
  }
  EXPECT_GT(declared, 60U);
}

// tests/package derives from them, and casts.
TEST(SharedLibrary, ExportsTheTypesOfItsInterfaces) {
  const std::set<std::string> exports = Exports();
  for (const char* name : {"BlockDevice", "Disk", "File", "FileSystem", "RawDevice"}) {
    EXPECT_TRUE(exports.contains(std::string("typeinfo for vhdx::") + name)) << name;
  }
}

TEST(SharedLibrary, PlantedSymbolsAreFound) {
  const Declared headers = ReadHeader(
      "namespace vhdx {\n"
      "VHDXKIT_EXPORT\nResult<std::vector<int>> Open(int number);\n"
      "VHDXKIT_EXPORT\nconst Format* Recognize(int,\n                        int);\n"
      "std::string Forgotten(int number);\n"
      "class VHDXKIT_EXPORT Disk final : public BlockDevice {\n  void Read(int offset);\n};\n"
      "struct Finding {\n  void Print();\n};\n");
  for (const char* marked : {"vhdx::Open(int)", "vhdx::Open[abi:cxx11](int)", "vhdx::Disk::Read()",
                             "vhdx::Recognize(int, int)", "vtable for vhdx::Disk"}) {
    EXPECT_TRUE(IsMarked(marked, headers)) << marked;
  }
  for (const char* other :
       {"vhdx::Forgotten(int)", "vhdx::Disk::Chain::Read()", "vhdx::log::Open()", "Open(int)",
        "vhdx::Finding::Print()", "vhdx::Image::Read()", "typeinfo for vhdx::Image",
        "fmt::v9::format_error::~format_error()", "std::vector<int>::push_back(int)"}) {
    EXPECT_FALSE(IsMarked(other, headers)) << other;
  }
  for (const char* declared : {"vhdx::Forgotten(int)", "vhdx::Finding::Print()"}) {
    EXPECT_TRUE(IsDeclared(declared, headers)) << declared;
  }
  EXPECT_FALSE(IsDeclared("vhdx::Image::Print()", headers));
}

TEST(SharedLibrary, IsNamedAfterTheVersionOfItsInterface) {
  const tests::CommandResult read = tests::RunCommand({"readelf", "--dynamic", kSharedLibrary});
  EXPECT_EQ(read.exit_status, 0) << read.err;
  const std::string name = "libvhdxkit.so." + std::to_string(VHDXKIT_ABI_VERSION);
  EXPECT_NE(read.out.find("soname: [" + name + "]"), std::string::npos) << read.out;
  EXPECT_TRUE(kSharedLibrary.ends_with(std::string("/libvhdxkit.so.") + VHDXKIT_VERSION))
      << kSharedLibrary;
}

}  // namespace
}  // namespace vhdx

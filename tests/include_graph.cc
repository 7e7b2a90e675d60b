#include "tests/include_graph.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <regex>
#include <set>
#include <utility>

#include "bytes/formatting.h"

namespace vhdx::tests {
namespace {

namespace fs = std::filesystem;

enum class Reach {
  kAllBelow,   ///< the folders named, and all that those may include
  kOnlyThese,  ///< the folders named, and nothing else
};

struct Layer {
  std::string_view name;
  Reach reach;
  std::vector<std::string_view> may_include;
};

// The picture of docs/design.md, lowest first. An adapter sees the installed API and nothing else,
// and the plugin the control socket; the command also calls ops directly, uses bytes, serves a disk
// to vhdx-free-space (media) and verifies what that says (guest).
const std::vector<Layer>& Layers() {
  static const std::vector<Layer> layers = {
      {"include", Reach::kAllBelow, {}},
      {"bytes", Reach::kAllBelow, {"include"}},
      {"format", Reach::kAllBelow, {"bytes"}},
      {"io", Reach::kAllBelow, {"bytes"}},
      {"log", Reach::kAllBelow, {"format", "io"}},
      {"image", Reach::kAllBelow, {"log"}},
      {"disk", Reach::kAllBelow, {"image"}},
      {"media", Reach::kAllBelow, {"io"}},
      {"guest", Reach::kAllBelow, {"bytes"}},
      {"builder", Reach::kAllBelow, {"image", "media"}},
      {"ops", Reach::kAllBelow, {"disk", "guest", "builder"}},
      {"testing", Reach::kAllBelow, {"ops"}},
      {"json", Reach::kOnlyThese, {"include"}},
      {"control", Reach::kOnlyThese, {"json", "io", "bytes", "include"}},
      {"cli", Reach::kOnlyThese, {"control", "json", "ops", "guest", "media", "bytes", "include"}},
      {"nbdkit", Reach::kOnlyThese, {"control", "include"}},
      {"confine", Reach::kOnlyThese, {"bytes", "include"}},
      {"tools", Reach::kOnlyThese, {"confine", "media", "guest", "io", "bytes", "include"}},
      {"fuse", Reach::kOnlyThese, {"include"}},
      {"capi", Reach::kOnlyThese, {"include"}},
      {"python", Reach::kOnlyThese, {"include"}},
      {"examples", Reach::kOnlyThese, {"include"}},
  };
  return layers;
}

enum class Where {
  kAnywhere,
  kSourcesOnly,  ///< no header shows it, but for those of cli and testing, which nobody installs
  kHeadersOnly,  ///< for who includes them; the folder's own sources build without the library
};

struct Library {
  std::string_view prefix;
  std::vector<std::string_view> folders;  ///< whose files may include it
  Where where = Where::kAnywhere;
};

const std::vector<Library>& Libraries() {
  static const std::vector<Library> libraries = {
      {"CLI/", {"cli"}},
      {"nlohmann/", {"json", "testing"}},
      {"fmt/", {"bytes"}},
      {"utf8", {"bytes"}, Where::kSourcesOnly},
      {"openssl/", {"cli", "testing"}, Where::kSourcesOnly},
      // Fixtures; make_sample, which quickstart builds, needs no GoogleTest.
      {"gtest/", {"testing"}, Where::kHeadersOnly},
      {"nbdkit-", {"nbdkit"}, Where::kSourcesOnly},
      {"seccomp.h", {"confine"}, Where::kSourcesOnly},
      {"ext2fs/", {"tools"}},
      {"ntfs-3g/", {"tools"}},
      {"gmock/", {}},
      {"rapidcheck", {}},
      {"isa-l", {}},
      {"benchmark/", {}},
  };
  return libraries;
}

bool Contains(const std::vector<std::string_view>& names, std::string_view name) {
  return std::ranges::find(names, name) != names.end();
}

const Layer* FindLayer(std::string_view name) {
  const auto layer = std::ranges::find(Layers(), name, &Layer::name);
  return layer == Layers().end() ? nullptr : &*layer;
}

bool MayInclude(const Layer& from, std::string_view to) {
  if (from.name == to || Contains(from.may_include, to)) return true;
  return from.reach == Reach::kAllBelow &&
         std::ranges::any_of(from.may_include, [&](std::string_view below) {
           return MayInclude(*FindLayer(below), to);
         });
}

// "src/format/bat.h" -> "format", "cli/main.cc" -> "cli", "README" -> "".
std::string FolderOf(std::string_view path) {
  if (path.starts_with("src/")) path.remove_prefix(4);
  const size_t slash = path.find('/');
  return std::string(slash == std::string_view::npos ? std::string_view() : path.substr(0, slash));
}

// What tests beside the code have in common.
bool IsFixture(std::string_view path) { return path.ends_with("_fixture.h"); }

// Tests, fuzzers and benchmarks may look at everything.
bool IsExempt(std::string_view path) {
  const std::string folder = FolderOf(path);
  return folder == "tests" || folder == "fuzz" || folder == "bench" || path.ends_with("_test.cc") ||
         IsFixture(path);
}

class Graph {
 public:
  explicit Graph(const std::vector<SourceFile>& files) {
    for (const SourceFile& file : files) includes_[file.path] = IncludesOf(file.text);
  }

  std::vector<std::string> BrokenRules() {
    for (const auto& [path, includes] : includes_) {
      for (const Include& include : includes) CheckInclude(path, include);
      FindCyclesFrom(path);
    }
    return std::move(broken_);
  }

 private:
  // The file of this tree that an include means, where it means one.
  std::optional<std::string> Resolve(const std::string& from, const Include& include) const {
    std::vector<std::string> places = {"include/" + include.name};
    if (include.in_quotes) {
      places.insert(places.begin(), (fs::path(from).parent_path() / include.name).string());
      places.push_back("src/" + include.name);
      places.push_back(include.name);
    }
    for (const std::string& place : places) {
      std::string path = fs::path(place).lexically_normal().string();
      if (includes_.contains(path)) return path;
    }
    return std::nullopt;
  }

  void CheckInclude(const std::string& path, const Include& include) {
    const std::optional<std::string> target = Resolve(path, include);
    if (!target && (include.in_quotes || include.name.starts_with("vhdxkit/"))) {
      Complain(path, include, "is not in this tree");
    }
    if (IsExempt(path)) return;
    if (target) {
      CheckEdge(path, include, *target);
    } else {
      CheckLibrary(path, include);
    }
  }

  void CheckEdge(const std::string& path, const Include& include, const std::string& target) {
    const std::string from = FolderOf(path);
    const std::string to = FolderOf(target);
    const Layer* layer = FindLayer(from);
    if (layer != nullptr && !MayInclude(*layer, to)) {
      Complain(path, include, from + " may not include " + to);
    }
    if (IsFixture(target)) Complain(path, include, "only tests include a fixture");
    if (to == "include" && include.in_quotes) {
      Complain(path, include, "a public header is included as <vhdxkit/...>, as users do");
    }
  }

  static bool IsAllowed(const Library& library, const std::string& path) {
    const std::string folder = FolderOf(path);
    if (!Contains(library.folders, folder)) return false;
    switch (library.where) {
      case Where::kAnywhere:
        return true;
      case Where::kSourcesOnly:
        return path.ends_with(".cc") || folder == "cli" || folder == "testing";
      case Where::kHeadersOnly:
        return path.ends_with(".h");
    }
    return false;
  }

  void CheckLibrary(const std::string& path, const Include& include) {
    for (const Library& library : Libraries()) {
      if (include.name.starts_with(library.prefix) && !IsAllowed(library, path)) {
        Complain(path, include, "this library has no place here");
      }
    }
    // <vector> is the standard library's; <sys/uio.h> and <fmt/core.h> are somebody else's.
    if (FolderOf(path) == "include" && include.name.find_first_of("./") != std::string::npos) {
      Complain(path, include, "public headers include only the standard library");
    }
  }

  // Depth first; a file that is met again on the way down closes a cycle.
  void FindCyclesFrom(const std::string& path) {
    if (done_.contains(path)) return;
    const auto seen = std::ranges::find(way_, path);
    if (seen != way_.end()) {
      std::string sentence = "cycle: ";
      for (auto step = seen; step != way_.end(); ++step) sentence += *step + " -> ";
      broken_.push_back(sentence + path);
      return;
    }
    way_.push_back(path);
    for (const Include& include : includes_.at(path)) {
      if (const std::optional<std::string> target = Resolve(path, include)) FindCyclesFrom(*target);
    }
    way_.pop_back();
    done_.insert(path);
  }

  void Complain(const std::string& path, const Include& include, const std::string& why) {
    broken_.push_back(path + ":" + std::to_string(include.line) + ": " + include.name + ": " + why);
  }

  std::map<std::string, std::vector<Include>> includes_;
  std::vector<std::string> broken_;
  std::vector<std::string> way_;
  std::set<std::string> done_;
};

}  // namespace

std::vector<SourceFile> ReadTree(const fs::path& root) {
  std::vector<SourceFile> files;
  for (const char* folder :
       {"include", "src", "testing", "json", "control", "cli", "nbdkit", "confine", "tools", "fuse",
        "capi", "python", "examples", "tests", "fuzz", "bench"}) {
    if (!fs::is_directory(root / folder)) continue;
    for (const fs::directory_entry& entry : fs::recursive_directory_iterator(root / folder)) {
      const fs::path& path = entry.path();
      if (!entry.is_regular_file() || (path.extension() != ".h" && path.extension() != ".cc")) {
        continue;
      }
      std::ifstream stream(path);
      files.push_back({path.lexically_relative(root).generic_string(),
                       std::string(std::istreambuf_iterator<char>(stream), {})});
    }
  }
  return files;
}

std::vector<Include> IncludesOf(std::string_view text) {
  static const std::regex pattern(R"(^\s*#\s*include\s*([<"])([^>"]+)[>"])");
  std::vector<Include> includes;
  int line_number = 0;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string line(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    ++line_number;
    std::smatch match;
    if (std::regex_search(line, match, pattern)) {
      includes.push_back({match[2].str(), match[1].str() == "\"", line_number});
    }
  }
  return includes;
}

std::vector<std::string> BrokenRules(const std::vector<SourceFile>& files) {
  return Graph(files).BrokenRules();
}

std::vector<std::string> FoldersWithoutALayer(const std::vector<SourceFile>& files) {
  std::set<std::string> unknown;
  for (const SourceFile& file : files) {
    const std::string folder = FolderOf(file.path);
    if (file.path.starts_with("src/") && FindLayer(folder) == nullptr) unknown.insert(folder);
  }
  return {unknown.begin(), unknown.end()};
}

}  // namespace vhdx::tests

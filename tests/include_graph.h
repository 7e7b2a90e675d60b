// The include graph of this tree, and the rules that it has to keep: no cycle among files, no edge
// between folders that the design does not draw, libraries only where they belong.
//
// The functions know nothing of a file system but ReadTree: what they judge is a list of paths and
// texts, so that the tests can plant an edge and see it found.

#ifndef VHDXKIT_TESTS_INCLUDE_GRAPH_H_
#define VHDXKIT_TESTS_INCLUDE_GRAPH_H_

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace vhdx::tests {

struct SourceFile {
  std::string path;  ///< from the root of the tree, e.g. "src/format/bat.h"
  std::string text;
};

struct Include {
  std::string name;  ///< what stands between the quotes or the angle brackets
  bool in_quotes;
  int line;  ///< counted from 1
};

/// All .h and .cc files of the folders that hold sources.
std::vector<SourceFile> ReadTree(const std::filesystem::path& root);

/// The #include lines of one file, in order.
std::vector<Include> IncludesOf(std::string_view text);

/// One sentence for each broken rule, with file and line; empty when all is well.
std::vector<std::string> BrokenRules(const std::vector<SourceFile>& files);

/// The folders under src/ that the picture has no place for.
std::vector<std::string> FoldersWithoutALayer(const std::vector<SourceFile>& files);

}  // namespace vhdx::tests

#endif  // VHDXKIT_TESTS_INCLUDE_GRAPH_H_

// The tree is the architecture: this test reads the code base itself.

#include "tests/include_graph.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace vhdx::tests {
namespace {

using Files = std::vector<SourceFile>;

// All broken rules in one text, so that a failure shows them.
std::string Broken(const Files& files) {
  std::string text;
  for (const std::string& sentence : BrokenRules(files)) text += sentence + "\n";
  return text;
}

TEST(IncludeGraph, ThisTreeKeepsTheRules) {
  const Files files = ReadTree(VHDXKIT_SOURCE_DIR);
  EXPECT_EQ(Broken(files), "");
  EXPECT_EQ(FoldersWithoutALayer(files), std::vector<std::string>());
}

TEST(IncludeGraph, ThisTreeWasRead) {
  const Files files = ReadTree(VHDXKIT_SOURCE_DIR);
  for (const char* path : {"include/vhdxkit/file.h", "tests/include_graph_test.cc"}) {
    EXPECT_NE(std::ranges::find(files, path, &SourceFile::path), files.end()) << path;
  }
}

TEST(IncludeGraph, PlantedEdgeIntoThisTreeIsFound) {
  Files files = ReadTree(VHDXKIT_SOURCE_DIR);
  files.push_back({"src/ops/planted.h", ""});
  files.push_back({"src/bytes/planted.cc", "#include \"ops/planted.h\"\n"});
  EXPECT_NE(Broken(files).find("src/bytes/planted.cc:1: ops/planted.h: bytes may not include ops"),
            std::string::npos);
}

TEST(IncludeGraph, LinesAreReadAsThePreprocessorReadsThem) {
  const std::vector<Include> includes = IncludesOf(
      "#include <a.h>\n"
      "// #include \"b.h\"\n"
      "  #  include   \"c/d.h\"  // why");
  ASSERT_EQ(includes.size(), 2U);
  EXPECT_EQ(includes[0].name, "a.h");
  EXPECT_FALSE(includes[0].in_quotes);
  EXPECT_EQ(includes[0].line, 1);
  EXPECT_EQ(includes[1].name, "c/d.h");
  EXPECT_TRUE(includes[1].in_quotes);
  EXPECT_EQ(includes[1].line, 3);
}

// One file that includes one header of another folder.
Files Edge(const std::string& from, const std::string& to) {
  const auto place = [](const std::string& folder) {
    const bool at_root = folder == "json" || folder == "control" || folder == "cli" ||
                         folder == "testing" || folder == "nbdkit" || folder == "confine" ||
                         folder == "tools" || folder == "fuse" || folder == "capi" ||
                         folder == "python" || folder == "examples" || folder == "tests";
    return at_root ? folder : "src/" + folder;
  };
  if (to == "include") {
    return {{"include/vhdxkit/b.h", ""}, {place(from) + "/a.cc", "#include <vhdxkit/b.h>\n"}};
  }
  return {{place(to) + "/b.h", ""}, {place(from) + "/a.cc", "#include \"" + to + "/b.h\"\n"}};
}

TEST(IncludeGraph, EveryPairOfFoldersIsAsTheDesignDrawsIt) {
  // The picture once more, written out in full: rows include columns.
  const std::vector<std::string> folders = {"include", "bytes",   "format", "io",      "log",
                                            "image",   "disk",    "media",  "guest",   "builder",
                                            "ops",     "testing", "json",   "control", "cli",
                                            "nbdkit",  "confine", "tools",  "examples"};
  const std::vector<std::pair<std::string, std::string>> rows = {
      // clang-format off
      {"bytes",    "xx-----------------"},
      {"format",   "xxx----------------"},
      {"io",       "xx-x---------------"},
      {"log",      "xxxxx--------------"},
      {"image",    "xxxxxx-------------"},
      {"disk",     "xxxxxxx------------"},
      {"media",    "xx-x---x-----------"},
      {"guest",    "xx------x----------"},
      {"builder",  "xxxxxx-x-x---------"},
      {"ops",      "xxxxxxxxxxx--------"},
      {"testing",  "xxxxxxxxxxxx-------"},
      {"json",     "x-----------x------"},
      {"control",  "xx-x--------xx-----"},
      {"cli",      "xx-----xx-x-xxx----"},
      {"nbdkit",   "x------------x-x---"},
      {"confine",  "xx--------------x--"},
      {"tools",    "xx-x---xx-------xx-"},
      {"examples", "x-----------------x"},
      // clang-format on
  };
  for (const auto& [from, allowed] : rows) {
    for (size_t i = 0; i < folders.size(); ++i) {
      EXPECT_EQ(Broken(Edge(from, folders[i])).empty(), allowed[i] == 'x')
          << from << " -> " << folders[i];
    }
  }
}

TEST(IncludeGraph, PublicHeaderThatIncludesALayerIsFound) {
  EXPECT_NE(Broken({{"src/bytes/b.h", ""}, {"include/vhdxkit/a.h", "#include \"bytes/b.h\"\n"}}),
            "");
}

TEST(IncludeGraph, ProductionThatIncludesTestsIsFound) {
  EXPECT_NE(Broken(Edge("ops", "tests")), "");
  EXPECT_NE(
      Broken({{"src/ops/a_fixture.h", ""}, {"src/ops/b.cc", "#include \"ops/a_fixture.h\"\n"}}),
      "");
}

TEST(IncludeGraph, TestsMayIncludeEverything) {
  EXPECT_EQ(Broken(Edge("tests", "testing")), "");
  EXPECT_EQ(Broken({{"testing/b.h", ""},
                    {"src/bytes/a_fixture.h", "#include \"testing/b.h\"\n"},
                    {"src/bytes/a_test.cc",
                     "#include <gtest/gtest.h>\n#include \"bytes/a_fixture.h\"\n"}}),
            "");
}

TEST(IncludeGraph, NeighbourIncludedWithoutItsFolderStillCounts) {
  EXPECT_NE(Broken({{"src/ops/b.h", ""}, {"src/bytes/a.cc", "#include \"../ops/b.h\"\n"}}), "");
}

TEST(IncludeGraph, CycleIsFound) {
  EXPECT_EQ(Broken({{"src/format/a.h", "#include \"format/b.h\"\n"},
                    {"src/format/b.h", "#include \"format/c.h\"\n"},
                    {"src/format/c.h", "#include \"format/a.h\"\n"}}),
            "cycle: src/format/a.h -> src/format/b.h -> src/format/c.h -> src/format/a.h\n");
}

TEST(IncludeGraph, CycleAmongPublicHeadersIsFound) {
  EXPECT_NE(Broken({{"include/vhdxkit/a.h", "#include <vhdxkit/b.h>\n"},
                    {"include/vhdxkit/b.h", "#include <vhdxkit/a.h>\n"}}),
            "");
}

TEST(IncludeGraph, FileThatIncludesItselfIsFound) {
  EXPECT_NE(Broken({{"src/format/a.h", "#include \"format/a.h\"\n"}}), "");
}

TEST(IncludeGraph, TwoWaysToOneFileAreNoCycle) {
  EXPECT_EQ(Broken({{"src/format/a.h", "#include \"format/b.h\"\n#include \"format/c.h\"\n"},
                    {"src/format/b.h", "#include \"format/d.h\"\n"},
                    {"src/format/c.h", "#include \"format/d.h\"\n"},
                    {"src/format/d.h", ""}}),
            "");
}

TEST(IncludeGraph, IncludeOfNoFileIsFound) {
  EXPECT_NE(Broken({{"src/format/a.h", "#include \"format/gone.h\"\n"}}), "");
  EXPECT_NE(Broken({{"src/format/a.h", "#include <vhdxkit/gone.h>\n"}}), "");
}

TEST(IncludeGraph, PublicHeaderInQuotesIsFound) {
  EXPECT_NE(Broken({{"include/vhdxkit/b.h", ""}, {"src/bytes/a.cc", "#include \"vhdxkit/b.h\"\n"}}),
            "");
}

TEST(IncludeGraph, FolderOutsideThePictureIsFound) {
  EXPECT_EQ(FoldersWithoutALayer({{"src/misc/a.h", ""}}), std::vector<std::string>{"misc"});
}

struct LibraryCase {
  const char* path;
  const char* include;
  bool allowed;
};

TEST(IncludeGraph, LibrariesStayWhereTheyBelong) {
  const std::vector<LibraryCase> cases = {
      {"cli/a.cc", "CLI/CLI.hpp", true},
      {"testing/a.cc", "CLI/CLI.hpp", false},
      {"json/a.h", "nlohmann/json.hpp", true},
      {"testing/a.h", "nlohmann/json.hpp", true},
      {"src/ops/a.cc", "nlohmann/json.hpp", false},
      {"src/bytes/a.h", "fmt/core.h", true},
      {"src/ops/a.cc", "fmt/core.h", false},
      {"cli/a.cc", "fmt/format.h", false},
      {"include/vhdxkit/a.h", "fmt/format.h", false},
      {"src/bytes/a.cc", "utf8.h", true},
      {"src/format/a.cc", "utf8.h", false},
      {"src/bytes/a.cc", "gtest/gtest.h", false},
      {"testing/a.h", "gtest/gtest.h", true},
      {"testing/a.cc", "gtest/gtest.h", false},
      {"testing/a.cc", "openssl/evp.h", true},
      {"cli/a.cc", "openssl/evp.h", true},
      {"src/ops/a.cc", "openssl/evp.h", false},
      {"nbdkit/a.cc", "nbdkit-plugin.h", true},
      {"cli/a.cc", "nbdkit-plugin.h", false},
      {"confine/a.cc", "seccomp.h", true},
      {"src/io/a.cc", "seccomp.h", false},
      {"tools/free_space/a.h", "ext2fs/ext2fs.h", true},
      {"src/guest/a.cc", "ext2fs/ext2fs.h", false},
      {"tools/free_space/a.cc", "ntfs-3g/volume.h", true},
      {"cli/a.cc", "ntfs-3g/volume.h", false},
      {"include/vhdxkit/a.h", "vector", true},
      {"include/vhdxkit/a.h", "sys/uio.h", false},
      {"src/io/a.cc", "sys/uio.h", true},
  };
  for (const LibraryCase& c : cases) {
    const Files files = {{c.path, std::string("#include <") + c.include + ">\n"}};
    EXPECT_EQ(Broken(files).empty(), c.allowed) << c.path << " includes " << c.include;
  }
}

}  // namespace
}  // namespace vhdx::tests

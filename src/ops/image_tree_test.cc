#include <gtest/gtest.h>
#include <vhdxkit/image_tree.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "testing/image_builder.h"
#include "testing/memory_file_system.h"
#include "testing/outcome.h"

namespace vhdx {
namespace {

using testing::ImageSpec;
using testing::MemoryFileSystem;

// A base with two children, one of which has a child.
struct Family {
  ImageSpec base = testing::DynamicImage();
  ImageSpec left = Child(base, ".\\base.vhdx", 11);
  ImageSpec right = Child(base, ".\\base.vhdx", 12);
  ImageSpec leaf = Child(left, ".\\left.avhdx", 13);

  static ImageSpec Child(const ImageSpec& parent, const std::string& path, uint64_t number) {
    ImageSpec child = testing::ChildOf(parent, path);
    child.data_write_guid = testing::TestGuid(number);
    return child;
  }

  void Build(MemoryFileSystem& files, const std::string& folder) const {
    ASSERT_TRUE(testing::BuildAt(base, files, folder + "/base.vhdx"));
    ASSERT_TRUE(testing::BuildAt(left, files, folder + "/left.avhdx"));
    ASSERT_TRUE(testing::BuildAt(right, files, folder + "/right.avhdx"));
    ASSERT_TRUE(testing::BuildAt(leaf, files, folder + "/leaf.avhdx"));
  }
};

const ImageNode& Find(const std::vector<ImageNode>& nodes, std::string_view name) {
  const auto node = std::ranges::find_if(
      nodes, [&](const ImageNode& other) { return other.path.ends_with("/" + std::string(name)); });
  EXPECT_NE(node, nodes.end()) << name;
  return *node;
}

std::string ParentOf(const std::vector<ImageNode>& nodes, std::string_view name) {
  const ImageNode& node = Find(nodes, name);
  return node.parent ? nodes[*node.parent].path : "none";
}

TEST(ImageTree, FolderGivesAllImagesAndTheirParents) {
  MemoryFileSystem files;
  Family().Build(files, "/vm");
  files.AddFile("/vm/readme.txt");
  const auto nodes = *FindImageTree(files, {"/vm"});
  ASSERT_EQ(nodes.size(), 4u);
  EXPECT_EQ(ParentOf(nodes, "base.vhdx"), "none");
  EXPECT_EQ(ParentOf(nodes, "left.avhdx"), "/vm/base.vhdx");
  EXPECT_EQ(ParentOf(nodes, "right.avhdx"), "/vm/base.vhdx");
  EXPECT_EQ(ParentOf(nodes, "leaf.avhdx"), "/vm/left.avhdx");
  EXPECT_EQ(Find(nodes, "base.vhdx").link, ImageNode::Link::kNone);
  EXPECT_EQ(Find(nodes, "leaf.avhdx").link, ImageNode::Link::kOk);
  EXPECT_EQ(Find(nodes, "leaf.avhdx").subformat, Subformat::kDifferencing);
}

TEST(ImageTree, FoldersThatAreNamed_MayHoldTheParents) {
  MemoryFileSystem files;
  const Family family;
  ASSERT_TRUE(testing::BuildAt(family.base, files, "/vm/base.vhdx"));
  files.AddFolder("/kid");
  const ImageSpec child = Family::Child(family.base, "..\\vm\\base.vhdx", 14);
  ASSERT_TRUE(testing::BuildAt(child, files, "/kid/child.avhdx"));
  EXPECT_EQ(ParentOf(*FindImageTree(files, {"/kid"}), "child.avhdx"), "none");
  for (const char* other : {"/vm", "/vm/base.vhdx"}) {
    EXPECT_EQ(ParentOf(*FindImageTree(files, {"/kid", other}), "child.avhdx"), "/vm/base.vhdx");
  }
}

TEST(ImageTree, FileBringsItsParentsOnly) {
  MemoryFileSystem files;
  Family().Build(files, "/vm");
  const auto nodes = *FindImageTree(files, {"/vm/leaf.avhdx"});
  ASSERT_EQ(nodes.size(), 3u);
  EXPECT_EQ(nodes[0].path, "/vm/leaf.avhdx");
  EXPECT_EQ(ParentOf(nodes, "left.avhdx"), "/vm/base.vhdx");
}

TEST(ImageTree, FileNamedTwiceIsOneImage) {
  MemoryFileSystem files;
  Family().Build(files, "/vm");
  files.AddLink("/link.vhdx", "/vm/base.vhdx");
  EXPECT_EQ(FindImageTree(files, {"/link.vhdx", "/vm/base.vhdx", "/vm"})->size(), 4u);
}

TEST(ImageTree, MissingParentMakesAnOrphan) {
  MemoryFileSystem files;
  Family().Build(files, "/vm");
  ASSERT_TRUE(files.Remove("/vm/left.avhdx"));
  const auto nodes = *FindImageTree(files, {"/vm"});
  const ImageNode& leaf = Find(nodes, "leaf.avhdx");
  EXPECT_EQ(leaf.link, ImageNode::Link::kMissing);
  EXPECT_EQ(leaf.missing_path, ".\\left.avhdx");
  EXPECT_EQ(leaf.parent_linkage, testing::TestGuid(11));
  EXPECT_FALSE(leaf.parent);
}

TEST(ImageTree, ChangedParentIsAMismatch) {
  MemoryFileSystem files;
  Family family;
  family.Build(files, "/vm");
  family.left.data_write_guid = testing::TestGuid(99);
  ASSERT_TRUE(files.Remove("/vm/left.avhdx"));
  ASSERT_TRUE(testing::BuildAt(family.left, files, "/vm/left.avhdx"));
  const auto nodes = *FindImageTree(files, {"/vm"});
  EXPECT_EQ(Find(nodes, "leaf.avhdx").link, ImageNode::Link::kMismatch);
  EXPECT_EQ(Find(nodes, "left.avhdx").link, ImageNode::Link::kOk);
}

TEST(ImageTree, BrokenImageIsANodeWithAnError) {
  MemoryFileSystem files;
  Family().Build(files, "/vm");
  files.AddFile("/vm/bad.VHDX");
  const auto nodes = *FindImageTree(files, {"/vm"});
  ASSERT_TRUE(Find(nodes, "bad.VHDX").error);
  EXPECT_EQ(Find(nodes, "bad.VHDX").error->rule, "file.signature");
  EXPECT_EQ(nodes.size(), 5u);
}

TEST(ImageTree, PathThatIsNotThereIsAnError) {
  MemoryFileSystem files;
  EXPECT_EQ(testing::OutcomeOf(FindImageTree(files, {"/gone"})), "not-found");
}

TEST(ImageTree, ParentElsewhereIsFoundWhereAllowed) {
  MemoryFileSystem files;
  const Family family;
  ASSERT_TRUE(testing::BuildAt(family.base, files, "/store/base.vhdx"));
  ASSERT_TRUE(testing::BuildAt(family.left, files, "/vm/left.avhdx"));
  EXPECT_EQ(Find(*FindImageTree(files, {"/vm"}), "left.avhdx").link, ImageNode::Link::kMissing);
  const auto nodes = *FindImageTree(files, {"/vm"}, {.folders = {"/store"}});
  EXPECT_EQ(ParentOf(nodes, "left.avhdx"), "/store/base.vhdx");
}

}  // namespace
}  // namespace vhdx

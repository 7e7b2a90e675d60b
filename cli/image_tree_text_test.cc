#include "cli/image_tree_text.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "bytes/arithmetic.h"

namespace vhdx::cli {
namespace {

ImageNode Base(const std::string& path) {
  return {.path = path, .virtual_size_bytes = kGiB, .file_size_bytes = kMiB};
}

ImageNode Child(const std::string& path, size_t parent) {
  ImageNode node = Base(path);
  node.subformat = Subformat::kDifferencing;
  node.link = ImageNode::Link::kOk;
  node.parent = parent;
  return node;
}

TEST(ImageTreeText, ChildrenStandBelowTheirParents) {
  const std::vector<ImageNode> nodes = {Child("leaf", 2), Base("base"), Child("left", 1),
                                        Child("right", 1), Base("other")};
  EXPECT_EQ(TreeToText(nodes, LineDrawing::kUnicode),
            "base  dynamic, 1 GiB, file of 1 MiB\n"
            "├─ left  differencing, 1 GiB, file of 1 MiB\n"
            "│  └─ leaf  differencing, 1 GiB, file of 1 MiB\n"
            "└─ right  differencing, 1 GiB, file of 1 MiB\n"
            "other  dynamic, 1 GiB, file of 1 MiB\n");
}

TEST(ImageTreeText, RingOfParentsEnds) {
  const std::string text = TreeToText({Child("a", 1), Child("b", 0)}, LineDrawing::kUnicode);
  EXPECT_EQ(text,
            "a  differencing, 1 GiB, file of 1 MiB; broken: its parents lead back to itself\n"
            "└─ b  differencing, 1 GiB, file of 1 MiB\n");
}

TEST(ImageTreeText, VeryLongChainsAreDrawn) {
  std::vector<ImageNode> nodes = {Base("base")};
  for (size_t i = 0; i < 20000; ++i) nodes.push_back(Child("child", i));
  EXPECT_LT(TreeToText(nodes, LineDrawing::kUnicode).size(), 50u * kMiB);
}

TEST(ImageTreeText, BrokenLinksSayWhatIsWrong) {
  ImageNode orphan = Base("orphan");
  orphan.subformat = Subformat::kDifferencing;
  orphan.link = ImageNode::Link::kMissing;
  orphan.missing_path = ".\\gone.vhdx";
  ImageNode bad;
  bad.path = "bad";
  bad.error = Error{.code = ErrorCode::kCorrupt, .sentence = "no signature"};
  EXPECT_EQ(TreeToText({orphan, bad}, LineDrawing::kUnicode),
            "orphan  differencing, 1 GiB, file of 1 MiB; orphan: its parent .\\gone.vhdx with "
            "DataWriteGuid 00000000-0000-0000-0000-000000000000 was not found\n"
            "bad  cannot be read: no signature\n");
}

TEST(ImageTreeText, JsonNamesParents) {
  const Json json = TreeToJson({Child("child", 1), Base("base")});
  EXPECT_EQ(json[0]["parent"], "base");
  EXPECT_EQ(json[0]["link"], "ok");
  EXPECT_EQ(json[1]["link"], "none");
  EXPECT_EQ(json[1]["virtual-size"], kGiB);
}

TEST(ImageTreeText, JsonOfABrokenImageHasItsError) {
  ImageNode bad;
  bad.path = "bad";
  bad.error = Error{.code = ErrorCode::kCorrupt, .rule = "header.none"};
  const Json json = TreeToJson({bad});
  EXPECT_EQ(json[0]["filename"], "bad");
  EXPECT_EQ(json[0]["error"]["rule"], "header.none");
}

}  // namespace
}  // namespace vhdx::cli

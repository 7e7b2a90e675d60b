#include "cli/image_tree_text.h"

#include <algorithm>

#include "bytes/formatting.h"
#include "cli/messages.h"
#include "cli/printable.h"
#include "cli/size_text.h"

namespace vhdx::cli {
namespace {

std::string_view LinkName(ImageNode::Link link) {
  switch (link) {
    case ImageNode::Link::kNone:
      return "none";
    case ImageNode::Link::kOk:
      return "ok";
    case ImageNode::Link::kMismatch:
      return "mismatch";
    case ImageNode::Link::kMissing:
      return "missing";
  }
  return "missing";
}

bool IsBroken(const ImageNode& node) {
  return node.link == ImageNode::Link::kMismatch || node.link == ImageNode::Link::kMissing;
}

Json NodeToJson(const ImageNode& node, const std::vector<ImageNode>& nodes) {
  Json json = {{"filename", node.path}};
  if (node.error) {
    json.update(ErrorToJson(*node.error));
    return json;
  }
  json["subformat"] = SubformatName(node.subformat);
  json["virtual-size"] = node.virtual_size_bytes;
  json["file-size"] = node.file_size_bytes;
  json["data-write-guid"] = node.data_write_guid.ToString();
  json["link"] = LinkName(node.link);
  if (node.link == ImageNode::Link::kNone) return json;
  json["parent-linkage"] = node.parent_linkage.ToString();
  json["parent"] = node.parent ? Json(nodes[*node.parent].path) : Json(nullptr);
  if (IsBroken(node)) json["missing-path"] = node.missing_path;
  return json;
}

std::string Describe(const ImageNode& node) {
  if (node.error) return "cannot be read: " + Printable(node.error->sentence);
  std::string text = Format("{}, {}, file of {}", SubformatName(node.subformat),
                            FormatSize(node.virtual_size_bytes), FormatSize(node.file_size_bytes));
  if (node.link == ImageNode::Link::kMissing) {
    text += Format("; orphan: its parent {} with DataWriteGuid {} was not found",
                   Printable(node.missing_path), node.parent_linkage.ToString());
  } else if (node.link == ImageNode::Link::kMismatch) {
    text += Format("; broken link: {} is there, but its DataWriteGuid is not {}",
                   Printable(node.missing_path), node.parent_linkage.ToString());
  }
  return text;
}

class TreeDrawer {
 public:
  explicit TreeDrawer(const std::vector<ImageNode>& nodes)
      : nodes_(nodes), children_(nodes.size()), drawn_(nodes.size()) {
    for (size_t i = 0; i < nodes.size(); ++i) {
      if (nodes[i].parent) children_[*nodes[i].parent].push_back(i);
    }
  }

  std::string Draw() {
    for (size_t i = 0; i < nodes_.size(); ++i) {
      if (!nodes_[i].parent) DrawFrom(i, "");
    }
    // What no root leads to hangs on a ring.
    for (size_t i = 0; i < nodes_.size(); ++i) {
      if (!drawn_[i]) DrawFrom(i, "; broken: its parents lead back to itself");
    }
    return std::move(text_);
  }

 private:
  // A line that is still to be drawn, and what stands before it and before its children.
  struct Line {
    size_t node;
    std::string branch;
    std::string indent;
  };

  // Deeper trees are drawn without further indentation: no chain of that length can be opened.
  static constexpr size_t kMaxIndentBytes = 1024;

  void DrawFrom(size_t root, std::string_view remark) {
    std::vector<Line> lines = {{.node = root, .branch = "", .indent = ""}};
    while (!lines.empty()) {
      const Line line = std::move(lines.back());
      lines.pop_back();
      if (drawn_[line.node]) continue;
      drawn_[line.node] = true;
      const ImageNode& node = nodes_[line.node];
      text_ += Format("{}{}  {}{}\n", line.branch, Printable(node.path), Describe(node),
                      line.node == root ? remark : "");
      PushChildren(line, lines);
    }
  }

  void PushChildren(const Line& line, std::vector<Line>& lines) const {
    const std::vector<size_t>& children = children_[line.node];
    // The last one is pushed first, and drawn last.
    for (auto child = children.rbegin(); child != children.rend(); ++child) {
      const bool last = child == children.rbegin();
      const bool deep = line.indent.size() > kMaxIndentBytes;
      lines.push_back({.node = *child,
                       .branch = line.indent + (last ? "└─ " : "├─ "),
                       .indent = line.indent + (deep   ? ""
                                                : last ? "   "
                                                       : "│  ")});
    }
  }

  const std::vector<ImageNode>& nodes_;
  std::vector<std::vector<size_t>> children_;
  std::vector<bool> drawn_;
  std::string text_;
};

}  // namespace

Json TreeToJson(const std::vector<ImageNode>& nodes) {
  Json json = Json::array();
  for (const ImageNode& node : nodes) json.push_back(NodeToJson(node, nodes));
  return json;
}

std::string TreeToText(const std::vector<ImageNode>& nodes) { return TreeDrawer(nodes).Draw(); }

}  // namespace vhdx::cli

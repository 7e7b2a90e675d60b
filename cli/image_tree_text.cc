#include "cli/image_tree_text.h"

#include <algorithm>
#include <cstdlib>
#include <map>

#include "bytes/formatting.h"
#include "cli/messages.h"
#include "cli/printable.h"
#include "cli/size_text.h"
#include "json/error_json.h"

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

// For each image the first other one with the same DataWriteGuid, or null. One is then a copy of
// the other, and a child of one could be opened on the other.
std::vector<const ImageNode*> FindTwins(const std::vector<ImageNode>& nodes) {
  std::map<std::string, std::vector<size_t>> by_identity;
  for (size_t i = 0; i < nodes.size(); ++i) {
    const bool has_identity = !nodes[i].error && !nodes[i].data_write_guid.IsZero();
    if (has_identity) by_identity[nodes[i].data_write_guid.ToString()].push_back(i);
  }
  std::vector<const ImageNode*> twins(nodes.size());
  for (const auto& [identity, indices] : by_identity) {
    if (indices.size() == 1) continue;
    for (const size_t i : indices) twins[i] = &nodes[i == indices[0] ? indices[1] : indices[0]];
  }
  return twins;
}

Json NodeToJson(const ImageNode& node, const ImageNode* twin, const std::vector<ImageNode>& nodes) {
  Json json = {{"filename", node.path}};
  if (node.error) {
    json.update(ErrorToJson(*node.error));
    return json;
  }
  json["subformat"] = SubformatName(node.subformat);
  json["virtual-size"] = node.virtual_size_bytes;
  json["file-size"] = node.file_size_bytes;
  json["data-write-guid"] = node.data_write_guid.ToString();
  if (twin != nullptr) json["same-identity-as"] = twin->path;
  json["link"] = LinkName(node.link);
  if (node.link == ImageNode::Link::kNone) return json;
  json["parent-linkage"] = node.parent_linkage.ToString();
  json["parent"] = node.parent ? Json(nodes[*node.parent].path) : Json(nullptr);
  if (IsBroken(node)) json["missing-path"] = node.missing_path;
  return json;
}

std::string Describe(const ImageNode& node, const ImageNode* twin) {
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
  if (twin != nullptr) {
    text += Format("; duplicate: has the same identity as {}", Printable(twin->path));
  }
  return text;
}

class TreeDrawer {
 public:
  TreeDrawer(const std::vector<ImageNode>& nodes, LineDrawing drawing)
      : nodes_(nodes),
        twins_(FindTwins(nodes)),
        lines_(drawing == LineDrawing::kUnicode ? kUnicode : kAscii),
        children_(nodes.size()),
        drawn_(nodes.size()) {
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
  struct Lines {
    std::string last;
    std::string branch;
    std::string trunk;
  };
  inline static const Lines kUnicode = {"└─ ", "├─ ", "│  "};
  inline static const Lines kAscii = {"`- ", "|- ", "|  "};

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
      text_ += Format("{}{}  {}{}\n", line.branch, Printable(node.path),
                      Describe(node, twins_[line.node]), line.node == root ? remark : "");
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
                       .branch = line.indent + (last ? lines_.last : lines_.branch),
                       .indent = line.indent + (deep   ? ""
                                                : last ? "   "
                                                       : lines_.trunk)});
    }
  }

  const std::vector<ImageNode>& nodes_;
  const std::vector<const ImageNode*> twins_;
  const Lines& lines_;
  std::vector<std::vector<size_t>> children_;
  std::vector<bool> drawn_;
  std::string text_;
};

}  // namespace

Json TreeToJson(const std::vector<ImageNode>& nodes) {
  Json json = Json::array();
  const auto twins = FindTwins(nodes);
  for (size_t i = 0; i < nodes.size(); ++i) json.push_back(NodeToJson(nodes[i], twins[i], nodes));
  return json;
}

LineDrawing LineDrawingOfTerminal() {
  for (const char* variable : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    const char* const value = std::getenv(variable);
    if (value == nullptr || *value == '\0') continue;
    const std::string_view name(value);
    const bool utf8 = name.find("UTF-8") != name.npos || name.find("utf8") != name.npos;
    return utf8 ? LineDrawing::kUnicode : LineDrawing::kAscii;
  }
  return LineDrawing::kAscii;
}

std::string TreeToText(const std::vector<ImageNode>& nodes, LineDrawing drawing) {
  return TreeDrawer(nodes, drawing).Draw();
}

}  // namespace vhdx::cli

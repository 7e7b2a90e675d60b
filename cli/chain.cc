// vhdx chain: who is whose parent.

#include <vhdxkit/image_tree.h>

#include <algorithm>
#include <iterator>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "bytes/formatting.h"
#include "bytes/try.h"
#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/disk_source.h"
#include "cli/file_list.h"
#include "cli/image_tree_text.h"
#include "cli/printable.h"

namespace vhdx::cli {
namespace {

struct ChainArguments {
  FileListArguments list;
  ReadOptions read;
};

// Images and directories to look into, and the files beside the images. What cannot be listed is
// reported and left out.
struct Places {
  std::vector<std::string> paths;
  std::vector<SideFile> side_files;
  bool complete = true;
};

void AddFolder(const Invocation& invocation, const std::string& folder, Places& places) {
  if (auto images = ImagesIn(invocation.files, folder); !images) {
    invocation.messages.Report(images.error());
    places.complete = false;
    return;
  }
  places.paths.push_back(folder);
  std::ranges::move(SideFilesIn(invocation.files, folder), std::back_inserter(places.side_files));
}

Places PlacesOf(const Invocation& invocation, const std::vector<std::string>& names,
                bool recursive) {
  Places places;
  for (const std::string& name : names) {
    const auto is_folder = invocation.files.IsFolder(name);
    if (!is_folder || !*is_folder) {
      places.paths.push_back(name);
    } else if (!recursive) {
      AddFolder(invocation, name, places);
    } else {
      for (const std::string& folder : FoldersBelow(invocation.files, name)) {
        AddFolder(invocation, folder, places);
      }
    }
  }
  return places;
}

void Print(const Invocation& invocation, const ChainArguments& arguments,
           const std::vector<std::string>& names, const std::vector<ImageNode>& nodes,
           const Places& places) {
  if (invocation.options.json) {
    Json json = TreeToJson(nodes);
    for (const SideFile& file : places.side_files) {
      json.push_back({{"filename", file.path}, {"side-file", file.kind}});
    }
    invocation.out.Write(ToDocument(json));
    return;
  }
  if (nodes.empty()) {
    invocation.messages.Note(Join(names, ", "), arguments.list.recursive
                                                    ? "no *.vhdx or *.avhdx in it or below it"
                                                    : "no *.vhdx or *.avhdx in it; -r searches the "
                                                      "directories below it too");
  }
  invocation.out.Write(TreeToText(nodes, LineDrawingOfTerminal()));
  const auto orphan = std::ranges::find(nodes, ImageNode::Link::kMissing, &ImageNode::link);
  if (orphan != nodes.end()) {
    invocation.messages.Note(orphan->path,
                             "where parents lie elsewhere, name their directory with --parent-dir");
  }
  if (places.side_files.empty()) return;
  invocation.out.Write("\nFiles that belong to them:\n");
  for (const SideFile& file : places.side_files) {
    invocation.out.Print("{}  {}\n", Printable(file.path), DescribeSideFile(file.kind));
  }
}

// Whether the parents of an image that was named are all there, down to one that has none.
bool ReachesBase(const std::vector<ImageNode>& nodes, const ImageNode& image) {
  const ImageNode* node = &image;
  // A ring of parents has no end.
  for (size_t i = 0; i < nodes.size() && node->parent; ++i) node = &nodes[*node->parent];
  return node->link == ImageNode::Link::kNone;
}

Result<ExitStatus> RunChain(const Invocation& invocation, const ChainArguments& arguments) {
  const auto names = VHDX_TRY(ReadNames(arguments.list, invocation.interrupted));
  const Places places = PlacesOf(invocation, names, arguments.list.recursive);
  auto nodes = VHDX_TRY(FindImageTree(invocation.files, places.paths, invocation.options.search,
                                      arguments.read.images()));
  Print(invocation, arguments, names, nodes, places);
  // Images that were named, and not only found in a folder.
  const std::set<std::string> named(names.begin(), names.end());
  const auto failed = std::ranges::find_if(
      nodes, [&](const ImageNode& node) { return node.error && named.contains(node.path); });
  if (failed != nodes.end()) {
    return std::unexpected(ExplainWrongFormat(invocation.files, *failed->error));
  }
  // The tree says what is wrong with those that were found.
  const bool all_read =
      std::ranges::none_of(nodes, [](const ImageNode& node) { return node.error.has_value(); });
  const bool all_complete = std::ranges::all_of(nodes, [&](const ImageNode& node) {
    return !named.contains(node.path) || ReachesBase(nodes, node);
  });
  return places.complete && all_read && all_complete ? ExitStatus::kDone : ExitStatus::kFailed;
}

}  // namespace

Command AddChain(CLI::App& root) {
  auto arguments = std::make_shared<ChainArguments>();
  CLI::App& app = AddCommand(
      root, "chain",
      "Draw the tree of images and their parents, with orphans, broken links and duplicates.");
  AddFileList(app, "PATH", arguments->list,
              "images, and directories with *.vhdx and *.avhdx files");
  AddForceShare(app, arguments->read);
  return {&app,
          [arguments](const Invocation& invocation) { return RunChain(invocation, *arguments); }};
}

}  // namespace vhdx::cli

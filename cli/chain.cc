// vhdx chain: who is whose parent.

#include <vhdxkit/image_tree.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "bytes/formatting.h"
#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/disk_source.h"
#include "cli/image_tree_text.h"

namespace vhdx::cli {
namespace {

struct ChainArguments {
  std::vector<std::string> paths;
  ReadOptions read;
};

Result<ExitStatus> RunChain(const Invocation& invocation, const ChainArguments& arguments) {
  auto nodes =
      FindImageTree(invocation.files, arguments.paths, invocation.open_options(arguments.read));
  if (!nodes) return std::unexpected(std::move(nodes.error()));
  if (invocation.options.json) {
    invocation.out.Write(ToDocument(TreeToJson(*nodes)));
  } else if (nodes->empty()) {
    invocation.messages.Note(Join(arguments.paths, ", "),
                             "no *.vhdx or *.avhdx in it; folders below were not searched");
  } else {
    invocation.out.Write(TreeToText(*nodes));
  }
  // Images that were named, and not only found in a folder.
  const bool all_read = std::ranges::none_of(*nodes, [&](const ImageNode& node) {
    return node.error && std::ranges::find(arguments.paths, node.path) != arguments.paths.end();
  });
  if (all_read) return ExitStatus::kDone;
  for (const ImageNode& node : *nodes) {
    const bool named = std::ranges::find(arguments.paths, node.path) != arguments.paths.end();
    if (node.error && named) {
      return std::unexpected(ExplainWrongFormat(invocation.files, *node.error));
    }
  }
  return ExitStatus::kFailed;
}

}  // namespace

Command AddChain(CLI::App& root) {
  auto arguments = std::make_shared<ChainArguments>();
  CLI::App& app = AddCommand(
      root, "chain", "Draws the tree of images and their parents, with orphans and broken links.");
  AddFiles(app, "PATH", arguments->paths, "images, and folders with *.vhdx and *.avhdx in them");
  AddForceShare(app, arguments->read);
  return {&app,
          [arguments](const Invocation& invocation) { return RunChain(invocation, *arguments); }};
}

}  // namespace vhdx::cli

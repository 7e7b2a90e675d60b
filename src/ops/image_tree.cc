#include <vhdxkit/image_tree.h>
#include <vhdxkit/inspect.h>

#include <map>
#include <utility>

#include "bytes/border.h"
#include "bytes/try.h"
#include "disk/windows_path.h"
#include "io/paths.h"

namespace vhdx {
namespace {

// What a person calls the parent: the first path that the locator has.
std::string NameOfParent(const ParentLocatorInfo& locator) {
  if (!locator.relative_path.empty()) return locator.relative_path;
  if (!locator.absolute_win32_path.empty()) return locator.absolute_win32_path;
  return locator.volume_path;
}

class TreeFinder {
 public:
  TreeFinder(FileSystem& files, const SearchOptions& search, const ImageOptions& images)
      : files_(files), options_{.search = search, .images = images} {}

  Result<void> AddPath(const std::string& path) {
    auto is_folder = VHDX_TRY(files_.IsFolder(path));
    // What the user names may hold the parents of what else he names.
    options_.search.folders.push_back(is_folder ? path : FolderOf(path));
    if (is_folder) return AddFolder(path);
    VHDX_TRY(AddImage(path));
    return {};
  }

  // Reads all that was added, and all that this leads to.
  std::vector<ImageNode> Finish() {
    for (size_t i = 0; i < nodes_.size(); ++i) Read(i);
    return std::move(nodes_);
  }

 private:
  Result<void> AddFolder(const std::string& folder) {
    auto names = VHDX_TRY(files_.List(folder, kMaxImagesInFolder));
    for (const std::string& name : names) {
      if (!IsImageName(name)) continue;
      const std::string path = JoinPath(folder, name);
      // A name can be gone by now, or belong to a folder.
      const auto is_folder = ThrowIfNoMemory(files_.IsFolder(path));
      if (is_folder && !*is_folder) static_cast<void>(AddImage(path));
    }
    return {};
  }

  // The node of a file, however many paths lead to it.
  Result<size_t> AddImage(const std::string& path) {
    auto real_path = VHDX_TRY(ThrowIfNoMemory(files_.RealPath(path)));
    const auto [entry, is_new] = index_of_.try_emplace(std::move(real_path), nodes_.size());
    if (is_new) nodes_.push_back(ImageNode{.path = path});
    return entry->second;
  }

  void Read(size_t index) {
    auto inspection = ThrowIfNoMemory(Inspect(files_, nodes_[index].path, options_));
    ImageNode& node = nodes_[index];
    if (!inspection) {
      node.error = std::move(inspection.error());
      return;
    }
    const ImageInfo& image = inspection->image;
    node.subformat = image.parameters.subformat();
    node.virtual_size_bytes = image.parameters.virtual_disk_size_bytes;
    node.file_size_bytes = image.file_size_bytes;
    node.data_write_guid = image.header().data_write_guid;
    if (image.parent_locator && inspection->parent) {
      node.parent_linkage = image.parent_locator->parent_linkage;
      LinkToParent(index, *image.parent_locator, *inspection->parent);
    }
  }

  void LinkToParent(size_t index, const ParentLocatorInfo& locator, const ParentState& parent) {
    if (parent.identity == ParentState::Identity::kOk) {
      // May move the nodes.
      if (const auto parent_index = AddImage(parent.resolved)) {
        nodes_[index].link = ImageNode::Link::kOk;
        nodes_[index].parent = *parent_index;
        return;
      }
    }
    ImageNode& node = nodes_[index];
    node.link = parent.identity == ParentState::Identity::kMismatch ? ImageNode::Link::kMismatch
                                                                    : ImageNode::Link::kMissing;
    node.missing_path = NameOfParent(locator);
  }

  FileSystem& files_;
  ChainOptions options_;
  std::vector<ImageNode> nodes_;
  std::map<std::string, size_t> index_of_;  // by real path
};

}  // namespace

Result<std::vector<ImageNode>> FindImageTree(FileSystem& files,
                                             const std::vector<std::string>& paths,
                                             const SearchOptions& search,
                                             const ImageOptions& images) try {
  TreeFinder finder(files, search, images);
  for (const std::string& path : paths) {
    VHDX_TRY(finder.AddPath(path));
  }
  return finder.Finish();
} catch (...) {
  return CaughtException();
}

}  // namespace vhdx

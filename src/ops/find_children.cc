#include <vhdxkit/image_tree.h>

#include <algorithm>
#include <set>
#include <utility>

#include "bytes/border.h"
#include "disk/open_image.h"
#include "disk/windows_path.h"
#include "image/image.h"
#include "io/paths.h"

namespace vhdx {
namespace {

// Who is looked for: an image, by what its children call it.
struct Parent {
  FileIdentity file;
  Guid data_write_guid;
};

// A child in use is a child too, so nothing is locked; and what is no image that can be read is
// nobody's child. Of one that we may not open nobody can tell, if its name says that it is one.
Result<bool> IsChildOf(FileSystem& files, const std::string& path, const Parent& parent) {
  auto file = files.Open(path, {});
  if (!file && file.error().code == ErrorCode::kPermission && IsImageName(path)) {
    file.error().sentence += "; so nobody can tell whether it is a child";
    return std::unexpected(std::move(file.error()));
  }
  if (!file || (*file)->identity() == parent.file) return false;
  Findings findings;
  const auto image = OpenImage(*std::move(file), {.lock = LockPolicy::kIgnore}, findings);
  if (!image || !(*image)->info().parent_locator) return false;
  const ParentLocatorInfo& locator = *(*image)->info().parent_locator;
  return locator.parent_linkage == parent.data_write_guid ||
         locator.parent_linkage2 == parent.data_write_guid;
}

Result<std::set<std::string>> FoldersToSearch(FileSystem& files, const File& parent,
                                              const OpenOptions& options) {
  std::set<std::string> folders;
  auto path = parent.RealPath();
  if (!path) return std::unexpected(std::move(path.error()));
  folders.insert(FolderOf(*path));
  for (const std::string& folder : options.parent_folders) {
    auto real = files.RealPath(folder);
    if (!real) return std::unexpected(std::move(real.error()));
    folders.insert(*std::move(real));
  }
  return folders;
}

}  // namespace

Result<std::vector<std::string>> FindChildren(FileSystem& files, const std::string& path,
                                              const OpenOptions& options) try {
  auto file = files.Open(path, {});
  if (!file) return std::unexpected(std::move(file.error()));
  auto header = ReadCurrentHeader(**file);
  if (!header) return std::unexpected(std::move(header.error()));
  auto folders = FoldersToSearch(files, **file, options);
  if (!folders) return std::unexpected(std::move(folders.error()));
  const Parent parent{(*file)->identity(), header->data_write_guid};
  std::vector<std::string> children;
  for (const std::string& folder : *folders) {
    auto names = files.List(folder, kMaxImagesInFolder);
    if (!names) return std::unexpected(std::move(names.error()));
    if (names->size() == kMaxImagesInFolder) {
      return Fail(ErrorCode::kUnsupported,
                  "a folder of so many files is not searched for the children of an image", folder);
    }
    for (const std::string& name : *names) {
      std::string candidate = JoinPath(folder, name);
      auto is_child = IsChildOf(files, candidate, parent);
      if (!is_child) return std::unexpected(std::move(is_child.error()));
      if (*is_child) children.push_back(std::move(candidate));
    }
  }
  return children;
} catch (...) {
  return CaughtException();
}

Result<void> RefuseIfParent(FileSystem& files, const std::string& path,
                            const OpenOptions& options) try {
  constexpr size_t kNamed = 3;
  auto children = FindChildren(files, path, options);
  // What is no VHDX has no children.
  if (!children && children.error().rule == "file.signature") return {};
  if (!children) {
    const ErrorCode code = children.error().code;
    if (code == ErrorCode::kPermission || code == ErrorCode::kUnsupported) {
      children.error().sentence += "; the option orphan-children goes on without looking";
    }
    return std::unexpected(std::move(children.error()));
  }
  if (children->empty()) return {};
  std::string names;
  for (size_t i = 0; i < std::min(children->size(), kNamed); ++i) {
    names += (i == 0 ? "" : ", ") + (*children)[i];
  }
  if (children->size() > kNamed) {
    names += " and " + std::to_string(children->size() - kNamed) + " more";
  }
  return Fail(ErrorCode::kBusy,
              "the image is the parent of " + names +
                  ", which could not be read any more after a change here; write to the child, or "
                  "give it up with the option orphan-children",
              path);
} catch (...) {
  return CaughtException();
}

}  // namespace vhdx

#include <vhdxkit/image_tree.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <set>
#include <utility>

#include "bytes/arithmetic.h"
#include "bytes/border.h"
#include "bytes/try.h"
#include "disk/open_image.h"
#include "disk/parent_search.h"
#include "disk/windows_path.h"
#include "image/image.h"
#include "io/paths.h"
#include "io/staged_file.h"

namespace vhdx {
namespace {

// Who is looked for: an image, by what its children call it.
struct Parent {
  FileIdentity file;
  Guid data_write_guid;
};

// The log of an unknown file is replayed only up to this length: replaying takes half a second per
// GiB, and a file of a few KiB can claim a log of 1 GiB.
constexpr uint64_t kReplayedLog = 64 * kMiB;

bool Names(const std::optional<ParentLocatorInfo>& locator, const Parent& parent) {
  return locator && (locator->parent_linkage == parent.data_write_guid ||
                     locator->parent_linkage2 == parent.data_write_guid);
}

// The locator of a file that was just opened, if it is an image that has one.
std::optional<ParentLocatorInfo> LocatorOf(std::unique_ptr<File> file, const Parent& parent) {
  const auto header = ThrowIfNoMemory(ReadCurrentHeader(*file));
  if (!header) return std::nullopt;
  // The log is left alone: most files in the folder have nothing to do with this one.
  auto locator = ThrowIfNoMemory(ReadLocatorInPlace(*file, *header));
  if (locator && Names(*locator, parent)) return *std::move(locator);
  const bool may_change = !header->log_guid.IsZero() && header->log_length_bytes <= kReplayedLog;
  if (!may_change || (locator && !*locator)) return std::nullopt;
  // A child with a log, which may hold a newer locator; or an image that only its log makes whole.
  Findings findings;
  const auto image =
      ThrowIfNoMemory(OpenImage(std::move(file), {.lock = LockPolicy::kIgnore}, findings));
  return image ? (*image)->info().parent_locator : std::nullopt;
}

// A copy of a parent has its identity. It is not the parent of a child whose locator leads to
// another file of that identity: there the child finds its parent whatever becomes of the copy.
bool HasParentElsewhere(FileSystem& files, const std::string& child,
                        const ParentLocatorInfo& locator, const Parent& parent,
                        const SearchOptions& search) {
  const auto file = ThrowIfNoMemory(files.Open(child, {}));
  if (!file) return false;
  auto parent_search = ThrowIfNoMemory(ParentSearch::Start(files, **file, search));
  if (!parent_search) return false;
  const auto found = parent_search->FindByPath(locator);
  return found != nullptr && found->identity() != parent.file;
}

// A child in use is a child too, so nothing is locked. A file that cannot be read as an image is
// not a child. One that we may not open could be, if its name is that of an image.
Result<bool> IsChildOf(FileSystem& files, const std::string& path, const Parent& parent,
                       const SearchOptions& search) {
  auto file = ThrowIfNoMemory(files.Open(path, {}));
  if (!file && file.error().code == ErrorCode::kPermission && IsImageName(path)) {
    file.error().sentence += "; it may be a child of the image";
    return std::unexpected(std::move(file.error()));
  }
  if (!file || (*file)->identity() == parent.file) return false;
  const auto locator = LocatorOf(*std::move(file), parent);
  return Names(locator, parent) && !HasParentElsewhere(files, path, *locator, parent, search);
}

Result<std::set<std::string>> FoldersToSearch(FileSystem& files, const File& parent,
                                              const SearchOptions& search) {
  std::set<std::string> folders;
  // The folder of a device is /dev, where no images are.
  if (!parent.capabilities().block_device) {
    auto path = VHDX_TRY(parent.RealPath());
    folders.insert(FolderOf(path));
  }
  for (const std::string& folder : search.folders) {
    auto real = VHDX_TRY(RealFolder(files, folder));
    folders.insert(std::move(real));
  }
  return folders;
}

}  // namespace

Result<std::vector<std::string>> FindChildren(FileSystem& files, const std::string& path,
                                              const SearchOptions& search) try {
  auto file = VHDX_TRY(files.Open(path, {}));
  auto header = VHDX_TRY(ReadCurrentHeader(*file));
  auto folders = VHDX_TRY(FoldersToSearch(files, *file, search));
  const Parent parent{file->identity(), header.data_write_guid};
  std::vector<std::string> children;
  for (const std::string& folder : folders) {
    auto names = VHDX_TRY(files.List(folder, kMaxImagesInFolder));
    if (names.size() == kMaxImagesInFolder) {
      return Fail(ErrorCode::kUnsupported,
                  "a directory of so many files is not searched for the children of an image",
                  folder);
    }
    for (const std::string& name : names) {
      // A child that never got its name, because whoever made it was killed, is nobody's.
      if (StagedFile::IsTemporaryName(name)) continue;
      std::string candidate = JoinPath(folder, name);
      auto is_child = VHDX_TRY(IsChildOf(files, candidate, parent, search));
      if (is_child) children.push_back(std::move(candidate));
    }
  }
  return children;
} catch (...) {
  return CaughtException();
}

Result<void> RefuseIfParent(FileSystem& files, const std::string& path,
                            const SearchOptions& search) try {
  constexpr size_t kNamed = 3;
  auto children = FindChildren(files, path, search);
  // What is no VHDX has no children.
  if (!children && children.error().rule == "file.signature") return {};
  if (!children) {
    const ErrorCode code = children.error().code;
    if (code == ErrorCode::kPermission || code == ErrorCode::kUnsupported) {
      children.error().found = "a file or directory that may hold children";
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
  auto refusal = Fail(ErrorCode::kBusy,
                      "the image is the parent of " + names + "; changing it would make " +
                          (children->size() == 1 ? "that child" : "them") + " unreadable",
                      path);
  refusal.error().found = std::move(names);
  return refusal;
} catch (...) {
  return CaughtException();
}

}  // namespace vhdx

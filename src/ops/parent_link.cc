#include "ops/parent_link.h"

#include <vhdxkit/check.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "builder/target_file.h"
#include "bytes/formatting.h"
#include "bytes/try.h"
#include "bytes/utf16.h"
#include "disk/open_image.h"
#include "format/parent_locator.h"
#include "format/rules.h"
#include "io/paths.h"

namespace vhdx {
namespace {

std::vector<std::string_view> NamesIn(std::string_view host_path) {
  std::vector<std::string_view> names;
  while (!host_path.empty()) {
    const size_t end = std::min(host_path.find('/'), host_path.size());
    if (end > 0) names.push_back(host_path.substr(0, end));
    host_path.remove_prefix(std::min(end + 1, host_path.size()));
  }
  return names;
}

Result<void> CheckParent(FileSystem& files, const std::string& path, const ChainOptions& options,
                         const OperationControl& control) {
  auto report = VHDX_TRY(Check(files, path, options, {.cancel = control.cancel}));
  if (report.verdict < CheckVerdict::kChainBroken) return {};
  const auto worst = std::ranges::min_element(
      report.findings, {}, [](const Finding& finding) { return finding.rule->severity; });
  return std::unexpected(
      Error{.code = ErrorCode::kCorrupt,
            .rule = std::string(worst->rule->id),
            .file = worst->file,
            .file_offset = worst->file_offset,
            .found = worst->found,
            .expected = worst->expected,
            .sentence = "the parent is broken, and so would its child be: " + worst->sentence});
}

std::unexpected<Error> ReplacedMeanwhile(const std::string& path) {
  return Fail(ErrorCode::kBusy, "the parent was replaced while it was being opened", path);
}

// Its own descriptor, because a Disk does not give away its files.
Result<std::unique_ptr<File>> HoldParent(FileSystem& files, const std::string& path,
                                         LockPolicy lock) {
  auto file = VHDX_TRY(files.Open(path, {}));
  if (lock == LockPolicy::kLock) {
    auto locked = file->Lock(LockMode::kShared);
    if (!locked && locked.error().code != ErrorCode::kUnsupported) {
      return std::unexpected(std::move(locked.error()));
    }
  }
  VHDX_TRY(file->Sync());
  return file;
}

Result<std::vector<format::MetadataItem>> ItemsForChildrenOf(FileSystem& files,
                                                             const ParentLink& parent,
                                                             const std::string& path) {
  auto file = VHDX_TRY(files.Open(path, {}));
  if (file->identity() != parent.file->identity()) return ReplacedMeanwhile(path);
  Findings findings;
  auto image = VHDX_TRY(OpenImage(std::move(file), {.lock = LockPolicy::kIgnore}, findings));
  return ItemsForChildren(*image);
}

}  // namespace

Result<void> RefuseLongerChain(size_t chain_length, const std::string& child_path) {
  const size_t longest = ChainOptions{}.max_chain_depth;
  if (chain_length < longest) return {};
  return std::unexpected(
      Error{.code = ErrorCode::kInvalidArgument,
            .rule = std::string(rules::kParentDepth.id),
            .file = child_path,
            .found = std::to_string(chain_length) + " images without the new one",
            .expected = "at most " + std::to_string(longest) + " images in a chain",
            .sentence = Format("its parent is at the top of a chain of {}, and no longer chain can "
                               "be opened; convert the parent to a disk of its own first [{}]",
                               Counted(chain_length, "image", "images"), rules::kParentDepth.id)});
}

Result<std::vector<LocatorEntryInfo>> LocatorOfChild(FileSystem& files, const File& parent,
                                                     const Guid& data_write_guid,
                                                     const std::string& child_path) {
  const auto folder = files.RealPath(FolderOf(child_path));
  if (!folder) return CannotCreateTarget(files, child_path, folder.error());
  auto path = VHDX_TRY(parent.RealPath());
  if (path.find('\\') != std::string::npos) {
    return Fail(ErrorCode::kInvalidArgument,
                "a name with a backslash cannot be written into a child; rename the parent", path);
  }
  if (!Utf16FromUtf8(path)) {
    return Fail(ErrorCode::kInvalidArgument,
                "the path of the parent is not valid UTF-8, and a child names it in UTF-16; rename "
                "the file or the directory",
                path);
  }
  // Interop: Hyper-V writes a path of Windows as the absolute one. There is none to know here; one
  // of this host finds the parent again on it, and is passed over by Windows for the relative one.
  return std::vector<LocatorEntryInfo>{
      {std::string(format::kParentLinkageKey), "{" + data_write_guid.ToString() + "}"},
      {std::string(format::kAbsoluteWin32PathKey), path},
      {std::string(format::kRelativePathKey), RelativeWindowsPath(*folder, path)}};
}

// What the specification does not know, and what belongs to the disk and not to one file of it.
Result<std::vector<format::MetadataItem>> ItemsForChildren(Image& parent) {
  std::vector<format::MetadataItem> items;
  for (const MetadataItemInfo& info : parent.info().metadata_items) {
    const bool known = !info.is_user && !format::MetadataItemName(info.item_id).empty();
    if (known || !info.is_virtual_disk) continue;
    auto data = VHDX_TRY(parent.ReadMetadataItem(info));
    items.push_back({.item_id = info.item_id,
                     .is_user = info.is_user,
                     .is_virtual_disk = true,
                     .is_required = info.is_required,
                     .data = std::move(data)});
  }
  return items;
}

std::string RelativeWindowsPath(const std::string& folder, const std::string& target) {
  const auto from = NamesIn(folder);
  const auto to = NamesIn(target);
  const auto [up, down] = std::ranges::mismatch(from, to);
  std::string path = up == from.end() ? "." : "..";
  for (auto name = up; name != from.end(); ++name) {
    if (name != up) path += "\\..";
  }
  for (auto name = down; name != to.end(); ++name) path.append("\\").append(*name);
  return path;
}

Result<ParentLink> OpenParentLink(FileSystem& files, const std::string& parent_path,
                                  const ChainOptions& options, const std::string& child_path,
                                  const OperationControl& control) {
  ParentLink parent;
  auto disk = VHDX_TRY(Disk::Open(files, parent_path, {.chain = options}));
  parent.disk = std::move(disk);
  VHDX_TRY(RefuseLongerChain(parent.disk->chain_length(), child_path));
  auto file = VHDX_TRY(HoldParent(files, parent_path, options.images.lock));
  parent.file = std::move(file);
  if (!parent.disk->Uses(parent.file->identity())) {
    return ReplacedMeanwhile(parent_path);
  }
  VHDX_TRY(CheckParent(files, parent_path, options, control));
  auto entries = VHDX_TRY(
      LocatorOfChild(files, *parent.file, parent.image().header().data_write_guid, child_path));
  parent.locator_entries = std::move(entries);
  auto items = VHDX_TRY(ItemsForChildrenOf(files, parent, parent_path));
  parent.inherited_items = std::move(items);
  return parent;
}

}  // namespace vhdx

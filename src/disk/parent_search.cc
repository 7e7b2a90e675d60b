#include "disk/parent_search.h"

#include <algorithm>
#include <utility>

#include "bytes/border.h"
#include "bytes/formatting.h"
#include "bytes/try.h"
#include "disk/windows_path.h"
#include "format/findings.h"
#include "format/rules.h"
#include "image/image.h"
#include "io/paths.h"

namespace vhdx {
namespace {

// Bounds on what a hostile locator can make us do.
constexpr size_t kMaxNamesInPath = 128;
constexpr size_t kMaxNamesInFolder = 4096;
constexpr size_t kMaxAttempts = 64;

bool IsParent(const HeaderInfo& header, const ParentLocatorInfo& locator) {
  return header.data_write_guid == locator.parent_linkage ||
         header.data_write_guid == locator.parent_linkage2;
}

}  // namespace

std::string WantedGuids(const ParentLocatorInfo& locator) {
  std::string text = locator.parent_linkage.ToString();
  if (locator.parent_linkage2) text += " or " + locator.parent_linkage2->ToString();
  return text;
}

Result<std::string> RealFolder(FileSystem& files, const std::string& path) {
  auto is_folder = files.IsFolder(path);
  if (is_folder && !*is_folder) {
    return Fail(ErrorCode::kInvalidArgument, "this is not a directory", path);
  }
  if (is_folder) return files.RealPath(path);
  if (is_folder.error().code == ErrorCode::kNotFound) {
    is_folder.error().sentence = "no such directory";
  }
  return std::unexpected(std::move(is_folder.error()));
}

bool AllowedFolders::Allow(std::string_view real_path) const {
  return anywhere || std::ranges::any_of(folders, [&](const std::string& folder) {
           if (folder == "/") return true;
           return real_path.starts_with(folder) && real_path.size() > folder.size() &&
                  real_path[folder.size()] == '/';
         });
}

Result<ParentSearch> ParentSearch::Start(FileSystem& files, File& child,
                                         const SearchOptions& options) {
  AllowedFolders allowed{.folders = {}, .anywhere = options.anywhere};
  auto child_path = VHDX_TRY(child.RealPath());
  allowed.folders.push_back(FolderOf(child_path));
  for (const std::string& folder : options.folders) {
    auto real = VHDX_TRY(RealFolder(files, folder));
    if (std::ranges::find(allowed.folders, real) == allowed.folders.end()) {
      allowed.folders.push_back(std::move(real));
    }
  }
  return ParentSearch(files, std::move(allowed), child);
}

ParentSearch::ParentSearch(FileSystem& files, AllowedFolders allowed, const File& child)
    : files_(&files),
      allowed_(std::move(allowed)),
      child_(child.identity()),
      child_is_device_(child.capabilities().block_device) {}

Result<std::unique_ptr<File>> ParentSearch::Find(const ParentLocatorInfo& locator) {
  if (auto file = FindByPath(locator)) return file;
  return FindByIdentity(locator);
}

std::unique_ptr<File> ParentSearch::FindByPath(const ParentLocatorInfo& locator) {
  const std::vector<std::string> relative = SplitPath(locator.relative_path);
  if (!relative.empty()) {
    // A path that starts with '/' was written by a program on a host like this one.
    const std::string start = locator.relative_path.starts_with('/') ? "/" : allowed_.folders[0];
    if (auto file = TryComponents(start, relative, locator)) return file;
  }
  const std::vector<std::string> volume = SplitAbsolutePath(locator.volume_path);
  if (auto file = FindBySuffix(volume, locator)) return file;
  const std::vector<std::string> absolute = SplitAbsolutePath(locator.absolute_win32_path);
  if (locator.absolute_win32_path.starts_with('/') && !absolute.empty()) {
    if (auto file = TryComponents("/", absolute, locator)) return file;
  }
  if (auto file = FindBySuffix(absolute, locator)) return file;

  std::vector<std::string> names;
  for (const auto* path : {&relative, &volume, &absolute}) {
    if (!path->empty() && std::ranges::find(names, path->back()) == names.end()) {
      names.push_back(path->back());
    }
  }
  return FindByName(names, locator);
}

std::unique_ptr<File> ParentSearch::FindBySuffix(const std::vector<std::string>& components,
                                                 const ParentLocatorInfo& locator) {
  if (components.size() > kMaxNamesInPath ||
      std::ranges::find(components, "..") != components.end()) {
    return nullptr;
  }
  for (size_t skip = 0; skip + 1 < components.size(); ++skip) {
    const std::vector<std::string> suffix(components.begin() + static_cast<ptrdiff_t>(skip),
                                          components.end());
    for (const std::string& folder : allowed_.folders) {
      if (auto file = TryComponents(folder, suffix, locator)) return file;
    }
  }
  return nullptr;
}

std::unique_ptr<File> ParentSearch::FindByName(const std::vector<std::string>& names,
                                               const ParentLocatorInfo& locator) {
  for (const std::string& name : names) {
    for (const std::string& folder : allowed_.folders) {
      if (auto file = TryComponents(folder, {name}, locator)) return file;
    }
  }
  return nullptr;
}

// All files of that identity are looked for: which of them is meant nobody can tell.
std::unique_ptr<File> ParentSearch::FindByIdentity(const ParentLocatorInfo& locator) {
  std::unique_ptr<File> found;
  for (const std::string& folder : allowed_.folders) {
    // The folder of a device is /dev, where no images are.
    if (child_is_device_ && folder == allowed_.folders[0]) continue;
    size_t images = 0;
    for (const std::string& name : NamesIn(folder)) {
      if (!IsImageName(name)) continue;
      auto real = ThrowIfNoMemory(files_->RealPath(JoinPath(folder, name)));
      if (!real || tried_.contains(*real) || !allowed_.Allow(*real)) continue;
      auto file = ThrowIfNoMemory(files_->Open(*real, {}));
      if (file && (*file)->identity() == child_) continue;
      ++images;
      if (!file) continue;
      auto header = ThrowIfNoMemory(ReadCurrentHeader(**file));
      if (!header || !IsParent(*header, locator)) continue;
      if (found == nullptr) {
        found = TryFile(*real, locator);
      } else if ((*file)->identity() != found->identity()) {
        duplicates_.push_back(*real);
      }
    }
    if (found == nullptr) {
      Note(folder, Format("{} in this directory, none with this identity",
                          Counted(images, "other image", "other images")));
    }
  }
  return found;
}

Result<std::unique_ptr<File>> ParentSearch::Open(const std::string& path,
                                                 const ParentLocatorInfo& locator) {
  auto file = VHDX_TRY(files_->Open(path, {}));
  if (file->identity() == child_) {
    return Fail(ErrorCode::kInvalidArgument, "an image cannot be its own parent", path);
  }
  auto header = VHDX_TRY(ReadCurrentHeader(*file));
  return Judge(std::move(file), header, locator);
}

std::unique_ptr<File> ParentSearch::TryComponents(const std::string& folder,
                                                  const std::vector<std::string>& components,
                                                  const ParentLocatorInfo& locator) {
  if (components.size() > kMaxNamesInPath) {
    Note(folder, "the path in the locator has too many names");
    return nullptr;
  }
  std::string path = folder;
  for (const std::string& name : components) {
    auto next = ResolveName(path, name);
    if (!next) {
      std::string wanted = folder;
      for (const std::string& component : components) wanted = JoinPath(wanted, component);
      Note(wanted, std::string(ParentAttempt::kNotThere));
      return nullptr;
    }
    path = *std::move(next);
  }
  return TryFile(path, locator);
}

// The real path of an entry of a folder: by its exact name, else, where we may look around,
// ignoring case.
std::optional<std::string> ParentSearch::ResolveName(const std::string& folder,
                                                     const std::string& name) {
  if (auto exact = ThrowIfNoMemory(files_->RealPath(JoinPath(folder, name)))) return *exact;
  const bool may_list = allowed_.Allow(JoinPath(folder, name));
  if (!may_list || name == "..") return std::nullopt;
  const auto& names = NamesIn(folder);
  const auto same = std::ranges::find_if(
      names, [&](const std::string& other) { return SameNameIgnoringCase(name, other); });
  if (same == names.end()) return std::nullopt;
  auto real = ThrowIfNoMemory(files_->RealPath(JoinPath(folder, *same)));
  return real ? std::optional(*std::move(real)) : std::nullopt;
}

const std::vector<std::string>& ParentSearch::NamesIn(const std::string& folder) {
  const auto [entry, is_new] = names_.try_emplace(folder);
  if (is_new) {
    auto names = ThrowIfNoMemory(files_->List(folder, kMaxNamesInFolder));
    if (names) entry->second = *std::move(names);
    std::ranges::sort(entry->second);  // the same file is found on every host
  }
  return entry->second;
}

std::unique_ptr<File> ParentSearch::TryFile(const std::string& real_path,
                                            const ParentLocatorInfo& locator) {
  if (!tried_.insert(real_path).second) return nullptr;
  const auto refuse_place = [&](const std::string& path) {
    if (outside_.empty()) outside_ = path;
    Note(path, "outside the directories where parents may be");
  };
  if (!allowed_.Allow(real_path)) {
    refuse_place(real_path);
    return nullptr;
  }
  auto file = ThrowIfNoMemory(files_->Open(real_path, {}));
  if (!file) {
    NoteUnreadable(real_path, std::move(file.error()));
    return nullptr;
  }
  // What was opened may be another file than what was looked at a moment ago.
  const auto opened_path = ThrowIfNoMemory((*file)->RealPath());
  if (!opened_path || !allowed_.Allow(*opened_path)) {
    refuse_place(opened_path ? *opened_path : real_path);
    return nullptr;
  }
  auto header = ThrowIfNoMemory(ReadCurrentHeader(**file));
  if (!header) {
    NoteUnreadable(real_path, std::move(header.error()));
    return nullptr;
  }
  // A locator that names the child itself says nothing, unless it means it: that is a loop.
  if ((*file)->identity() == child_ && !IsParent(*header, locator)) return nullptr;
  return Judge(*std::move(file), *header, locator);
}

std::unique_ptr<File> ParentSearch::Judge(std::unique_ptr<File> file, const HeaderInfo& header,
                                          const ParentLocatorInfo& locator) {
  const std::string path = file->name();
  if (IsParent(header, locator)) {
    Note(path, "");
    return file;
  }
  Note(path, "its DataWriteGuid is " + header.data_write_guid.ToString());
  if (mismatch_ == nullptr) {
    mismatch_ = std::move(file);
    mismatch_guid_ = header.data_write_guid;
  }
  return nullptr;
}

void ParentSearch::NoteUnreadable(const std::string& path, Error error) {
  Note(path, error.sentence);
  if (unreadable_) return;
  error.file = path;
  unreadable_ = std::move(error);
}

void ParentSearch::Note(std::string path, std::string outcome) {
  // Several paths of a locator often mean the same place.
  const bool known = std::ranges::find(attempts_, path, &ParentAttempt::path) != attempts_.end();
  if (known || attempts_.size() >= kMaxAttempts) return;
  attempts_.push_back({std::move(path), std::move(outcome)});
}

Error ParentNotFound(const std::string& child, const ParentLocatorInfo& locator,
                     const ParentSearch& search) {
  const File* const mismatch = search.mismatch();
  const Rule& rule = mismatch != nullptr ? rules::kParentLinkage : rules::kParentMissing;
  const std::string name = !locator.relative_path.empty()         ? locator.relative_path
                           : !locator.absolute_win32_path.empty() ? locator.absolute_win32_path
                                                                  : locator.volume_path;
  Error error{.code = mismatch != nullptr ? ErrorCode::kCorrupt : ErrorCode::kNotFound,
              .rule = std::string(rule.id),
              .file = child,
              .file_offset = {},
              .found = "no such file",
              .expected = WantedGuids(locator)};
  const std::string parent = "the parent \"" + name + "\"";
  if (mismatch != nullptr) {
    error.found = search.mismatch_guid().ToString();
    error.sentence = Format(
        "{} is not the parent that this image was made on, or was changed: its DataWriteGuid is "
        "{}, not {}; name another file with --parent, or use --ignore-parent-id to read it anyway",
        mismatch->name(), error.found, error.expected);
  } else if (search.unreadable()) {
    error.code = search.unreadable()->code;
    error.sys_errno = search.unreadable()->sys_errno;
    error.found = search.unreadable()->file;
    error.sentence = Format("{} cannot be read: {}", parent, ToString(*search.unreadable()));
  } else if (!search.outside().empty()) {
    error.found = search.outside();
    error.sentence = Format(
        "{} is {}, outside the directories where parents may be; allow it with --parent-dir {}",
        parent, search.outside(), QuoteForShell(FolderOf(search.outside())));
  } else {
    error.sentence = Format(
        "{} was not found in {}{}; name its directory with --parent-dir, or the file with --parent",
        parent, search.folders().front(),
        search.folders().size() > 1 ? " or the other directories" : "");
  }
  error.sentence += " [" + std::string(rule.id) + "]";
  return error;
}

}  // namespace vhdx

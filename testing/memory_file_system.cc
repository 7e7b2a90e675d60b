#include "testing/memory_file_system.h"

#include <algorithm>
#include <cerrno>
#include <set>
#include <utility>

namespace vhdx::testing {
namespace {

constexpr int kMaxLinks = 40;  // as Linux has it

std::unexpected<Error> NothingThere(const std::string& path) {
  return std::unexpected(Error{.code = ErrorCode::kNotFound,
                               .sys_errno = ENOENT,
                               .file = path,
                               .file_offset = {},
                               .sentence = "there is no such file"});
}

std::string Joined(const std::string& folder, std::string_view part) {
  std::string path = folder == "/" ? "" : folder;
  path += '/';
  path += part;
  return path;
}

std::string ParentOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == 0 || slash == std::string::npos ? "/" : path.substr(0, slash);
}

std::string PrefixOf(const std::string& folder) { return folder == "/" ? folder : folder + '/'; }

}  // namespace

// -- Paths --

Result<std::string> MemoryFileSystem::Step(const std::string& folder, std::string_view part,
                                           LastLink last, int links) {
  if (part.empty() || part == ".") return folder;
  if (part == "..") return ParentOf(folder);
  std::string path = Joined(folder, part);
  const auto found = nodes_.find(path);
  if (found == nodes_.end() || last == LastLink::kKeep) return path;
  const Link* link = std::get_if<Link>(&found->second);
  if (link == nullptr) return path;
  if (links == kMaxLinks) {
    return std::unexpected(Error{.code = ErrorCode::kIo,
                                 .sys_errno = ELOOP,
                                 .file = path,
                                 .file_offset = {},
                                 .sentence = "too many links lead to each other"});
  }
  return Walk(link->target.starts_with('/') ? "/" : folder, link->target, last, links + 1);
}

Result<std::string> MemoryFileSystem::Walk(std::string at, std::string_view path, LastLink last,
                                           int links) {
  while (!path.empty()) {
    const size_t slash = std::min(path.find('/'), path.size());
    const std::string_view part = path.substr(0, slash);
    path.remove_prefix(std::min(slash + 1, path.size()));
    const bool is_last = path.find_first_not_of('/') == std::string_view::npos;
    Result<std::string> next = Step(at, part, is_last ? last : LastLink::kFollow, links);
    if (!next) return next;
    at = std::move(*next);
  }
  return at;
}

Result<std::string> MemoryFileSystem::Resolve(const std::string& path, LastLink last) {
  return Walk("/", path, last, 0);
}

Result<std::string> MemoryFileSystem::Find(const std::string& path, LastLink last) {
  Result<std::string> resolved = Resolve(path, last);
  if (!resolved || nodes_.contains(*resolved) || IsFolderAt(*resolved)) return resolved;
  return NothingThere(path);
}

bool MemoryFileSystem::IsFolderAt(const std::string& resolved) const {
  if (resolved == "/") return true;
  const auto found = nodes_.find(resolved);
  if (found != nodes_.end()) return std::holds_alternative<Folder>(found->second);
  const auto inside = nodes_.lower_bound(resolved + '/');
  return inside != nodes_.end() && inside->first.starts_with(resolved + '/');
}

// -- What a test arranges --

void MemoryFileSystem::Put(const std::string& path, Node node) {
  const MutexLock lock(mutex_);
  const Result<std::string> resolved = Resolve(path, LastLink::kKeep);
  if (!resolved) return;
  if (auto* contents = std::get_if<std::shared_ptr<MemoryContents>>(&node)) {
    (*contents)->set_path(*resolved);
  }
  nodes_.insert_or_assign(*resolved, std::move(node));
}

std::shared_ptr<MemoryContents> MemoryFileSystem::AddFile(const std::string& path, ByteSpan bytes) {
  auto contents = std::make_shared<MemoryContents>(bytes);
  AddFile(path, contents);
  return contents;
}

void MemoryFileSystem::AddFile(const std::string& path, std::shared_ptr<MemoryContents> contents) {
  Put(path, std::move(contents));
}

void MemoryFileSystem::AddFolder(const std::string& path) { Put(path, Folder{}); }

void MemoryFileSystem::AddLink(const std::string& path, const std::string& target) {
  Put(path, Link{target});
}

void MemoryFileSystem::FailAt(const std::string& path, ErrorCode code) {
  const MutexLock lock(mutex_);
  if (const Result<std::string> resolved = Resolve(path, LastLink::kFollow)) {
    failures_.insert_or_assign(*resolved, code);
  }
}

void MemoryFileSystem::SetCapabilities(FileCapabilities capabilities) {
  const MutexLock lock(mutex_);
  capabilities_ = capabilities;
}

std::shared_ptr<MemoryContents> MemoryFileSystem::Contents(const std::string& path) {
  const MutexLock lock(mutex_);
  const Result<std::string> found = Find(path, LastLink::kFollow);
  if (!found || !nodes_.contains(*found)) return nullptr;
  const auto* contents = std::get_if<std::shared_ptr<MemoryContents>>(&nodes_.at(*found));
  return contents == nullptr ? nullptr : *contents;
}

// -- FileSystem --

Result<std::shared_ptr<MemoryContents>> MemoryFileSystem::OpenContents(const std::string& path,
                                                                       FileCreation creation) {
  const bool creating = creation == FileCreation::kNew;
  Result<std::string> resolved =
      creating ? Resolve(path, LastLink::kKeep) : Find(path, LastLink::kFollow);
  if (!resolved) return std::unexpected(resolved.error());
  if (const auto failure = failures_.find(*resolved); failure != failures_.end()) {
    return Fail(failure->second, "the test wants this file not to open", path);
  }
  if (creating) {
    if (nodes_.contains(*resolved) || IsFolderAt(*resolved)) {
      return Fail(ErrorCode::kExists, "there is a file of this name already", path);
    }
    auto contents = std::make_shared<MemoryContents>();
    contents->set_path(*resolved);
    return contents;
  }
  if (IsFolderAt(*resolved)) {
    return Fail(ErrorCode::kUnsupported, "this is a folder, not a file", path);
  }
  return std::get<std::shared_ptr<MemoryContents>>(nodes_.at(*resolved));
}

Result<std::unique_ptr<File>> MemoryFileSystem::Open(const std::string& path,
                                                     const OpenFileOptions& options) {
  const MutexLock lock(mutex_);
  Result<std::shared_ptr<MemoryContents>> contents = OpenContents(path, options.creation);
  if (!contents) return std::unexpected(contents.error());
  MemoryFileOptions opened = {
      .name = options.known_as.empty() ? path : std::string(options.known_as),
      .capabilities = capabilities_};
  opened.capabilities.writable = options.access == FileAccess::kReadWrite;
  if (!opened.capabilities.writable) opened.capabilities.punch_hole = false;
  auto file = std::make_unique<MemoryFile>(*contents, std::move(opened));
  // Last: a file that could not be opened is not there.
  if (options.creation == FileCreation::kNew) nodes_.emplace((*contents)->path(), *contents);
  return file;
}

Result<std::string> MemoryFileSystem::RealPath(const std::string& path) {
  const MutexLock lock(mutex_);
  return Find(path, LastLink::kFollow);
}

Result<std::vector<std::string>> MemoryFileSystem::List(const std::string& folder, size_t limit) {
  const MutexLock lock(mutex_);
  const Result<std::string> resolved = Find(folder, LastLink::kFollow);
  if (!resolved) return std::unexpected(resolved.error());
  if (const auto failure = failures_.find(*resolved); failure != failures_.end()) {
    return Fail(failure->second, "the test wants this folder not to be read", folder);
  }
  if (!IsFolderAt(*resolved)) return Fail(ErrorCode::kNotFound, "this is no folder", folder);
  const std::string prefix = PrefixOf(*resolved);
  std::set<std::string> names;
  for (auto it = nodes_.lower_bound(prefix); it != nodes_.end() && it->first.starts_with(prefix);
       ++it) {
    const std::string rest = it->first.substr(prefix.size());
    names.insert(rest.substr(0, rest.find('/')));
  }
  std::vector<std::string> listed(names.begin(), names.end());
  if (listed.size() > limit) listed.resize(limit);
  return listed;
}

Result<bool> MemoryFileSystem::IsFolder(const std::string& path) {
  const MutexLock lock(mutex_);
  const Result<std::string> resolved = Find(path, LastLink::kFollow);
  if (!resolved) return std::unexpected(resolved.error());
  return IsFolderAt(*resolved);
}

Result<void> MemoryFileSystem::Rename(const std::string& from, const std::string& to,
                                      RenameMode mode) {
  const MutexLock lock(mutex_);
  const Result<std::string> source = Find(from, LastLink::kKeep);
  if (!source) return std::unexpected(source.error());
  const Result<std::string> target = Resolve(to, LastLink::kKeep);
  if (!target) return std::unexpected(target.error());
  const auto found = nodes_.find(*source);
  if (found == nodes_.end() || IsFolderAt(*target)) {
    return Fail(ErrorCode::kUnsupported, "folders are not renamed here", from);
  }
  if (mode == RenameMode::kRefuseExisting && nodes_.contains(*target)) {
    return Fail(ErrorCode::kExists, "there is a file of this name already", to);
  }
  if (*source == *target) return {};
  Node node = std::move(found->second);
  nodes_.erase(found);
  if (const auto replaced = nodes_.find(*target); replaced != nodes_.end()) {
    if (auto* old = std::get_if<std::shared_ptr<MemoryContents>>(&replaced->second)) {
      (*old)->set_path("");
    }
  }
  if (auto* contents = std::get_if<std::shared_ptr<MemoryContents>>(&node)) {
    (*contents)->set_path(*target);
  }
  nodes_.insert_or_assign(*target, std::move(node));
  return {};
}

Result<void> MemoryFileSystem::Remove(const std::string& path) {
  const MutexLock lock(mutex_);
  const Result<std::string> resolved = Find(path, LastLink::kKeep);
  if (!resolved) return std::unexpected(resolved.error());
  const auto found = nodes_.find(*resolved);
  if (found == nodes_.end()) return Fail(ErrorCode::kUnsupported, "this is a folder", path);
  if (auto* contents = std::get_if<std::shared_ptr<MemoryContents>>(&found->second)) {
    (*contents)->set_path("");
  }
  nodes_.erase(found);
  return {};
}

Result<void> MemoryFileSystem::SyncFolder(const std::string& folder) {
  const Result<bool> is_folder = IsFolder(folder);
  if (!is_folder) return std::unexpected(is_folder.error());
  if (*is_folder) return {};
  return Fail(ErrorCode::kNotFound, "this is no folder", folder);
}

}  // namespace vhdx::testing

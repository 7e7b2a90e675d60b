#include "io/staged_file.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <string_view>
#include <utility>

#include "bytes/border.h"
#include "bytes/try.h"

namespace vhdx {
namespace {

constexpr int kAttempts = 100;         // at a free name
constexpr size_t kMaxNameBytes = 200;  // of the target's name in it; file systems end a name at 255
constexpr size_t kSuffixLength = 6;
constexpr size_t kMostSearched = 10000;  // names in the directory

constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyz0123456789";

struct SplitPath {
  std::string folder;  ///< with its '/', or empty
  std::string name;
};

SplitPath Split(const std::string& path) {
  const size_t slash = path.rfind('/');
  const size_t name = slash == std::string::npos ? 0 : slash + 1;
  return {path.substr(0, name), path.substr(name)};
}

/// Letters that no other call in this process gets, and hardly one in another. Nothing depends on
/// that: the file is created only if the name is free.
std::string NextSuffix() {
  static std::atomic<uint64_t> calls = 0;
  const auto now = std::chrono::steady_clock::now().time_since_epoch().count();
  uint64_t number = (static_cast<uint64_t>(now) +
                     static_cast<uint64_t>(::getpid()) * 0x9e3779b97f4a7c15 + calls++) *
                    0xbf58476d1ce4e5b9;
  number ^= number >> 29;
  std::string suffix;
  while (suffix.size() < kSuffixLength) {
    suffix += kLetters[number % kLetters.size()];
    number /= kLetters.size();
  }
  return suffix;
}

constexpr std::string_view kEnding = ".partial";

std::string TemporaryPrefix(const SplitPath& target) {
  return "." + target.name.substr(0, kMaxNameBytes) + ".";
}

std::string TemporaryPath(const SplitPath& target) {
  return target.folder + TemporaryPrefix(target) + NextSuffix() + std::string(kEnding);
}

bool IsTemporary(std::string_view name, std::string_view prefix) {
  return name.size() == prefix.size() + kSuffixLength + kEnding.size() &&
         name.starts_with(prefix) && name.ends_with(kEnding) &&
         name.substr(prefix.size(), kSuffixLength).find_first_not_of(kLetters) ==
             std::string_view::npos;
}

// Removes what a process that was killed has left of an earlier file for the same target. Whoever
// still writes one holds its lock; where there are no locks, all stay. What fails is of no concern.
void RemoveAbandoned(FileSystem& files, const SplitPath& target) {
  const std::string prefix = TemporaryPrefix(target);
  const auto names = files.List(target.folder.empty() ? "." : target.folder, kMostSearched);
  if (!names || names->size() == kMostSearched) return;
  for (const std::string& name : *names) {
    if (!IsTemporary(name, prefix)) continue;
    const std::string path = target.folder + name;
    const auto file = files.Open(path, {.access = FileAccess::kReadWrite});
    if (file && (*file)->Lock(LockMode::kExclusive)) static_cast<void>(files.Remove(path));
  }
}

}  // namespace

bool StagedFile::IsTemporaryName(std::string_view name) {
  constexpr size_t kEnd = kSuffixLength + kEnding.size();
  return name.size() > kEnd + 2 && name.starts_with('.') && name[name.size() - kEnd - 1] == '.' &&
         IsTemporary(name, name.substr(0, name.size() - kEnd));
}

StagedFile::StagedFile(FileSystem& files, std::string path, std::string temporary_path)
    : files_(files), path_(std::move(path)), temporary_path_(std::move(temporary_path)) {}

StagedFile::~StagedFile() {
  if (state_ != State::kTemporary) return;
  try {
    // Nobody is left to hear of a failure; the file stays under a name that says what it is.
    static_cast<void>(files_.Remove(temporary_path_));
  } catch (...) {  // NOLINT(bugprone-empty-catch)
  }
}

Result<std::unique_ptr<StagedFile>> StagedFile::Create(FileSystem& files, const std::string& path,
                                                       const StagedFileOptions& options) {
  const SplitPath target = Split(path);
  if (target.name.empty() || target.name == "." || target.name == "..") {
    return Fail(ErrorCode::kInvalidArgument, "empty file name", path);
  }
  RemoveAbandoned(files, target);
  for (int attempt = 1; attempt <= kAttempts; ++attempt) {
    std::unique_ptr<StagedFile> staged(new StagedFile(files, path, TemporaryPath(target)));
    const auto created = VHDX_TRY(staged->CreateFile(options));
    if (created) return staged;
  }
  return Fail(ErrorCode::kExists, "no name for a temporary file is free in the directory", path);
}

Result<bool> StagedFile::CreateFile(const StagedFileOptions& options) {
  auto opened = files_.Open(
      temporary_path_,
      {.access = FileAccess::kReadWrite,
       .creation = FileCreation::kNew,
       .direct = options.direct,
       .access_of = options.access_of.empty() ? std::string_view(path_) : options.access_of,
       .owner_may_write = !options.access_of.empty(),
       .known_as = path_});
  if (!opened && opened.error().code == ErrorCode::kExists) return false;
  file_ = VHDX_TRY(std::move(opened));
  state_ = State::kTemporary;
  const auto locked = ThrowIfNoMemory(file_->Lock(LockMode::kExclusive));
  const auto found = ThrowIfNoMemory(files_.RealPath(temporary_path_));
  // Somebody may have taken it for abandoned before it was locked, and it is theirs then.
  const bool is_lost = (!locked && locked.error().code == ErrorCode::kBusy) ||
                       (!found && found.error().code == ErrorCode::kNotFound);
  if (is_lost) state_ = State::kNothing;
  return !is_lost;
}

Result<void> StagedFile::Commit(RenameMode mode, Durability durability) {
  const bool durable = durability == Durability::kSync;
  if (durable) {
    VHDX_TRY(file_->Sync());
  }
  VHDX_TRY(files_.Rename(temporary_path_, path_, mode));
  state_ = State::kRenamed;
  if (!durable) return {};
  const std::string folder = Split(path_).folder;
  auto synced = files_.SyncFolder(folder.empty() ? "." : folder);
  if (!synced && synced.error().code != ErrorCode::kNoMemory) {
    synced.error().file = path_;
    synced.error().sentence = std::string(kNameNotDurable) + synced.error().sentence;
  }
  return synced;
}

}  // namespace vhdx

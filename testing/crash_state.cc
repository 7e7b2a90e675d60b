#include "testing/crash_state.h"

#include <functional>
#include <utility>

#include "testing/mix.h"

namespace vhdx::testing {

std::string FolderOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == 0 || slash == std::string::npos ? "/" : path.substr(0, slash);
}

// -- What a test arranges --

size_t CrashState::AddFile(const std::string& path, PageImage image) {
  AddFolder(FolderOf(path));
  files_.push_back(std::make_shared<PageImage>(std::move(image)));
  SetName(files_.size() - 1, path);
  return files_.size() - 1;
}

void CrashState::AddFolder(const std::string& path) {
  for (std::string folder = path; folder != "/"; folder = FolderOf(folder)) folders_.insert(folder);
}

// -- Names --

std::optional<size_t> CrashState::NumberAt(const std::string& path) const {
  const auto found = names_.find(path);
  return found == names_.end() ? std::nullopt : std::optional(found->second);
}

std::optional<std::string> CrashState::PathOf(size_t number) const {
  for (const auto& [path, file] : names_) {
    if (file == number) return path;
  }
  return std::nullopt;
}

void CrashState::SetName(size_t number, const std::string& path) {
  EraseName(number);
  names_.insert_or_assign(path, number);
}

void CrashState::EraseName(size_t number) {
  std::erase_if(names_, [&](const auto& name) { return name.second == number; });
}

// -- Files --

const PageImage& CrashState::file(size_t number) const {
  static const PageImage empty;
  return number < files_.size() && files_[number] != nullptr ? *files_[number] : empty;
}

const PageImage* CrashState::FileAt(const std::string& path) const {
  const std::optional<size_t> number = NumberAt(path);
  return number ? &file(*number) : nullptr;
}

PageImage& CrashState::FileForWriting(size_t number) {
  if (files_.size() <= number) files_.resize(number + 1);
  std::shared_ptr<PageImage>& held = files_[number];
  if (held == nullptr) {
    held = std::make_shared<PageImage>();
  } else if (held.use_count() != 1) {
    held = std::make_shared<PageImage>(*held);
  }
  return *held;
}

void CrashState::DropPastEnds() {
  for (const std::shared_ptr<PageImage>& held : files_) {
    if (held.use_count() == 1) held->DropPastEnd();
  }
}

void CrashState::DropNameless() {
  std::vector<std::shared_ptr<PageImage>> named(files_.size());
  for (const auto& [path, number] : names_) {
    if (number < files_.size()) named[number] = std::move(files_[number]);
  }
  files_ = std::move(named);
}

uint64_t CrashState::Hash() const {
  uint64_t sum = 0;
  for (const auto& [path, number] : names_) {
    sum += Mix(file(number).Hash() + Mix(std::hash<std::string>()(path)));
  }
  return sum;
}

}  // namespace vhdx::testing

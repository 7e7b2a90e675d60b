// CrashState: what the disk of a host holds: files, and the names that lead to them.
//
// A value that is cheap to copy: copies share their files until one of them changes. One state
// belongs to one thread; states that share files may be used by different threads. Paths begin at
// "/", and have neither "." nor ".." in them.

#ifndef VHDXKIT_TESTING_CRASH_STATE_H_
#define VHDXKIT_TESTING_CRASH_STATE_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "testing/page_image.h"

namespace vhdx::testing {

enum class CrashFileKind : uint8_t {
  kFile,         ///< what it grows by reads as zeros, after a crash too
  kStaleGrowth,  ///< what it grows by holds what the disk held before
  kBlockDevice,  ///< of fixed length
};

class CrashState {
 public:
  explicit CrashState(CrashFileKind kind = CrashFileKind::kFile) : kind_(kind) {}

  /// Of every file.
  CrashFileKind kind() const { return kind_; }

  // What a test arranges.

  /// In place of any file of that name; its folder need not exist. Returns its number.
  size_t AddFile(const std::string& path, PageImage image = {});
  void AddFolder(const std::string& path);

  // Names.

  /// By path: the number of the file that it leads to.
  const std::map<std::string, size_t>& names() const { return names_; }
  const std::set<std::string>& folders() const { return folders_; }
  std::optional<size_t> NumberAt(const std::string& path) const;
  std::optional<std::string> PathOf(size_t number) const;
  /// A file has one name: an earlier one of it is gone, and so is an earlier file of that name.
  void SetName(size_t number, const std::string& path);
  void EraseName(size_t number);

  // Files. One that has lost its name stays until DropNameless.

  /// More than any number in use.
  size_t next_number() const { return files_.size(); }
  /// An empty one if there is no such file.
  const PageImage& file(size_t number) const;
  /// The file at a path, or null.
  const PageImage* FileAt(const std::string& path) const;
  /// An empty one is made if there is no such file.
  PageImage& FileForWriting(size_t number);
  /// Forgets what lies past the end of files that were changed since they were last shared.
  void DropPastEnds();
  void DropNameless();

  /// Equal for equal names of equal files.
  uint64_t Hash() const;

 private:
  CrashFileKind kind_;
  std::vector<std::shared_ptr<PageImage>> files_;  // changed only while nobody else holds them
  std::map<std::string, size_t> names_;
  std::set<std::string> folders_ = {"/"};
};

/// The path of the folder that a path is in: "/vm" for "/vm/disk".
std::string FolderOf(const std::string& path);

}  // namespace vhdx::testing

#endif  // VHDXKIT_TESTING_CRASH_STATE_H_

// MemoryFileSystem: paths in memory that lead to MemoryContents.
//
// Folders are there as soon as something is in them. Paths begin at "/"; a path that does not is
// taken to.

#ifndef VHDXKIT_TESTING_MEMORY_FILE_SYSTEM_H_
#define VHDXKIT_TESTING_MEMORY_FILE_SYSTEM_H_

#include <vhdxkit/file.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "bytes/mutex.h"
#include "testing/memory_contents.h"
#include "testing/memory_file.h"
#include "testing/random_bytes.h"

namespace vhdx::testing {

class MemoryFileSystem final : public FileSystem {
 public:
  explicit MemoryFileSystem(uint64_t seed = 1) : random_(seed) {}

  // What a test arranges.

  /// A new file, in place of any that is there.
  std::shared_ptr<MemoryContents> AddFile(const std::string& path, ByteSpan bytes = {});
  void AddFile(const std::string& path, std::shared_ptr<MemoryContents> contents);
  void AddFolder(const std::string& path);
  /// `target` may be relative to the folder of the link.
  void AddLink(const std::string& path, const std::string& target);
  /// Opening this path, or listing this folder, fails so.
  void FailAt(const std::string& path, ErrorCode code);
  /// What files opened from now on can do; `writable` follows how they are opened.
  void SetCapabilities(FileCapabilities capabilities);

  /// The contents of a file, or nullptr.
  std::shared_ptr<MemoryContents> Contents(const std::string& path);

  // FileSystem.

  Result<std::unique_ptr<File>> Open(const std::string& path,
                                     const OpenFileOptions& options) override;
  Result<std::string> RealPath(const std::string& path) override;
  Result<std::vector<std::string>> List(const std::string& folder, size_t limit) override;
  Result<bool> IsFolder(const std::string& path) override;
  Result<void> Rename(const std::string& from, const std::string& to, RenameMode mode) override;
  Result<void> Remove(const std::string& path) override;
  Result<void> SyncFolder(const std::string& folder) override;
  Result<void> FillRandom(MutableByteSpan bytes) override { return random_.Fill(bytes); }

 private:
  struct Folder {};
  struct Link {
    std::string target;
  };
  using Node = std::variant<Folder, Link, std::shared_ptr<MemoryContents>>;
  enum class LastLink : uint8_t { kFollow, kKeep };

  /// The path without links; its last part need not be there.
  Result<std::string> Resolve(const std::string& path, LastLink last) VHDX_REQUIRES(mutex_);
  /// One step of that: `part` appended to a resolved folder.
  Result<std::string> Step(const std::string& folder, std::string_view part, LastLink last,
                           int links) VHDX_REQUIRES(mutex_);
  Result<std::string> Walk(std::string at, std::string_view path, LastLink last, int links)
      VHDX_REQUIRES(mutex_);
  /// Resolve, and fails with kNotFound where nothing is.
  Result<std::string> Find(const std::string& path, LastLink last) VHDX_REQUIRES(mutex_);
  bool IsFolderAt(const std::string& resolved) const VHDX_REQUIRES(mutex_);
  void Put(const std::string& path, Node node) VHDX_EXCLUDES(mutex_);
  Result<std::shared_ptr<MemoryContents>> OpenContents(const std::string& path,
                                                       FileCreation creation) VHDX_REQUIRES(mutex_);

  RandomBytes random_;
  Mutex mutex_;
  std::map<std::string, Node> nodes_ VHDX_GUARDED_BY(mutex_);
  std::map<std::string, ErrorCode> failures_ VHDX_GUARDED_BY(mutex_);
  FileCapabilities capabilities_ VHDX_GUARDED_BY(mutex_) = {.punch_hole = true};
};

}  // namespace vhdx::testing

#endif  // VHDXKIT_TESTING_MEMORY_FILE_SYSTEM_H_

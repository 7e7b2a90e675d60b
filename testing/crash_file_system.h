// CrashFileSystem: the files and names of a CrashStore, as one process sees them.
//
// Paths begin at "/"; one that does not is taken to. There are no links, and no process that holds
// a lock.

#ifndef VHDXKIT_TESTING_CRASH_FILE_SYSTEM_H_
#define VHDXKIT_TESTING_CRASH_FILE_SYSTEM_H_

#include <vhdxkit/file.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "testing/crash_store.h"
#include "testing/random_bytes.h"

namespace vhdx::testing {

class CrashFileSystem final : public FileSystem {
 public:
  /// The seed is that of new GUIDs.
  explicit CrashFileSystem(std::shared_ptr<CrashStore> store, uint64_t seed = 1)
      : store_(std::move(store)), random_(seed) {}

  CrashStore& store() { return *store_; }

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
  const std::shared_ptr<CrashStore> store_;
  RandomBytes random_;
};

}  // namespace vhdx::testing

#endif  // VHDXKIT_TESTING_CRASH_FILE_SYSTEM_H_

// CrashStore: what the file system of the crash tests stands on. Everybody sees all that was done,
// as in a host's page cache, and one record keeps every operation on every file and name in order,
// so that afterwards a CrashCursor can say what a power cut at any point of it may have left.
//
// Operations are recorded the moment they take effect; a sync has a begin and an end. Tests put
// marks among them, which order what a guest saw against what the host did. Every function may be
// called from any thread.

#ifndef VHDXKIT_TESTING_CRASH_STORE_H_
#define VHDXKIT_TESTING_CRASH_STORE_H_

#include <vhdxkit/file.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "bytes/mutex.h"
#include "testing/crash_state.h"

namespace vhdx::testing {

struct CrashOperation {
  enum class Kind : uint8_t {
    kMark,    ///< of a test; nothing happened
    kWrite,   ///< `data` at the start of `range` of `file`
    kZero,    ///< by ZeroRange or PunchHole
    kResize,  ///< to the end of `range`
    kCreate,  ///< `file`, empty, as `path`
    kRename,  ///< `file` to `path`
    kRemove,  ///< `file`, which was `path`
    kSyncBegin,
    kSyncEnd,        ///< all bytes of `file` from before `sync_begin` are durable
    kFailedSyncEnd,  ///< some of them are, the others never will be
    kFolderSyncEnd,  ///< all names in the folder `path` from before `sync_begin` are durable
  };
  Kind kind = Kind::kMark;
  size_t file = 0;
  FileRange range = {};
  std::shared_ptr<const std::vector<std::byte>> data = {};
  std::string path = {};
  size_t sync_begin = 0;  ///< an index of the record

  bool changes_bytes() const {
    return kind == Kind::kWrite || kind == Kind::kZero || kind == Kind::kResize;
  }
  bool changes_names() const {
    return kind == Kind::kCreate || kind == Kind::kRename || kind == Kind::kRemove;
  }
};

/// What `operation` does to what a host holds.
void Apply(const CrashOperation& operation, CrashState& state);

class CrashStore {
 public:
  struct Options {
    uint64_t seed = 1;
    bool shuffle_threads = false;  ///< threads pause here and there, so that they interleave
    bool punch_hole = true;        ///< false: PunchHole is unsupported
  };

  /// A host on which everything is durable.
  CrashStore(CrashState durable, Options options);
  /// What a process finds that begins after another one was killed when the first `length`
  /// operations of the record had happened: they are all in the page cache, and durable is what
  /// was.
  std::unique_ptr<CrashStore> AfterKill(size_t length) const;

  const Options& options() const { return options_; }
  CrashFileKind kind() const { return base_.kind(); }
  /// What was durable when the record began.
  const CrashState& base() const { return base_; }
  std::vector<CrashOperation> Record() const;
  size_t RecordLength() const;
  /// Puts a mark into the record; returns its index.
  size_t Mark();
  /// The nth sync of a file from now, counted from 1, fails; 0: none does.
  void FailSync(uint64_t nth);
  CrashState Cached() const;

  // For the file system.

  std::optional<size_t> NumberAt(const std::string& path) const;
  std::optional<std::string> PathOf(size_t file) const;
  /// Makes an empty file; returns its number. Errors: kNotFound (no such folder), kExists.
  Result<size_t> Create(const std::string& path);
  Result<void> Rename(const std::string& from, const std::string& to, RenameMode mode);
  Result<void> Remove(const std::string& path);
  Result<void> SyncFolder(const std::string& folder);

  // For one of its files, by number.

  FileIdentity identity(size_t file) const { return {.device = device_, .inode = file}; }
  uint64_t size(size_t file) const;
  uint64_t allocated_bytes(size_t file) const;
  size_t Read(size_t file, uint64_t file_offset, std::span<const MutableByteSpan> buffers) const;
  Result<void> Write(size_t file, uint64_t file_offset, std::span<const ByteSpan> buffers);
  Result<void> Zero(size_t file, FileRange range);
  /// Zeros what of the range lies inside the file.
  void Punch(size_t file, FileRange range);
  Result<void> Resize(size_t file, uint64_t length_bytes);
  Result<void> Sync(size_t file);
  uint64_t NextData(size_t file, uint64_t file_offset) const;
  uint64_t NextHole(size_t file, uint64_t file_offset) const;

 private:
  void Add(CrashOperation operation) VHDX_REQUIRES(mutex_);
  Result<void> CheckFolder(const std::string& folder) const VHDX_REQUIRES(mutex_);
  Result<void> GrowTo(size_t file, uint64_t end) VHDX_REQUIRES(mutex_);
  size_t BeginSync();
  void PauseNowAndThen();

  const Options options_;
  const uint64_t device_;
  const CrashState base_;
  mutable Mutex mutex_;
  CrashState cached_ VHDX_GUARDED_BY(mutex_);
  std::vector<CrashOperation> record_ VHDX_GUARDED_BY(mutex_);
  uint64_t syncs_to_failure_ VHDX_GUARDED_BY(mutex_) = 0;
  std::minstd_rand random_ VHDX_GUARDED_BY(mutex_);
};

}  // namespace vhdx::testing

#endif  // VHDXKIT_TESTING_CRASH_STORE_H_

// CrashStore: what a file of the crash tests stands on. Reads see all that was written, as from a
// host's page cache, and a record keeps every operation in order, so that afterwards a CrashCursor
// can say what a power cut at any point of it may have left.
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
#include <random>
#include <span>
#include <vector>

#include "bytes/mutex.h"
#include "testing/page_image.h"

namespace vhdx::testing {

enum class CrashFileKind : uint8_t {
  kFile,         ///< what it grows by reads as zeros, after a crash too
  kStaleGrowth,  ///< what it grows by holds what the disk held before
  kBlockDevice,  ///< of fixed length
};

struct CrashOperation {
  enum class Kind : uint8_t {
    kMark,    ///< of a test; nothing happened
    kWrite,   ///< `data` at the start of `range`
    kZero,    ///< by ZeroRange or PunchHole
    kResize,  ///< to the end of `range`
    kSyncBegin,
    kSyncEnd,        ///< all before `sync_begin` is durable
    kFailedSyncEnd,  ///< some of what was before `sync_begin` is durable, the rest never will be
  };
  Kind kind = Kind::kMark;
  FileRange range = {};
  std::shared_ptr<const std::vector<std::byte>> data = {};
  size_t sync_begin = 0;  ///< an index of the record
};

/// What `operation` does to a file.
void Apply(const CrashOperation& operation, CrashFileKind kind, PageImage& image);

class CrashStore {
 public:
  struct Options {
    CrashFileKind kind = CrashFileKind::kFile;
    uint64_t seed = 1;
    bool shuffle_threads = false;  ///< threads pause here and there, so that they interleave
  };

  /// A file of which everything is durable.
  CrashStore(PageImage durable, Options options);
  /// What a process finds that opens the file after another one was killed when the first `length`
  /// operations of its record had happened: they are all in the page cache, and durable is what
  /// was.
  std::unique_ptr<CrashStore> AfterKill(size_t length) const;

  const Options& options() const { return options_; }
  /// What was durable when the record began.
  const PageImage& base() const { return base_; }
  std::vector<CrashOperation> Record() const;
  size_t RecordLength() const;
  /// Puts a mark into the record; returns its index.
  size_t Mark();
  /// The nth sync from now, counted from 1, fails; 0: none does.
  void FailSync(uint64_t nth);
  PageImage Cached() const;

  // For the file.

  uint64_t size() const;
  uint64_t allocated_bytes() const;
  FileIdentity identity() const { return identity_; }
  size_t Read(uint64_t file_offset, std::span<const MutableByteSpan> buffers) const;
  Result<void> Write(uint64_t file_offset, std::span<const ByteSpan> buffers);
  Result<void> Zero(FileRange range);
  /// Zeros what of the range lies inside the file.
  void Punch(FileRange range);
  Result<void> Resize(uint64_t length_bytes);
  Result<void> Sync();
  uint64_t NextData(uint64_t file_offset) const;
  uint64_t NextHole(uint64_t file_offset) const;

 private:
  void Add(CrashOperation operation) VHDX_REQUIRES(mutex_);
  Result<void> GrowTo(uint64_t end) VHDX_REQUIRES(mutex_);
  void PauseNowAndThen();

  const Options options_;
  const FileIdentity identity_;
  const PageImage base_;
  mutable Mutex mutex_;
  PageImage cached_ VHDX_GUARDED_BY(mutex_);
  std::vector<CrashOperation> record_ VHDX_GUARDED_BY(mutex_);
  uint64_t syncs_to_failure_ VHDX_GUARDED_BY(mutex_) = 0;
  std::minstd_rand random_ VHDX_GUARDED_BY(mutex_);
};

}  // namespace vhdx::testing

#endif  // VHDXKIT_TESTING_CRASH_STORE_H_

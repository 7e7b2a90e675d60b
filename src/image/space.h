// Where new blocks of one image go: free space inside the file, and what is appended to it.
//
// Free space is not recorded in a VHDX file; it is what nothing else claims. Space that reads as
// zeros after a crash too ("zeroed") is told from space that may hold anything ("stale"): what is
// written to stale space must be durable before an entry points at it. The file grows ahead in
// large steps, so that few group commits have to make a new length durable. Any number of threads.

#ifndef VHDXKIT_IMAGE_SPACE_H_
#define VHDXKIT_IMAGE_SPACE_H_

#include <vhdxkit/counters.h>
#include <vhdxkit/error.h>
#include <vhdxkit/file.h>

#include <atomic>
#include <cstdint>
#include <map>
#include <optional>
#include <span>

#include "bytes/mutex.h"
#include "image/durable_state.h"
#include "image/write_limits.h"

namespace vhdx {

/// Ranges of a file, merged where they touch; the lowest that is large enough is taken first.
class FreeRanges {
 public:
  void Add(FileRange range);
  /// Ends at most at `limit`.
  std::optional<uint64_t> Take(uint64_t length_bytes, uint64_t limit = UINT64_MAX);
  /// Where Take would take it from.
  std::optional<uint64_t> Find(uint64_t length_bytes, uint64_t limit) const;

 private:
  std::map<uint64_t, uint64_t> ranges_;  // lengths by offset
};

class Space {
 public:
  enum class Contents : uint8_t { kZeroed, kStale };
  struct Allocation {
    FileRange range;
    Contents contents = Contents::kStale;
    bool reused = false;  ///< was used before, by whatever
  };

  Space(File& file, DurableState& durability, const WriteLimits& limits)
      : file_(file), durability_(durability), limits_(limits) {}

  /// To be called before Allocate, and again if what is free was lost: the structures of the file
  /// end at `end`, and `free` is what they leave free before it. The file is cut to `end` already,
  /// unless it is a block device.
  void Reset(uint64_t end, std::span<const FileRange> free) VHDX_EXCLUDES(mutex_);
  /// Space of that length, a multiple of 1 MiB. Errors: kNoSpace, kIo.
  Result<Allocation> Allocate(uint64_t length_bytes) VHDX_EXCLUDES(mutex_);
  /// Space of that length that ends at most at `limit`, inside of the file: the lowest. Nothing if
  /// there is none.
  std::optional<Allocation> AllocateBelow(uint64_t length_bytes, uint64_t limit)
      VHDX_EXCLUDES(mutex_);
  /// Space that is free again.
  void Release(FileRange range, Contents contents) VHDX_EXCLUDES(mutex_);
  /// Where the space that was ever allocated ends; never goes down but by Reset.
  uint64_t end() const { return end_.load(); }

  void CountInto(EngineCounters& counters) const VHDX_EXCLUDES(mutex_);

 private:
  Result<Allocation> Find(uint64_t length_bytes) VHDX_REQUIRES(mutex_);
  Result<void> GrowTo(uint64_t needed) VHDX_REQUIRES(mutex_);

  File& file_;
  DurableState& durability_;
  const WriteLimits limits_;
  mutable Mutex mutex_;
  std::atomic<uint64_t> end_ = 0;  // written under the lock
  FreeRanges zeroed_ VHDX_GUARDED_BY(mutex_);
  FreeRanges stale_ VHDX_GUARDED_BY(mutex_);
  uint64_t allocations_ VHDX_GUARDED_BY(mutex_) = 0;
  uint64_t reused_ VHDX_GUARDED_BY(mutex_) = 0;
  uint64_t growth_steps_ VHDX_GUARDED_BY(mutex_) = 0;
};

}  // namespace vhdx

#endif  // VHDXKIT_IMAGE_SPACE_H_

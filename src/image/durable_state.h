// The syncs of one file that is being written: what each made durable, and the first failure, after
// which nothing is written any more.
//
// A failed sync tells that the host has lost something, and nobody knows what; a later sync that
// succeeds says nothing about it. So the first failure stays (the file is "poisoned"), and every
// call says so. Sync is called by one thread at a time; the rest by any.

#ifndef VHDXKIT_IMAGE_DURABLE_STATE_H_
#define VHDXKIT_IMAGE_DURABLE_STATE_H_

#include <vhdxkit/error.h>
#include <vhdxkit/file.h>

#include <atomic>
#include <cstdint>
#include <optional>
#include <utility>

#include "bytes/border.h"
#include "bytes/mutex.h"

namespace vhdx {

class DurableState {
 public:
  /// `file` outlives it and is `length_bytes` long.
  DurableState(File& file, uint64_t length_bytes) : file_(file), length_(length_bytes) {}

  /// Errors: kIo, kNoSpace, which poison the disk; kPoisoned.
  Result<void> Sync();

  /// Poisons with this error, unless an earlier one did; gives it back for returning.
  std::unexpected<Error> Poison(Error error) noexcept;
  /// What a write of metadata, or a cut, returned. Its error poisons the disk, unless the host had
  /// no space: then the bytes that were there are there, nothing builds on those that were to come,
  /// and the same write may be tried again once there is space. (ENOSPC from a sync is a failed
  /// sync.)
  Result<void> PoisonIfFailed(Result<void> written);
  /// What `work` returns. An exception in the middle of it leaves the state in memory incomplete,
  /// but nobody waiting: it poisons the disk.
  template <typename Work>
  Result<void> PoisonIfThrown(Work&& work) {
    try {
      return std::forward<Work>(work)();
    } catch (...) {
      return Poison(std::move(CaughtException().error()));
    }
  }
  /// kPoisoned with the words of the first failure, if there was one.
  Result<void> Check() const {
    return poisoned_.load(std::memory_order_acquire) ? Refusal() : Result<void>{};
  }

  /// The file was made so long. A cut counts at once: the file may be as short as that after a
  /// crash.
  void NoteLength(uint64_t length_bytes);
  uint64_t length() const { return length_; }
  /// The file is at least that long after any crash.
  uint64_t durable_length() const { return durable_length_; }

  uint64_t sync_count() const { return sync_count_; }

 private:
  Result<void> Refusal() const;

  File& file_;
  std::atomic<uint64_t> length_;
  std::atomic<uint64_t> durable_length_ = 0;
  std::atomic<uint64_t> sync_count_ = 0;
  std::atomic<bool> poisoned_ = false;
  mutable Mutex mutex_;
  std::optional<Error> first_failure_ VHDX_GUARDED_BY(mutex_);
};

}  // namespace vhdx

#endif  // VHDXKIT_IMAGE_DURABLE_STATE_H_

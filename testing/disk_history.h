// DiskHistory: what guests did to a disk, and what each of its sectors may hold after a crash.
//
// The oracle of the crash tests, for the first two promises of the engine: what was written before
// a flush was called that returned success is there; and a sector never holds anything else than a
// value that it had since. Every step is tagged with the index of a mark in the record of a
// CrashStore, so that the answer follows for a crash at any point of that record. Sectors are the
// 512 bytes that a host writes whole: larger ones of a guest may tear between them.
//
// Every function may be called from any thread.

#ifndef VHDXKIT_TESTING_DISK_HISTORY_H_
#define VHDXKIT_TESTING_DISK_HISTORY_H_

#include <vhdxkit/block_device.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "bytes/mutex.h"
#include "testing/disk_contents.h"

namespace vhdx::testing {

/// The values that each part of a disk may hold.
class AllowedContents {
 public:
  struct Part {
    DiskRange range;
    std::vector<GuestValue> values;  ///< sorted
  };

  explicit AllowedContents(std::vector<Part> parts) : parts_(std::move(parts)) {}

  /// In order and without gaps.
  const std::vector<Part>& parts() const { return parts_; }
  /// "" where the contents are allowed, else a sentence on the first sector that is not.
  std::string Compare(const DiskContents& contents) const;

 private:
  std::vector<Part> parts_;
};

class DiskHistory {
 public:
  using Step = size_t;

  /// A disk of these contents, all durable. Writes are numbered from `first_write` on.
  explicit DiskHistory(DiskContents initial, uint64_t first_write = 1);

  struct Write {
    Step step;
    uint64_t number;  ///< the value of its sectors
  };
  /// Before the disk is called; the ranges are multiples of 512.
  Write BeginWrite(DiskRange range, size_t mark);
  Step BeginZeroes(DiskRange range, size_t mark);
  Step BeginFlush(size_t mark);
  /// When the call has returned success.
  void End(Step step, size_t mark);
  /// When it has returned an error: it may have had its effect, in part too, but will not any more.
  void Fail(Step step, size_t mark);

  /// A process that opened the file after another one was killed has read these contents; from now
  /// on a flush makes them durable like any others.
  void Observe(const DiskContents& contents, size_t mark);
  /// The history up to that index, at which the process was killed: what was not done is over.
  DiskHistory Until(size_t index) const;

  /// What the disk may hold after a crash when `index` operations of the record have happened.
  /// `seen_flush`: a flush that shows by something else that it was done, returned or not.
  AllowedContents AllowedAt(size_t index, std::optional<Step> seen_flush = {}) const;
  /// Whether a flush has ended before that.
  bool FlushedAt(size_t index) const;
  uint64_t next_write() const;

  DiskHistory(DiskHistory&& other) noexcept;

 private:
  enum class StepKind : uint8_t { kChange, kFlush };
  struct Entry {
    StepKind kind;
    DiskRange range;
    GuestValue value;
    size_t begin;
    std::optional<size_t> end = {};     // success
    std::optional<size_t> failed = {};  // or this; with neither it may go on
  };

  Step Add(StepKind kind, DiskRange range, GuestValue value, size_t mark) VHDX_REQUIRES(mutex_);
  std::vector<uint64_t> BordersAt(size_t index) const VHDX_REQUIRES(mutex_);
  std::optional<size_t> LastFlushBegin(size_t index) const VHDX_REQUIRES(mutex_);
  std::vector<GuestValue> ValuesAt(uint64_t disk_offset, size_t index,
                                   std::optional<size_t> flush_begin, GuestValue initial) const
      VHDX_REQUIRES(mutex_);

  mutable Mutex mutex_;
  DiskContents initial_ VHDX_GUARDED_BY(mutex_);
  std::vector<Entry> entries_ VHDX_GUARDED_BY(mutex_);
  uint64_t next_write_ VHDX_GUARDED_BY(mutex_);
};

}  // namespace vhdx::testing

#endif  // VHDXKIT_TESTING_DISK_HISTORY_H_

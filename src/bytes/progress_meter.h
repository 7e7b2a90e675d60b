// Progress from any number of threads, told to one listener, not too often.

#ifndef VHDXKIT_BYTES_PROGRESS_METER_H_
#define VHDXKIT_BYTES_PROGRESS_METER_H_

#include <vhdxkit/operation.h>

#include <chrono>
#include <cstdint>

#include "bytes/mutex.h"

namespace vhdx {

class ProgressMeter {
 public:
  /// `control` outlives the meter.
  ProgressMeter(const OperationControl& control, uint64_t total_bytes)
      : control_(control), total_bytes_(total_bytes) {}

  /// So much more is done.
  void Add(uint64_t done_bytes) VHDX_EXCLUDES(mutex_);
  /// So much is done in all, or more, where another thread has said so.
  void Reach(uint64_t done_bytes) VHDX_EXCLUDES(mutex_);

 private:
  void Tell() VHDX_REQUIRES(mutex_);

  static constexpr std::chrono::milliseconds kInterval{50};

  const OperationControl& control_;
  const uint64_t total_bytes_;
  Mutex mutex_;
  uint64_t done_bytes_ VHDX_GUARDED_BY(mutex_) = 0;
  std::chrono::steady_clock::time_point last_told_ VHDX_GUARDED_BY(mutex_);
  uint64_t last_told_bytes_ VHDX_GUARDED_BY(mutex_) = UINT64_MAX;
};

}  // namespace vhdx

#endif  // VHDXKIT_BYTES_PROGRESS_METER_H_

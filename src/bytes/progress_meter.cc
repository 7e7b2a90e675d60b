#include "bytes/progress_meter.h"

#include <algorithm>

namespace vhdx {

void ProgressMeter::Add(uint64_t done_bytes) {
  if (!control_.on_progress) return;
  const MutexLock lock(mutex_);
  done_bytes_ += done_bytes;
  Tell();
}

void ProgressMeter::Reach(uint64_t done_bytes) {
  if (!control_.on_progress) return;
  const MutexLock lock(mutex_);
  done_bytes_ = std::max(done_bytes_, done_bytes);
  Tell();
}

void ProgressMeter::Tell() {
  if (done_bytes_ == last_told_bytes_) return;
  const auto now = std::chrono::steady_clock::now();
  if (done_bytes_ < total_bytes_ && now - last_told_ < kInterval) return;
  last_told_bytes_ = done_bytes_;
  last_told_ = now;
  control_.on_progress(done_bytes_, total_bytes_);
}

}  // namespace vhdx

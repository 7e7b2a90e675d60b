// What every long operation takes: a place to report progress to, and a way to stop it.
//
// Operations call on_progress from one thread at a time, at most some twenty times a second, and
// ask `cancelled` between pieces of work; a cancelled operation returns ErrorCode::kCancelled and
// leaves behind what its own comment says.

#ifndef VHDXKIT_OPERATION_H_
#define VHDXKIT_OPERATION_H_

#include <atomic>
#include <cstdint>
#include <functional>

namespace vhdx {

struct OperationControl {
  /// Work done and work in all, in bytes (estimates: total may move).
  std::function<void(uint64_t done_bytes, uint64_t total_bytes)> on_progress = {};
  /// Set to true by any thread, or by a signal handler, to stop the operation; may be null.
  const std::atomic<bool>* cancel = nullptr;

  bool cancelled() const { return cancel != nullptr && cancel->load(std::memory_order_relaxed); }
};

}  // namespace vhdx

#endif  // VHDXKIT_OPERATION_H_

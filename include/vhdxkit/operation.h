// OperationControl: progress and cancellation of long operations.
//
// Operations call on_progress from one thread at a time, at most about twenty times a second, and
// test `cancel` between pieces of work. A cancelled operation returns ErrorCode::kCancelled; its
// own comment says what it leaves behind.

#ifndef VHDXKIT_OPERATION_H_
#define VHDXKIT_OPERATION_H_

#include <vhdxkit/export.h>

#include <atomic>
#include <cstdint>
#include <functional>

namespace vhdx {

struct OperationControl {
  /// Work done and total work, in bytes. Both are estimates; the total may change, and is 0 where
  /// it is not known. May be empty.
  std::function<void(uint64_t done_bytes, uint64_t total_bytes)> on_progress = {};
  /// Set to true by any thread, or by a signal handler, to stop the operation; may be null.
  const std::atomic<bool>* cancel = nullptr;

  bool cancelled() const { return cancel != nullptr && cancel->load(std::memory_order_relaxed); }
};

}  // namespace vhdx

#endif  // VHDXKIT_OPERATION_H_

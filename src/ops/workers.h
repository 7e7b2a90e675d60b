// Some threads that do one piece of work together, until all is done or one of them fails.

#ifndef VHDXKIT_OPS_WORKERS_H_
#define VHDXKIT_OPS_WORKERS_H_

#include <vhdxkit/error.h>

#include <atomic>
#include <functional>
#include <optional>

#include "bytes/mutex.h"

namespace vhdx {

class Workers {
 public:
  /// Runs `work` on `count` threads, the caller's among them, and returns when all of them have.
  /// The first failure is the result, and the others see it in stopping(); an exception on any
  /// thread is a failure (CaughtException). If the host gives fewer threads, fewer run.
  Result<void> Run(unsigned count, const std::function<Result<void>(unsigned worker)>& work);

  /// Whether the others would rather stop: asked between pieces.
  bool stopping() const { return stopping_.load(std::memory_order_relaxed); }

 private:
  void RunOne(unsigned worker, const std::function<Result<void>(unsigned worker)>& work)
      VHDX_EXCLUDES(mutex_);

  std::atomic<bool> stopping_ = false;
  Mutex mutex_;
  std::optional<Error> error_ VHDX_GUARDED_BY(mutex_);
};

}  // namespace vhdx

#endif  // VHDXKIT_OPS_WORKERS_H_

#include "ops/workers.h"

#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace vhdx {

Result<void> Workers::Run(unsigned count,
                          const std::function<Result<void>(unsigned worker)>& work) {
  {
    std::vector<std::jthread> others;
    others.reserve(count);
    try {
      for (unsigned i = 1; i < count; ++i) others.emplace_back([&, i] { RunOne(i, work); });
    } catch (const std::system_error&) {  // NOLINT(bugprone-empty-catch)
      // No more threads to be had: those that there are share the work.
    }
    RunOne(0, work);
  }
  const MutexLock lock(mutex_);
  if (error_) return std::unexpected(*std::exchange(error_, std::nullopt));
  return {};
}

void Workers::RunOne(unsigned worker, const std::function<Result<void>(unsigned worker)>& work) {
  auto done = work(worker);
  if (done) return;
  stopping_ = true;
  const MutexLock lock(mutex_);
  if (!error_) error_ = std::move(done.error());
}

}  // namespace vhdx

#include "ops/workers.h"

#include <exception>
#include <thread>
#include <utility>
#include <vector>

#include "bytes/border.h"

namespace vhdx {

Result<void> Workers::Run(unsigned count,
                          const std::function<Result<void>(unsigned worker)>& work) {
  {
    std::vector<std::jthread> others;
    others.reserve(count);
    try {
      for (unsigned i = 1; i < count; ++i) others.emplace_back([&, i] { RunOne(i, work); });
    } catch (const std::exception&) {  // NOLINT(bugprone-empty-catch)
      // The host gives no more threads, or no memory for one: those that run share the work.
    }
    RunOne(0, work);
  }
  const MutexLock lock(mutex_);
  if (error_) return std::unexpected(*std::exchange(error_, std::nullopt));
  return {};
}

void Workers::RunOne(unsigned worker, const std::function<Result<void>(unsigned worker)>& work) {
  // An exception that left a thread would end the process.
  auto done = Caught([&] { return work(worker); });
  if (done) return;
  stopping_ = true;
  const MutexLock lock(mutex_);
  if (!error_) error_ = std::move(done.error());
}

}  // namespace vhdx

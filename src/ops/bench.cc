#include <vhdxkit/bench.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <string>
#include <utility>

#include "bytes/aligned_buffer.h"
#include "bytes/arithmetic.h"
#include "bytes/border.h"
#include "bytes/mutex.h"
#include "bytes/progress_meter.h"
#include "bytes/size_format.h"
#include "bytes/try.h"
#include "ops/latency_histogram.h"
#include "ops/workers.h"

namespace vhdx {
namespace {

using Clock = std::chrono::steady_clock;

constexpr unsigned kMaxDepth = 1024;
constexpr uint64_t kMaxBlock = kGiB;
// Telling progress takes a lock, which must not be what is measured.
constexpr uint64_t kRequestsBetweenReports = 64;
constexpr std::byte kWritten{0x5A};  // anything but zero, which an engine may treat apart

// A number that looks like chance and depends on its index alone (splitmix64), so that the offsets
// of a run do not depend on which thread takes which request.
uint64_t Scatter(uint64_t seed, uint64_t index) {
  uint64_t x = seed + (index + 1) * 0x9E3779B97F4A7C15;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
  return x ^ (x >> 31);
}

// Where each request goes: round and round the disk in steps, or anywhere.
class Offsets {
 public:
  Offsets(uint64_t disk_bytes, const BenchOptions& options)
      : options_(options),
        step_(options.step_bytes == 0 ? options.block_bytes : options.step_bytes),
        places_(options.random ? disk_bytes / options.block_bytes
                               : (disk_bytes - options.block_bytes) / step_ + 1) {}

  uint64_t Of(uint64_t request) const {
    if (options_.random) return Scatter(options_.seed, request) % places_ * options_.block_bytes;
    return request % places_ * step_;
  }

 private:
  const BenchOptions& options_;
  uint64_t step_;
  uint64_t places_;
};

Result<void> CheckOptions(const BlockDevice& disk, const BenchOptions& options) {
  if (options.depth == 0 || options.depth > kMaxDepth) {
    return Fail(ErrorCode::kInvalidArgument, "the depth is " + std::to_string(options.depth) +
                                                 " and must be from 1 to " +
                                                 std::to_string(kMaxDepth));
  }
  if (options.block_bytes == 0 || options.block_bytes > kMaxBlock) {
    return Fail(ErrorCode::kInvalidArgument, "a request has " +
                                                 std::to_string(options.block_bytes) +
                                                 " bytes and must have from 1 byte to 1 GiB");
  }
  if (options.block_bytes > disk.size_bytes()) {
    return Fail(ErrorCode::kInvalidArgument,
                "a request has " + FormatSizeExactly(options.block_bytes) + ", and the disk only " +
                    FormatSizeExactly(disk.size_bytes()) + "; choose smaller requests",
                disk.name());
  }
  if (!CheckedMultiply(options.count, options.block_bytes)) {
    return Fail(ErrorCode::kInvalidArgument, std::to_string(options.count) + " requests of " +
                                                 std::to_string(options.block_bytes) +
                                                 " bytes are more than can be counted");
  }
  return {};
}

class Bench {
 public:
  Bench(BlockDevice& disk, const BenchOptions& options, const OperationControl& control)
      : disk_(disk),
        options_(options),
        control_(control),
        offsets_(disk.size_bytes(), options),
        progress_(control, options.count * options.block_bytes) {}

  Result<BenchReport> Run() {
    const Clock::time_point start = Clock::now();
    VHDX_TRY(workers_.Run(options_.depth, [this](unsigned) { return Work(); }));
    if (options_.kind == RequestKind::kWrite) {
      VHDX_TRY(Flush());
    }
    const Clock::time_point end = Clock::now();
    const MutexLock lock(mutex_);
    return BenchReport{.requests = options_.count,
                       .flushes = flushes_,
                       .bytes = options_.count * options_.block_bytes,
                       .elapsed = end - start,
                       .latency_mean = latencies_.mean(),
                       .latency_median = latencies_.Percentile(0.5),
                       .latency_99 = latencies_.Percentile(0.99),
                       .latency_max = latencies_.max()};
  }

 private:
  Result<void> Work() VHDX_EXCLUDES(mutex_) {
    const auto latencies = std::make_unique<LatencyHistogram>();
    const AlignedBuffer buffer(options_.block_bytes);
    const MutableByteSpan bytes = buffer.bytes();
    std::ranges::fill(bytes, kWritten);
    uint64_t untold_requests = 0;
    while (!workers_.stopping()) {
      if (control_.cancelled()) return Fail(ErrorCode::kCancelled, "the benchmark was cancelled");
      const uint64_t request = next_request_.fetch_add(1, std::memory_order_relaxed);
      if (request >= options_.count) break;
      const Clock::time_point start = Clock::now();
      VHDX_TRY(Send(offsets_.Of(request), bytes));
      latencies->Add(Clock::now() - start);
      if (IsFlushDue()) {
        VHDX_TRY(Flush());
      }
      if (++untold_requests == kRequestsBetweenReports) {
        progress_.Add(std::exchange(untold_requests, 0) * bytes.size());
      }
    }
    progress_.Add(untold_requests * bytes.size());
    const MutexLock lock(mutex_);
    latencies_.Add(*latencies);
    return {};
  }

  Result<void> Send(uint64_t disk_offset, MutableByteSpan bytes) {
    return options_.kind == RequestKind::kRead ? disk_.Read(disk_offset, bytes)
                                               : disk_.Write(disk_offset, bytes);
  }

  // Counts a request that is done.
  bool IsFlushDue() {
    if (options_.kind == RequestKind::kRead || options_.flush_interval == 0) return false;
    return (done_requests_.fetch_add(1, std::memory_order_relaxed) + 1) % options_.flush_interval ==
           0;
  }

  Result<void> Flush() {
    ++flushes_;
    return disk_.Flush();
  }

  BlockDevice& disk_;
  const BenchOptions& options_;
  const OperationControl& control_;
  const Offsets offsets_;
  ProgressMeter progress_;
  Workers workers_;
  std::atomic<uint64_t> next_request_ = 0;
  std::atomic<uint64_t> done_requests_ = 0;
  std::atomic<uint64_t> flushes_ = 0;
  Mutex mutex_;
  LatencyHistogram latencies_ VHDX_GUARDED_BY(mutex_);
};

}  // namespace

Result<BenchReport> BenchRequests(BlockDevice& disk, const BenchOptions& options,
                                  const OperationControl& control) try {
  VHDX_TRY(CheckOptions(disk, options));
  // On the heap: the histogram is too large for a small stack.
  return std::make_unique<Bench>(disk, options, control)->Run();
} catch (...) {
  return CaughtException();
}

}  // namespace vhdx

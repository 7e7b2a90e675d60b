// Benchmark: sends a stream of read or write requests to a disk and measures it.

#ifndef VHDXKIT_BENCH_H_
#define VHDXKIT_BENCH_H_

#include <vhdxkit/block_device.h>
#include <vhdxkit/error.h>
#include <vhdxkit/export.h>
#include <vhdxkit/operation.h>

#include <chrono>
#include <cstdint>

namespace vhdx {

enum class RequestKind : uint8_t { kRead, kWrite };

struct BenchOptions {
  RequestKind kind = RequestKind::kRead;
  uint64_t count = 100000;      ///< number of requests
  uint64_t block_bytes = 4096;  ///< bytes per request
  uint64_t step_bytes = 0;      ///< distance between the starts of two requests; 0: block_bytes
  bool random = false;          ///< random offsets, multiples of block_bytes
  unsigned depth = 1;           ///< concurrent requests, each on its own thread
  uint64_t seed = 1;            ///< seed of the random offsets
  uint64_t flush_interval = 0;  ///< flush after this many writes; 0: only at the end
};

struct BenchReport {
  uint64_t requests = 0;
  uint64_t flushes = 0;  ///< not included in requests
  uint64_t bytes = 0;
  std::chrono::nanoseconds elapsed{0};
  std::chrono::nanoseconds latency_mean{0};
  std::chrono::nanoseconds latency_median{0};
  std::chrono::nanoseconds latency_99{0};
  std::chrono::nanoseconds latency_max{0};
};

/// Sends the requests and waits for all of them. Writes overwrite the contents of the disk; the
/// time includes the flush at the end. Errors: kInvalidArgument (a depth of zero, a block of zero
/// or larger than the disk); those of Read, or of Write and Flush; kCancelled.
VHDXKIT_EXPORT
Result<BenchReport> BenchRequests(BlockDevice& disk, const BenchOptions& options,
                                  const OperationControl& control = {});

}  // namespace vhdx

#endif  // VHDXKIT_BENCH_H_

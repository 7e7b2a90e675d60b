// Streams of requests against a disk, measured.

#ifndef VHDXKIT_BENCH_H_
#define VHDXKIT_BENCH_H_

#include <vhdxkit/block_device.h>
#include <vhdxkit/error.h>
#include <vhdxkit/operation.h>

#include <chrono>
#include <cstdint>

namespace vhdx {

enum class RequestKind : uint8_t { kRead, kWrite };

struct BenchOptions {
  RequestKind kind = RequestKind::kRead;
  uint64_t count = 100000;      ///< requests in all
  uint64_t block_bytes = 4096;  ///< bytes a request
  uint64_t step_bytes = 0;      ///< from one request to the next; 0: block_bytes
  bool random = false;          ///< anywhere on the disk, multiples of block_bytes
  unsigned depth = 1;           ///< requests under way at once, each on a thread of its own
  uint64_t seed = 1;            ///< of the random offsets
  uint64_t flush_interval = 0;  ///< writes from one flush to the next; 0: one flush at the end
};

struct BenchReport {
  uint64_t requests = 0;
  uint64_t flushes = 0;  ///< not counted among the requests
  uint64_t bytes = 0;
  std::chrono::nanoseconds elapsed{0};
  std::chrono::nanoseconds latency_mean{0};
  std::chrono::nanoseconds latency_median{0};
  std::chrono::nanoseconds latency_99{0};
  std::chrono::nanoseconds latency_max{0};
};

/// Sends the requests and waits for all of them. Writes overwrite what the disk holds; the flush at
/// their end is a part of the time. Errors: kInvalidArgument (a request larger than the disk, no
/// depth); those of Read, or of Write and Flush; kCancelled.
Result<BenchReport> BenchRequests(BlockDevice& disk, const BenchOptions& options,
                                  const OperationControl& control = {});

}  // namespace vhdx

#endif  // VHDXKIT_BENCH_H_
